"""What holds for every exercise: wrong answers are refused and named, and no answer makes `check` raise."""

import contextlib
import dataclasses
import functools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from mixturelab.exercises import (
    CheckResult,
    ChoiceExercise,
    FunctionExercise,
    Mistake,
    Outcome,
    ValueExercise,
    all_exercises,
    check,
    hint,
)

EXERCISES = all_exercises()
WRONG = [
    pytest.param(exercise, mistake, id=f"{name}-{mistake.name.replace(' ', '_')}")
    for name, exercise in EXERCISES.items()
    for mistake in exercise.mistakes
]


# --------------------------------------------------------------------------------- every exercise there is


def test_names_are_in_order_and_begin_with_their_notebook():
    names = list(EXERCISES)
    assert names == sorted(names, key=lambda name: tuple(map(int, name.split("."))))
    assert all(len(name.split(".")[0]) == 2 for name in names)


@pytest.mark.parametrize(("exercise", "mistake"), WRONG)
def test_a_wrong_answer_is_refused_and_the_mistake_is_named(exercise, mistake):
    result = exercise.check(mistake.answer)
    assert result.outcome is Outcome.WRONG
    assert result.message == (mistake.message or result.message)


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_most_mistakes_have_a_message_of_their_own(exercise):
    messages = [mistake.message for mistake in exercise.mistakes if mistake.message]
    assert len(exercise.mistakes) >= 3
    assert len(messages) >= 0.8 * len(exercise.mistakes)
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_reference_passes_and_the_help_is_complete(exercise):
    if isinstance(exercise, FunctionExercise):
        right = exercise.reference
    else:
        right = exercise.right if isinstance(exercise, ChoiceExercise) else exercise.wanted()
    result = exercise.check(right)
    assert result.passed
    assert result.message == exercise.praise
    assert len(exercise.hints) >= 2
    assert exercise.question
    assert exercise.title


@pytest.mark.parametrize("answer", [None, ...])
@pytest.mark.parametrize("name", EXERCISES)
def test_nothing_yet_is_not_an_error(name, answer):
    result = check(name, answer)
    assert result.outcome is Outcome.NOT_ATTEMPTED
    assert not result.passed


class Hostile:
    """Raises whatever is done with it."""

    def __getattr__(self, name):
        raise RuntimeError("no")

    def __array__(self, *arguments, **options):
        raise RuntimeError("no")


ODD_ANSWERS = [
    np.nan,
    np.inf,
    np.full((3, 2), np.nan),
    np.empty((0,)),
    "13",
    "",
    b"bytes",
    {},
    {"a": 1},
    [[1], [2, 3]],
    object(),
    int,
    print,
    len,
    lambda: 1,
    lambda *a: np.nan,
    lambda *a: "text",
    lambda *a: [[1], [2, 3]],
    lambda *a: object(),
    lambda *a: (i for i in a),
    lambda *a: 1 / 0,
    lambda *a: sys.exit(3),
    1j,
    torch.tensor([1.0], requires_grad=True),
    Hostile(),
    np.array([None]),
    True,
]


@pytest.mark.parametrize("answer", ODD_ANSWERS, ids=lambda answer: type(answer).__name__)
@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_makes_check_raise(name, answer):
    result = check(name, answer)
    assert not result.passed
    assert result.message
    assert "0x" not in repr(result).replace("0x…", "")


@pytest.mark.parametrize("name", ["99.9", "", None, 7, []])
def test_an_unknown_exercise_is_said_not_raised(name):
    assert "there is no exercise of that name; there are: 00.1" in check(name, 1).message
    assert "there is no exercise" in hint(name).text


def test_hints_come_in_steps():
    first = hint("00.2")
    assert (first.step, first.steps) == (1, 3)
    assert 'hint("00.2", 2)' in repr(first)
    assert hint("00.2", 3) == hint("00.2", 99)
    assert "The next one" not in repr(hint("00.2", 3))
    assert hint("00.2", "x") == hint("00.2", -1) == first


# -------------------------------------------------------------------------------- the machinery, by itself


def function_exercise(**changes):
    settings = {
        "name": "00.9",
        "title": "Twice",
        "question": "Double x.",
        "hints": ("Add.", "x + x"),
        "praise": "Yes.",
        "reference": lambda x: 2 * x,
        "probes": ((np.array([1.0, 3.0]),), (np.array([0.5]),)),
        "mistakes": (Mistake("squared", lambda x: x**2, "this is the square."),),
    }
    return FunctionExercise(**(settings | changes))


def value_exercise(**changes):
    settings = {
        "name": "00.8",
        "title": "Pi",
        "question": "What is pi?",
        "hints": ("Round.", "3.14159"),
        "praise": "Yes.",
        "wanted": lambda: np.pi,
        "mistakes": (Mistake("two pi", 2 * np.pi, "this is the whole circle."),),
    }
    return ValueExercise(**(settings | changes))


def forgets_return(x):
    2 * x


def changes_its_input(x):
    x *= 2
    return x


def unwritten(x):
    raise NotImplementedError


def stub(x):
    result = ...
    return result  # noqa: RET504


def stub_in_use(x):
    result = ...
    return 2 * result


def fails(x):
    y = 0
    return x / y[0]


def fails_deep_down(x):
    return np.linalg.inv(x)


@pytest.mark.parametrize("answer", [unwritten, stub, stub_in_use], ids=lambda f: f.__name__)
def test_a_stub_is_not_attempted(answer):
    assert function_exercise().check(answer).outcome is Outcome.NOT_ATTEMPTED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (3.0, "a function is wanted: pass its name alone"),
        (forgets_return, "gives back nothing: end it with `return`"),
        (changes_its_input, "changes the array that it is given"),
        (lambda x: x**2, "this is the square."),
        (lambda x: "two", "should return numbers; it returns the text 'two'"),
        (lambda x: 2 * x.sum(), "wanted 2 numbers; this is a single number"),
        (lambda x: np.outer(x, x), r"wanted 2 numbers; this is an array of shape (2, 2)"),
        (lambda x: x * np.nan, "there is a NaN"),
        (lambda x: x / 0, "there is an infinity"),
        (lambda x: 3 * x, "for `x=[1., 3.]` your function gives [3., 9.]; wanted [2., 6.]."),
        (lambda: 1, "it stopped with `TypeError`"),
        (lambda x: exec("raise KeyboardInterrupt"), "it was stopped"),
    ],
)
def test_a_wrong_function_is_told_what_is_wrong(answer, message):
    result = function_exercise().check(answer)
    assert result.outcome is Outcome.WRONG
    assert message in result.message


def test_an_exception_is_shown_with_the_learner_s_line():
    message = function_exercise().check(fails).message
    line = fails.__code__.co_firstlineno + 2
    assert message == (
        "your function could not be checked: it stopped with `TypeError`: "
        f"'int' object is not subscriptable\nin line {line}: `return x / y[0]`"
    )


def test_an_exception_within_a_library_is_traced_to_the_learner_s_line():
    message = function_exercise().check(fails_deep_down).message
    assert "`LinAlgError`" in message
    assert message.endswith("`return np.linalg.inv(x)`")
    assert os.sep not in message


def test_warnings_and_prints_of_the_learner_are_held_back(capsys):
    def talks(x):
        print("hello")
        print("trouble", file=sys.stderr)
        return 2 * x + 0 * np.log(np.array([0.0]) + 1) + np.where(x < -1, np.log(-x), 0)

    assert function_exercise().check(talks).passed
    assert capsys.readouterr() == ("", "")


def test_endless_printing_is_neither_shown_nor_kept(capsys):
    def talks(x):
        for _ in range(100):
            print("word " * 100_000)
            sys.stderr.write("word " * 100_000)
        return 2 * x

    assert function_exercise().check(talks).passed
    assert capsys.readouterr() == ("", "")


def test_figures_of_the_learner_are_closed_and_older_ones_are_not():
    from matplotlib import pyplot as plt

    before = plt.figure()

    def plots(x):
        plt.figure()
        plt.plot(x)
        return 2 * x

    try:
        assert function_exercise().check(plots).passed
        assert plt.get_fignums() == [before.number]
    finally:
        plt.close("all")


def test_nothing_is_displayed_under_the_cell_but_the_verdict():
    code = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
shown = []
shell = InteractiveShell.instance()
shell.display_pub.publish = lambda *arguments, **options: shown.append(arguments)
from mixturelab.exercises import check
def shows(*arguments):
    display("a picture")
    raise ValueError
assert "ValueError" in check("00.2", shows).message
assert not shown, shown
display("another")
assert len(shown) == 1
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_function_that_asks_a_question_is_told_not_to():
    message = function_exercise().check(lambda x: x * float(input("How much?"))).message
    assert message.endswith("it asks for `input()`: take what it needs from its arguments.")
    assert input.__module__ != "mixturelab.exercises.guard"


def endless_recursion(x):
    return endless_recursion(x) + 1


def mutual_recursion(x):
    return [mutual_recursion(y) for y in (x, x)]


@pytest.mark.parametrize("answer", [endless_recursion, mutual_recursion], ids=lambda f: f.__name__)
def test_a_recursion_without_end_is_shown_with_its_line(answer):
    message = function_exercise().check(answer).message
    assert "`RecursionError`" in message
    assert f"in line {answer.__code__.co_firstlineno + 1}: `return " in message


def raises_much(x):
    raise ValueError("much " * 1_000_000)


class SpeechlessError(Exception):
    def __str__(self):
        raise RuntimeError("no")


def raises_speechlessly(x):
    raise SpeechlessError


def test_what_an_error_says_is_cut_and_may_be_missing():
    assert len(function_exercise().check(raises_much).message) < 500
    message = function_exercise().check(raises_speechlessly).message
    line = raises_speechlessly.__code__.co_firstlineno + 1
    assert message.endswith(f"it stopped with `SpeechlessError`\nin line {line}: `raise SpeechlessError`")


class Model:
    def __call__(self, x):
        return x / None

    def method(self, x):
        return x / None


def with_factor(factor, x):
    return x / factor


@functools.cache
def cached(text):
    return text / None


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


@pytest.mark.parametrize(
    "answer",
    [Model(), Model().method, functools.partial(with_factor, None), decorated(lambda x: x / None),
     np.vectorize(lambda x: x / None), functools.partial(decorated(Model().method))],
    ids=["object", "method", "partial", "decorated", "vectorised", "partial of decorated"],
)  # fmt: skip
def test_the_line_is_found_in_whatever_can_be_called(answer):
    message = function_exercise().check(answer).message
    assert "`TypeError`" in message
    assert "\nin line " in message


def test_huge_answers_are_described_not_shown():
    for answer in (np.zeros(3_000_000), np.zeros((2, 3, 4, 5, 6, 7)), ["x"] * 100_000, "x" * 1_000_000):
        assert len(function_exercise().check(lambda x, answer=answer: answer).message) < 300
        assert len(value_exercise().check(answer).message) < 300


def test_what_is_awaited_or_yielded_is_no_number():
    async def later(x):
        return 2 * x

    def one_by_one(x):
        yield from 2 * x

    assert "it returns a coroutine" in function_exercise().check(later).message
    assert "it returns a generator" in function_exercise().check(one_by_one).message


def test_an_interrupt_while_an_answer_is_looked_at_is_said():
    class Slow:
        def __array__(self, *arguments, **options):
            raise KeyboardInterrupt

    assert "it was stopped before it had finished" in check("00.1", Slow()).message


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (2 * np.pi, "this is the whole circle."),
        (3.14, "very close: give the number as the computer works it out"),
        ([3.1, 3.2], "wanted a single number; this is 2 numbers."),
        ("3.14159", "a number or an array of numbers is wanted; this is the text '3.14159'."),
        (np.nan, "there is a NaN"),
        (-np.inf, "there is an infinity"),
        (7, "7. is not it."),
        ([[1], [2, 3]], "a list whose parts differ in shape"),
        ({}, "this is a dict."),
    ],
)
def test_a_wrong_value_is_told_what_is_wrong(answer, message):
    result = value_exercise().check(answer)
    assert result.outcome is Outcome.WRONG
    assert message in result.message


def test_a_choice():
    exercise = ChoiceExercise(
        name="00.7",
        title="",
        question="",
        hints=(),
        praise="Yes.",
        choices=("a", "b", "c"),
        right="b",
        mistakes=(Mistake("hard", "a", "that is the hard assignment."),),
    )
    assert exercise.check(" B ").passed
    assert exercise.check("a").message == "that is the hard assignment."
    assert exercise.check("c").message == "not this one: read the choices again."
    assert exercise.check("d").message == exercise.check(2).message == "answer with one of 'a', 'b', 'c'."


# ------------------------------------------------------------------------------------------- endless loops


def endless(x):
    while True:
        pass


def endless_and_stubborn(x):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.001)


def endless_and_very_stubborn(x):
    for _ in range(3):
        try:
            while True:
                pass
        except:  # noqa: E722
            pass
    while True:
        pass


LOOPS = [endless, endless_and_stubborn, endless_and_very_stubborn]


@pytest.mark.parametrize("answer", LOOPS, ids=lambda f: f.__name__)
def test_an_endless_loop_is_ended(answer):
    started = time.monotonic()
    result = function_exercise().check(answer, seconds=0.2)
    assert "still running after 0.2 seconds" in result.message
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("answer", LOOPS, ids=lambda f: f.__name__)
def test_an_endless_loop_in_a_thread_is_ended_too(answer):
    results = []
    thread = threading.Thread(target=lambda: results.append(function_exercise().check(answer, seconds=0.2)))
    thread.start()
    thread.join(timeout=20)
    assert "still running after 0.2 seconds" in results[0].message


def test_a_quick_answer_in_a_thread_is_left_alone():
    results = []

    def many():
        results.extend(function_exercise().check(lambda x: 2 * x, seconds=0.05).passed for _ in range(200))
        time.sleep(0.1)
        results.append("alive")

    thread = threading.Thread(target=many)
    thread.start()
    thread.join(timeout=20)
    assert results == [True] * 200 + ["alive"]


@pytest.fixture
def without_alarm(monkeypatch):
    """A system such as Windows, whose signals have no clock."""
    monkeypatch.delattr(signal, "setitimer", raising=False)
    monkeypatch.delattr(signal, "SIGALRM", raising=False)


@pytest.mark.parametrize("answer", LOOPS, ids=lambda f: f.__name__)
def test_an_endless_loop_is_ended_on_a_system_without_signals(answer, without_alarm):
    started = time.monotonic()
    result = function_exercise().check(answer, seconds=0.2)
    assert "still running after 0.2 seconds" in result.message
    assert time.monotonic() - started < 5
    assert function_exercise().check(lambda x: 2 * x, seconds=0.2).passed


def test_what_cannot_be_ended_there_is_said_while_it_runs(without_alarm, capsys):
    class Busy:  # one long step of compiled code
        def __call__(self, x):
            time.sleep(2.5)
            return 2 * x

    result = function_exercise().check(Busy(), seconds=0.1)
    assert "still running after 0.1 seconds" in result.message
    said = capsys.readouterr().out
    assert (
        said.count("Still running after 0.1 seconds, and not to be ended from here: interrupt the kernel")
        == 1
    )


def test_without_threads_either_there_is_no_limit_and_no_error(without_alarm, monkeypatch):
    def refuses(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuses)
    assert function_exercise().check(lambda x: 2 * x, seconds=0.1).passed
    assert "this is the square" in function_exercise().check(lambda x: x**2, seconds=0.1).message


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarm clock")
def test_a_strike_while_the_clock_is_put_away_hurts_nobody(monkeypatch):
    """The alarm may go off between the learner's last step and the end of the limit: then it is too late."""
    set_timer = signal.setitimer

    def late(which, seconds, interval=0.0):
        if seconds == 0:
            signal.raise_signal(signal.SIGALRM)
        return set_timer(which, seconds, interval)

    before = signal.getsignal(signal.SIGALRM)
    with monkeypatch.context() as patch:
        patch.setattr(signal, "setitimer", late)
        result = function_exercise().check(lambda x: 2 * x)
    assert result.passed
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.slow
def test_limits_that_end_with_the_function_leave_nothing_behind():
    """Functions that take just as long as they may: the end and the strike fall together, in every order."""
    for alarm in (True, False):
        results = []

        def many(results=results):
            for _ in range(150):
                results.append(function_exercise().check(lambda x: time.sleep(0.002) or 2 * x, seconds=0.002))
            time.sleep(0.2)

        if alarm:
            many()
        else:
            thread = threading.Thread(target=many)
            thread.start()
            thread.join(timeout=60)
        assert len(results) == 150
        assert {result.passed or "still running" in result.message for result in results} == {True}


def test_the_clock_is_put_away():
    code = """
import signal, time
from mixturelab.exercises import check
struck = []
signal.signal(signal.SIGALRM, lambda *a: struck.append(time.monotonic()))
started = time.monotonic()
signal.setitimer(signal.ITIMER_REAL, 0.6)
assert check("00.2", lambda *a: time.sleep(30), seconds=0.2).message.count("still running")
while not struck: time.sleep(0.01)
assert 0.5 < struck[0] - started < 5, struck[0] - started
"""
    if not hasattr(signal, "setitimer"):
        pytest.skip("this system has no alarm clock")
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------ how it is shown


def test_a_result_is_frozen_and_plain_text_is_the_same_each_time():
    result = CheckResult("00.1", Outcome.WRONG, "use `x < y` & think")
    assert repr(result) == "✗ 00.1 not yet: use `x < y` & think"
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.message = ""


def test_html_escapes_what_the_learner_wrote_and_marks_code():
    page = CheckResult("00.1", Outcome.WRONG, "<script> `x < y`")._repr_html_()
    assert "<script>" not in page
    assert "<code>x &lt; y</code>" in page
    assert "✗ 00.1 not yet" in page
    assert 'role="status"' in page


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("the *larger* one", "The <em>larger</em> one"),
        ("`a * b * c` is *not* `x`", "<code>a * b * c</code> is <em>not</em> <code>x</code>"),
        ("2 * 3 * 4 stays, as 2*3*4 does", "2 * 3 * 4 stays, as 2*3*4 does"),
        ("**bold** is no stress", "**bold** is no stress"),
        ("`*args*`", "<code>*args*</code>"),
    ],
)
def test_stress_is_shown_as_stress_and_code_as_it_is(text, page):
    assert CheckResult("00.1", Outcome.WRONG, text)._repr_html_().endswith(f"<br>{page}</div>")


def test_shapes_that_do_not_fit_get_a_word_of_advice():
    def forgets_keepdims(x):
        return np.ones((3, 2)) / np.ones(3) + x.sum()

    assert "is `keepdims=True` or `[:, None]` missing?" in function_exercise().check(forgets_keepdims).message


def test_html_begins_with_a_capital_but_leaves_greek_alone():
    assert "<br>Divide." in CheckResult("00.1", Outcome.WRONG, "divide.")._repr_html_()
    assert "<br>π = 1" in CheckResult("00.1", Outcome.CORRECT, "π = 1")._repr_html_()

"""What holds for every exercise: wrong answers are refused and named, and no answer makes `check` raise."""

import contextlib
import dataclasses
import os
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
        ([[1], [2, 3]], "a list whose rows differ in length"),
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
    if not hasattr(__import__("signal"), "setitimer"):
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


def test_html_begins_with_a_capital_but_leaves_greek_alone():
    assert "<br>Divide." in CheckResult("00.1", Outcome.WRONG, "divide.")._repr_html_()
    assert "<br>π = 1" in CheckResult("00.1", Outcome.CORRECT, "π = 1")._repr_html_()

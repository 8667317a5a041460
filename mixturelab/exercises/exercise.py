"""What an exercise is: a question, how an answer is judged, the mistakes that learners make, and hints."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixturelab.exercises.compare import NotNumbersError, Numbers, as_numbers, same, shape_words, show
from mixturelab.exercises.guard import Attempt, attempt
from mixturelab.exercises.result import CheckResult, Outcome

__all__ = ["ChoiceExercise", "Exercise", "FunctionExercise", "Mistake", "Symptom", "ValueExercise"]

Verdict = tuple[Outcome, str]
Arguments = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Mistake:
    """A wrong answer that real learners give.

    Attributes
    ----------
    name : str
        What went wrong, in a word or two.
    answer : object
        The wrong answer itself: a value, or a function. An answer that behaves like it gets the message.
    message : str or None
        What to tell the learner; None leaves it to the general message.
    """

    name: str
    answer: Any
    message: str | None = None


@dataclass(frozen=True, eq=False)
class Symptom:
    """A sign of a mistake that many different wrong answers share.

    Attributes
    ----------
    shows : callable (answer, wanted) -> bool
        Whether an answer, as an array, has it. For functions it must show on every probe.
    message : str
        What to tell the learner.
    """

    shows: Callable[[Numbers, Numbers], bool]
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Exercise(ABC):
    """One question.

    Attributes
    ----------
    name : str
        Notebook and number, as "00.1".
    title, question : str
        What it is called and what it asks, in words.
    hints : tuple of str
        Help in steps, from a nudge to almost the answer.
    praise : str
        What a correct answer is told: one thought to take along.
    mistakes : tuple of Mistake
        Wrong answers, the most telling first.
    rtol, atol : float
        How near a number has to be.
    """

    name: str
    title: str
    question: str
    hints: tuple[str, ...]
    praise: str
    mistakes: tuple[Mistake, ...]
    rtol: float = 1e-6
    atol: float = 1e-9

    def check(self, answer: Any, seconds: float = 5.0) -> CheckResult:
        """The verdict on an answer; `seconds` is the time limit of a learner's function."""
        if answer is None or answer is ...:
            return CheckResult(self.name, Outcome.NOT_ATTEMPTED, self._invitation())
        outcome, message = self._judge(answer, seconds)
        return CheckResult(self.name, outcome, message)

    @abstractmethod
    def _judge(self, answer: Any, seconds: float) -> Verdict:
        """Whether an answer that is neither None nor the dots is right, and what to say."""

    def _invitation(self) -> str:
        return "replace the dots `...` in the cell above by your answer, run it, then run this cell again."

    def _same(self, answer: Any, wanted: Any) -> bool:
        return same(answer, wanted, self.rtol, self.atol)


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueExercise(Exercise):
    """A question whose answer is a number or an array.

    Attributes
    ----------
    wanted : callable () -> value
        The right answer, worked out when it is needed.
    symptoms : tuple of Symptom
        Signs that are looked for after the exact mistakes.
    """

    wanted: Callable[[], Any]
    symptoms: tuple[Symptom, ...] = ()

    def _judge(self, answer: Any, seconds: float) -> Verdict:
        try:
            numbers = as_numbers(answer)
        except NotNumbersError as error:
            return Outcome.WRONG, f"a number or an array of numbers is wanted; this is {error}."
        wanted = as_numbers(self.wanted())
        if self._same(numbers, wanted):
            return Outcome.CORRECT, self.praise
        for mistake in self.mistakes:
            if mistake.message and self._same(numbers, mistake.answer):
                return Outcome.WRONG, mistake.message
        return Outcome.WRONG, _describe(numbers, wanted, self.symptoms) or _nearness(numbers, wanted)


@dataclass(frozen=True, kw_only=True, eq=False)
class FunctionExercise(Exercise):
    """A question whose answer is a function; it is tried on several inputs.

    Attributes
    ----------
    reference : callable
        A right answer.
    probes : tuple of argument tuples
        The inputs. They have to tell every mistake from the truth.
    symptoms : tuple of Symptom
        Signs that are looked for after the exact mistakes.
    """

    reference: Callable[..., Any]
    probes: tuple[Arguments, ...]
    symptoms: tuple[Symptom, ...] = ()

    def _invitation(self) -> str:
        return "replace the dots `...` in the function above, run its cell, then run this cell again."

    def _judge(self, answer: Any, seconds: float) -> Verdict:
        if not callable(answer):
            return Outcome.WRONG, "a function is wanted: pass its name alone, without brackets after it."
        given: list[Numbers] = []
        for arguments in self.probes:
            run, changed = _call(answer, arguments, seconds)
            refused = self._refusal(run, changed)
            if refused:
                return refused
            given.append(as_numbers(run.value))
        wanted = [as_numbers(self.reference(*copy.deepcopy(arguments))) for arguments in self.probes]
        if all(map(self._same, given, wanted)):
            return Outcome.CORRECT, self.praise
        return Outcome.WRONG, self._diagnosis(given, wanted)

    def _refusal(self, run: Attempt, changed: bool) -> Verdict | None:
        """What there is to say before any number is compared."""
        if run.unwritten or run.value is ...:
            return Outcome.NOT_ATTEMPTED, self._invitation()
        if run.problem:
            return Outcome.WRONG, f"your function could not be checked: {run.problem}"
        if run.value is None:
            return Outcome.WRONG, "your function gives back nothing: end it with `return` and the result."
        try:
            as_numbers(run.value)
        except NotNumbersError as error:
            return Outcome.WRONG, f"your function should return numbers; it returns {error}."
        if changed:
            return Outcome.WRONG, (
                "your function changes the array that it is given, so that a second call sees other data: "
                "write `x = x - m`, which makes a new array, rather than `x -= m`."
            )
        return None

    def _diagnosis(self, given: list[Numbers], wanted: list[Numbers]) -> str:
        for mistake in self.mistakes:
            if mistake.message and self._behaves_like(mistake.answer, given):
                return mistake.message
        for symptom in self.symptoms:
            if all(map(symptom.shows, given, wanted)):
                return symptom.message
        index = next(i for i, pair in enumerate(zip(given, wanted, strict=True)) if not self._same(*pair))
        described = _describe(given[index], wanted[index], ())
        return described or (
            f"for `{self._spelled(self.probes[index])}` your function gives {show(given[index])}; "
            f"wanted {show(wanted[index])}."
        )

    def _behaves_like(self, mistaken: Callable[..., Any], given: list[Numbers]) -> bool:
        for arguments, numbers in zip(self.probes, given, strict=True):
            run, _ = _call(mistaken, arguments, 5.0)
            if run.problem or not self._same(numbers, run.value):
                return False
        return True

    def _spelled(self, arguments: Arguments) -> str:
        names = inspect.signature(self.reference).parameters
        return ", ".join(f"{name}={show(value)}" for name, value in zip(names, arguments, strict=False))


@dataclass(frozen=True, kw_only=True, eq=False)
class ChoiceExercise(Exercise):
    """A question with given answers, of which one is right.

    Attributes
    ----------
    choices : tuple of str
        What may be answered, as ("a", "b", "c").
    right : str
        The right one. Each wrong one should be among the mistakes, with the misconception behind it.
    """

    choices: tuple[str, ...]
    right: str

    def _judge(self, answer: Any, seconds: float) -> Verdict:
        choice = answer.strip().lower() if isinstance(answer, str) else None
        if choice not in self.choices:
            return Outcome.WRONG, f"answer with one of {', '.join(map(repr, self.choices))}."
        if choice == self.right:
            return Outcome.CORRECT, self.praise
        messages = (mistake.message for mistake in self.mistakes if mistake.answer == choice)
        return Outcome.WRONG, next(messages, None) or "not this one: read the choices again."


def _call(function: Callable[..., Any], arguments: Arguments, seconds: float) -> tuple[Attempt, bool]:
    """Try the function on copies of the arguments; also whether it changed them."""
    own = copy.deepcopy(arguments)
    run = attempt(lambda: function(*own), function, seconds)
    return run, any(map(_differs, own, arguments))


def _differs(left: Any, right: Any) -> bool:
    return isinstance(right, np.ndarray) and not np.array_equal(
        left, right, equal_nan=right.dtype.kind == "f"
    )


def _describe(given: Numbers, wanted: Numbers, symptoms: tuple[Symptom, ...]) -> str:
    """What can be said of wrong numbers without comparing them one by one; empty if nothing."""
    return next(_remarks(given, wanted, symptoms), "")


def _remarks(given: Numbers, wanted: Numbers, symptoms: tuple[Symptom, ...]) -> Iterator[str]:
    for symptom in symptoms:
        if symptom.shows(given, wanted):
            yield symptom.message
    if given.shape != wanted.shape:
        yield f"wanted {shape_words(wanted)}; this is {shape_words(given)}."
    if np.isnan(given).any() and not np.isnan(wanted).any():
        yield "there is a NaN (not a number) in it: look for 0/0, infinity minus infinity, or a negative number's log."
    if np.isinf(given).any() and not np.isinf(wanted).any():
        yield "there is an infinity in it: look for a division by 0 or a logarithm of 0."


def _nearness(given: Numbers, wanted: Numbers) -> str:
    if np.allclose(given, wanted, rtol=0.02, atol=0.0):
        return "very close: give the number as the computer works it out, without rounding on the way."
    return f"{show(given)} is not it. Take one step back: what does each number stand for?"

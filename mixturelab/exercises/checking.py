"""`check` and `hint`: what a notebook calls. Neither ever raises; a correct answer is remembered."""

from __future__ import annotations

from typing import Any

from mixturelab.exercises.exercise import Exercise
from mixturelab.exercises.progress import progress
from mixturelab.exercises.registry import all_exercises
from mixturelab.exercises.result import CheckResult, Hint, Outcome

__all__ = ["check", "hint"]

TIME_LIMIT = 5.0  # seconds that a learner's function may take for one input


def check(name: str, answer: Any = None, *, seconds: float = TIME_LIMIT) -> CheckResult:
    """Say whether an answer is right; if it is not, what may have gone wrong.

    Parameters
    ----------
    name : str
        The exercise, as "00.1".
    answer : object
        A value, or a function (its name, without brackets). None or `...` mean: not attempted yet.
    seconds : float
        How long a function may take for one input.

    Returns
    -------
    CheckResult
        With `.passed`; shown by the notebook. Nothing is raised, whatever the answer is.
    """
    exercise = _find(name)
    if exercise is None:
        return CheckResult(str(name), Outcome.WRONG, _unknown())
    result = _verdict(exercise, answer, seconds)
    if result.passed:
        progress.record(exercise.name)
    return result


def _verdict(exercise: Exercise, answer: Any, seconds: float) -> CheckResult:
    try:
        return exercise.check(answer, seconds)
    except KeyboardInterrupt:
        return CheckResult(exercise.name, Outcome.WRONG, "it was stopped before it had finished.")
    except BaseException as error:  # an answer may be any object, with any behaviour
        kind = type(error).__name__
        return CheckResult(exercise.name, Outcome.WRONG, f"this answer cannot be looked at: `{kind}`.")


def hint(name: str, step: int = 1) -> Hint:
    """One step of help with an exercise; the last one is almost the answer.

    Parameters
    ----------
    name : str
        The exercise, as "00.1".
    step : int
        Which hint, from 1. A number beyond the last gives the last.

    Returns
    -------
    Hint
        Shown by the notebook.
    """
    exercise = _find(name)
    hints = exercise.hints if exercise else (_unknown(),)
    index = min(max(int(step), 1), len(hints)) if isinstance(step, int) else 1
    return Hint(str(name), index, len(hints), hints[index - 1])


def _find(name: Any) -> Exercise | None:
    return all_exercises().get(name) if isinstance(name, str) else None


def _unknown() -> str:
    return f"there is no exercise of that name; there are: {', '.join(all_exercises())}."

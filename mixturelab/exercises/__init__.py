"""Exercises that check themselves: `check("00.1", my_answer)`, `hint("00.1")`, and `progress("00")`."""

from mixturelab.exercises.checking import check, hint
from mixturelab.exercises.exercise import (
    ChoiceExercise,
    Exercise,
    FunctionExercise,
    Mistake,
    Symptom,
    ValueExercise,
)
from mixturelab.exercises.progress import ProgressReport, progress
from mixturelab.exercises.registry import all_exercises
from mixturelab.exercises.result import CheckResult, Hint, Outcome

__all__ = [
    "CheckResult",
    "ChoiceExercise",
    "Exercise",
    "FunctionExercise",
    "Hint",
    "Mistake",
    "Outcome",
    "ProgressReport",
    "Symptom",
    "ValueExercise",
    "all_exercises",
    "check",
    "hint",
    "progress",
]

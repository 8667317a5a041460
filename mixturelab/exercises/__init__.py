"""Exercises that check themselves: `check("00.1", my_answer)` gives a verdict, `hint("00.1")` a step."""

from mixturelab.exercises.checking import check, hint
from mixturelab.exercises.exercise import (
    ChoiceExercise,
    Exercise,
    FunctionExercise,
    Mistake,
    Symptom,
    ValueExercise,
)
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
    "Symptom",
    "ValueExercise",
    "all_exercises",
    "check",
    "hint",
]

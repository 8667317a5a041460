"""Finds the exercises: each module `nbNN` of this package holds those of notebook NN, as EXERCISES."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from mixturelab.exercises.exercise import Exercise

__all__ = ["all_exercises"]


@cache
def all_exercises() -> dict[str, Exercise]:
    """Every exercise by its name, in the order of the notebooks."""
    package = __name__.rpartition(".")[0]
    paths = importlib.import_module(package).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(paths) if module.name.startswith("nb"))
    modules = (importlib.import_module(f"{package}.{name}") for name in names)
    return {exercise.name: exercise for module in modules for exercise in module.EXERCISES}

"""Constructor arguments in a model file: numbers and names in the header, arrays among the tensors."""

from dataclasses import fields
from typing import Any

import numpy as np

from mixturelab.arrays import torch_dtype
from mixturelab.checks import shaped
from mixturelab.exceptions import ModelFileError
from mixturelab.persistence import layout
from mixturelab.persistence.rules import SETTINGS
from mixturelab.persistence.values import had_no_form, storable
from mixturelab.priors import Prior

Tensors = dict[str, np.ndarray]


# ------------------------------------------------------------------------------------------------------- in
def describe(model: Any, version: int) -> tuple[dict[str, Any], Tensors]:
    """The settings of a model as JSON can hold them, and its arrays as tensors.

    Raises
    ------
    ArgumentError
        If an array does not fit the fitted model: it was put there after the fit.
    """
    given = {name: getattr(model, name) for name in SETTINGS[version, type(model).__name__]}
    shapes = layout.setting_shapes(model.covariance_type, *model.means_.shape)
    tensors: Tensors = {}
    described = {name: _put(name, value, shapes, tensors) for name, value in given.items()}
    if isinstance(given.get("prior"), Prior):
        parts = {field.name: getattr(model.prior, field.name) for field in fields(Prior)}
        described["prior"] = {
            name: _put(f"prior.{name}", part, shapes, tensors) for name, part in parts.items()
        }
    return described, tensors


def _put(name: str, value: Any, shapes: layout.Shapes, tensors: Tensors) -> Any:
    """What stands in the header; an array goes to the tensors."""
    if name == "dtype":
        return None if value is None else str(torch_dtype(value)).removeprefix("torch.")
    # Starting responsibilities have as many rows as the data: a model file is no place for them.
    if name == "init_params" and not isinstance(value, str):
        return f"<{type(value).__name__}>"
    if value is None or not shapes.get(name):
        return storable(value)
    array = shaped(value, shapes[name], name)
    tensors[layout.SETTING + name] = array.astype(np.float64)
    return layout.pointer(name)


# ------------------------------------------------------------------------------------------------------ out
def restore(stored: dict[str, Any], tensors: Tensors) -> dict[str, Any]:
    """Constructor arguments; one that had no form in JSON (a generator, a function) keeps its default."""
    kept = {name: value for name, value in stored.items() if not had_no_form(value)}
    found = {name: _get(name, value, tensors) for name, value in kept.items() if name != "prior"}
    if isinstance(stored.get("prior"), dict):
        parts = {name: _get(f"prior.{name}", value, tensors) for name, value in stored["prior"].items()}
        found["prior"] = Prior(**parts)
    return found


def _get(name: str, value: Any, tensors: Tensors) -> Any:
    if isinstance(value, dict):
        return require_finite(name, tensors[layout.SETTING + name])
    return _array(name, value) if isinstance(value, list) else value


def require_finite(name: str, array: np.ndarray) -> np.ndarray:
    """The array, if it holds numbers only."""
    if not np.isfinite(array).all():
        raise ModelFileError(f"has a {name} that holds a NaN or an infinity")
    return array


def _array(name: str, value: list[Any]) -> np.ndarray:
    """The arrays of schema version 1, which were lists in the header."""
    try:
        return np.array(value, dtype=float)
    except (ValueError, TypeError, OverflowError):  # an integer larger than any float overflows
        raise ModelFileError(f"has a {name} in its header that is no array of numbers") from None


def require_number_for(name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Raise unless what is one number in a spherical mixture is one, and nothing else is."""
    if isinstance(value, (int, float)) and shape:
        raise ModelFileError(f"has {name} {value!r:.60} in its header; wanted an array of shape {shape}")

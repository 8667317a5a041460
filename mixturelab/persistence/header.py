"""The header of a model file: what it says, how it is made from a model, and what makes one valid."""

import json
import math
import platform
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

from mixturelab.arrays import torch_dtype
from mixturelab.exceptions import ModelFileError
from mixturelab.inference.fit import Status
from mixturelab.model.covariance import FAMILIES

SCHEMA = "mixturelab.gaussian_mixture"
SCHEMA_VERSION = 1
# One key: safetensors does not promise the order of several, and equal models shall have equal bytes.
KEY = "mixturelab"

TENSORS = ("weights", "means", "covariances")
DTYPES = ("float32", "float64")
# Larger ones are refused before memory is asked for.
MAX_COMPONENTS = 100_000
MAX_FEATURES = 100_000

# Constructor arguments that say how the fit was made, beside those that the header has as its own entries.
# `device` is left out: it is the machine's, not the model's.
_SETTINGS = (
    "tol",
    "reg_covar",
    "max_iter",
    "n_init",
    "init_params",
    "weights_init",
    "means_init",
    "precisions_init",
    "random_state",
    "warm_start",
    "verbose",
    "verbose_interval",
    "dtype",
)
_PACKAGES = ("numpy", "scikit-learn", "scipy", "torch", "safetensors")


# ----------------------------------------------------------------------------------------------- from a model
def build(model: Any, tensors: dict[str, np.ndarray], provenance: dict[str, Any]) -> dict[str, Any]:
    """The header of a fitted model, as JSON can hold it."""
    n_components, n_features = tensors["means"].shape
    names = getattr(model, "feature_names_in_", None)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "estimator": "GaussianMixture",
        "covariance_type": model.covariance_type,
        "n_components": n_components,
        "n_features": n_features,
        "feature_names": None if names is None else [str(name) for name in names],
        "dtypes": {name: tensor.dtype.name for name, tensor in tensors.items()},
        "arrays": "numpy" if isinstance(model.means_, np.ndarray) else "torch",
        "settings": {name: _setting(name, getattr(model, name)) for name in _SETTINGS},
        "fit": _fit(model),
        "provenance": {"versions": versions(), **storable(provenance)},
    }


def _setting(name: str, value: Any) -> Any:
    if name == "dtype":
        return None if value is None else str(torch_dtype(value)).removeprefix("torch.")
    # Starting responsibilities have as many rows as the data: a header is no place for them.
    is_array = name == "init_params" and not isinstance(value, str)
    return f"<{type(value).__name__}>" if is_array else storable(value)


def _fit(model: Any) -> dict[str, Any]:
    return {
        "converged": bool(model.converged_),
        "n_iter": int(model.n_iter_),
        "lower_bound": storable(float(model.lower_bound_)),
        "log_likelihood": [storable(float(value)) for value in model.history_.log_likelihood],
        "status": model.history_.status.value,
        "reason": model.history_.reason,
        "spurious": list(model.spurious_),
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that the numbers came from."""
    from mixturelab import __version__

    return {
        "mixturelab": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def storable(value: Any) -> Any:
    """The value as JSON can hold it: NaN and infinities become null, an array a nested list.

    What has no such form (a generator, a function) becomes a string in angle brackets that says what it was.
    """
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if hasattr(value, "detach") or isinstance(value, np.ndarray):
        return storable(_host(value).tolist())
    return f"<{type(value).__name__}>"


def _host(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


_CONVERSIONS: list[tuple[Any, Callable[[Any], Any]]] = [
    ((bool, np.bool_), bool),
    ((int, np.integer), int),
    ((float, np.floating), lambda value: float(value) if math.isfinite(value) else None),
    ((str, type(None)), lambda value: value),
    (dict, lambda value: {str(key): storable(entry) for key, entry in value.items()}),
    ((list, tuple), lambda value: [storable(entry) for entry in value]),
]


def encode(header: dict[str, Any]) -> dict[str, str]:
    """The header as safetensors stores it: equal headers give equal bytes."""
    return {KEY: json.dumps(header, sort_keys=True, ensure_ascii=False, allow_nan=False)}


# ------------------------------------------------------------------------------------------------ from a file
def decode(raw: bytes) -> dict[str, Any]:
    """The header in the first part of a safetensors file, checked.

    Raises
    ------
    ModelFileError
        If it is damaged, of another program, of a later schema, or says something that cannot be.
    """
    metadata_ = _parse(raw).get("__metadata__")
    if not isinstance(metadata_, dict) or not isinstance(metadata_.get(KEY), str):
        raise ModelFileError("is a safetensors file of another program: it has no mixturelab header")
    header = _parse(metadata_[KEY].encode())
    check(header)
    return header


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ModelFileError("has a damaged header: it is not JSON") from None
    if not isinstance(value, dict):
        raise ModelFileError("has a damaged header: it is not a JSON object")
    return value


def check(header: dict[str, Any]) -> None:
    """Raise unless the header says everything, in the form it must have.

    Raises
    ------
    ModelFileError
        Naming the entry, what it is and what was wanted.
    """
    _want(header, "schema", SCHEMA.__eq__, repr(SCHEMA))
    version = header.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ModelFileError(
            f"has schema version {version}; this mixturelab reads up to {SCHEMA_VERSION}: upgrade"
        )
    for name, test, wanted in _RULES:
        _want(header, name, test, wanted)
    names = header["feature_names"]
    if names is not None and len(names) != header["n_features"]:
        raise ModelFileError(f"has {len(names)} feature_names; wanted n_features = {header['n_features']}")
    for name, test, wanted in _FIT_RULES:
        _want(header["fit"], name, test, wanted)
    for name, test, wanted in _SETTING_RULES:
        _want(header["settings"], name, test, wanted)


def _want(header: dict[str, Any], name: str, test: Callable[[Any], bool], wanted: str) -> None:
    if name not in header or test(header[name]) is not True:
        found = repr(header.get(name, "missing"))
        raise ModelFileError(f"has {name} {found[:60]} in its header; wanted {wanted}")


def _is_int(value: Any, low: int, high: int | None = None) -> bool:
    return type(value) is int and value >= low and (high is None or value <= high)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _is_number(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def had_no_form(value: Any) -> bool:
    """Whether this stands for a value that JSON cannot hold."""
    return isinstance(value, str) and value.startswith("<")


def _is_settings(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(_SETTINGS)


def _is_dtypes(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(TENSORS) and all(v in DTYPES for v in value.values())


_Rule = tuple[str, Callable[[Any], bool], str]
_RULES: list[_Rule] = [
    ("schema_version", lambda v: _is_int(v, 1), "a whole number from 1"),
    ("estimator", "GaussianMixture".__eq__, "'GaussianMixture'"),
    ("covariance_type", lambda v: isinstance(v, str) and v in FAMILIES, f"one of {sorted(FAMILIES)}"),
    ("n_components", lambda v: _is_int(v, 1, MAX_COMPONENTS), f"1 to {MAX_COMPONENTS}"),
    ("n_features", lambda v: _is_int(v, 1, MAX_FEATURES), f"1 to {MAX_FEATURES}"),
    ("feature_names", lambda v: v is None or _is_strings(v), "a list of strings or null"),
    ("dtypes", _is_dtypes, f"{' or '.join(DTYPES)} for each of {', '.join(TENSORS)}"),
    ("arrays", lambda v: v in ("numpy", "torch"), "'numpy' or 'torch'"),
    ("settings", _is_settings, "the constructor's arguments"),
    ("fit", lambda v: isinstance(v, dict), "an object"),
    ("provenance", lambda v: isinstance(v, dict), "an object"),
]
# Those that the estimator does not check before a fit; it checks the others.
_SETTING_RULES: list[_Rule] = [
    ("random_state", lambda v: v is None or _is_int(v, 0) or had_no_form(v), "a whole number or null"),
    ("warm_start", lambda v: isinstance(v, bool), "true or false"),
    ("verbose", lambda v: _is_int(v, 0) or isinstance(v, bool), "a whole number"),
    *((f"{name}_init", lambda v: v is None or isinstance(v, list), "an array or null")
      for name in ("weights", "means", "precisions")),
]  # fmt: skip
_FIT_RULES: list[_Rule] = [
    ("converged", lambda v: isinstance(v, bool), "true or false"),
    ("n_iter", lambda v: _is_int(v, 0), "a whole number from 0"),
    ("lower_bound", _is_number, "a finite number or null"),
    ("log_likelihood", lambda v: isinstance(v, list) and all(map(_is_number, v)), "a list of numbers"),
    ("status", lambda v: v in [status.value for status in Status], "a status"),
    ("reason", lambda v: isinstance(v, str), "a sentence"),
    ("spurious", _is_strings, "a list of sentences"),
]

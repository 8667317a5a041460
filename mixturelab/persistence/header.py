"""The header of a model file: what it says, how it is made from a model, and what makes one valid."""

import hashlib
import json
import math
import platform
import re
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import torch

from mixturelab.arrays import torch_dtype
from mixturelab.exceptions import ModelFileError
from mixturelab.inference.fit import Status
from mixturelab.model.covariance import FAMILIES

SCHEMA = "mixturelab.gaussian_mixture"
SCHEMA_VERSION = 1
# One key: safetensors does not promise the order of several, and equal models shall have equal bytes.
KEY = "mixturelab"

# The covariances are what people read, and the Cholesky factors of the precisions what densities are computed from:
# in float32 neither can be had from the other without loss.
TENSORS = ("weights", "means", "covariances", "precisions_cholesky")
CHECKSUM = "sha256"
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
_PACKAGES = ("numpy", "scikit-learn", "scipy", "safetensors")


# ----------------------------------------------------------------------------------------------- from a model
def build(model: Any, tensors: dict[str, np.ndarray], provenance: dict[str, Any]) -> dict[str, Any]:
    """The header of a fitted model, as JSON can hold it."""
    header = _describe(model, tensors, provenance)
    return header | {CHECKSUM: checksum(header, tensors)}


def _describe(model: Any, tensors: dict[str, np.ndarray], provenance: dict[str, Any]) -> dict[str, Any]:
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


def checksum(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 of all that a file says: its header without this entry, then every tensor by name.

    It finds damage, not fraud: whoever can change a file can change its checksum too.
    """
    rest = {name: value for name, value in header.items() if name != CHECKSUM}
    digest = hashlib.sha256(_json(rest).encode(errors="surrogatepass"))
    for name in sorted(tensors):
        little = np.ascontiguousarray(tensors[name], dtype=tensors[name].dtype.newbyteorder("<"))
        digest.update(f"\n{name} {little.dtype.name} {little.shape}\n".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


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
        "lower_bound": _real(float(model.lower_bound_)),
        "log_likelihood": [_real(float(value)) for value in model.history_.log_likelihood],
        "status": model.history_.status.value,
        "reason": model.history_.reason,
        "spurious": list(model.spurious_),
    }


# JSON has no infinities; before the first iteration the lower bound is one.
_INFINITIES = {"inf": math.inf, "-inf": -math.inf}


def _real(value: float) -> float | str | None:
    """A number as JSON can hold it: an infinity as a word, a NaN as null."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return None if math.isnan(value) else value


def real(stored: float | str | None) -> float:
    """The number that was stored so."""
    if stored is None:
        return math.nan
    return _INFINITIES[stored] if isinstance(stored, str) else float(stored)


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that the numbers came from."""
    from mixturelab import __version__

    return {
        "mixturelab": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
        "torch": str(torch.__version__),  # with the build, such as +cpu, which the metadata may leave out
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
    return {KEY: _json(header)}


def _json(header: dict[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, ensure_ascii=False, allow_nan=False)


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
    header = _parse(metadata_[KEY])
    check(header)
    return header


def _parse(raw: bytes | str) -> dict[str, Any]:
    try:
        value = json.loads(raw, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ModelFileError("has a damaged header: it is not JSON") from None
    if not isinstance(value, dict):
        raise ModelFileError("has a damaged header: it is not a JSON object")
    return value


def _finite(text: str) -> float:
    # Python's reader takes NaN, Infinity and 1e999, which are no JSON or no number.
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
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
            f"has schema version {str(version)[:20]}; this mixturelab reads up to {SCHEMA_VERSION}: upgrade"
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
    # A comparison and not math.isfinite: that cannot take an integer larger than any float.
    return type(value) in (int, float) and -_LARGEST <= value <= _LARGEST


def _is_real(value: Any) -> bool:
    return value is None or _is_number(value) or (isinstance(value, str) and value in _INFINITIES)


def had_no_form(value: Any) -> bool:
    """Whether this stands for a value that JSON cannot hold."""
    return isinstance(value, str) and value.startswith("<")


def _is_settings(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(_SETTINGS)


def _is_dtypes(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == set(TENSORS) and all(v in DTYPES for v in value.values())


_LARGEST = float(np.finfo(np.float64).max)
_LARGEST_SEED = 2**32 - 1
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
    (CHECKSUM, lambda v: isinstance(v, str) and bool(re.fullmatch("[0-9a-f]{64}", v)), "64 digits"),
]
# Those that the estimator does not check before a fit; it checks the others.
_SETTING_RULES: list[_Rule] = [
    ("random_state", lambda v: v is None or _is_int(v, 0, _LARGEST_SEED) or had_no_form(v),
     f"0 to {_LARGEST_SEED} or null"),
    *((name, _is_number, "a finite number") for name in ("tol", "reg_covar")),
    ("warm_start", lambda v: isinstance(v, bool), "true or false"),
    ("verbose", lambda v: _is_int(v, 0) or isinstance(v, bool), "a whole number"),
    *((f"{name}_init", lambda v: v is None or isinstance(v, list), "an array or null")
      for name in ("weights", "means", "precisions")),
]  # fmt: skip
_FIT_RULES: list[_Rule] = [
    ("converged", lambda v: isinstance(v, bool), "true or false"),
    ("n_iter", lambda v: _is_int(v, 0), "a whole number from 0"),
    ("lower_bound", _is_real, "a number, 'inf', '-inf' or null"),
    ("log_likelihood", lambda v: isinstance(v, list) and all(map(_is_real, v)), "a list of numbers"),
    ("status", lambda v: v in [status.value for status in Status], "a status"),
    ("reason", lambda v: isinstance(v, str), "a sentence"),
    ("spurious", _is_strings, "a list of sentences"),
]

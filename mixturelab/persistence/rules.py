"""What makes a header valid: every entry there, of the form it must have, and nothing that cannot be."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from mixturelab.exceptions import ModelFileError
from mixturelab.inference.fit import Status
from mixturelab.model.covariance import FAMILIES
from mixturelab.persistence import layout
from mixturelab.persistence.header import SCHEMA, SCHEMA_VERSION
from mixturelab.persistence.layout import BAYESIAN, CHECKSUM
from mixturelab.persistence.values import INFINITIES, had_no_form
from mixturelab.priors import DISTRIBUTION, PROCESS

GAUSSIAN = "GaussianMixture"
DTYPES = ("float32", "float64")
# Larger ones are refused before memory is asked for.
MAX_COMPONENTS = 100_000
MAX_FEATURES = 100_000

# Constructor arguments that say how the fit was made, beside those that the header has as its own entries. `device` is
# left out: it is the machine's, not the model's. What a schema version has is written out here for good.
_COMMON = ("tol", "reg_covar", "max_iter", "n_init", "init_params", "random_state", "warm_start", "verbose",
           "verbose_interval", "dtype")  # fmt: skip
_STARTS = ("weights_init", "means_init", "precisions_init")
_SCHEDULE = ("learning_decay", "learning_offset", "learning_rate", "total_samples")
_PRIORS = ("weight_concentration_prior_type", "weight_concentration_prior", "mean_precision_prior", "mean_prior",
           "degrees_of_freedom_prior", "covariance_prior")  # fmt: skip
SETTINGS = {
    (1, GAUSSIAN): (*_COMMON, *_STARTS),
    (2, GAUSSIAN): (*_COMMON, *_STARTS, *_SCHEDULE, "prior"),
    (2, BAYESIAN): (*_COMMON, *_SCHEDULE, *_PRIORS),
}
PRIOR_FIELDS = ("weight_concentration", "mean_precision", "mean", "degrees_of_freedom", "covariance")


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
    _want_all(header, _RULES)
    kind = (header["schema_version"], header["estimator"])
    if kind not in SETTINGS:
        raise ModelFileError(f"has estimator {kind[1]!r} in its header; schema version {kind[0]} has no such")
    names = header["feature_names"]
    if names is not None and len(names) != header["n_features"]:
        raise ModelFileError(f"has {len(names)} feature_names; wanted n_features = {header['n_features']}")
    if names is not None and len(set(names)) != len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise ModelFileError(
            f"has the feature name {twice[:40]!a} twice; wanted each once, to match columns by"
        )
    _want_all(header["fit"], _FIT_RULES)
    _check_settings(header, SETTINGS[kind])
    if header["schema_version"] > 1:
        _check_provenance(header["provenance"])


def _check_settings(header: dict[str, Any], names: tuple[str, ...]) -> None:
    settings = header["settings"]
    _want(header, "settings", lambda v: set(v) == set(names), "the constructor's arguments")
    _want_all(settings, [rule for rule in _SETTING_RULES if rule[0] in names])
    arrays = set(layout.setting_shapes(header["covariance_type"], 1, 1)) & set(names)
    for name in set(names) - arrays - {"prior"}:
        _want(
            settings, name, lambda v: not isinstance(v, (list, dict)), "a number, a name, true, false or null"
        )
    is_first = header["schema_version"] == 1
    for name in arrays:
        _want(settings, name, _is_list if is_first else _array_rule(name), "an array or null")
    if isinstance(settings.get("prior"), dict):
        prior = settings["prior"]
        _want(settings, "prior", lambda v: set(v) == set(PRIOR_FIELDS), f"{', '.join(PRIOR_FIELDS)}, or null")
        for name in ("mean", "covariance"):
            _want(prior, name, _array_rule(f"prior.{name}"), "an array, a number or null")


def _check_provenance(provenance: dict[str, Any]) -> None:
    """What we write there ourselves has one form; the rest is whatever the user wanted to keep."""
    _want_all(provenance, [rule for rule in _PROVENANCE_RULES if rule[0] in provenance])
    data = provenance.get("training_data")
    if isinstance(data, dict):
        _want_all(data, _DATA_RULES)


def _want_all(header: dict[str, Any], rules: "list[_Rule]") -> None:
    for name, test, wanted in rules:
        _want(header, name, test, wanted)


def _want(header: dict[str, Any], name: str, test: Callable[[Any], bool], wanted: str) -> None:
    if name not in header or test(header[name]) is not True:
        found = repr(header.get(name, "missing"))
        raise ModelFileError(f"has {name} {found[:60]} in its header; wanted {wanted}")


def _is_int(value: Any, low: int, high: int | None = None) -> bool:
    return type(value) is int and value >= low and (high is None or value <= high)


def _is_list(value: Any) -> bool:
    return value is None or isinstance(value, list)


def _array_rule(name: str) -> Callable[[Any], bool]:
    """An array is a tensor of the file; one number, for what is a number in a spherical mixture, is itself."""
    return lambda value: value is None or value == layout.pointer(name) or _is_number(value)


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _is_number(value: Any) -> bool:
    # A comparison and not math.isfinite: that cannot take an integer larger than any float.
    return type(value) in (int, float) and -_LARGEST <= value <= _LARGEST


def _is_real(value: Any) -> bool:
    return value is None or _is_number(value) or (isinstance(value, str) and value in INFINITIES)


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value))


def _is_dtypes(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, str) and v in DTYPES for v in value.values())


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


_LARGEST = float(np.finfo(np.float64).max)
_LARGEST_SEED = 2**32 - 1
_Rule = tuple[str, Callable[[Any], bool], str]
_RULES: list[_Rule] = [
    ("schema_version", lambda v: _is_int(v, 1), "a whole number from 1"),
    ("estimator", lambda v: v in (GAUSSIAN, BAYESIAN), f"{GAUSSIAN!r} or {BAYESIAN!r}"),
    ("covariance_type", lambda v: isinstance(v, str) and v in FAMILIES, f"one of {sorted(FAMILIES)}"),
    ("n_components", lambda v: _is_int(v, 1, MAX_COMPONENTS), f"1 to {MAX_COMPONENTS}"),
    ("n_features", lambda v: _is_int(v, 1, MAX_FEATURES), f"1 to {MAX_FEATURES}"),
    ("feature_names", lambda v: v is None or _is_strings(v), "a list of strings or null"),
    ("dtypes", _is_dtypes, f"{' or '.join(DTYPES)} for each tensor"),
    ("arrays", lambda v: v in ("numpy", "torch"), "'numpy' or 'torch'"),
    ("settings", _is_dict, "the constructor's arguments"),
    ("fit", _is_dict, "an object"),
    ("provenance", _is_dict, "an object"),
    (CHECKSUM, _is_digest, "64 digits"),
]
# Those that the estimator does not check before a fit; it checks the others.
_SETTING_RULES: list[_Rule] = [
    ("random_state", lambda v: v is None or _is_int(v, 0, _LARGEST_SEED) or had_no_form(v),
     f"0 to {_LARGEST_SEED} or null"),
    *((name, _is_number, "a finite number") for name in ("tol", "reg_covar")),
    ("warm_start", lambda v: isinstance(v, bool), "true or false"),
    ("verbose", lambda v: _is_int(v, 0) or isinstance(v, bool), "a whole number"),
    ("weight_concentration_prior_type", lambda v: v in (PROCESS, DISTRIBUTION), f"{PROCESS!r} or {DISTRIBUTION!r}"),
    ("prior", lambda v: v is None or isinstance(v, dict), "an object or null"),
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
_PROVENANCE_RULES: list[_Rule] = [
    (
        "versions",
        lambda v: isinstance(v, dict) and _is_strings(list(v.values())),
        "a string for each package",
    ),
    ("metrics", _is_dict, "an object"),
    ("training_data", lambda v: v is None or isinstance(v, dict), "an object or null"),
]
_DATA_RULES: list[_Rule] = [
    ("n_rows", lambda v: _is_int(v, 0), "a whole number"),
    (CHECKSUM, _is_digest, "64 digits"),
]

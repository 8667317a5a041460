"""Checks of an estimator's arguments, made before any work: each names the argument, what came and what was wanted."""

from __future__ import annotations

import reprlib
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_array
from torch import Tensor

from mixturelab.arrays import torch_device, torch_dtype
from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.model.covariance import family_of
from mixturelab.starts import METHODS

_LEAST_INTEGER = {"n_components": 1, "max_iter": 0, "n_init": 1, "verbose_interval": 1}
_LEAST_REAL = {"tol": 0.0, "reg_covar": 0.0}


def check_settings(model: Any) -> None:
    """Every constructor argument of a mixture estimator.

    Raises
    ------
    ArgumentError
    """
    for name, least in _LEAST_INTEGER.items():
        _check_number(name, getattr(model, name), Integral, least, f"an integer ≥ {least}")
    for name, bound in _LEAST_REAL.items():
        _check_number(name, getattr(model, name), Real, bound, f"a number ≥ {bound:g}")
    _check_schedule(model)
    family_of(model.covariance_type)
    torch_dtype(model.dtype)
    torch_device(model.device)
    _check_method(model.init_params)


def _check_number(name: str, value: Any, kind: type, least: float, wanted: str) -> None:
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    if not is_number or not least <= value < float("inf"):
        raise ArgumentError(f"{name} is {value!r}; wanted {wanted}")


def _check_schedule(model: Any) -> None:
    """How `partial_fit` forgets."""
    _check_number("learning_offset", model.learning_offset, Real, 0.0, "a number ≥ 0")
    _check_number("learning_decay", model.learning_decay, Real, 0.0, "a number above 0.5, at most 1")
    if not 0.5 < model.learning_decay <= 1:
        raise ArgumentError(
            f"learning_decay is {model.learning_decay!r}; wanted a number above 0.5, at most 1"
        )
    if model.total_samples is not None:
        _check_number("total_samples", model.total_samples, Real, 1, "a number ≥ 1 or None")
    rate = model.learning_rate
    if rate is not None:
        _check_number("learning_rate", rate, Real, 0.0, "a number between 0 and 1, or None")
        if not 0 < rate < 1:
            raise ArgumentError(f"learning_rate is {rate!r}; wanted a number between 0 and 1, or None")


def _check_method(init_params: Any) -> None:
    if isinstance(init_params, str) and init_params not in METHODS:
        raise ArgumentError(
            f"init_params is {init_params!r}; wanted one of {list(METHODS)}, an [N, K] array or a callable"
        )
    if not (isinstance(init_params, str) or callable(init_params) or hasattr(init_params, "__len__")):
        raise ArgumentError(f"init_params is {init_params!r}; wanted a name, an [N, K] array or a callable")


def check_enough_rows(n_samples: int, n_components: int) -> None:
    """At least as many rows as components."""
    if n_samples < n_components:
        raise DataError(
            f"Expected n_samples >= n_components but got n_components = {n_components}, n_samples = {n_samples}"
        )


def check_tensor(model: Any, x: Tensor, reset: bool) -> None:
    """What scikit-learn's `validate_data` checks, for a torch tensor."""
    if x.ndim != 2:
        raise DataError(f"X is a tensor of shape {tuple(x.shape)}; wanted [N, D]")
    least = 2 if reset else 1
    if x.shape[0] < least or x.shape[1] < 1:
        raise DataError(
            f"X has {x.shape[0]} sample(s) and {x.shape[1]} feature(s); wanted at least {least} and 1"
        )
    if x.is_complex() or x.layout is not torch.strided:
        raise DataError(f"X is a tensor of {x.dtype} in layout {x.layout}; wanted real numbers, all stored")
    if reset:
        model.n_features_in_ = x.shape[1]
        if hasattr(model, "feature_names_in_"):
            del model.feature_names_in_
    elif x.shape[1] != model.n_features_in_:
        raise DataError(
            f"X has {x.shape[1]} features, but {type(model).__name__} is expecting {model.n_features_in_} "
            "features as input"
        )


def check_fitted_shapes(model: Any, weights: Tensor, means: Tensor, precisions_cholesky: Tensor) -> None:
    """The fitted attributes belong to the settings, which may have been changed since."""
    k, family = model.n_components, family_of(model.covariance_type)
    d = getattr(model, "n_features_in_", means.shape[-1])  # attributes may be set by hand
    wanted = {"weights_": (k,), "means_": (k, d)}
    wanted["precisions_cholesky_"] = family.form.shape(k, d)
    found = {"weights_": weights, "means_": means, "precisions_cholesky_": precisions_cholesky}
    for name, shape in wanted.items():
        if tuple(found[name].shape) != shape:
            raise ArgumentError(
                f"{name} has shape {tuple(found[name].shape)}; wanted {shape} for n_components={k} and "
                f"covariance_type={family.name!r}: settings changed since the fit need a new fit (warm_start=False)"
            )
    is_ambiguous = wanted["precisions_cholesky_"] == (d, d)  # "diag" of K = D has the shape of "tied"
    if is_ambiguous and not _is_root(precisions_cholesky, family.form.is_matrix):
        raise ArgumentError(
            f"precisions_cholesky_ is not that of covariance_type={family.name!r}; wanted "
            f"{'an upper triangular matrix' if family.form.is_matrix else 'positive numbers'}: "
            "settings changed since the fit need a new fit (warm_start=False)"
        )


def _is_root(root: Tensor, is_matrix: bool) -> bool:
    return bool((root.tril(-1) == 0).all() if is_matrix else (root > 0).all())


def check_responsibilities(gamma: Tensor, n_samples: int, n_components: int) -> Tensor:
    """Starting responsibilities: [N, K], not negative, rows that sum to one, no empty column."""
    if tuple(gamma.shape) != (n_samples, n_components):
        raise ArgumentError(
            f"init_params has shape {tuple(gamma.shape)}; wanted [n_samples, n_components] = "
            f"({n_samples}, {n_components})"
        )
    off = (gamma.sum(1) - 1).abs()
    if not bool(((gamma >= 0).all()) & (off < 1e-3).all()):
        row = int(torch.nonzero(~((gamma >= 0).all(1) & (off < 1e-3)))[0])
        raise ArgumentError(
            f"init_params row {row} is {gamma[row].tolist()}; wanted numbers ≥ 0 that sum to one"
        )
    empty = torch.nonzero(gamma.sum(0) <= 0).flatten().tolist()
    if empty:
        raise ArgumentError(f"init_params gives no row to component(s) {empty}; wanted every column above 0")
    return gamma


def given_start(model: Any, n_features: int) -> dict[str, Any]:
    """Those of weights, means and precisions that the user gave, checked (messages as scikit-learn's)."""
    k = model.n_components
    given = {}
    if model.weights_init is not None:
        given["weights"] = _weights(model.weights_init, k)
    if model.means_init is not None:
        given["means"] = shaped(model.means_init, (k, n_features), "means")
    if model.precisions_init is not None:
        given["precisions"] = _precisions(model.precisions_init, model.covariance_type, k, n_features)
    return given


def shaped(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """The value as an array of finite numbers, if it has that shape."""
    host = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
    try:
        array = check_array(
            host, dtype=[np.float64, np.float32], ensure_2d=False, allow_nd=True, ensure_min_samples=0
        )
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"{name} is {reprlib.repr(value)}; wanted finite numbers of shape {shape}: {error}"
        ) from None
    if array.shape != shape:
        raise ArgumentError(f"The parameter '{name}' should have the shape of {shape}, but got {array.shape}")
    return array


def _weights(value: Any, n_components: int) -> np.ndarray:
    weights = shaped(value, (n_components,), "weights")
    if (weights < 0).any() or (weights > 1).any():
        raise ArgumentError(
            "The parameter 'weights' should be in the range [0, 1], but got "
            f"max value {weights.max():.5f}, min value {weights.min():.5f}"
        )
    tolerance = 1e-6 if weights.dtype == np.float32 else 1e-8
    if abs(1 - weights.sum(dtype=np.float64)) > tolerance:
        raise ArgumentError(
            f"The parameter 'weights' should be normalized, but got sum(weights) = {weights.sum():.5f}"
        )
    return weights


def _precisions(value: Any, covariance_type: str, n_components: int, n_features: int) -> np.ndarray:
    form = family_of(covariance_type).form
    name = f"{covariance_type} precision"
    precisions = shaped(value, form.shape(n_components, n_features), name)
    if not form.is_matrix:
        if (precisions <= 0).any():
            raise ArgumentError(f"'{name}' should be positive")
    elif not _is_positive_definite(precisions):
        raise ArgumentError(f"'{name}' should be symmetric, positive-definite")
    return precisions


def _is_positive_definite(matrices: np.ndarray) -> bool:
    symmetric = np.allclose(matrices, matrices.swapaxes(-1, -2))
    return bool(symmetric and (np.linalg.eigvalsh(matrices) > 0).all())

"""Fitted mixtures to scikit-learn's classes and back: the same parameters, no fit."""

from __future__ import annotations

import math
import warnings
from typing import Any, TypeVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mixturelab.exceptions import ArgumentError
from mixturelab.inference.fit import History, Status
from mixturelab.model.params import make_parameters

_Model = TypeVar("_Model")

_MIXTURE = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")
_POSTERIOR = ("weight_concentration_", "mean_precision_", "degrees_of_freedom_")
_PRIOR = ("weight_concentration_prior_", "mean_precision_prior_", "mean_prior_", "degrees_of_freedom_prior_",
          "covariance_prior_")  # fmt: skip
_SEEN = ("n_features_in_", "feature_names_in_", "converged_", "n_iter_")
# Settings of ours that would change a later fit, and scikit-learn does not have.
_OURS = ("prior", "dtype")


# ----------------------------------------------------------------------------------------------------- there
def to_sklearn(model: Any, name: str) -> Any:
    """The fitted model as scikit-learn's class of this name; see `GaussianMixture.to_sklearn`."""
    check_is_fitted(model)
    model._check_settings()
    cls = _class(name)
    theirs = cls(**_settings_for(cls, model))
    is_bayesian = name.startswith("Bayesian")
    for attribute in (*_MIXTURE, *((*_POSTERIOR, *_PRIOR) if is_bayesian else ()), *_SEEN):
        if hasattr(model, attribute):
            setattr(theirs, attribute, _double(getattr(model, attribute)))
    if _is_single(model.means_):
        _renew(theirs, model)
    # Of variational Bayes theirs is another number: of all rows, without constants.
    theirs.lower_bound_ = -math.inf if is_bayesian else model.lower_bound_
    theirs.lower_bounds_ = [] if is_bayesian else list(model.lower_bounds_)
    return theirs


def _class(name: str) -> Any:
    import sklearn.mixture  # slow to import, and hardly ever needed

    return getattr(sklearn.mixture, name)


def _settings_for(cls: Any, model: Any) -> dict[str, Any]:
    given = model.get_params(deep=False)
    left_out = [name for name in _OURS if given.get(name) is not None]
    if not isinstance(given["init_params"], str):
        left_out.append("init_params")
        del given["init_params"]
    if left_out:
        message = (
            f"scikit-learn has no counterpart of {', '.join(left_out)}: a later fit there is made without."
        )
        warnings.warn(message, UserWarning, stacklevel=4)
    return {name: _host(given[name]) for name in cls().get_params() if name in given}


def _renew(theirs: Any, model: Any) -> None:
    """Single precision rounds covariances: in double they are those that our densities come from."""
    whitened = model._parameters(torch.float64, torch.device("cpu"))
    theirs.covariances_, theirs.precisions_ = whitened.covariances.numpy(), whitened.precisions.numpy()
    if theirs.weights_[:-1].sum() > 1:  # rounded too, which NumPy's multinomial does not take
        theirs.weights_ = theirs.weights_ / theirs.weights_.sum()


def _is_single(value: Any) -> bool:
    return _host(value).dtype == np.float32


def _host(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def _double(value: Any) -> Any:
    """A copy in NumPy, floating-point arrays in double precision."""
    if isinstance(value, tuple):
        return tuple(map(_double, value))
    host = _host(value)
    if isinstance(host, (np.ndarray, np.floating)) and host.dtype.kind == "f":
        return np.array(host, np.float64)[()]  # of an array without axes: its number
    return host.copy() if isinstance(host, np.ndarray) else host


# ------------------------------------------------------------------------------------------------------ back
def from_sklearn(cls: type[_Model], theirs: Any) -> _Model:
    """A model of ours with the parameters of theirs; see `GaussianMixture.from_sklearn`."""
    name = cls._counterpart  # type: ignore[attr-defined]
    if not isinstance(theirs, _class(name)):
        kind = f"{type(theirs).__module__.partition('.')[0]}'s {type(theirs).__name__}"
        raise ArgumentError(f"theirs is {kind}; wanted a fitted sklearn.mixture.{name}")
    check_is_fitted(theirs)
    model: Any = cls()
    known = set(model.get_params(deep=False))
    model.set_params(**{key: v for key, v in theirs.get_params(deep=False).items() if key in known})
    model._check_settings()
    is_bayesian = name.startswith("Bayesian")
    _check(theirs, is_bayesian)
    for attribute in (*_MIXTURE, *((*_POSTERIOR, *_PRIOR) if is_bayesian else ()), *_SEEN):
        if hasattr(theirs, attribute):
            setattr(model, attribute, _copy(getattr(theirs, attribute)))
    _put_history(model, theirs, is_bayesian)
    return model


def _copy(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_copy, value))
    host = _host(value)
    return host.copy() if isinstance(host, np.ndarray) else host


def _check(theirs: Any, is_bayesian: bool) -> None:
    """Raise unless the parameters are those of a mixture, and of a posterior."""
    parts = (theirs.weights_, theirs.means_, theirs.covariances_)
    pi, mu, sigma = (torch.from_numpy(np.asarray(_host(part), np.float64)) for part in parts)
    make_parameters(pi, mu, sigma, theirs.covariance_type)
    found = np.shape(_host(theirs.precisions_cholesky_))
    if found != tuple(sigma.shape):
        raise ArgumentError(f"precisions_cholesky_ has shape {found}; wanted {tuple(sigma.shape)}")
    bounds = {"weight_concentration_": 0, "mean_precision_": 0, "degrees_of_freedom_": mu.shape[1] - 1}
    for name, bound in bounds.items() if is_bayesian else ():
        _require_above(bound, name, np.asarray(getattr(theirs, name), np.float64))


def _require_above(bound: float, name: str, value: np.ndarray) -> None:
    if not (np.isfinite(value) & (value > bound)).all():
        raise ArgumentError(
            f"{name} has a smallest entry of {value.min():g}; wanted finite numbers above {bound}"
        )


def _put_history(model: Any, theirs: Any, is_bayesian: bool) -> None:
    import sklearn

    trace = () if is_bayesian else tuple(map(float, getattr(theirs, "lower_bounds_", (theirs.lower_bound_,))))
    status = Status.CONVERGED if theirs.converged_ else Status.MAX_ITER
    ended = "it converged" if theirs.converged_ else "it did not converge"
    model.history_ = History(
        trace, status, f"Taken over from scikit-learn {sklearn.__version__}, where {ended}."
    )
    model.lower_bound_ = -math.inf if is_bayesian else float(theirs.lower_bound_)
    model.lower_bounds_, model._stream = list(trace), None
    if not is_bayesian:
        model.spurious_ = ()

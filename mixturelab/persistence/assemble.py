"""From tensors to a fitted model, with every check that makes it one; and from a model to its tensors."""

from typing import Any

import numpy as np
import torch

from mixturelab.arrays import as_tensor
from mixturelab.bayes import BayesianGaussianMixture
from mixturelab.checks import check_settings
from mixturelab.estimators import GaussianMixture
from mixturelab.exceptions import ArgumentError, ModelFileError
from mixturelab.inference.fit import History, Status
from mixturelab.model.covariance import family_of
from mixturelab.model.params import make_parameters
from mixturelab.persistence import layout, settings, values
from mixturelab.persistence.layout import BAYESIAN, POSTERIOR, TENSORS
from mixturelab.priors import CONJUGATE, PROCESS, check_conjugate, check_prior, given

Model = GaussianMixture | BayesianGaussianMixture
Tensors = dict[str, np.ndarray]

# How many roundings may lie between numbers that say the same.
_ROUNDINGS = 100


# --------------------------------------------------------------------------------------------- from a model
def tensors_of(model: Model) -> Tensors:
    """The fitted arrays, as a file holds them."""
    found = {name: host(getattr(model, f"{name}_")) for name in TENSORS}
    if isinstance(model, BayesianGaussianMixture):
        found |= {name: _numbers(getattr(model, f"{name}_")) for name in (*POSTERIOR, *CONJUGATE)}
    return found


def host(value: Any) -> np.ndarray:
    """A NumPy array, in the order of C."""
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    return np.asarray(array, order="C")


def _numbers(value: Any) -> np.ndarray:
    """Both of a pair as one array; a number in double precision."""
    array = np.stack([host(part) for part in value]) if isinstance(value, tuple) else host(value)
    return array.astype(np.float64) if array.dtype.kind in "iu" else array


# --------------------------------------------------------------------------------------------- to a model
def assemble(header: dict[str, Any], tensors: Tensors) -> Model:
    """The model: checked in float64 whatever its own precision, as it is computed with.

    Raises
    ------
    MixtureLabError
        If this is no mixture.
    """
    weights, means, covariances, root = (tensors[name].astype(np.float64) for name in TENSORS)
    pi, mu, sigma = (torch.from_numpy(part) for part in (weights, means, covariances))
    make_parameters(pi, mu, sigma, header["covariance_type"])
    eps = np.finfo(tensors["covariances"].dtype).eps
    _check_root(root, covariances, header["covariance_type"], eps)
    model = BayesianGaussianMixture() if header["estimator"] == BAYESIAN else GaussianMixture()
    _restore_settings(model, header, tensors)
    _restore_arrays(model, header, tensors)
    if isinstance(model, BayesianGaussianMixture):
        _check_posterior(model, tensors)
    else:
        check_prior(model.prior)
        model.spurious_ = tuple(header["fit"]["spurious"])
    _restore_fit(model, header["fit"])
    if header["feature_names"] is not None:
        model.feature_names_in_ = np.array(header["feature_names"], dtype=object)
    model.n_features_in_, model.provenance_ = header["n_features"], header["provenance"]
    return model


def _check_root(root: np.ndarray, covariances: np.ndarray, covariance_type: str, eps: float) -> None:
    """Raise unless Lᵀ Σ L = 1 for the Cholesky factors L of the precisions, within the rounding of Σ and L."""
    if not np.isfinite(root).all():
        raise ModelFileError("holds precisions_cholesky with a NaN or an infinity; wanted finite numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        if family_of(covariance_type).form.is_matrix:
            size = np.linalg.norm(covariances, axis=(-2, -1)) * np.linalg.norm(root, axis=(-2, -1)) ** 2
            product = root.swapaxes(-1, -2) @ covariances @ root
            error = np.linalg.norm(product - np.eye(root.shape[-1]), axis=(-2, -1))
            fits = np.array_equal(root, np.triu(root)) and (np.diagonal(root, axis1=-2, axis2=-1) > 0).all()
        else:
            size, error, fits = np.ones(1), np.abs(root**2 * covariances - 1), (root > 0).all()
        # "not ≤", so that a NaN is wrong too.
        if not fits or not (error <= _ROUNDINGS * eps * np.maximum(size, 1)).all():
            raise ModelFileError("holds precisions_cholesky that do not belong to its covariances")


def _restore_settings(model: Model, header: dict[str, Any], tensors: Tensors) -> None:
    shapes = layout.setting_shapes(header["covariance_type"], header["n_components"], header["n_features"])
    found = settings.restore(header["settings"], tensors)
    prior = found.get("prior")
    flat = found if prior is None else found | {f"prior.{name}": part for name, part in vars(prior).items()}
    for name in set(shapes) & set(flat):
        settings.require_number_for(name, flat[name], shapes[name])
    model.set_params(n_components=header["n_components"], covariance_type=header["covariance_type"], **found)
    check_settings(model)


def _restore_arrays(model: Model, header: dict[str, Any], tensors: Tensors) -> None:
    is_torch, dtype = header["arrays"] == "torch", tensors["means"].dtype

    def public(array: np.ndarray) -> Any:
        return torch.from_numpy(array) if is_torch else array[()]  # of an array without axes: its number

    root = tensors["precisions_cholesky"].astype(np.float64)
    is_matrix = family_of(header["covariance_type"]).form.is_matrix
    model.precisions_ = public((root @ root.swapaxes(-1, -2) if is_matrix else root**2).astype(dtype))
    for name in layout.fitted_shapes(header):
        array = tensors[name]
        is_number = name in CONJUGATE and array.ndim == 0
        setattr(model, f"{name}_", float(array) if is_number else public(array))
    if header["estimator"] == BAYESIAN and model.weight_concentration_prior_type == PROCESS:
        model.weight_concentration_ = tuple(map(public, tensors["weight_concentration"]))


def _restore_fit(model: Model, fit: dict[str, Any]) -> None:
    trace = tuple(values.to_real(value) for value in fit["log_likelihood"])
    model.history_ = History(trace, Status(fit["status"]), fit["reason"])
    model.converged_, model.n_iter_ = fit["converged"], fit["n_iter"]
    model.lower_bound_, model.lower_bounds_ = values.to_real(fit["lower_bound"]), list(trace)
    model._stream = None


# ------------------------------------------------------------------------------------------------ posteriors
def _check_posterior(model: BayesianGaussianMixture, tensors: Tensors) -> None:
    """Raise unless this is a posterior over mixtures, and its prior one too."""
    d = tensors["means"].shape[1]
    for name in ("weight_concentration", "mean_precision", *(f"{name}_prior" for name in POSTERIOR[:2])):
        _require_above(0, name, tensors[name])
    for name in ("degrees_of_freedom", "degrees_of_freedom_prior"):
        _require_above(d - 1, name, tensors[name])
    settings.require_finite("mean_prior", tensors["mean_prior"])
    check_conjugate(model)
    like = torch.zeros(d, dtype=torch.float64)
    given(model, like)
    _check_used_prior(model.covariance_type, tensors, like)
    _check_weights(model, tensors)


def _require_above(least: float, name: str, array: np.ndarray) -> None:
    if not (np.isfinite(array) & (array > least)).all():
        raise ModelFileError(
            f"holds {name} with a smallest entry of {array.min():g}; wanted more than {least}"
        )


def _check_used_prior(covariance_type: str, tensors: Tensors, like: torch.Tensor) -> None:
    """By the checks of a prior that a user gives."""
    known: dict[str, Any] = {name: tensors[name].astype(np.float64)[()] for name in CONJUGATE}
    prior = BayesianGaussianMixture(covariance_type=covariance_type, **known)
    try:
        given(prior, like)
    except ArgumentError as error:
        raise ArgumentError(f"of the prior that was used, {error}") from None


def _check_weights(model: BayesianGaussianMixture, tensors: Tensors) -> None:
    """The weights are those that the concentrations expect."""
    expected = model._fitted_weights(lambda value: as_tensor(value, torch.float64)).mean.numpy()
    weights = tensors["weights"].astype(np.float64)
    eps = float(np.finfo(tensors["weights"].dtype).eps)
    gap = np.abs(weights - expected / expected.sum())
    if not (gap <= _ROUNDINGS * eps * len(weights)).all():
        raise ModelFileError("holds weights that do not belong to its weight_concentration")

"""Priors as users give them: checked against the data's shape, completed from the data where left out."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.arrays import as_tensor
from mixturelab.checks import shaped
from mixturelab.exceptions import ArgumentError, CollapsedComponentError
from mixturelab.model.conjugate import ConjugateMixture, Dirichlet, NormalWishart, StickBreaking
from mixturelab.model.covariance import Family, family_of
from mixturelab.model.forms import SHARED, Form
from mixturelab.model.modes import ParameterPrior
from mixturelab.model.quadratic import DataSummary

PROCESS, DISTRIBUTION = "dirichlet_process", "dirichlet_distribution"
CONJUGATE = (
    "weight_concentration_prior",
    "mean_precision_prior",
    "mean_prior",
    "degrees_of_freedom_prior",
    "covariance_prior",
)


@dataclass(frozen=True)
class Prior:
    """What `GaussianMixture` may know of its parameters beforehand: with it, EM finds the most probable ones (MAP).

    π ~ Dirichlet(α, …, α), μ_k | Σ_k ~ N(μ_0, Σ_k / κ), Σ_k ~ inverse Wishart(ν, Λ); for "diag" and "spherical" each
    variance ~ inverse gamma(ν / 2, λ / 2). The same numbers as `BayesianGaussianMixture` takes. What is left out is
    chosen from the data, in the way of Fraley and Raftery (2007): weak, and enough that no covariance becomes singular.

    Parameters
    ----------
    weight_concentration : float, default=1
        α ≥ 1. Above 1, weights are drawn towards each other. Below 1 the density has no maximum.
    mean_precision : float, default=0.01
        κ > 0: how many rows the prior counts for in each mean.
    mean : array [D], optional
        μ_0; by default the mean of X.
    degrees_of_freedom : float, optional
        ν > D − 1 ("full", "tied") or > 0; by default D + 2.
    covariance : array, optional
        Λ: [D, D] for "full" and "tied", [D] for "diag", a number for "spherical", in the data's units squared. By
        default the covariance of X (its diagonal, the mean of that) divided by K^(2/D): a Kth of its volume.

    Examples
    --------
    >>> from mixturelab import GaussianMixture, Prior
    >>> x = [[0.0], [0.0], [0.0], [5.0], [6.0], [7.0]]
    >>> model = GaussianMixture(2, prior=Prior(), reg_covar=0, random_state=0).fit(x)
    >>> bool(model.covariances_.min() > 0.1)
    True
    """

    weight_concentration: float = 1.0
    mean_precision: float = 0.01
    mean: Any = None
    degrees_of_freedom: float | None = None
    covariance: Any = None


def check_prior(prior: Any) -> None:
    """What can be said of a `Prior` before X is known.

    Raises
    ------
    ArgumentError
    """
    if prior is None:
        return
    if not isinstance(prior, Prior):
        raise ArgumentError(f"prior is {prior!r}; wanted a mixturelab.Prior or None")
    _number("prior.weight_concentration", prior.weight_concentration, 1, "a number ≥ 1")
    _above("prior.mean_precision", prior.mean_precision)
    if prior.degrees_of_freedom is not None:
        _above("prior.degrees_of_freedom", prior.degrees_of_freedom)


def check_conjugate(model: Any) -> None:
    """What can be said of a Bayesian mixture's priors before X is known.

    Raises
    ------
    ArgumentError
    """
    kind = model.weight_concentration_prior_type
    if not isinstance(kind, str) or kind not in (PROCESS, DISTRIBUTION):
        raise ArgumentError(
            f"weight_concentration_prior_type is {kind!r}; wanted one of {[PROCESS, DISTRIBUTION]}"
        )
    for name in ("weight_concentration_prior", "mean_precision_prior", "degrees_of_freedom_prior"):
        if getattr(model, name) is not None:
            _above(name, getattr(model, name))


def parameter_prior(
    prior: Prior | None,
    summary: DataSummary,
    family: Family,
    n_components: int,
    reg_covar: float,
    known: ParameterPrior | None = None,
) -> ParameterPrior | None:
    """The prior of MAP-EM for these data; what was left out is that of a stream's ``known`` one, if there is one."""
    if prior is None:
        return None
    d, k, form = len(summary.origin), n_components, family.form
    freedom = float(d + 2 if prior.degrees_of_freedom is None else prior.degrees_of_freedom)
    if form.is_matrix:
        _freedom("prior.degrees_of_freedom", freedom, d)
    if prior.covariance is None and known is not None:
        scale = known.scale
    elif prior.covariance is None:
        scale = spread_of(summary, family, reg_covar, "prior.covariance")[0] / k ** (2 / d)
    else:
        scale = _scale("prior.covariance", prior.covariance, form, d, summary.origin)
    return ParameterPrior(
        summary.origin.new_full((k,), float(prior.weight_concentration)),
        (known.mean if known else summary.origin)
        if prior.mean is None
        else _mean("prior.mean", prior.mean, summary.origin),
        float(prior.mean_precision),
        freedom,
        scale.expand(form.shape(k, d)),
        family,
    )


def resolve(model: Any, summary: DataSummary) -> tuple[dict[str, Any], bool]:
    """The priors of a Bayesian mixture for these data, by scikit-learn's names; whether X's covariance is singular.

    Left out, they are scikit-learn's: 1 / K, 1, the mean of X, D, and the covariance of X (its diagonal, the mean of
    that).
    """
    family, found = family_of(model.covariance_type), given(model, summary.origin)
    is_singular = False
    left_out: dict[str, Any] = {
        "weight_concentration_prior": 1.0 / model.n_components,
        "mean_precision_prior": 1.0,
        "mean_prior": summary.origin,
        "degrees_of_freedom_prior": len(summary.origin),
    }
    if "covariance_prior" not in found:
        left_out["covariance_prior"], is_singular = spread_of(
            summary, family, model.reg_covar, "covariance_prior"
        )
    return left_out | found, is_singular


def given(model: Any, like: Float[Tensor, "D"]) -> dict[str, Any]:
    """Those priors of a Bayesian mixture that the user gave, checked for rows like this one.

    Raises
    ------
    ArgumentError
    """
    found = {name: getattr(model, name) for name in CONJUGATE if getattr(model, name) is not None}
    if "degrees_of_freedom_prior" in found:
        _freedom("degrees_of_freedom_prior", found["degrees_of_freedom_prior"], len(like))
    if "mean_prior" in found:
        found["mean_prior"] = _mean("mean_prior", found["mean_prior"], like)
    if "covariance_prior" in found:
        form = family_of(model.covariance_type).form
        found["covariance_prior"] = _scale(
            "covariance_prior", found["covariance_prior"], form, len(like), like
        )
    return found


def conjugate_mixture(
    values: dict[str, Any], kind: str, family: Family, n_components: int
) -> ConjugateMixture:
    """The prior that these values (of `resolve`) stand for."""
    mean, k = values["mean_prior"], n_components
    d, nu = len(mean), float(values["degrees_of_freedom_prior"])
    alpha = mean.new_full((k,), float(values["weight_concentration_prior"]))
    weights = Dirichlet(alpha) if kind == DISTRIBUTION else StickBreaking(torch.ones_like(alpha), alpha)
    beta = mean.new_full((k,), float(values["mean_precision_prior"]))
    covariance = (values["covariance_prior"] / nu).expand(family.form.shape(k, d))
    parts = NormalWishart(mean.expand(k, d), beta, mean.new_full((k,), nu), covariance, family)
    return ConjugateMixture(weights, parts)


def spread_of(summary: DataSummary, family: Family, reg_covar: float, name: str) -> tuple[Tensor, bool]:
    """The covariance of X in the form's shape for one component, and whether `reg_covar` had to be added to it.

    Raises
    ------
    CollapsedComponentError
        If it is singular and there is no `reg_covar`.
    """
    form, d = family.form, len(summary.origin)
    n = summary.origin.new_full((1,), max(1.0, summary.n_rows - 1.0))
    one = family.estimate(n, form.from_scatter(summary.scatter), d)
    found = one if form is SHARED else one[0]
    if not _is_singular(found):
        return found, False
    if reg_covar == 0:
        raise CollapsedComponentError(
            f"{name} is None, and the covariance of X that would stand in is singular (a constant column, collinear "
            f"columns, or fewer than D + 1 = {d + 1} rows): give {name}, or increase reg_covar from 0"
        )
    return form.add_diagonal(found, reg_covar), True


def _is_singular(covariance: Tensor) -> bool:
    """Up to rounding, whatever the units of the columns."""
    if covariance.ndim < 2:
        return bool((covariance <= 0).any())
    sd = covariance.diagonal().sqrt()
    if bool((sd <= 0).any()):
        return True
    smallest = torch.linalg.eigvalsh(covariance / torch.outer(sd, sd))[0]
    return float(smallest) <= 10 * len(sd) * torch.finfo(covariance.dtype).eps


def _mean(name: str, value: Any, like: Tensor) -> Tensor:
    return as_tensor(shaped(value, (len(like),), name)).to(like)


def _scale(name: str, value: Any, form: Form, d: int, like: Tensor) -> Tensor:
    wanted = form.shape(1, d) if form is SHARED else form.shape(1, d)[1:]
    if wanted == ():
        if isinstance(value, (Tensor, np.ndarray)) and value.ndim == 0:
            value = value.item()
        _above(name, value, "a number > 0 for covariance_type='spherical'")
        return like.new_tensor(float(value))
    array = shaped(value, wanted, name).astype(np.float64)
    if array.ndim == 1:
        if (array <= 0).any():
            raise ArgumentError(f"{name} has a smallest entry of {array.min():g}; wanted variances > 0")
    elif not np.allclose(array, array.T):
        raise ArgumentError(f"{name} is off symmetry by {abs(array - array.T).max():g}; wanted Σ = Σᵀ")
    elif (lowest := float(np.linalg.eigvalsh(array)[0])) <= 0:
        raise ArgumentError(
            f"{name} has a smallest eigenvalue of {lowest:g}; wanted a positive definite matrix"
        )
    return as_tensor(array).to(like)


def _freedom(name: str, value: float, d: int) -> None:
    if not value > d - 1:
        raise ArgumentError(f"The parameter '{name}' should be greater than {d - 1}, but got {value:.3f}.")


def _above(name: str, value: Any, wanted: str = "a number > 0") -> None:
    _number(name, value, 0, wanted)
    if value == 0:
        raise ArgumentError(f"{name} is {value!r}; wanted {wanted}")


def _number(name: str, value: Any, least: float, wanted: str) -> None:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not least <= value < float("inf"):
        raise ArgumentError(f"{name} is {value!r}; wanted {wanted}")

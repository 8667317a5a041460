"""Recognise a fit that describes a few rows instead of a group: why the likelihood alone cannot be trusted.

The likelihood of a mixture is unbounded (Bishop 2006, section 9.2.1): a component that shrinks onto a few
equal rows gains without limit, held only by `reg_covar`. Such a fit wins every criterion and means nothing.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.inference.em import EMPTY_MASS
from mixturelab.model.params import MixtureParameters

# A smallest variance within this factor of the ridge is the ridge's doing, not the data's.
RIDGE_FACTOR = 10


def diagnose(parameters: MixtureParameters, mass: Float[Tensor, "K"], reg_covar: float) -> tuple[str, ...]:
    """Why each degenerate component is one, in sentences; empty for an honest fit."""
    smallest, relative = parameters.smallest_variance, _relative_variance(parameters)
    rounding = RIDGE_FACTOR * torch.finfo(relative.dtype).eps * parameters.n_features
    lost = (relative <= rounding).tolist()
    needed = parameters.n_features + 1
    rows = zip(mass.tolist(), smallest.tolist(), lost, strict=True)
    reasons = (_reason(k, *row, reg_covar, needed) for k, row in enumerate(rows))
    return tuple(reason for reason in reasons if reason)


def _relative_variance(parameters: MixtureParameters) -> Float[Tensor, "K"]:
    """Each component's smallest variance once every feature of the mixture has variance 1: free of units."""
    form, weights = parameters.family.form, parameters.weights[:, None]
    centre = (weights * parameters.means).sum(0)
    between = (parameters.means - centre).square()
    total = (weights * (form.variances(parameters.covariances) + between)).sum(0)
    total = torch.where(total > 0, total, torch.ones_like(total))
    return form.smallest_relative(parameters.covariances, total, parameters.n_components)


def _reason(k: int, mass: float, variance: float, is_lost: bool, reg_covar: float, needed: int) -> str:
    if mass < EMPTY_MASS:
        return f"component {k} is empty: no row is assigned to it"
    if variance <= RIDGE_FACTOR * reg_covar:
        return (
            f"component {k} ({mass:.1f} rows) has a smallest variance of {variance:.2g}, held up only by "
            f"reg_covar={reg_covar:g}: equal or collinear rows"
        )
    if is_lost:
        return (
            f"component {k} ({mass:.1f} rows) has a smallest variance of {variance:.2g}, "
            "no more than rounding leaves: equal or collinear rows"
        )
    if mass < needed:
        return f"component {k} has {mass:.1f} rows; {needed} (D + 1) are needed to describe a group"
    return ""

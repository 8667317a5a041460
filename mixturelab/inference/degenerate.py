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


def diagnose(parameters: MixtureParameters, mass: Float[Tensor, K], reg_covar: float) -> tuple[str, ...]:
    """Why each degenerate component is one, in sentences; empty for an honest fit."""
    smallest = parameters.smallest_variance
    floor = _floor(parameters, reg_covar)
    needed = parameters.n_features + 1
    rows = zip(mass.tolist(), smallest.tolist(), strict=True)
    reasons = (_reason(k, n, variance, floor, needed) for k, (n, variance) in enumerate(rows))
    return tuple(reason for reason in reasons if reason)


def _floor(parameters: MixtureParameters, reg_covar: float) -> float:
    """Ten times the ridge, or, where there is none, what rounding leaves of a singular matrix."""
    largest = float(parameters.dense_covariances().diagonal(dim1=-2, dim2=-1).max())
    rounding = torch.finfo(parameters.means.dtype).eps * parameters.n_features * largest
    return RIDGE_FACTOR * max(reg_covar, rounding)


def _reason(k: int, mass: float, variance: float, floor: float, needed: int) -> str:
    if mass < EMPTY_MASS:
        return f"component {k} is empty: no row is assigned to it"
    if variance <= floor:
        return (
            f"component {k} ({mass:.1f} rows) has a smallest variance of {variance:.2g}, held up only by "
            f"reg_covar or rounding ({floor:.2g} or less): equal or collinear rows"
        )
    if mass < needed:
        return f"component {k} has {mass:.1f} rows; {needed} (D + 1) are needed to describe a group"
    return ""

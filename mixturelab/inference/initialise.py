"""Where EM starts: from responsibilities, by exactly one M-step."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.inference.em import m_step
from mixturelab.inference.variational import vb_m_step
from mixturelab.model.conjugate import ConjugateMixture
from mixturelab.model.covariance import Family
from mixturelab.model.density import chunk_rows
from mixturelab.model.linalg import accumulation_dtype
from mixturelab.model.modes import ParameterPrior
from mixturelab.model.params import MixtureParameters
from mixturelab.model.quadratic import summarise
from mixturelab.model.suffstats import SufficientStatistics


def parameters_from(
    x: Float[Tensor, "N D"],
    responsibilities: Float[Tensor, "N K"],
    family: Family,
    reg_covar: float,
    prior: ParameterPrior | None = None,
) -> MixtureParameters:
    """The one M-step that turns a start into parameters."""
    total = statistics_from(x, responsibilities, family)
    return m_step(total, family, reg_covar, _whole(x, family, reg_covar, len(total.mass)), prior)


def posterior_from(
    x: Float[Tensor, "N D"],
    responsibilities: Float[Tensor, "N K"],
    prior: ConjugateMixture,
    reg_covar: float,
    weight: float = 1.0,
) -> ConjugateMixture:
    """The one M-step that turns a start into a posterior; ``weight`` rows are meant by each row given."""
    return vb_m_step(
        statistics_from(x, responsibilities, prior.components.family).scale(weight), prior, reg_covar
    )


def statistics_from(
    x: Float[Tensor, "N D"], responsibilities: Float[Tensor, "N K"], family: Family
) -> SufficientStatistics:
    """What a start's responsibilities sum to, about means that are found first."""
    means = _weighted_means(x, responsibilities)
    acc = means.dtype  # once a fit: nothing is saved by rounding here
    total: SufficientStatistics | None = None
    rows = chunk_rows(2 * means.numel(), x.device)
    for chunk, gamma in zip(x.split(rows), responsibilities.split(rows), strict=True):
        part = SufficientStatistics.collect(chunk.to(acc), gamma.to(acc), means, family.form)
        total = part if total is None else total + part
    assert total is not None
    return total


def _whole(x: Tensor, family: Family, reg_covar: float, n_components: int) -> MixtureParameters:
    """K copies of the single Gaussian of all rows: what a component that starts empty is given."""
    summary = summarise(x)
    n, d = x.shape
    one = torch.full((1,), float(n), dtype=summary.scatter.dtype, device=x.device)
    scatter = family.form.from_scatter(summary.scatter)
    covariance = family.form.add_diagonal(family.estimate(one, scatter, d), reg_covar)
    shape = family.form.shape(n_components, d)
    weights = torch.full((n_components,), 1 / n_components, dtype=scatter.dtype, device=x.device)
    return MixtureParameters(
        weights, summary.origin.expand(n_components, d), covariance.expand(shape), family
    )


def _weighted_means(x: Tensor, responsibilities: Tensor) -> Tensor:
    """Means about the first row, so that a common offset costs no digits."""
    acc = accumulation_dtype(x.device)
    first = torch.zeros(responsibilities.shape[1], x.shape[1], dtype=acc, device=x.device)
    for chunk, gamma in zip(x.split(8192), responsibilities.split(8192), strict=True):
        first += gamma.mT.to(acc) @ (chunk - x[0]).to(acc)
    mass = responsibilities.sum(0, dtype=acc)
    return x[0].to(acc) + first / torch.where(mass > 0, mass, torch.ones_like(mass))[:, None]

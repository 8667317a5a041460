"""The density of a new row when parameters are not known but believed in: a mixture of Student-t."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.model.conjugate import ConjugateMixture, NormalWishart
from mixturelab.model.density import LogJoint, chunk_rows, chunks


class StudentT:
    """log ∫ N(x | μ_k, Λ_k⁻¹) p(μ_k, Λ_k), for each component: Student-t with ν_k + 1 − D degrees of freedom.

    Bishop (2006), eqs. 10.81 and 10.82: location m_k and precision (ν_k + 1 − D) β_k / (1 + β_k) · W_k.
    """

    def __init__(self, belief: ConjugateMixture, dtype: torch.dtype):
        parts = belief.components
        self._kernel = LogJoint(belief.expected, dtype)
        beta, nu = parts.mean_precision, parts.degrees_of_freedom
        self._shrink = (beta / ((1 + beta) * nu)).to(dtype)[:, None]
        self._power = (0.5 * (nu + 1)).to(dtype)[:, None]
        self._constant = _constant(parts).to(dtype)[:, None]

    def __call__(self, x: Float[Tensor, "D B"]) -> Float[Tensor, "K B"]:
        """Log densities of a chunk."""
        _, y = self._kernel(x)
        return self._constant - self._power * torch.log1p(self._shrink * y.square().sum(1))


def _constant(parts: NormalWishart) -> Float[Tensor, "K"]:
    d, nu, beta = parts.mean.shape[1], parts.degrees_of_freedom, parts.mean_precision
    gammas = (0.5 * (nu + 1)).lgamma() - (0.5 * (nu + 1 - d)).lgamma()
    return gammas + parts.half_log_det_scale + 0.5 * d * (torch.log(beta / (1 + beta)) - math.log(math.pi))


def log_predictive(
    x: Float[Tensor, "N D"], posterior: ConjugateMixture, prior: ConjugateMixture
) -> Float[Tensor, "N"]:
    """Log p(x_n | data) under the posterior, in nats.

    Of a Dirichlet process, what the K components leave over belongs to components that no row has been given to:
    the predictive density of the prior.
    """
    known, new = StudentT(posterior, x.dtype), StudentT(prior, x.dtype)
    weights = torch.cat([posterior.weights.mean, posterior.weights.left_over[None]]).log()
    log_weights = weights.to(x.dtype)[:, None]
    rows = chunk_rows(2 * posterior.means.numel(), x.device)
    parts = (torch.cat([known(chunk.T), new(chunk.T)[:1]]) for chunk in chunks(x, rows))
    return torch.cat([torch.logsumexp(log_weights + part, 0) for part in parts])

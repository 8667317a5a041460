"""The most probable parameters under a conjugate prior: the M-step of MAP-EM, and the prior's log density.

π ~ Dir(α, …, α), μ_k | Σ_k ~ N(μ_0, Σ_k / κ), Σ ~ inverse Wishart(ν, Λ): one Σ for each component, one for all
("tied"), or inverse gamma(ν/2, λ/2) for each variance ("diag", "spherical"). The mode is that of the density of
(π, μ, Σ), as in Fraley and Raftery (2007), Bayesian regularization for normal mixture estimation and model-based
clustering, Journal of Classification 24, 155-181. It cannot be singular: Λ keeps every covariance away from zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.model.covariance import Family
from mixturelab.model.forms import LOG_TWO_PI
from mixturelab.model.params import MixtureParameters
from mixturelab.model.suffstats import SufficientStatistics


@dataclass(frozen=True, eq=False)
class ParameterPrior:
    """The density of a mixture's parameters before any row is seen.

    Attributes
    ----------
    concentration : Tensor [K]
        α ≥ 1 of the weights' Dirichlet; 1 prefers no weights to others.
    mean : Tensor [D]
        μ_0.
    mean_precision : float
        κ > 0: how many rows the prior counts for in a mean.
    degrees_of_freedom : float
        ν, above D − 1 for matrices and above 0 for variances.
    scale : Tensor
        Λ in the family's form, for all components: [K, D, D], [D, D], [K, D] or [K].
    family : Family
    """

    concentration: Tensor
    mean: Tensor
    mean_precision: float
    degrees_of_freedom: float
    scale: Tensor
    family: Family

    def to(self, device: torch.device) -> ParameterPrior:
        """The same prior on another device."""
        alpha, mean, scale = (part.to(device) for part in (self.concentration, self.mean, self.scale))
        return ParameterPrior(alpha, mean, self.mean_precision, self.degrees_of_freedom, scale, self.family)

    def mode(self, statistics: SufficientStatistics, reg_covar: float = 0.0) -> MixtureParameters:
        """Parameters that maximise the expected log-likelihood plus the log prior.

        Each covariance is (Λ + scatter) / (ν + p + 1 + rows it is seen in), where the means' prior counts as one
        more row of each component, and p is D for a matrix and 1 for a variance.
        """
        mass, form = statistics.mass, self.family.form
        root = torch.where(mass > 0, mass, torch.ones_like(mass)).sqrt()[:, None]
        first = statistics.first / root
        away = statistics.origin + first / root - self.mean
        share = mass / (self.mean_precision + mass)
        pull = (self.mean_precision * share).sqrt()[:, None] * away
        scatter = self.scale + statistics.second - form.outer(first, first) + form.outer(pull, pull)
        count = mass + 1 + self._exponent * self._share_of_one
        covariances = self.family.estimate(count, scatter, len(self.mean))
        weights = mass + self.concentration - 1
        return MixtureParameters(
            weights / weights.sum(),
            self.mean + share[:, None] * away,
            form.add_diagonal(covariances, reg_covar),
            self.family,
        )

    def log_density(self, parameters: MixtureParameters) -> float:
        """Log p(π, μ, Σ) in nats, normalised; of the weights' Dirichlet with respect to K − 1 of them."""
        log_weights = torch.xlogy(self.concentration - 1, parameters.weights).sum()
        return float(
            log_weights + self._of_means(parameters) + self._of_covariances(parameters) + self._log_norm
        )

    def _of_means(self, parameters: MixtureParameters) -> Float[Tensor, ""]:
        form = self.family.form
        k, d = parameters.means.shape
        shift = form.apply(parameters.whitener, (parameters.means - self.mean)[:, :, None])
        constant = 0.5 * k * d * (math.log(self.mean_precision) - LOG_TWO_PI)
        return constant + parameters.log_det.sum() - 0.5 * self.mean_precision * shift.square().sum()

    def _of_covariances(self, parameters: MixtureParameters) -> Float[Tensor, ""]:
        log_det = self._share_of_one * parameters.log_det.sum()
        return self._exponent * log_det - 0.5 * (self.scale * parameters.precisions).sum()

    @property
    def _width(self) -> int:
        """Rows of each stored matrix: D, or 1 for variances."""
        return len(self.mean) if self.family.form.is_matrix else 1

    @property
    def _exponent(self) -> float:
        return self.degrees_of_freedom + self._width + 1

    @cached_property
    def _share_of_one(self) -> float:
        """How many stored matrices there are for each component and row: 1, 1/K if shared, 1/D if a scalar."""
        k, d = len(self.concentration), len(self.mean)
        one = self.family.estimate(self.mean.new_ones(k), self.mean.new_ones(self.family.form.shape(k, d)), d)
        return float(one.flatten()[0])

    @cached_property
    def _log_norm(self) -> float:
        """What makes the Dirichlet and the inverse Wisharts integrate to one."""
        alpha, p, nu = self.concentration, self._width, self.degrees_of_freedom
        k, d = len(alpha), len(self.mean)
        root, _ = self.family.form.whitener(self.scale)
        log_det = -2 * self._share_of_one * float(self.family.form.log_det(root, k, d).sum())
        n_matrices = self.scale.numel() // (p * p)
        gamma = float(torch.mvlgamma(torch.tensor(0.5 * nu, dtype=torch.float64), p))
        dirichlet = float(alpha.sum().lgamma() - alpha.lgamma().sum())
        return dirichlet + 0.5 * nu * log_det - n_matrices * (0.5 * nu * p * math.log(2) + gamma)

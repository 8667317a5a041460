"""Beliefs about a mixture's parameters, closed under data: posterior = prior + statistics; KL terms, nothing dropped.

Weights: a finite Dirichlet, or a Dirichlet process cut off after K sticks. Means and precisions: Normal–Wishart.
A family ("diag", …) limits the shape of the scale matrix W_k of q(Λ_k), not the model: each Λ_k is a full matrix
under the prior, and the posterior is the best Wishart whose scale has the family's form ("tied": the best that all
components share). With "full" that is the exact conjugate posterior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.model.covariance import Family
from mixturelab.model.forms import SHARED, Form
from mixturelab.model.params import MixtureParameters
from mixturelab.model.suffstats import SufficientStatistics


@dataclass(frozen=True, eq=False)
class Dirichlet:
    """π ~ Dir(α): K components, exchangeable under a symmetric prior.

    Attributes
    ----------
    concentration : Tensor [K]
        α_k > 0; each counts like α_k rows.
    """

    concentration: Tensor

    @property
    def mean(self) -> Tensor:
        """E[π_k] = α_k / Σ_j α_j (Bishop 2006, eq. B.17)."""
        return self.concentration / self.concentration.sum()

    @property
    def left_over(self) -> Tensor:
        """None: the weights of the K components sum to one."""
        return self.concentration.new_zeros(())

    @cached_property
    def expected_log(self) -> Tensor:
        """E[log π_k] = ψ(α_k) − ψ(Σ_j α_j) (Bishop 2006, eq. B.21)."""
        return self.concentration.digamma() - self.concentration.sum().digamma()

    def plus(self, mass: Float[Tensor, "K"]) -> Dirichlet:
        """Dir(α + N) (Bishop 2006, eq. 10.58)."""
        return Dirichlet(self.concentration + mass)

    def kl(self, prior: Dirichlet) -> float:
        """KL(self ‖ prior), in nats (normalised by log Γ(Σα) − Σ log Γ(α), Bishop 2006, eq. B.23)."""
        more = self.concentration - prior.concentration
        alpha, added = prior.concentration.tolist(), more.tolist()
        normalisers = _log_rising(sum(alpha), sum(added)) - sum(map(_log_rising, alpha, added))
        return normalisers + float(more @ self.expected_log)


@dataclass(frozen=True, eq=False)
class StickBreaking:
    """π_k = v_k Π_{j<k} (1 − v_j), v_k ~ Beta(a_k, b_k): a Dirichlet process whose rows stay within K sticks.

    The model has components without end; the posterior gives rows to the first K only and leaves the others at
    their prior (Kurihara, Welling and Vlassis 2007, Accelerated variational Dirichlet process mixtures).

    Attributes
    ----------
    first, second : Tensor [K]
        a_k and b_k; under the prior 1 and the concentration of the process.
    """

    first: Tensor
    second: Tensor

    @property
    def mean(self) -> Tensor:
        """E[π_k] = E[v_k] Π_{j<k} (1 − E[v_j]); they sum to less than one, see `left_over`."""
        total = self.first + self.second
        remains = (self.second / total).cumprod(0)
        return self.first / total * torch.cat([torch.ones_like(remains[:1]), remains[:-1]])

    @property
    def left_over(self) -> Tensor:
        """Π_k (1 − E[v_k])."""
        return (self.second / (self.first + self.second)).prod()

    @cached_property
    def _expected_logs(self) -> tuple[Tensor, Tensor]:
        """E[log v_k] and E[log(1 − v_k)]."""
        digamma = torch.stack([self.first, self.second, self.first + self.second]).digamma()
        return digamma[0] - digamma[2], digamma[1] - digamma[2]

    @cached_property
    def expected_log(self) -> Tensor:
        """E[log π_k] = E[log v_k] + Σ_{j<k} E[log(1 − v_j)] (Blei and Jordan 2006, section 3)."""
        taken, remains = self._expected_logs
        return taken + remains.cumsum(0) - remains

    def plus(self, mass: Float[Tensor, "K"]) -> StickBreaking:
        """a_k + N_k and b_k + Σ_{j>k} N_j (Blei and Jordan 2006, eqs. 18 and 19)."""
        after = mass.flip(0).cumsum(0).flip(0) - mass
        return StickBreaking(self.first + mass, self.second + after.clamp(min=0))

    def kl(self, prior: StickBreaking) -> float:
        """KL(self ‖ prior) of the K sticks (normalised by −log B(a, b)), in nats; those beyond are at their prior."""
        taken, remains = self._expected_logs
        first, second = self.first - prior.first, self.second - prior.second
        sticks = zip(*(part.tolist() for part in (prior.first, prior.second, first, second)), strict=True)
        normalisers = sum(
            _log_rising(a + b, c + d) - _log_rising(a, c) - _log_rising(b, d) for a, b, c, d in sticks
        )
        return normalisers + float(first @ taken + second @ remains)


@dataclass(frozen=True, eq=False)
class NormalWishart:
    """p(μ_k, Λ_k) = N(μ_k | m_k, (β_k Λ_k)⁻¹) W(Λ_k | W_k, ν_k) for each component.

    Attributes
    ----------
    mean : Tensor [K, D]
        m_k.
    mean_precision : Tensor [K]
        β_k > 0: how many rows the belief about the mean counts for.
    degrees_of_freedom : Tensor [K]
        ν_k > D − 1.
    covariance : Tensor
        (ν_k W_k)⁻¹ = E[Λ_k]⁻¹ in the family's form.
    family : Family
    """

    mean: Tensor
    mean_precision: Tensor
    degrees_of_freedom: Tensor
    covariance: Tensor
    family: Family

    @classmethod
    def from_whitener(
        cls,
        mean: Tensor,
        mean_precision: Tensor,
        degrees_of_freedom: Tensor,
        whitener: Tensor,
        family: Family,
    ) -> NormalWishart:
        """The belief whose whitened form is known: densities come from it, and never from covariances rounded."""
        belief = cls(mean, mean_precision, degrees_of_freedom, family.form.covariance(whitener), family)
        belief.__dict__["_factor"] = (whitener, torch.isfinite(whitener).all())
        return belief

    @property
    def form(self) -> Form:
        """How covariances are stored."""
        return self.family.form

    @cached_property
    def _factor(self) -> tuple[Tensor, Tensor]:
        return self.form.whitener(self.covariance)

    @property
    def whitener(self) -> Tensor:
        """The inverse Cholesky factor of the covariance, in the family's form."""
        return self._factor[0]

    @cached_property
    def half_log_det_scale(self) -> Float[Tensor, "K"]:
        """½ log|W_k|."""
        d = self.mean.shape[1]
        return self.form.log_det(self.whitener, *self.mean.shape) - 0.5 * d * self.degrees_of_freedom.log()

    @cached_property
    def half_digammas(self) -> Float[Tensor, "K"]:
        """½ Σ_i ψ((ν_k + 1 − i)/2), i = 1 … D: ½ E[log|Λ_k|] without ½ log|W_k| and ½ D log 2 (Bishop 2006, 10.65)."""
        below = torch.arange(self.mean.shape[1], dtype=self.mean.dtype, device=self.mean.device)
        return 0.5 * (0.5 * (self.degrees_of_freedom[:, None] - below)).digamma().sum(1)

    @cached_property
    def scatter(self) -> Tensor:
        """W_k⁻¹, as the scatters of the family's form are stored (summed over components where they share one)."""
        k, d = self.mean.shape
        one = self.family.estimate(
            torch.ones_like(self.degrees_of_freedom), self.mean.new_ones(self.form.shape(k, d)), d
        )
        return _times(self.degrees_of_freedom, self.covariance, self.form) / one

    @cached_property
    def _numbers(self) -> list[list[float]]:
        """β, ν, ½ log|W| and half the digammas on the host: for K numbers Python is quicker than a device."""
        return torch.stack(
            [self.mean_precision, self.degrees_of_freedom, self.half_log_det_scale, self.half_digammas]
        ).tolist()

    @cached_property
    def _log_gammas(self) -> list[float]:
        """Log Γ_D(ν_k / 2) without its power of π, which no divergence sees."""
        d = self.mean.shape[1]
        return [sum(math.lgamma(0.5 * (nu - i)) for i in range(d)) for nu in self._numbers[1]]

    def plus(self, statistics: SufficientStatistics, reg_covar: float = 0.0) -> NormalWishart:
        """The posterior after the rows of the statistics (Bishop 2006, eqs. 10.60 to 10.63).

        ``reg_covar`` is added to each row's squared deviation, as if every row were known with that variance.
        """
        mass, d = statistics.mass, self.mean.shape[1]
        precision = self.mean_precision + mass
        root = torch.where(mass > 0, mass, torch.ones_like(mass)).sqrt()
        root = root[:, None]
        first = statistics.first / root
        away = statistics.origin - self.mean + first / root  # the rows' mean from the prior's
        pull = (self.mean_precision * mass / precision).sqrt()[:, None] * away
        outer = self.form.outer
        scatter = self.scatter + statistics.second - outer(first, first) + outer(pull, pull)
        own = mass.mean().expand_as(mass) if self.form is SHARED else mass
        freedom = self.degrees_of_freedom + own
        covariance = self.family.estimate(freedom, scatter, d)
        if reg_covar > 0:
            _add_to_diagonal_(covariance, reg_covar * own / freedom, self.form)
        mean = self.mean + (mass / precision)[:, None] * away
        return NormalWishart(mean, precision, freedom, covariance, self.family)

    def kl(self, prior: NormalWishart) -> float:
        """Σ_k KL(self_k ‖ prior_k), in nats."""
        shift = self.form.apply(self.whitener, (self.mean - prior.mean)[:, :, None]).square().sum((1, 2))
        traces = self.form.trace(prior.scatter, self.whitener)  # Σ_k ν_k tr(W_0⁻¹ W_k)
        pairs = zip(
            *self._numbers, self._log_gammas, *prior._numbers, prior._log_gammas, shift.tolist(), strict=True
        )
        return 0.5 * float(traces) + sum(_divergence(self.mean.shape[1], *pair) for pair in pairs)


def _divergence(
    d: int,
    beta: float,
    nu: float,
    half_log_det: float,
    half_digamma: float,
    log_gamma: float,
    beta_0: float,
    nu_0: float,
    half_log_det_0: float,
    _half_digamma_0: float,
    log_gamma_0: float,
    shift: float,
) -> float:
    """One component's part of the divergence, without ½ ν tr(W_0⁻¹ W)."""
    of_mean = d * (beta_0 / beta - 1 + math.log(beta / beta_0)) + beta_0 * shift
    of_precision = (
        nu_0 * (half_log_det_0 - half_log_det) + (nu - nu_0) * half_digamma + log_gamma_0 - log_gamma
    )
    return 0.5 * (of_mean - d * nu) + of_precision


@dataclass(frozen=True, eq=False)
class ExpectedMixture(MixtureParameters):
    """The "mixture" whose log-joint is E[log π_k] + E[log N(x | μ_k, Λ_k⁻¹)], so that EM's E-step is that of VB too.

    E[log N] is a Gaussian log density with the covariance E[Λ_k]⁻¹ plus a constant, so that the constant can go with
    the weight (Bishop 2006, eqs. 10.46, 10.64 and 10.65). `weights` are the exponentials of that: no probabilities.
    """

    shifted_log_weights: Tensor

    @property
    def log_weights(self) -> Tensor:
        """E[log π_k] and the constants of E[log N]."""
        return self.shifted_log_weights


@dataclass(frozen=True, eq=False)
class ConjugateMixture:
    """What is believed about a whole mixture: the prior, or the posterior q(π) Π_k q(μ_k, Λ_k).

    Attributes
    ----------
    weights : Dirichlet or StickBreaking
    components : NormalWishart
    """

    weights: Dirichlet | StickBreaking
    components: NormalWishart

    @property
    def is_positive(self) -> Tensor:
        """Whether every covariance is positive definite (a boolean scalar, left on the device)."""
        return self.components._factor[1].all()

    @property
    def means(self) -> Float[Tensor, "K D"]:
        """m_k."""
        return self.components.mean

    @cached_property
    def expected(self) -> ExpectedMixture:
        """As the mixture that the E-step is made with."""
        parts, d = self.components, self.components.mean.shape[1]
        inner = d * (parts.degrees_of_freedom.log() - math.log(2) + parts.mean_precision.reciprocal())
        shifted = self.weights.expected_log + parts.half_digammas - 0.5 * inner
        mixture = ExpectedMixture(shifted.exp(), parts.mean, parts.covariance, parts.family, shifted)
        mixture.__dict__["_factor"] = parts._factor  # what the cached property would compute again
        return mixture

    def require_positive(self) -> ConjugateMixture:
        """Itself.

        Raises
        ------
        CollapsedComponentError
            If a covariance is not positive definite; the message names the components.
        """
        self.expected.require_positive()
        return self

    def plus(self, statistics: SufficientStatistics, reg_covar: float = 0.0) -> ConjugateMixture:
        """The posterior after the rows of the statistics: prior + statistics."""
        return ConjugateMixture(
            self.weights.plus(statistics.mass), self.components.plus(statistics, reg_covar)
        )

    def kl(self, prior: ConjugateMixture) -> float:
        """KL(self ‖ prior), in nats."""
        return self.weights.kl(prior.weights) + self.components.kl(prior.components)  # type: ignore[arg-type]


def _log_rising(start: float, step: float) -> float:
    """Log Γ(start + step) − log Γ(start), by Stirling's series where the two would cancel."""
    end = start + step
    if min(start, end) < 1e6:
        return math.lgamma(end) - math.lgamma(start)
    return (start - 0.5) * math.log1p(step / start) + step * (math.log(end) - 1) + (1 / end - 1 / start) / 12


def _times(factor: Float[Tensor, "K"], matrix: Tensor, form: Form) -> Tensor:
    """Each component's matrix times its number; one number where they share a matrix."""
    return factor[0] * matrix if form is SHARED else form.per_component(factor, matrix)


def _add_to_diagonal_(covariance: Tensor, value: Float[Tensor, "K"], form: Form) -> None:
    if form is SHARED:
        covariance.diagonal().add_(value[0])
    elif form.is_matrix:
        covariance.diagonal(dim1=-2, dim2=-1).add_(value[:, None])
    else:
        covariance += value.reshape(-1, *[1] * (covariance.ndim - 1))

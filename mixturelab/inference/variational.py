"""One step of variational Bayes: EM's E-step with expected log parameters, prior + statistics, and the bound.

The E-step finds q(Z), the M-step q(π) Π_k q(μ_k, Λ_k); each maximises the evidence lower bound

    L = Σ_n log Σ_k exp(E[log π_k] + E[log N(x_n | μ_k, Λ_k⁻¹)]) − KL(q(π, μ, Λ) ‖ prior)

given the other (this is L right after an E-step). No constant is dropped: L is a lower bound on log p(X).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from mixturelab.inference.em import e_step, read
from mixturelab.model.conjugate import ConjugateMixture
from mixturelab.model.quadratic import DataSummary
from mixturelab.model.suffstats import SufficientStatistics


def vb_e_step(
    x: Float[Tensor, "N D"], posterior: ConjugateMixture, *, summary: DataSummary | None = None
) -> tuple[SufficientStatistics, float]:
    """Responsibilities of every row, summed into statistics; and Σ_n log Σ_k exp(…), the rows' part of the bound.

    The rows are read once, in chunks (Bishop 2006, eqs. 10.46, 10.49 and 10.51 to 10.53).
    """
    return e_step(x, posterior.expected, summary=summary)


def vb_m_step(
    statistics: SufficientStatistics, prior: ConjugateMixture, reg_covar: float = 0.0
) -> ConjugateMixture:
    """q(π) Π_k q(μ_k, Λ_k) = prior + statistics (Bishop 2006, eqs. 10.58 and 10.60 to 10.63)."""
    return prior.plus(statistics, reg_covar)


def elbo(
    x: Float[Tensor, "N D"],
    posterior: ConjugateMixture,
    prior: ConjugateMixture,
    *,
    summary: DataSummary | None = None,
) -> float:
    """The evidence lower bound of the posterior and the responsibilities that follow from it, in nats.

    It holds for any posterior, fitted or not; where q is exact (K = 1, "full") it is the log evidence.
    """
    return vb_e_step(x, posterior, summary=summary)[1] - posterior.kl(prior)


def vb_step(
    x: Float[Tensor, "N D"],
    posterior: ConjugateMixture,
    prior: ConjugateMixture,
    summary: DataSummary,
    reg_covar: float,
) -> tuple[ConjugateMixture, float, SufficientStatistics]:
    """One iteration: the new posterior, the bound *of the old one*, and the statistics that the new one was made from.

    As in EM, rows are read again about the new means where the statistics have lost digits.
    """
    reading, total = read(x, posterior.expected, summary)
    statistics = reading.statistics()
    new = vb_m_step(statistics, prior, reg_covar)
    if not reading.is_exact(new.expected):
        statistics = read(x, posterior.expected, summary, new.means)[0].statistics()
        new = vb_m_step(statistics, prior, reg_covar)
    return new, total - posterior.kl(prior), statistics

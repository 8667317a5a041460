"""Learning from a stream, batch by batch: running means of the statistics, then the M-step of a whole pass.

Stepwise EM and stochastic variational Bayes are one fold: s ← (1 − ρ) s + ρ ŝ, with ŝ the batch's statistics per row.

References: Cappé and Moulines (2009), On-line expectation-maximization algorithm for latent data models, Journal of the
Royal Statistical Society B 71, 593-613; Hoffman, Blei, Wang and Paisley (2013), Stochastic variational inference,
Journal of Machine Learning Research 14, 1303-1347; Robbins and Monro (1951) for the rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.inference.em import e_step, m_step
from mixturelab.inference.variational import vb_e_step, vb_m_step
from mixturelab.model.conjugate import ConjugateMixture
from mixturelab.model.modes import ParameterPrior
from mixturelab.model.params import MixtureParameters
from mixturelab.model.suffstats import SufficientStatistics

_TENSORS = ("mass", "first", "second", "origin")


@dataclass(frozen=True)
class Schedule:
    """How much a new row counts: the j-th has the rate r_j = (j + τ)^(−κ), or always the same.

    The schedule counts rows, not batches: a batch has the rate ρ = 1 − Π_j (1 − r_j) of its rows together, which weigh
    alike. Where batches are small beside what is remembered, their size changes nothing but how often responsibilities
    are renewed; larger ones are remembered whole. κ = 1, τ = 0 weighs all rows alike;
    0.5 < κ < 1 forgets the early ones, assigned when little was known (about 2 j^κ rows are remembered in the long run,
    see `Stream.effective_rows`); a constant rate remembers about 2 / r rows for ever, or the last
    batch where that is larger.

    Attributes
    ----------
    decay : float
        κ in (0.5, 1].
    offset : float
        τ ≥ 0, in rows.
    constant : float or None
        r in (0, 1), instead of the formula.
    """

    decay: float = 0.9
    offset: float = 0.0
    constant: float | None = None

    def rate(self, n_seen: int, n_new: int) -> float:
        """ρ of ``n_new`` rows after ``n_seen``."""
        if self.constant is not None:
            return -math.expm1(n_new * math.log1p(-self.constant))
        index = torch.arange(n_seen + 1, n_seen + n_new + 1, dtype=torch.float64) + self.offset
        return -math.expm1(float(torch.log1p(-(index**-self.decay).clamp(max=1)).sum()))


@dataclass(frozen=True, eq=False)
class Stream:
    """What is remembered of the rows so far: it can be pickled, and gone on with.

    Attributes
    ----------
    statistics : SufficientStatistics
        Running means: masses sum to one.
    n_rows, n_batches : int
        Seen so far.
    spread : float
        Σ of the squared weights of all rows: 1 / spread rows are remembered, as many equally weighted ones would have
        this (Kish's effective sample size).
    """

    statistics: SufficientStatistics
    n_rows: int
    n_batches: int
    spread: float

    @classmethod
    def of(cls, statistics: SufficientStatistics, n_rows: int) -> Stream:
        """A first batch, or a whole fit: every row counts alike."""
        return cls(statistics.scale(1 / n_rows), n_rows, 1, 1 / n_rows)

    # Pickled as arrays: equal streams give equal bytes, which torch's own form of a tensor does not.
    def __getstate__(self) -> dict[str, Any]:
        sums = self.statistics
        arrays = {name: getattr(sums, name).cpu().numpy() for name in _TENSORS}
        return {**self.__dict__, "statistics": {**arrays, "form": sums.form}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parts = state["statistics"]
        tensors = {name: torch.from_numpy(parts[name]) for name in _TENSORS}
        whole = SufficientStatistics(**tensors, form=parts["form"])
        self.__dict__.update({**state, "statistics": whole})

    def to(self, device: torch.device) -> Stream:
        """The same where its next batch is."""
        return replace(self, statistics=self.statistics.to(device))

    @property
    def effective_rows(self) -> float:
        """How many rows are remembered."""
        return 1 / self.spread

    def fold(self, batch: SufficientStatistics, n_rows: int, rate: float) -> Stream:
        """The running means with the batch in them."""
        means = self.statistics.scale(1 - rate) + batch.scale(rate / n_rows)
        spread = (1 - rate) ** 2 * self.spread + rate**2 / n_rows
        return Stream(means, self.n_rows + n_rows, self.n_batches + 1, spread)

    def about(self, means: Float[Tensor, "K D"]) -> Stream:
        """The same, with second moments about these means: far from them digits would be lost."""
        return Stream(self.statistics.recenter(means), self.n_rows, self.n_batches, self.spread)


def fold_batch(
    batch: SufficientStatistics, n_rows: int, stream: Stream | None, schedule: Schedule
) -> tuple[Stream, float]:
    """The stream with a batch of so many rows in it, and the batch's rate."""
    if stream is None:
        return Stream.of(batch, n_rows), 1.0
    rate = schedule.rate(stream.n_rows, n_rows)
    return stream.fold(batch, n_rows, rate), rate


def stepwise_em(
    x: Float[Tensor, "N D"],
    parameters: MixtureParameters,
    stream: Stream | None,
    schedule: Schedule,
    reg_covar: float,
    prior: ParameterPrior | None = None,
    total_rows: float | None = None,
) -> tuple[MixtureParameters, Stream, float, float]:
    """One batch of stepwise EM: parameters, stream, the batch's log-likelihood per row before, and its rate.

    A component without mass keeps its parameters. With a prior the statistics count for ``total_rows`` rows, or for
    those remembered.
    """
    batch, total = e_step(x, parameters)
    after, rate = fold_batch(batch, len(x), stream, schedule)
    sums = after.statistics.scale(total_rows or after.effective_rows)
    new = m_step(sums, parameters.family, reg_covar, parameters, prior)
    return new, after.about(new.means), total / len(x), rate


def stochastic_vb(
    x: Float[Tensor, "N D"],
    posterior: ConjugateMixture,
    stream: Stream | None,
    schedule: Schedule,
    reg_covar: float,
    prior: ConjugateMixture,
    total_rows: float | None = None,
) -> tuple[ConjugateMixture, Stream, float, float]:
    """One batch of stochastic variational Bayes: prior + as many rows as are meant, at the running means."""
    batch, total = vb_e_step(x, posterior)
    after, rate = fold_batch(batch, len(x), stream, schedule)
    new = vb_m_step(after.statistics.scale(total_rows or after.effective_rows), prior, reg_covar)
    return new, after.about(new.means), total / len(x), rate

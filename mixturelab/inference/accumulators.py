"""How statistics fold over time: all rows alike, the recent ones more, or the last batch alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.model.forms import Form
from mixturelab.model.suffstats import Moments

# A mass below this is nothing: it is set to zero before it becomes a denormal number.
NO_MASS = 1e-30


@runtime_checkable
class Batch(Protocol):
    """What can be folded in: `Moments`, or rows assigned to one component each."""

    @property
    def mass(self) -> Tensor: ...  # noqa: D102
    @property
    def mean(self) -> Tensor: ...  # noqa: D102
    def blend(self, covariance: Tensor, share: Tensor, shift: Tensor, form: Form) -> Tensor: ...  # noqa: D102


@dataclass(frozen=True)
class Accumulator:
    """Statistics after a batch = keep · statistics before + gain · the batch's.

    Attributes
    ----------
    keep : float
    gain : float
        1 and 1: a total. γ and 1 − γ: exponential forgetting. 0 and 1: the last batch.
    """

    keep: float
    gain: float

    def fold(self, state: Moments, batch: Batch) -> Moments:
        """The moments of the old rows and the batch together.

        A component without rows in the batch keeps its mean and covariance to the last bit; a batch without any
        row at all changes nothing.
        """
        mass, share = self.shares(state.mass, batch)
        covariance = batch.blend(state.covariance, share, batch.mean - state.mean, state.form)
        return Moments(mass, between(state.mean, batch.mean, share), covariance, state.form)

    def shares(self, mass: Float[Tensor, "K"], batch: Batch) -> tuple[Float[Tensor, "K"], Float[Tensor, "K"]]:
        """The new mass, and how much of it the batch is, component by component."""
        counts = getattr(batch, "counts", None)
        if counts is not None:
            totals, shares = self.shares_on_host(mass, counts)
            return mass.new_tensor(totals), mass.new_tensor(shares)
        count = batch.mass
        added = self.gain * count
        kept = torch.where(count.sum() > 0, self.keep * mass, mass)
        total = torch.threshold(kept + added, NO_MASS, 0.0)
        return total, added / total.clamp(min=NO_MASS)

    def shares_on_host(self, mass: Tensor, counts: tuple[int, ...]) -> tuple[list[float], list[float]]:
        """The same where the counts are known: a few numbers are quicker in Python than as tensors."""
        masses = mass.tolist()
        keep = self.keep if any(counts[: len(masses)]) else 1.0
        totals = [keep * old + self.gain * count for old, count in zip(masses, counts, strict=False)]
        totals = [total if total >= NO_MASS else 0.0 for total in totals]
        shares = [self.gain * n / total if n else 0.0 for n, total in zip(counts, totals, strict=False)]
        return totals, shares

    def move(
        self, mean: Float[Tensor, "K D"], mass: Float[Tensor, "K"], batch: Batch
    ) -> tuple[Float[Tensor, "K D"], Float[Tensor, "K"], Float[Tensor, "K"]]:
        """Means and masses alone, folded in the same way; and the batch's share of each."""
        total, share = self.shares(mass, batch)
        return between(mean, batch.mean, share), total, share


def between(mean: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """(1−f)·m + f·m′, to the last bit m where f is 0, and m′ where it is 1."""
    return torch.lerp(mean, other, share[:, None])


TOTAL = Accumulator(1.0, 1.0)
LATEST = Accumulator(0.0, 1.0)


def decay(rate: float) -> Accumulator:
    """Exponential forgetting: a row of t batches ago weighs (1 − γ)γᵗ; normalised, so that the start is not biased."""
    return Accumulator(rate, 1.0 - rate)

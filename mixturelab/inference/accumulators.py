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
        mass, share = self.shares(state.mass, batch.mass)
        covariance = batch.blend(state.covariance, share, batch.mean - state.mean, state.form)
        return Moments(mass, _between(state.mean, batch.mean, share), covariance, state.form)

    def shares(
        self, mass: Float[Tensor, "K"], count: Float[Tensor, "K"]
    ) -> tuple[Float[Tensor, "K"], Float[Tensor, "K"]]:
        """The new mass, and how much of it the batch is, component by component."""
        added = self.gain * count
        kept = torch.where(count.sum() > 0, self.keep * mass, mass)
        total = torch.threshold(kept + added, NO_MASS, 0.0)
        return total, added / total.clamp(min=NO_MASS)

    def move(
        self, mean: Float[Tensor, "K D"], mass: Float[Tensor, "K"], batch: Batch
    ) -> tuple[Float[Tensor, "K D"], Float[Tensor, "K"]]:
        """Means and masses alone, folded in the same way."""
        total, share = self.shares(mass, batch.mass)
        return _between(mean, batch.mean, share), total


def _between(mean: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """(1−f)·m + f·m′, to the last bit m where f is 0, and m′ where it is 1."""
    return torch.lerp(mean, other, share[:, None])


TOTAL = Accumulator(1.0, 1.0)
LATEST = Accumulator(0.0, 1.0)


def decay(rate: float) -> Accumulator:
    """Exponential forgetting: a row of t batches ago weighs (1 − γ)γᵗ; normalised, so that the start is not biased."""
    return Accumulator(rate, 1.0 - rate)

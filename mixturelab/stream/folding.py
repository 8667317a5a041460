"""Covariances that are folded when they are asked for: several batches at once cost little more than one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mixturelab.exceptions import ArgumentError
from mixturelab.inference.accumulators import Accumulator, between
from mixturelab.model.assigned import AssignedRows, Fold, GroupedRows, blend_groups
from mixturelab.model.forms import Form
from mixturelab.model.suffstats import Moments

# So many batches wait at most, with their rows. More would save little, and cost those who read every covariance.
MOST_WAITING = 4


class Covariance:
    """The components' covariances at one moment: a tensor, and batches that are yet to be folded into it.

    The value is worked out when it is asked for, and does not change. Which batches have been folded in for good
    depends on their number alone, never on who read what: reading changes no later digit.
    """

    def __init__(self, base: Tensor, waiting: tuple[Fold, ...] = ()) -> None:
        self.base, self.waiting = base, waiting

    @cached_property
    def value(self) -> Tensor:
        """In the form's shape."""
        with torch.no_grad():
            return blend_groups(self.base, self.waiting) if self.waiting else self.base

    def after(self, fold: Fold) -> Covariance:
        """With one batch more."""
        new = Covariance(self.base, (*self.waiting, fold))
        return new if len(new.waiting) < MOST_WAITING else Covariance(new.value)

    def state(self) -> list[dict[str, Tensor]]:
        """The batches that wait, as tensors."""
        return [
            {"mass": rows.mass, "mean": rows.mean, "index": rows.index, "residual": rows.residual,
             "share": rows.mass.new_tensor(list(shares), dtype=torch.float64), "shift": shift}
            for rows, shares, shift in self.waiting
        ]  # fmt: skip

    @classmethod
    def of(cls, value: Tensor, waiting: Sequence[Mapping[str, Any]]) -> Covariance:
        """What `state` was made of.

        Raises
        ------
        ArgumentError
        """
        return cls(value, tuple(_fold_of(batch, value.shape[0]) for batch in waiting))


def _fold_of(batch: Mapping[str, Any], n_components: int) -> Fold:
    try:
        counts = [int(count) for count in batch["mass"].tolist()]
        none = len(batch["index"]) - sum(counts)
        rows = GroupedRows(batch["mass"], batch["mean"], (*counts, none), batch["index"], batch["residual"])
        if len(counts) != n_components or len(batch["residual"]) != len(batch["index"]):
            raise ValueError(f"K = {len(counts)}")
        return rows, batch["share"].tolist(), batch["shift"]
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise ArgumentError(f"state has a waiting batch that does not fit: {error}") from None


def fold(
    accumulator: Accumulator,
    mass: Tensor,
    mean: Tensor,
    covariance: Covariance,
    traces: Tensor,
    rows: AssignedRows | GroupedRows,
    form: Form,
) -> tuple[Tensor, Tensor, Covariance, Tensor]:
    """Mass, mean, covariance and its traces after a batch."""
    if isinstance(rows, AssignedRows):
        after = accumulator.fold(Moments(mass, mean, covariance.value, form), rows)
        new_traces = form.traces(after.covariance, mass.shape[0])
        return after.mass, after.mean, Covariance(after.covariance), new_traces
    shift = rows.mean - mean
    totals, shares = accumulator.shares_on_host(mass, rows.counts)
    new_mean = between(mean, rows.mean, mean.new_tensor(shares))
    squares = torch.linalg.vecdot(shift, shift).tolist()
    blended = [
        (1 - f) * old + f * new + f * (1 - f) * square
        for f, old, new, square in zip(shares, traces.tolist(), rows.traces(), squares, strict=True)
    ]
    new_mass, new_traces = mass.new_tensor(totals), traces.new_tensor(blended)
    return new_mass, new_mean, covariance.after((rows, shares, shift)), new_traces

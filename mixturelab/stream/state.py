"""The state of a streaming mixture: tensors that are replaced, never changed, so that a snapshot stays what it was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from mixturelab.exceptions import ArgumentError
from mixturelab.model.forms import DENSE, DIAGONAL, SCALAR, Form
from mixturelab.model.suffstats import Moments
from mixturelab.stream.batch import Batch
from mixturelab.stream.config import MixtureSettings
from mixturelab.stream.folding import Covariance

FORMS: dict[str, Form] = {"full": DENSE, "diag": DIAGONAL, "none": SCALAR}

# Batches with a live row; rows that are not finite; rows without a label; centroids that were moved.
COUNTS = ("updates", "rows_dropped", "rows_ignored", "reseeded")


@dataclass(frozen=True, eq=False)
class State:
    """Everything that the next update depends on.

    Attributes
    ----------
    mass, mean : Tensor [K], [K, D]
    covariance : Covariance
        The moments so far.
    traces : Tensor [K]
        Of the covariances.
    seen : Tensor [K]
        Components that ever had a row.
    previous : Tensor [K, D]
        The means before the last update (of a component that was new then, its own).
    centroid, centroid_mass : Tensor [K, D], [K]
        What the k-means assigner compares with: the means, begun afresh where a component was re-seeded.
    started : Tensor [K]
        Components that have a centroid.
    starving : Tensor [K]
        Components that had hardly any rows at the last decision and were not found dead then: a second time they are.
    recent : Tensor [K]
        Rows of each component since then.
    collapsed_for : Tensor
        Updates running whose batch had no spread to speak of.
    counts : Tensor [4]
        As `COUNTS` names them.
    """

    mass: Tensor
    mean: Tensor
    covariance: Covariance
    traces: Tensor
    seen: Tensor
    previous: Tensor
    centroid: Tensor
    centroid_mass: Tensor
    started: Tensor
    starving: Tensor
    recent: Tensor
    collapsed_for: Tensor
    counts: Tensor

    @classmethod
    def empty(
        cls, n_components: int, n_features: int, form: Form, dtype: torch.dtype, device: torch.device
    ) -> State:
        """Before the first row."""
        real: dict[str, Any] = dict(dtype=dtype, device=device)
        mean = torch.zeros(n_components, n_features, **real)
        no = torch.zeros(n_components, dtype=torch.bool, device=device)
        none = torch.zeros((), dtype=torch.int64, device=device)
        moments = Moments.empty(mean, form)
        return cls(
            mass=moments.mass, mean=mean, covariance=Covariance(moments.covariance), traces=moments.mass,
            seen=no, previous=mean,
            centroid=mean, centroid_mass=moments.mass, started=no, starving=no, recent=moments.mass,
            collapsed_for=none, counts=none.new_zeros(len(COUNTS)),
        )  # fmt: skip

    def came(self, mass: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """`seen` and `previous` after rows of these masses, with these new means."""
        previous = torch.where(self.seen[:, None], self.mean, mean)
        return self.seen | (mass > 0), torch.where(mass.sum() > 0, previous, self.previous)

    def count(self, **more: Tensor | None) -> Tensor:
        """The counts with more of some; None is none."""
        added = {COUNTS.index(name): count for name, count in more.items() if count is not None}
        if not added:
            return self.counts
        counts = self.counts.clone()
        for number, count in added.items():
            counts[number] += count
        return counts

    def to(self, device: torch.device) -> State:
        """The same on another device."""
        tensors = {name: value.to(device) for name, value in self._plain().items()}
        return replace(self, covariance=Covariance(self.covariance.value.to(device)), **tensors)

    def _plain(self) -> dict[str, Tensor]:
        names = [field.name for field in fields(self) if field.name != "covariance"]
        return {name: getattr(self, name) for name in names}

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name; the covariance without the batches that wait."""
        return {"covariance": self.covariance.base, **self._plain()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], waiting: Sequence[Mapping[str, Any]]) -> State:
        """From `tensors` and the batches that waited.

        Raises
        ------
        ArgumentError
        """
        plain = {name: value for name, value in tensors.items() if name != "covariance"}
        return cls(covariance=Covariance.of(tensors["covariance"], waiting), **plain)


@dataclass(frozen=True, eq=False)
class Last:
    """The last batch that was folded in: what the batch's own numbers are made of.

    Attributes
    ----------
    batch : Batch
    index : Tensor [N]
        The component of each row.
    mass, mean : Tensor [K], [K, D]
        Of the batch, about its centre.
    """

    batch: Batch
    index: Tensor
    mass: Tensor
    mean: Tensor


@dataclass(frozen=True)
class Clock:
    """What the host counts: the same wherever the tensors live.

    Attributes
    ----------
    calls : int
        Updates that were folded in.
    updates : int
        Those of them that are known to have had a row (the others are in the state's counts).
    logged : int
        How many of them the last row knew of.
    due : int
        From which update on the next eigenvalues are wanted.
    rank : float
        The effective rank found last, which the alarm judges by.
    """

    calls: int = 0
    updates: int = 0
    logged: int = 0
    due: int = 0
    rank: float = math.nan

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Clock:
        """From the numbers in a saved state.

        Raises
        ------
        ArgumentError
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(saved, Mapping) or set(saved) != set(names):
            raise ArgumentError(f"state has clock = {saved!r}; wanted the numbers {names}")
        return cls(**saved)

    def after(self, has_rows: bool) -> Clock:
        """One update later."""
        return Clock(self.calls + 1, self.updates + has_rows, self.logged, self.due, self.rank)


def check_state(
    saved: Mapping[str, Any], version: int, settings: MixtureSettings, current: State | None
) -> dict[str, Tensor]:
    """The tensors of a saved state that fits these settings and, if there is one, the current state.

    Raises
    ------
    ArgumentError
    """
    missing = {"format", "K", "D", "covariance", "clock", "write_errors", "tensors", "waiting"} - set(saved)
    if missing:
        raise ArgumentError(f"state lacks {sorted(missing)}; wanted what state_dict() gives")
    features = saved["D"] if current is None else current.mean.shape[1]
    wanted = {"format": version, "K": settings.K, "covariance": settings.covariance, "D": features}
    if saved["D"] is None:  # saved before the first row: it fits any D
        wanted["D"] = None
    for name, value in wanted.items():
        if saved[name] != value:
            raise ArgumentError(f"state has {name} = {saved[name]!r}; wanted {value!r}, as the estimator has")
    if not saved["tensors"]:
        return {}
    form = FORMS[settings.covariance]
    kind = (
        saved["tensors"]["mean"].dtype if isinstance(saved["tensors"].get("mean"), Tensor) else torch.float32
    )
    return _fitting(saved["tensors"], State.empty(settings.K, saved["D"], form, kind, torch.device("cpu")))


def _fitting(tensors: Mapping[str, Any], wanted: State) -> dict[str, Tensor]:
    """The tensors by name, if there is one of the right shape and kind for each that is wanted, and no other."""
    expected = wanted.tensors()
    if set(tensors) != set(expected):
        raise ArgumentError(f"state has the tensors {sorted(tensors)}; wanted {sorted(expected)}")
    for name, like in expected.items():
        found = tensors[name]
        if not isinstance(found, Tensor) or (found.shape, found.dtype) != (like.shape, like.dtype):
            shown = f"{tuple(found.shape)} {found.dtype}" if isinstance(found, Tensor) else repr(found)
            raise ArgumentError(f"state has {name} = {shown}; wanted {tuple(like.shape)} {like.dtype}")
    return dict(tensors)

"""Rows that belong to one component each: their moments, by products over all rows or by groups of rows.

A hard assignment needs no weights: on a CPU, where counts can be read, the rows are sorted by component and each
group is multiplied with itself. Where reading would stop the device, the same sums are products with 0/1 weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mixturelab.model.forms import DENSE, Form
from mixturelab.model.suffstats import SufficientStatistics


@dataclass(frozen=True, eq=False)
class AssignedRows:
    """Rows about their component's mean, with the count and the mean of each component.

    Attributes
    ----------
    mass : Tensor [K]
        How many rows.
    mean : Tensor [K, D]
        Zero for a component without rows.
    residual : Tensor [N, D]
        x_n − mean of its component.
    weights : Tensor [K, N]
        0 or 1; a row of no component has zeros only.
    """

    mass: Tensor
    mean: Tensor
    residual: Tensor
    weights: Tensor

    def statistics(self, form: Form) -> SufficientStatistics:
        """Their sums, about the means."""
        second = form.own_moment(self.weights, self.residual)
        return SufficientStatistics(self.mass, torch.zeros_like(self.mean), second, self.mean, form)

    def about(self, centre: Float[Tensor, "D"]) -> AssignedRows:
        """The same rows in coordinates whose zero was the centre."""
        return replace(self, mean=self.mean + centre)

    def blend(
        self, covariance: Tensor, share: Float[Tensor, "K"], shift: Float[Tensor, "K D"], form: Form
    ) -> Tensor:
        """(1−f)·Σ + f·C + f(1−f)·δδᵀ, as `Moments.blend`, without making C."""
        weights = self.weights * (share / self.mass.clamp(min=1))[:, None]
        spread = shift * (share * (1 - share)).sqrt()[:, None]
        kept = form.per_component(1 - share, covariance)
        return kept + form.own_moment(weights, self.residual) + form.outer(spread, spread)


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """The same for the dense form on a CPU: the rows are sorted by component when they are multiplied.

    Attributes
    ----------
    mass : Tensor [K]
    mean : Tensor [K, D]
    counts : tuple of int
        How many rows each component has, and last how many have none.
    index : Tensor [N]
        The component of each row.
    within : Tensor [K, D]
        The components' means in the rows' own coordinates.
    memory : Memory
        Holds the rows.
    """

    mass: Tensor
    mean: Tensor
    counts: tuple[int, ...]
    index: Tensor
    within: Tensor
    memory: Memory

    def about(self, centre: Float[Tensor, "D"]) -> GroupedRows:
        """The same rows in coordinates whose zero was the centre."""
        moved = self.mean + centre
        return GroupedRows(self.mass, moved, self.counts, self.index, self.within, self.memory)

    def blend(
        self, covariance: Tensor, share: Float[Tensor, "K"], shift: Float[Tensor, "K D"], form: Form
    ) -> Tensor:
        """(1−f)·Σ + f·C + f(1−f)·δδᵀ, as `Moments.blend`: each group times itself, and δ as one row more of it."""
        shares, new = share.tolist(), torch.empty_like(covariance)
        lengths = [math.sqrt(n * (1 - f)) for n, f in zip(self.counts, shares, strict=False)]
        torch.mul(shift, shift.new_tensor(lengths)[:, None], out=self.memory.spare)
        groups = self.memory.sort(self.index, self.counts)
        parts = zip(shares, covariance.unbind(), new.unbind(), self.within.unbind(), groups, strict=False)
        for f, old_k, new_k, mean_k, rows in parts:  # the group of no component, the last, is left over
            if f == 0:
                new_k.copy_(old_k)
            else:
                rows[:-1].sub_(mean_k)
                torch.addmm(old_k, rows.mT, rows, beta=1 - f, alpha=f / (rows.shape[0] - 1), out=new_k)
        return new


class Memory:
    """Room for N rows and K spare ones, unsorted and sorted, used again and again: fresh pages cost more than sums.

    Attributes
    ----------
    rows : Tensor [N, D]
    spare : Tensor [K, D]
    """

    def __init__(self, n_rows: int, n_components: int, like: Tensor) -> None:
        self._all = like.new_empty(n_rows + n_components, like.shape[-1])
        self._sorted = torch.empty_like(self._all)
        self._components = torch.arange(n_components, device=like.device)
        self.rows, self.spare = self._all[:n_rows], self._all[n_rows:]

    def fits(self, n_rows: int, like: Tensor) -> bool:
        """Whether it has the size and kind that is wanted."""
        return self.rows.shape == (n_rows, like.shape[-1]) and self.rows.dtype == like.dtype

    def sort(self, index: Int[Tensor, "N"], counts: tuple[int, ...]) -> tuple[Tensor, ...]:
        """The rows of each component together, each group ended by its spare row; those of no component come last."""
        order = torch.argsort(torch.cat([index, self._components]), stable=True)
        torch.index_select(self._all, 0, order, out=self._sorted)
        return self._sorted.split([count + 1 for count in counts[:-1]] + [counts[-1]])


def assign_rows(x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int) -> AssignedRows:
    """The moments of rows of which row n belongs to component ``index[n]``, or to none if that is K.

    Nothing is read by the host: an absent component is a zero in `mass`.
    """
    weights = one_hot(index, n_components, x.dtype)
    mass, mean = class_means(x, index, n_components)
    own = torch.cat([mean, mean.new_zeros(1, x.shape[1])])  # a row of no component stays where it is
    return AssignedRows(mass, mean, x - own.index_select(0, index), weights)


def group_rows(index: Int[Tensor, "N"], n_components: int, memory: Memory) -> GroupedRows:
    """The same for the rows in memory, on a device whose counts can be read at no cost."""
    mass, mean = class_means(memory.rows, index, n_components)
    counts = tuple(int(count) for count in mass.tolist())
    return GroupedRows(mass, mean, (*counts, index.shape[0] - sum(counts)), index, mean, memory)


def class_means(
    x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int
) -> tuple[Float[Tensor, "K"], Float[Tensor, "K D"]]:
    """How many rows each component has, and their mean (zero if there are none)."""
    if x.device.type == "cpu":  # each row is added where it belongs; in parallel the order of sums would vary
        total = x.new_zeros(n_components + 1, x.shape[1]).index_add_(0, index, x)[:n_components]
        ones = x.new_ones(x.shape[0])
        mass = x.new_zeros(n_components + 1).index_add_(0, index, ones)[:n_components]
    else:
        weights = one_hot(index, n_components, x.dtype)
        mass, total = weights.sum(1), weights @ x
    return mass, total / mass.clamp(min=1)[:, None]


def one_hot(index: Int[Tensor, "N"], n_components: int, dtype: torch.dtype) -> Float[Tensor, "K N"]:
    """0/1 responsibilities, one row a component; a row of no component (index K) has none."""
    weights = torch.zeros(n_components + 1, index.shape[0], dtype=dtype, device=index.device)
    return weights.scatter_(0, index[None], 1.0)[:n_components]


def rows_of(
    x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int, form: Form, memory: Memory | None
) -> AssignedRows | GroupedRows:
    """`group_rows` where the rows are in memory for that, `assign_rows` elsewhere."""
    if memory is not None and form is DENSE:
        return group_rows(index, n_components, memory)
    return assign_rows(x, index, n_components)

"""Rows that belong to one component each: their moments, by products over all rows or by groups of rows.

A hard assignment needs no weights: on a CPU, where counts can be read, the rows are sorted by component and each
group is multiplied with itself. Where reading would stop the device, the same sums are products with 0/1 weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mixturelab.model.forms import DENSE, Form
from mixturelab.model.suffstats import SufficientStatistics

# Counts and means of the components: rows [N, D], their components [N] and K give [K] and [K, D].
Means = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]


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
    index : Tensor [N]
        The component of each row, K for none.
    sum_over : callable (Tensor) -> Tensor, optional
        Adds up what several processes have of one sum; `mass` and `mean` are of all their rows already.
    """

    mass: Tensor
    mean: Tensor
    residual: Tensor
    index: Tensor
    sum_over: Callable[[Tensor], Tensor] | None = None

    @property
    def weights(self) -> Float[Tensor, "K N"]:
        """0 or 1; a row of no component has zeros only."""
        return one_hot(self.index, len(self.mass), self.residual.dtype)

    def _moment(self, form: Form, scale: Tensor | None = None) -> Tensor:
        """Σ_n w_kn r_n r_nᵀ over all rows, times the component's scale."""
        moment = self._own_moment(form, scale)
        return moment if self.sum_over is None else self.sum_over(moment)

    def _own_moment(self, form: Form, scale: Tensor | None) -> Tensor:
        weights = self.weights if scale is None else self.weights * scale[:, None]
        return form.own_moment(weights, self.residual)

    def statistics(self, form: Form) -> SufficientStatistics:
        """Their sums, about the means."""
        second = self._moment(form)
        return SufficientStatistics(self.mass, torch.zeros_like(self.mean), second, self.mean, form)

    def about(self, centre: Float[Tensor, "D"]) -> AssignedRows:
        """The same rows in coordinates whose zero was the centre."""
        return replace(self, mean=self.mean + centre)

    def blend(
        self, covariance: Tensor, share: Float[Tensor, "K"], shift: Float[Tensor, "K D"], form: Form
    ) -> Tensor:
        """(1−f)·Σ + f·C + f(1−f)·δδᵀ, as `Moments.blend`, without making C."""
        spread = shift * (share * (1 - share)).sqrt()[:, None]
        kept = form.per_component(1 - share, covariance)
        return kept + self._moment(form, share / self.mass.clamp(min=1)) + form.outer(spread, spread)


@dataclass(frozen=True, eq=False)
class SortedRows(AssignedRows):
    """The same where the host can read: the dense form's products are of the rows of each component alone."""

    def _own_moment(self, form: Form, scale: Tensor | None) -> Tensor:
        if form is not DENSE:
            return super()._own_moment(form, scale)
        k, d = self.mean.shape
        groups = _by_component(
            self.residual, self.index, torch.bincount(self.index, minlength=k + 1).tolist()
        )
        moment = self.residual.new_empty(k, d, d)
        for group, out in zip(groups, moment.unbind(), strict=False):  # the rows of none come last
            torch.mm(group.mT, group, out=out)
        return moment if scale is None else moment.mul_(scale[:, None, None])


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
        The component of each row, K for none.
    residual : Tensor [N, D]
        x_n − mean of its component.
    """

    mass: Tensor
    mean: Tensor
    counts: tuple[int, ...]
    index: Tensor
    residual: Tensor

    def about(self, centre: Float[Tensor, "D"]) -> GroupedRows:
        """The same rows in coordinates whose zero was the centre."""
        return GroupedRows(self.mass, self.mean + centre, self.counts, self.index, self.residual)

    def blend(
        self, covariance: Tensor, share: Float[Tensor, "K"], shift: Float[Tensor, "K D"], form: Form
    ) -> Tensor:
        """(1−f)·Σ + f·C + f(1−f)·δδᵀ, as `Moments.blend`, without making C."""
        return blend_groups(covariance, [(self, share.tolist(), shift)])

    def traces(self) -> list[float]:
        """The trace of each component's covariance."""
        k = len(self.counts) - 1
        squares = torch.linalg.vecdot(self.residual, self.residual)
        sums = torch.bincount(self.index, squares, minlength=k + 1).tolist()
        return [total / max(n, 1) for total, n in zip(sums, self.counts[:k], strict=False)]


# A batch, how much of the new mass it is, and how far its means lie from those before it.
Fold = tuple[GroupedRows, Sequence[float], Tensor]


def blend_groups(covariance: Float[Tensor, "K D D"], folds: Sequence[Fold]) -> Float[Tensor, "K D D"]:
    """Fold batches in one after the other, (1−f)·Σ + f·C + f(1−f)·δδᵀ each, by one product for each component.

    What a later batch leaves of an earlier one is Π(1 − f): rows and shifts are scaled by the roots of their weights,
    sorted by component, and each component's are multiplied with themselves.
    """
    left, scaled = [1.0] * len(covariance), []
    for batch, shares, shift in reversed(folds):
        if any(left):  # else nothing is left of this batch and those before it
            scaled.append(_scaled(batch, shares, shift, left))
        left = [(1 - f) * w for f, w in zip(shares, left, strict=True)]
    rows, keys = torch.cat([x for x, _ in scaled]), torch.cat([key for _, key in scaled])
    kept = [batch.counts for batch, _, _ in folds[len(folds) - len(scaled) :]]
    return _products(
        covariance, left, rows, keys, [sum(column) for column in zip(*kept, strict=True)], len(kept)
    )


def _scaled(
    batch: GroupedRows, shares: Sequence[float], shift: Tensor, left: list[float]
) -> tuple[Tensor, Tensor]:
    """A batch's rows and shifts, times the roots of the weights that are left of them; and whose they are."""
    n, k = len(batch.index), len(left)
    rows = shift.new_empty(n + k, shift.shape[1])
    roots = [math.sqrt(f * w / max(m, 1)) for f, w, m in zip(shares, left, batch.counts, strict=False)]
    spread = [math.sqrt(f * (1 - f) * w) for f, w in zip(shares, left, strict=True)]
    of_rows = rows.new_tensor([*roots, 0.0]).index_select(0, batch.index)
    torch.mul(batch.residual, of_rows[:, None], out=rows[:n])
    torch.mul(shift, rows.new_tensor(spread)[:, None], out=rows[n:])
    return rows, torch.cat([batch.index, torch.arange(k, device=rows.device)])


def _products(
    covariance: Tensor, keep: list[float], rows: Tensor, keys: Tensor, counts: list[int], shifts: int
) -> Tensor:
    """The scaled covariances plus the products of each component's rows; one without rows stays to the last bit."""
    groups = _by_component(rows, keys, [count + shifts for count in counts[:-1]] + [counts[-1]])
    new = torch.empty_like(covariance)
    parts = zip(keep, counts, covariance.unbind(), new.unbind(), groups, strict=False)
    for beta, count, old_k, new_k, group in parts:  # the rows of no component come last and are left over
        if count:
            torch.addmm(old_k, group.mT, group, beta=beta, out=new_k)
        else:
            new_k.copy_(old_k)
    return new


def _by_component(rows: Tensor, index: Tensor, counts: list[int]) -> tuple[Tensor, ...]:
    """The rows of each component, in their order, and last those of none."""
    return rows.index_select(0, torch.argsort(index, stable=True)).split(counts)


def assign_rows(
    x: Float[Tensor, "N D"],
    index: Int[Tensor, "N"],
    n_components: int,
    means: Means | None = None,
    sum_over: Callable[[Tensor], Tensor] | None = None,
    may_read: bool = False,
) -> AssignedRows:
    """The moments of rows of which row n belongs to component ``index[n]``, or to none if that is K.

    Nothing is read by the host: an absent component is a zero in `mass`. ``means`` stands in for `class_means`, and
    ``sum_over`` adds up, where other processes hold rows of the same batch. With ``may_read`` the host counts the rows
    of each component after all, which is quicker on a CPU.
    """
    mass, mean = (means or class_means)(x, index, n_components)
    own = torch.cat([mean, mean.new_zeros(1, x.shape[1])])  # a row of no component stays where it is
    residual = x - own.index_select(0, index)
    make = SortedRows if may_read else AssignedRows
    return make(mass, mean, residual, index, sum_over)


def group_rows(x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int) -> GroupedRows:
    """The same for the dense form, on a device whose counts can be read at no cost."""
    counts, means = counted_means(x, index, n_components)
    own = means.index_select(0, index)
    residual = torch.sub(x, own, out=own)
    mass = x.new_tensor(counts[:n_components])
    return GroupedRows(mass, means[:n_components], tuple(counts), index, residual)


def counted_means(
    x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int
) -> tuple[list[int], Float[Tensor, "K1 D"]]:
    """`class_means` where counts can be read, in half the operations; with a last row for the rows of none (zero)."""
    counts = torch.bincount(index, minlength=n_components + 1).tolist()
    total = x.new_zeros(n_components + 1, x.shape[1]).index_add_(0, index, x)
    if counts[-1]:
        total[-1] = 0  # a row of no component stays where it is
    return counts, total.div_(x.new_tensor([max(count, 1) for count in counts])[:, None])


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
    return mass, total / mass.clamp(min=1).unsqueeze(1)


def one_hot(index: Int[Tensor, "N"], n_components: int, dtype: torch.dtype) -> Float[Tensor, "K N"]:
    """0/1 responsibilities, one row a component; a row of no component (index K) has none."""
    weights = torch.zeros(n_components + 1, index.shape[0], dtype=dtype, device=index.device)
    return weights.scatter_(0, index[None], 1.0)[:n_components]

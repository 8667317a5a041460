"""Rows that belong to one component each: their moments, by products over all rows or by groups of rows.

A hard assignment needs no weights: on a CPU, where counts can be read, the rows are sorted by component and each
group is multiplied with itself. Where reading would stop the device, the same sums are products with 0/1 weights.
"""

from __future__ import annotations

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
    """The same, sorted by component: group k is rows ``ends[k−1]:ends[k]`` and ends in a spare row.

    Attributes
    ----------
    mass : Tensor [K]
    mean : Tensor [K, D]
    residual : Tensor [N + K, D]
        Rows about their component's mean, and one row to each group for what `blend` adds.
    groups : tuple of int
        The length of each group, its spare row included; the rows of no component come after them.
    last : Tensor [K]
        Where the spare rows are.
    """

    mass: Tensor
    mean: Tensor
    residual: Tensor
    groups: tuple[int, ...]
    last: Tensor

    def about(self, centre: Float[Tensor, "D"]) -> GroupedRows:
        """The same rows in coordinates whose zero was the centre."""
        return replace(self, mean=self.mean + centre)

    def blend(
        self, covariance: Tensor, share: Float[Tensor, "K"], shift: Float[Tensor, "K D"], form: Form
    ) -> Tensor:
        """(1−f)·Σ + f·C + f(1−f)·δδᵀ, as `Moments.blend`: each group times itself, δ as one row more."""
        spare = shift * (self.mass * (1 - share)).sqrt()[:, None]
        self.residual.index_copy_(0, self.last, spare)
        shares, new = share.tolist(), torch.empty_like(covariance)
        parts = zip(shares, covariance.unbind(), new.unbind(), self.residual.split(self.groups), strict=False)
        for f, old_k, new_k, rows in parts:  # the rows of no component, if any, come last and are left over
            if f == 0:
                new_k.copy_(old_k)
            else:
                gain = f / (rows.shape[0] - 1)
                torch.addmm(old_k, rows.mT, rows, beta=1 - f, alpha=gain, out=new_k)
        return new


def assign_rows(x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int) -> AssignedRows:
    """The moments of rows of which row n belongs to component ``index[n]``, or to none if that is K.

    Nothing is read by the host: an absent component is a zero in `mass`.
    """
    weights = one_hot(index, n_components, x.dtype)
    mass, mean = class_means(x, index, n_components)
    own = torch.cat([mean, mean.new_zeros(1, x.shape[1])])  # a row of no component stays where it is
    return AssignedRows(mass, mean, x - own.index_select(0, index), weights)


def group_rows(
    x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int, out: Tensor | None = None
) -> GroupedRows:
    """The same by sorting, for the dense form on a device whose counts can be read at no cost.

    ``out`` is memory for the N + K sorted rows: fresh pages cost more than the arithmetic on them.
    """
    mass, mean = class_means(x, index, n_components)
    keys = torch.cat([index, torch.arange(n_components)])  # the spare rows come last in their groups
    order = torch.argsort(keys, stable=True).clamp_(max=x.shape[0] - 1)
    rows = torch.index_select(x, 0, order, out=out)
    counts = torch.bincount(keys, minlength=n_components + 1)
    groups = tuple(counts.tolist())
    for mean_k, group in zip(mean.unbind(), rows.split(groups), strict=False):
        group.sub_(mean_k)
    return GroupedRows(mass, mean, rows, groups, counts[:n_components].cumsum(0) - 1)


def class_means(
    x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int
) -> tuple[Float[Tensor, "K"], Float[Tensor, "K D"]]:
    """How many rows each component has, and their mean (zero if there are none)."""
    if (
        x.device.type == "cpu"
    ):  # adding rows where they belong reads them once; in parallel its order would vary
        mass = x.new_zeros(n_components + 1).index_add_(0, index, x.new_ones(x.shape[0]))[:n_components]
        total = x.new_zeros(n_components + 1, x.shape[1]).index_add_(0, index, x)[:n_components]
    else:
        weights = one_hot(index, n_components, x.dtype)
        mass, total = weights.sum(1), weights @ x
    return mass, total / mass.clamp(min=1)[:, None]


def one_hot(index: Int[Tensor, "N"], n_components: int, dtype: torch.dtype) -> Float[Tensor, "K N"]:
    """0/1 responsibilities, one row a component; a row of no component (index K) has none."""
    weights = torch.zeros(n_components + 1, index.shape[0], dtype=dtype, device=index.device)
    return weights.scatter_(0, index[None], 1.0)[:n_components]


def rows_of(
    x: Float[Tensor, "N D"],
    index: Int[Tensor, "N"],
    n_components: int,
    form: Form,
    grouped: bool,
    out: Tensor | None = None,
) -> AssignedRows | GroupedRows:
    """`group_rows` where that is wanted and pays, `assign_rows` elsewhere."""
    if grouped and form is DENSE:
        return group_rows(x, index, n_components, out)
    return assign_rows(x, index, n_components)

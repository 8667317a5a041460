"""Who assigns rows to components: the nearest centroid, after Lloyd's iterations; and where centroids start.

A hard assignment is an index for each row, 0 to K − 1, or K for a row of no component. Nothing here is read by the
host, so that a GPU never waits; random numbers are drawn by the caller.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mixturelab.model.assigned import Means, class_means, counted_means

# Up to so many distances two operations less count for more than which way they lie.
FEW = 8192


def nearest(
    x: Float[Tensor, "N D"], centroids: Float[Tensor, "K D"], started: Bool[Tensor, "K"] | None = None
) -> Int[Tensor, "N"]:
    """The component whose centroid is nearest, among those that have started (None: all have).

    ½‖c‖² − x·c orders the centroids as ‖x − c‖² does; x must be near the origin, or digits are lost.
    """
    squares = torch.linalg.vecdot(centroids, centroids)
    if started is not None:
        squares = torch.where(started, squares, math.inf)
    if x.shape[0] * len(centroids) <= FEW:
        return torch.addmm(squares, x, centroids.t(), beta=0.5, alpha=-1).argmin(1)
    # Components first: the smallest of K long rows is found several times faster than that of N short ones.
    return torch.addmm(squares.unsqueeze(1), centroids, x.t(), beta=0.5, alpha=-1).min(0).indices


def lloyd(
    x: Float[Tensor, "N D"],
    is_live: Bool[Tensor, "N"] | None,
    centroids: Float[Tensor, "K D"],
    started: Bool[Tensor, "K"] | None,
    iterations: int,
    may_read: bool = False,
    means: Means = class_means,
) -> Int[Tensor, "N"]:
    """Assign, move the centroids to their rows' means, assign again: as many assignments as iterations.

    A centroid without rows stays where it is. Rows that are not live belong to no component. With ``may_read`` the
    host looks whether there is such a centroid. ``means`` finds the rows' means, of other processes' rows too.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM; Bishop (2006), section 9.1.
    """
    index = _live_only(nearest(x, centroids, started), is_live, centroids.shape[0])
    for _ in range(iterations - 1):
        if may_read and means is class_means:
            centroids = _moved(x, index, centroids)
        else:
            count, mean = means(x, index, centroids.shape[0])
            centroids = torch.where((count > 0)[:, None], mean, centroids)
        index = _live_only(nearest(x, centroids, started), is_live, centroids.shape[0])
    return index


def _moved(x: Tensor, index: Tensor, centroids: Tensor) -> Float[Tensor, "K D"]:
    """The centroids at their rows' means, where the host may look for one without rows."""
    counts, means = counted_means(x, index, len(centroids))
    counts.pop()
    if 0 not in counts:
        return means[:-1]
    has_rows = torch.tensor([count > 0 for count in counts], device=x.device)
    return torch.where(has_rows[:, None], means[:-1], centroids)


def n_candidates(n_components: int) -> int:
    """How many rows `seed` compares for each centroid: 2 + ⌊ln K⌋."""
    return 2 + int(math.log(n_components))


def seed(
    x: Float[Tensor, "N D"],
    is_live: Bool[Tensor, "N"],
    centroids: Float[Tensor, "K D"],
    started: Bool[Tensor, "K"],
    uniform: Float[Tensor, "K N"],
) -> tuple[Float[Tensor, "K D"], Bool[Tensor, "K"]]:
    """Give each component that has not started a row as its centroid, by greedy D² sampling.

    Rows are drawn with probability proportional to their squared distance from the nearest centroid; of a few drawn,
    the one that leaves the least distance in all is taken. A component for which no row lies apart from all
    centroids (fewer distinct rows than components) stays unstarted: there are no duplicates.

    Parameters
    ----------
    x : Tensor [N, D]
    is_live : Tensor [N]
        Rows that may be drawn.
    centroids : Tensor [K, D]
    started : Tensor [K]
    uniform : Tensor [K, N]
        Uniform numbers in [0, 1), one row a component.

    Returns
    -------
    centroids : Tensor [K, D]
    started : Tensor [K]

    References
    ----------
    Arthur and Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    distance = _squared_distance(x, centroids, started, is_live)
    some = min(n_candidates(len(centroids)), len(x))
    for k in range(len(centroids)):
        weight = torch.where(torch.isinf(distance), is_live.to(x.dtype), distance)
        drawn = _draw(weight, uniform[k], some)
        left = torch.minimum(distance, _to_rows(x, x.index_select(0, drawn), is_live))  # [candidates, N]
        apart = weight.index_select(0, drawn) > 0  # where fewer rows lie apart, others come along
        best = torch.where(apart, left.sum(1), math.inf).argmin()[None]
        row = drawn.index_select(0, best)
        takes = ~started[k] & apart.index_select(0, best).squeeze(0)
        chosen = torch.where(takes, x.index_select(0, row).squeeze(0), centroids[k])
        distance = torch.where(takes, left.index_select(0, best).squeeze(0), distance)
        only = torch.arange(len(centroids), device=x.device) == k
        centroids = torch.where(only[:, None], chosen, centroids)
        started = started | (only & takes)
    return centroids, started


def _draw(weight: Float[Tensor, "N"], uniform: Float[Tensor, "N"], some: int) -> Int[Tensor, "some"]:
    """Rows without replacement, with probability proportional to weight: the first of exponential clocks to ring."""
    clock = -torch.log1p(-uniform.clamp(max=1 - 2**-24))
    rate = torch.where(weight > 0, weight / clock.clamp(min=1e-30), -1.0)
    return rate.topk(some).indices


def _squared_distance(x: Tensor, centroids: Tensor, started: Tensor, is_live: Tensor) -> Float[Tensor, "N"]:
    """To the nearest centroid that has started: infinite if there is none, zero for rows that are not live."""
    distance = torch.where(is_live, math.inf, 0.0).to(x.dtype)
    for centroid, has_started in zip(centroids, started, strict=True):
        to_this = (x - centroid).square().sum(1)  # by differences: equal rows are at distance zero exactly
        distance = torch.where(has_started, torch.minimum(distance, to_this), distance)
    return distance


def _to_rows(x: Tensor, rows: Float[Tensor, "C D"], is_live: Tensor) -> Float[Tensor, "C N"]:
    """Squared distances of all live rows to some of them, by differences; one at a time, to save memory."""
    return torch.stack([torch.where(is_live, (x - row).square().sum(1), 0.0) for row in rows])


def _live_only(index: Tensor, is_live: Tensor | None, n_components: int) -> Tensor:
    return index if is_live is None else torch.where(is_live, index, n_components)

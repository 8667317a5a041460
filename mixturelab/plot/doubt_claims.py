"""Claims and what became of them: reliability in bins of confidence, its intervals, and the diagram."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mixturelab.exceptions import ArgumentError
from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array

__all__ = ["EDGES", "Reliability", "reliability", "reliability_diagram"]


@dataclass(frozen=True)
class Reliability:
    """What was claimed and what was so, in bins of the claim.

    Attributes
    ----------
    count : ndarray [B] of int
        Judgements in each bin that has any.
    claimed, right : ndarray [B]
        Mean confidence, and share of correct labels.
    low, high : ndarray [B]
        95 % interval of that share (Wilson's), for independent rows.
    gap : float
        Expected calibration error: the mean of |right − claimed|, weighted by the rows.
    """

    count: Any
    claimed: Array
    right: Array
    low: Array
    high: Array
    gap: float


EDGES = (0.0, 0.6, 0.75, 0.9, 0.99, 1.0)


def reliability(
    confidence: ArrayLike, correct: ArrayLike, edges: Sequence[float] = EDGES, *, repeats: int = 1
) -> Reliability:
    """Sort rows into bins by confidence and see how often each bin is right.

    Parameters
    ----------
    confidence : array-like [N]
        Largest responsibility of each row.
    correct : array-like [N] of bool
        Whether the leading component is the row's group.
    edges : sequence of float
        Of the bins; a bin holds its upper edge.
    repeats : int
        How often each row was judged, by as many fits. The intervals count it once: a row that is judged ten times
        is not ten rows.

    Raises
    ------
    ArgumentError
        If the lengths differ, or `repeats` is below 1.
    """
    claims, hits = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if claims.shape != hits.shape:
        raise ArgumentError(f"correct has shape {hits.shape}; wanted {claims.shape} as confidence has")
    if repeats < 1:
        raise ArgumentError(f"repeats is {repeats!r}; wanted at least 1")
    bins = np.clip(np.searchsorted(edges, claims, side="left") - 1, 0, len(edges) - 2)
    count = np.bincount(bins, minlength=len(edges) - 1)
    used = count > 0
    n = count[used]
    claimed, right = (np.bincount(bins, each, len(count))[used] / n for each in (claims, hits))
    gap = float(n @ np.abs(claimed - right) / n.sum())
    return Reliability(n, claimed, right, *_wilson(right, n / repeats), gap)


def _wilson(share: Array, count: Any, z: float = 1.96) -> tuple[Array, Array]:
    """Wilson's interval of a binomial share: it stays between 0 and 1, also where all are right."""
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def reliability_diagram(claims: Mapping[str, tuple[ArrayLike, ArrayLike]], *, repeats: int = 1) -> Any:
    """How often rows are right against how sure they were, with 95 % intervals; honest claims lie on the diagonal.

    Parameters
    ----------
    claims : mapping from str to (confidence [N], correct [N])
    repeats : int
        As for `reliability`.

    Returns
    -------
    Picture
    """
    with picture.look():
        figure = picture.new(7.4, 5.2)
        ax = figure.subplots()
        ax.plot(
            [0.4, 1],
            [0.4, 1],
            color=palette.MUTED,
            linestyle="--",
            linewidth=1.4,
            label="as often right as claimed",
        )
        found = {name: reliability(*pair, repeats=repeats) for name, pair in claims.items()}
        for index, (name, each) in enumerate(found.items()):
            look = palette.style(index)
            shift = 0.006 * (index - (len(found) - 1) / 2)  # bars of one bin side by side
            bars = np.maximum([each.right - each.low, each.high - each.right], 0.0)
            ax.errorbar(
                each.claimed + shift, each.right, bars, color=look.colour, marker=look.marker, linestyle=look.line,
                markersize=8, capsize=3, elinewidth=1.3, label=name,
            )  # fmt: skip
        ax.set(xlim=(0.4, 1.02), ylim=(0, 1.03), xlabel="claimed: mean of the largest responsibility")
        ax.set_ylabel("share that is right")
        ax.legend(loc="lower right")
    return picture.describe(figure, _reliability_words(found, repeats))


def _reliability_words(found: Mapping[str, Reliability], repeats: int) -> str:
    lines = []
    for name, each in found.items():
        n = f"{round(each.count[-1] / repeats)} surest rows"
        top = f"of the {n}, claimed {each.claimed[-1]:.2f}, {each.right[-1]:.2f} are right"
        lines.append(f"{name}: {top}; calibration error {each.gap:.2f}.")
    return (
        "Share of right labels against the claimed probability, a dashed diagonal for honest claims. "
        + " ".join(lines)
    )

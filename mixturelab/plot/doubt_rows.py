"""Pictures of responsibilities row by row: each row as a bar, and each pair of rows as a shade."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array
from mixturelab.plot.labels import listed, plural

__all__ = ["responsibility_bars", "similarity_map", "sorted_rows"]


def sorted_rows(responsibilities: ArrayLike) -> Any:
    """The order of a structure plot: by the leading component, within it the surest rows first."""
    gamma = np.asarray(responsibilities, dtype=float)
    return np.lexsort((-gamma.max(axis=1), gamma.argmax(axis=1)))


def responsibility_bars(responsibilities: ArrayLike, names: Sequence[str] | None = None) -> Any:
    """A structure plot: each row a thin bar of height 1, shared out by its responsibilities.

    Parameters
    ----------
    responsibilities : array-like [N, K]
    names : sequence of str, optional
        Of the components. Default: their numbers.

    Returns
    -------
    Picture
    """
    gamma = np.asarray(responsibilities, dtype=float)
    ordered = gamma[sorted_rows(gamma)]
    called = list(names or [f"component {k}" for k in range(gamma.shape[1])])
    with picture.look():
        figure = picture.new(10.0, 3.6)
        ax = figure.subplots()
        _draw_bars(ax, ordered)
        _name_blocks(ax, ordered, called)
        ax.set(xlim=(0, len(gamma)), ylim=(0, 1), ylabel="responsibility")
        ax.set_xlabel("rows, by leading component, the surest first")
    unsure = int((gamma.max(axis=1) < 0.9).sum())
    counts = listed([f"{n} led by {called[k]}" for k, n in enumerate(_led(ordered))])
    return picture.describe(
        figure,
        f"{plural(len(gamma), 'row')} as thin bars of height 1, sorted: {counts}. Most bars have one colour; toward "
        f"the right end of each block a second colour comes in, and {unsure} bars have less than 0.9 of any.",
    )


def _draw_bars(ax: Axes, ordered: Array) -> None:
    tops = np.cumsum(ordered, axis=1)
    tops = np.vstack([tops, tops[-1:]])  # the last bar has a right edge too
    below = np.zeros(len(tops))
    for k, top in enumerate(tops.T):
        look: dict[str, Any] = {"facecolor": palette.style(k).colour, "hatch": _HATCHES[k % len(_HATCHES)]}
        ax.fill_between(range(len(tops)), below, top, step="post", edgecolor="white", linewidth=0, **look)
        below = top
    ax.grid(False)


_HATCHES = ("", "//", "..", "xx", "--", "\\\\")


def _led(ordered: Array) -> Any:
    return np.bincount(ordered.argmax(axis=1), minlength=ordered.shape[1])


def _name_blocks(ax: Axes, ordered: Array, names: Sequence[str]) -> None:
    """A name above each block of rows that one component leads."""
    ends = np.cumsum(_led(ordered))
    for k, (name, n, end) in enumerate(zip(names, _led(ordered), ends, strict=True)):
        if n:
            ax.annotate(
                f"{name} leads {n}", (end - n / 2, 1.02), ha="center", va="bottom", annotation_clip=False
            )
            ax.plot([end - n, end], [1.0, 1.0], color=palette.style(k).colour, linewidth=5, clip_on=False)


def similarity_map(
    similarity: ArrayLike, responsibilities: ArrayLike, names: Sequence[str] | None = None
) -> Any:
    """For each pair of rows the probability that one component made both, rows sorted as in a structure plot.

    Parameters
    ----------
    similarity : array-like [N, N]
    responsibilities : array-like [N, K]
        For the order of the rows.
    names : sequence of str, optional
        Of the components.

    Returns
    -------
    Picture
    """
    gamma, matrix = np.asarray(responsibilities, dtype=float), np.asarray(similarity, dtype=float)
    order = sorted_rows(gamma)
    called = list(names or [f"component {k}" for k in range(gamma.shape[1])])
    led = _led(gamma[order])
    ends = np.cumsum(led)
    with picture.look():
        figure = picture.new(6.8, 5.6)
        ax = figure.subplots()
        shades = ax.imshow(
            matrix[np.ix_(order, order)], cmap="Blues", vmin=0, vmax=1, interpolation="nearest"
        )
        figure.colorbar(shades, ax=ax, label="probability of one component for both")
        ax.grid(False)
        ax.set_xticks(ends - led / 2, called)
        ax.set_yticks(ends - led / 2, called, rotation=90, va="center")
        ax.tick_params(length=0)
        for end in ends[:-1]:
            ax.axhline(end - 0.5, color=palette.INK, linewidth=0.8)
            ax.axvline(end - 0.5, color=palette.INK, linewidth=0.8)
        ax.set_title("Which rows belong together?")
    return picture.describe(
        figure,
        f"A heat map of {len(gamma)} by {len(gamma)} pairs of rows in {len(led)} dark blocks along the diagonal. "
        "Toward the lower right of each block the shade fades, and pale strips reach from there into the other blocks: "
        "the rows in doubt.",
    )

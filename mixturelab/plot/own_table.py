"""Pictures for a table that nobody has seen before: every two features, surprising rows, and how stable groups are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import Units, axis_label, listed, named, plural

__all__ = ["pairs", "stability", "surprise"]

MOST = 6  # features that one picture can hold


def pairs(table: pd.DataFrame, units: Units = None, groups: ArrayLike | None = None) -> picture.Picture:
    """Draw every two features against each other, and the histogram of each on the diagonal.

    Parameters
    ----------
    table : DataFrame [N, D]
        With more than six columns, the first six are drawn.
    units : mapping from name to unit, or sequence, optional
        For the axes.
    groups : array-like [N], optional
        A group for each row, for colour and marker.

    Returns
    -------
    Picture
        With its alternative text.
    """
    names = [str(name) for name in table.columns[:MOST]]
    data = table.iloc[:, : len(names)].to_numpy(dtype=float)
    label = np.zeros(len(data), dtype=int) if groups is None else _codes(groups)[0]
    side = 2.1 * len(names) + 0.8
    drawn, grid = picture.subplots(len(names), len(names), width=side + 0.6, height=side)
    with picture.look():
        for (row, column), ax in np.ndenumerate(np.atleast_2d(grid)):
            _draw_pair(ax, data[:, column], data[:, row], label, groups is not None, row == column)
        _name_axes(np.atleast_2d(grid), [axis_label(n, _unit(units, n, d)) for d, n in enumerate(names)])
        if groups is not None:
            _group_legend(drawn, _codes(groups)[1])
    picture.describe(drawn, _pairs_words(table, names, None if groups is None else _codes(groups)[1]))
    return drawn


def _codes(groups: ArrayLike) -> tuple[Any, list[str]]:
    codes, found = pd.factorize(np.asarray(groups), sort=True)
    return codes, [str(name) for name in found]


def _draw_pair(ax: Axes, x: Array, y: Array, label: Any, coloured: bool, diagonal: bool) -> None:
    # A histogram counts on an axis of its own, so that the left one keeps the feature's numbers.
    ax.scatter(x, y, s=13, alpha=0)
    counts = ax.twinx() if diagonal else ax
    bins = np.linspace(np.nanmin(x), np.nanmax(x), 19).tolist()
    for group in np.unique(label):
        look, mine = palette.style(int(group)), label == group
        colour = look.colour if coloured else "dimgrey"
        if diagonal:
            counts.hist(x[mine], bins=bins, color=colour, alpha=0.6)
        else:
            ax.scatter(x[mine], y[mine], s=13, marker=look.marker, color=colour, alpha=0.6, linewidths=0)
    if diagonal:
        counts.set_yticks([])


def _name_axes(grid: Any, labels: list[str]) -> None:
    for (row, column), ax in np.ndenumerate(grid):
        ax.label_outer(remove_inner_ticks=True)
        ax.tick_params(labelsize=10)
        if row == len(labels) - 1:
            ax.set_xlabel(labels[column], fontsize=11)
        if column == 0:
            ax.set_ylabel(labels[row], fontsize=11)


def _group_legend(drawn: picture.Picture, names: list[str]) -> None:
    from matplotlib.lines import Line2D

    looks = [palette.style(index) for index in range(len(names))]
    keys = [Line2D([], [], color=k.colour, marker=k.marker, linestyle="none", markersize=8) for k in looks]
    drawn.legend(keys, names, loc="outside upper center", ncols=min(len(names), 6))


def _unit(units: Units, name: str, index: int) -> str | None:
    if units is None:
        return None
    return units.get(name) if isinstance(units, Mapping) else units[index]


def _pairs_words(table: pd.DataFrame, names: list[str], groups: list[str] | None) -> str:
    left = table.shape[1] - len(names)
    more = f" ({plural(left, 'more column')} not drawn)" if left else ""
    coloured = f", coloured by {listed(groups)}" if groups else ""
    spoken = listed([name.replace("_", " ") for name in names])
    drawn = f"every two of {spoken}{more}, {plural(len(table), 'row')}{coloured}"
    return f"Scatter plots of {drawn}; histograms on the diagonal."


# ------------------------------------------------------------------------------------------------ surprise
def surprise(model: Any, X: Any, count: int = 5, *, sure: float = 0.99) -> picture.Picture:
    """Draw each row's log density against its largest responsibility: sure is one thing, expected another.

    Parameters
    ----------
    model : GaussianMixture
        Fitted.
    X : array-like [N, D]
        The rows; a DataFrame's index names them.
    count : int
        How many rows of the lowest density get their number.
    sure : float
        From which responsibility on a row counts as sure, in the words.

    Returns
    -------
    Picture
        With its alternative text.
    """
    rows = named(model, X)
    density, largest = to_numpy(model.score_samples(rows)), to_numpy(model.predict_proba(rows)).max(axis=1)
    label = to_numpy(model.predict(rows)).astype(int)
    names = [str(name) for name in getattr(X, "index", range(len(density)))]
    rarest = {int(row): names[row] for row in np.argsort(density, kind="stable")[:count]}
    with picture.look():
        drawn, ax = picture.subplots(width=7.8, height=4.8)
        for k in range(len(model.weights_)):
            look, mine = palette.style(k), label == k
            dots = {"s": 34, "marker": look.marker, "color": look.colour, "alpha": 0.6, "linewidths": 0}
            ax.scatter(density[mine], largest[mine], label=f"component {k}", **dots)
        _number_rows(ax, density, largest, rarest)
        ax.set(
            xlabel="log density of the row, in nats (left: nobody expected it)",
            ylabel="largest responsibility",
        )
        ax.set_title("Sure is not the same as expected")
        ax.legend(loc="lower left")
    picture.describe(drawn, _surprise_words(density, largest, rarest, sure))
    return drawn


def _number_rows(ax: Axes, density: Array, largest: Array, rarest: Mapping[int, str]) -> None:
    """The row's name under its ring; of two rows close together the second one's goes lower."""
    ax.set_ylim(min(0.45, float(largest.min()) - 0.05), 1.04)
    width, before, below = float(np.ptp(density)), np.inf, 0.0
    ring: dict[str, Any] = {"markersize": 12, "markerfacecolor": "none", "markeredgecolor": palette.INK}
    under: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": 11}
    for row, name in rarest.items():
        below = below + 13.0 if abs(density[row] - before) < 0.06 * width else 12.0
        ax.plot(density[row], largest[row], "o", **ring)
        ax.annotate(name, (density[row], largest[row]), xytext=(0, -below), color=palette.INK, **under)
        before = density[row]


def _surprise_words(density: Array, largest: Array, rarest: Mapping[int, str], sure: float) -> str:
    certain = int((largest[list(rarest)] > sure).sum())
    lowest = ", ".join(f"row {name} ({density[row]:.1f})" for row, name in rarest.items())
    return (
        f"Largest responsibility against log density of {plural(len(density), 'row')}. Ringed are the "
        f"{len(rarest)} of the lowest density: {lowest}. Of these, {certain} have a responsibility above {sure:g} "
        "all the same."
    ).replace("(-", "(−")


# ----------------------------------------------------------------------------------------------- stability
def stability(
    agreements: Mapping[str, Sequence[float]], reference: str = "the groups of all rows"
) -> picture.Picture:
    """Draw how far groups found in redrawn tables agree with the first ones: one line of dots for each model.

    Parameters
    ----------
    agreements : mapping from a name to adjusted Rand indices
        One index for each redrawn table.
    reference : str
        What they are compared with, in words.

    Returns
    -------
    Picture
        With its alternative text.
    """
    with picture.look():
        drawn, ax = picture.subplots(width=7.8, height=1.5 + 0.75 * len(agreements))
        for index, values in enumerate(agreements.values()):
            look, found = palette.style(index), np.sort(np.asarray(values, dtype=float))
            heights = index + 0.13 * (
                np.arange(len(found)) % 5 - 2
            )  # so that equal values do not hide each other
            ax.plot(
                found, heights, look.marker, color=look.colour, markersize=8, alpha=0.75, markeredgewidth=0
            )
            middle = float(np.median(found))
            ax.plot([middle, middle], [index - 0.34, index + 0.34], color=palette.INK, linewidth=2.4)
        ax.set_yticks(range(len(agreements)), list(agreements))
        ax.set_ylim(len(agreements) - 0.4, -0.6)
        ax.set_xlabel(f"agreement with {reference}\n(adjusted Rand index; 1 is equal; the bar is the median)")
    picture.describe(drawn, _stability_words(agreements, reference))
    return drawn


def _stability_words(agreements: Mapping[str, Sequence[float]], reference: str) -> str:
    parts = [
        f"{name}: {min(values):.2f} to {max(values):.2f}, median {np.median(np.asarray(values)):.2f}"
        for name, values in agreements.items()
    ]
    return f"Agreement with {reference}, a dot for each redrawn table. {'; '.join(parts)}."

"""Pictures of beliefs: weights drawn from a prior, bells drawn before and after rows, components that die out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.stats import norm

from mixturelab.exceptions import ArgumentError
from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import listed, plural

__all__ = ["bell_draws", "kept_by_start", "masses", "spike_cured", "weight_draws"]

_NUMBERED = 0.09  # a piece of a bar narrower than this has no room for its number


# ------------------------------------------------------------------------------- numbers to numbers
def large(weights: ArrayLike, least: float = 0.05) -> Array:
    """How many weights of each draw are at least that large.

    Parameters
    ----------
    weights : array-like [S, K]
    least : float

    Returns
    -------
    ndarray [S]
    """
    return (to_numpy(weights) >= least).sum(axis=1)


# -------------------------------------------------------------------------------- numbers to pictures
@picture.look()
def weight_draws(draws: Mapping[str, ArrayLike], note: str = "") -> picture.Picture:
    """Weights drawn from priors: each draw a bar of length 1, cut into its components.

    Parameters
    ----------
    draws : mapping from str to array-like [S, K]
        A panel each, under that title. Rows sum to 1, or to less (a process cut off: the rest stays white).
    note : str, optional
        A sentence for the alternative text.

    Returns
    -------
    Picture
        With its alternative text.

    Raises
    ------
    ArgumentError
        If weights are negative or sum to more than 1.
    """
    tables = {title: _weights(title, table) for title, table in draws.items()}
    figure, axes = picture.subplots(1, len(tables), width=10.4, height=4.2)
    for ax, (title, table) in zip(np.atleast_1d(axes), tables.items(), strict=True):
        draw_bars(ax, table)
        ax.set_title(title, fontsize=12.5)
        ax.set(xlabel="weight, added up", ylabel="draw")
        ax.label_outer()
    counts = [f"{title}, {large(table).mean():.1f}" for title, table in tables.items()]
    words = (
        "Each horizontal bar is one draw of all weights, cut into its components. Components of 5 % or "
        f"more, on average over the draws: {'; '.join(counts)}. {note}"
    )
    picture.describe(figure, words.strip())
    return figure


def _weights(title: str, table: ArrayLike) -> Array:
    weights = to_numpy(table)
    if weights.ndim != 2 or (weights < 0).any() or (weights.sum(axis=1) > 1 + 1e-9).any():
        raise ArgumentError(
            f"draws[{title!r}] has shape {weights.shape}; wanted [S, K] of weights ≥ 0 that sum to at most 1"
        )
    return weights


def draw_bars(ax: Axes, weights: Array) -> None:
    """One stacked bar for each draw, with component numbers where there is room."""
    left, rows = np.zeros(len(weights)), np.arange(len(weights))
    for k in range(weights.shape[1]):
        ax.barh(
            rows, weights[:, k], 0.86, left, color=palette.style(k).colour, edgecolor="white", linewidth=0.8
        )
        for row in np.flatnonzero(weights[:, k] >= _NUMBERED):
            _number(ax, left[row] + weights[row, k] / 2, float(row), k)
        left = left + weights[:, k]
    ax.set(xlim=(0, 1), ylim=(len(weights) - 0.4, -0.6))
    ax.set_yticks([])
    ax.grid(visible=False)


def _number(ax: Axes, x: float, y: float, k: int) -> None:
    look: dict[str, Any] = {"boxstyle": "round,pad=0.12", "facecolor": "white", "linewidth": 0}
    ax.text(x, y, str(k), ha="center", va="center", fontsize=9, color=palette.INK, bbox=look)


@picture.look()
def bell_draws(
    beliefs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    rows: Sequence[ArrayLike],
    low: float,
    high: float,
    label: str,
) -> picture.Picture:
    """Bells drawn from beliefs about one mean and one precision, with the rows that the belief rests on.

    Parameters
    ----------
    beliefs : mapping from str to (means [S], standard deviations [S])
        A panel each, under that title.
    rows : sequence of array-like
        The rows behind each belief, drawn as ticks; may be empty.
    low, high : float
        How far the axis goes.
    label : str
        What the axis is, with its unit.

    Returns
    -------
    Picture
        With its alternative text.
    """
    figure, axes = picture.subplots(1, len(beliefs), width=10.4, height=3.9)
    grid = np.linspace(low, high, 301)
    for ax, (title, (means, sds)), seen in zip(axes, beliefs.items(), rows, strict=True):
        curves = norm.pdf(grid, to_numpy(means)[:, None], to_numpy(sds)[:, None])
        ax.plot(grid, curves.T, color=palette.style(0).colour, linewidth=1.1, alpha=0.55)
        ax.plot(to_numpy(seen), np.zeros(np.size(seen)), "|", color=palette.INK, markersize=14, clip_on=False)
        ax.set_title(title, fontsize=12.5)
        ax.set(xlim=(low, high), ylim=(0, 0.12), xlabel=label, ylabel="density")
        ax.label_outer()
    spread = [
        f"{title}, means from {round(np.min(m))} to {round(np.max(m))}" for title, (m, _) in beliefs.items()
    ]
    words = (
        f"Bells drawn from {plural(len(beliefs), 'belief')}, with the rows as ticks: {'; '.join(spread)}. "
        "With more rows the bells lie closer together, until they are nearly one curve."
    )
    picture.describe(figure, words.replace("-", "−"))
    return figure


@picture.look()
def masses(path: ArrayLike, label: str = "iteration") -> picture.Picture:
    """N_k over the iterations: which components live, and when the others die.

    Parameters
    ----------
    path : array-like [T, K]
        N_k after each iteration.
    label : str
        What the horizontal axis counts.

    Returns
    -------
    Picture
        With its alternative text.
    """
    table = to_numpy(path)
    figure, ax = picture.subplots(width=8.6, height=4.4)
    steps = np.arange(len(table))
    for k in range(table.shape[1]):
        look = palette.style(k)
        every = max(1, len(table) // 8)
        ax.plot(
            steps, np.maximum(table[:, k], 1e-3), color=look.colour, linestyle=look.line, marker=look.marker,
            markevery=(k * every // table.shape[1], every), label=f"component {k}",
        )  # fmt: skip
    ax.axhline(1, color=palette.MUTED, linewidth=1.2, linestyle=":")
    ax.annotate("one row", (0.5, 1), xytext=(2, 3), textcoords="offset points", color=palette.MUTED)
    ax.set(yscale="log", ylim=(0.7e-3, 2 * table.max()), xlabel=label, ylabel="rows it answers for, $N_k$")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    picture.describe(figure, _mass_words(table))
    return figure


def _mass_words(table: Array) -> str:
    alive = np.flatnonzero(table[-1] >= 1)
    kept = [f"component {k} with {table[-1, k]:.0f} rows" for k in alive]
    dead = [int(np.flatnonzero(table[:, k] >= 1)[-1]) + 1 for k in range(table.shape[1]) if table[-1, k] < 1]
    falls = (
        f"The others fall below one row at iterations {listed(list(map(str, sorted(dead))))}." if dead else ""
    )
    return (
        f"Rows that each of {table.shape[1]} components answers for, over {len(table) - 1} iterations. "
        f"Left at the end: {listed(kept)}. {falls}"
    ).strip()


@picture.look()
def spike_cured(
    sds: ArrayLike, levels: ArrayLike, log_prior: ArrayLike, label: str = "standard deviation of the bell"
) -> picture.Picture:
    """The log-likelihood of a bell that shrinks onto a point, and the same plus a log prior.

    Parameters
    ----------
    sds : array-like [S]
        Standard deviations of the bell.
    levels : array-like [S]
        Log-likelihood at each.
    log_prior : array-like [S]
        Of the same, up to a constant.
    label : str
        What the horizontal axis is, with its unit.

    Returns
    -------
    Picture
        With its alternative text.
    """
    x, level = to_numpy(sds), to_numpy(levels)
    total = level + to_numpy(log_prior)
    best = int(total.argmax())
    figure, ax = picture.subplots(width=8.0, height=4.2)
    first, second = palette.style(1), palette.style(0)
    ax.plot(x, level - level[0], first.line, color=first.colour, label="log-likelihood")
    ax.plot(x, total - total[0], second.line, color=second.colour, label="log-likelihood + log prior")
    ax.plot(x[best], total[best] - total[0], "D", color=palette.INK, markersize=9, label="most probable")
    span = np.ptp(level)
    ax.set(
        xscale="log",
        xlim=(x[0], x[-1]),
        ylim=(level.min() - level[0] - 0.4 * span, level.max() - level[0] + 0.2 * span),
    )
    ax.set(xlabel=label, ylabel="nats, against the left end")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(loc="lower right")
    words = (
        f"A bell shrinks onto a point, from a standard deviation of {x[0]:.2g} on the left to {x[-1]:.2g} "
        "on the right. Its log-likelihood falls, turns, and ends in a straight rise that nothing stops. "
        f"With a log prior added there is one top, at {x[best]:.1f}; to the right of it the curve plunges "
        "and does not come back."
    )
    picture.describe(figure, words)
    return figure


@picture.look()
def kept_by_start(bounds: ArrayLike, kept: ArrayLike, groups: Mapping[str, slice]) -> picture.Picture:
    """The bound that each start reached, against the components that it kept.

    Parameters
    ----------
    bounds : array-like [S]
        In nats.
    kept : array-like [S] of int
        Components in use at the end.
    groups : mapping from str to slice
        Which starts are of which kind.

    Returns
    -------
    Picture
        With its alternative text.
    """
    level, count = to_numpy(bounds), np.asarray(kept, dtype=int)
    figure, ax = picture.subplots(width=8.2, height=4.4)
    said = []
    for i, (name, chosen) in enumerate(groups.items()):
        look, n = palette.style(i), len(level[chosen])
        jitter = np.linspace(-0.11, 0.11, n) + 0.26 * (i - (len(groups) - 1) / 2)
        ax.plot(
            count[chosen] + jitter, level[chosen], look.marker, color=look.colour, markersize=9, label=name,
            alpha=0.8,
        )  # fmt: skip
        best = np.flatnonzero(level[chosen] > level.max() - 3)
        said.append(f"{name}: {len(best)} of {n} starts end within 3 nats of the best")
    ax.set_xticks(np.unique(count))
    ax.set(xlim=(count.min() - 0.7, count.max() + 0.7))
    ax.set(xlabel="components in use at the end", ylabel="evidence lower bound (nats)")
    ax.legend(loc="best")
    top = np.unique(count[level > level.max() - 3])
    words = (
        f"The bound of {len(level)} starts against the components they keep. The highest have "
        f"{listed(list(map(str, top)))} in use. {'; '.join(said)}."
    )
    picture.describe(figure, words)
    return figure

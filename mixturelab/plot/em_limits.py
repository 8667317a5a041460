"""Pictures of EM's limits: how fast it is, a likelihood without bound, and the ends of many starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mixturelab.plot import palette, picture
from mixturelab.plot.em_lessons import in_nats, note
from mixturelab.plot.geometry import to_numpy
from mixturelab.plot.labels import listed


@picture.look()
def slowing(changes: Mapping[float, ArrayLike], rates: Mapping[float, float]) -> picture.Picture:
    """How changes shrink from iteration to iteration, and the rate at which they do, for several overlaps.

    Parameters
    ----------
    changes : mapping from separation to array-like
        How far the means moved in each iteration; separations in standard deviations.
    rates : mapping from separation to float
        The ratio of successive changes, in the end.

    Returns
    -------
    Picture
        With its alternative text.
    """
    figure, (left, right) = picture.subplots(1, 2, width=10.2, height=4.4)
    for i, (separation, change) in enumerate(changes.items()):
        look = palette.style(i)
        left.semilogy(np.arange(1, len(to_numpy(change)) + 1), change, color=look.colour, linestyle=look.line)
        right.plot(separation, rates[separation], look.marker, color=look.colour, markersize=10)
        note(
            right,
            f"{rates[separation]:.2f}",
            (separation, rates[separation]),
            (0, -22),
            palette.INK,
            "center",
        )
    left.legend([f"{separation:g} σ apart" for separation in changes], loc="upper right")
    left.set(xlabel="iteration", ylabel="change of the means (log scale)")
    right.set(
        xlabel="distance of the means, in σ", ylabel="rate: ratio of successive changes", ylim=(0, 1.08)
    )
    right.axhline(1.0, color=palette.MUTED, linestyle=":")
    right.margins(x=0.15)
    said = listed([f"{rate:.2f} at {separation:g}" for separation, rate in rates.items()])
    words = (
        "Left: on a log scale the change of the means falls along straight lines, steep for bells far apart, nearly "
        f"flat for bells that overlap. Right: the rate against the distance in standard deviations: {said}."
    )
    picture.describe(figure, words)
    return figure


@picture.look()
def shrinking(sds: ArrayLike, levels: Mapping[str, ArrayLike]) -> picture.Picture:
    """The log-likelihood while one component shrinks onto a point: it climbs without end.

    Parameters
    ----------
    sds : array-like [S]
        Standard deviations of the shrinking component.
    levels : mapping from words to array-like [S]
        The log-likelihood at each, for each place where it may sit.

    Returns
    -------
    Picture
        With its alternative text.
    """
    widths = to_numpy(sds)
    figure, ax = picture.subplots(width=8.2, height=4.4)
    for i, (name, level) in enumerate(levels.items()):
        look = palette.style(i)
        ax.semilogx(widths, level, color=look.colour, linestyle=look.line, marker=look.marker, label=name)
    ax.invert_xaxis()
    ax.set(xlabel="standard deviation of the shrinking bell (min, log scale)", ylabel="log-likelihood (nats)")
    ax.legend(loc="upper center")
    said = "; ".join(
        f"{name}: from {in_nats(to_numpy(v)[0])} to {in_nats(to_numpy(v)[-1])}" for name, v in levels.items()
    )
    words = (
        f"The log-likelihood while one bell's standard deviation shrinks from {widths[0]:.1g} to {widths[-1]:.6f} "
        f"minutes, on a log axis. In the end it climbs along straight lines and does not stop. {said}."
    )
    picture.describe(figure, words)
    return figure


@picture.look()
def ends_of_starts(levels: ArrayLike, spurious: Sequence[bool]) -> picture.Picture:
    """Where many starts ended, best first: honest fits as dots, degenerate ones as crosses.

    Parameters
    ----------
    levels : array-like [R]
        The log-likelihood of each fit.
    spurious : sequence of bool [R]
        Whether it is degenerate.

    Returns
    -------
    Picture
        With its alternative text.
    """
    found, bad = to_numpy(levels), np.asarray(spurious, dtype=bool)
    order = np.argsort(-found, kind="stable")
    found, bad, rank = found[order], bad[order], np.arange(1, len(found) + 1)
    figure, ax = picture.subplots(width=8.2, height=4.4)
    ax.plot(rank[~bad], found[~bad], "o", color=palette.style(0).colour, markersize=8, label="honest")
    ax.plot(rank[bad], found[bad], "X", color=palette.ALARM, markersize=11, label="degenerate")
    ax.set(xlabel="start, ordered by where it ended", ylabel="log-likelihood (nats)")
    ax.legend(loc="upper right")
    best = found[~bad].max()
    reached = int((np.abs(found - best) < 0.1).sum())
    words = (
        f"Ends of {len(found)} starts, best first. {reached} end on the best honest level, {in_nats(best, 1)}; the "
        f"other honest ones end lower, down to {in_nats(found[~bad].min(), 1)}. {int(bad.sum())} are degenerate and "
        f"marked by crosses; the highest of them lies at {in_nats(found[bad].max(), 1)}."
    )
    picture.describe(figure, words)
    return figure

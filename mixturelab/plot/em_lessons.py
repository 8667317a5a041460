"""Pictures of why EM works: a mixture with one free mean, the bound under its log-likelihood, half steps, stairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import listed

_LEVEL, _BOUND, _GAP = palette.INK, palette.style(0).colour, palette.style(1).colour


# ------------------------------------------------------------------------------- numbers to numbers
@dataclass(frozen=True, eq=False)
class OneMean:
    """Two bells on one axis, of which only the mean of the first is free: EM with a single parameter.

    Attributes
    ----------
    rows : ndarray [N]
    weights, sds : pair of float
        π and σ of both bells, held fixed.
    other_mean : float
        μ of the second bell, held fixed.
    """

    rows: Array
    weights: tuple[float, float]
    sds: tuple[float, float]
    other_mean: float

    def log_joint(self, mean: float) -> Array:
        """Log π_k + log N(x_n | μ_k, σ_k²), [N, 2]."""
        sds = np.array(self.sds)
        z = (to_numpy(self.rows)[:, None] - np.array([mean, self.other_mean])) / sds
        return np.log(self.weights) - np.log(sds * np.sqrt(2 * np.pi)) - z**2 / 2

    def log_likelihood(self, mean: float) -> float:
        """ℓ(μ), summed over rows, in nats."""
        return float(logsumexp(self.log_joint(mean), axis=1).sum())

    def shares(self, mean: float) -> Array:
        """γ_n1: how far the free bell answers for each row, [N]."""
        joint = self.log_joint(mean)
        return np.exp(joint[:, 0] - logsumexp(joint, axis=1))

    def m_step(self, held: float) -> float:
        """The best mean for the responsibilities that were worked out at `held`."""
        gamma = self.shares(held)
        return float(gamma @ to_numpy(self.rows) / gamma.sum())

    def bound(self, held: float, mean: ArrayLike) -> Array:
        """𝓛(q, μ) for q = the responsibilities at `held`: a parabola in μ that touches ℓ at `held`."""
        best, count = self.m_step(held), self.shares(held).sum()
        gained = (held - best) ** 2 - (to_numpy(mean) - best) ** 2
        return self.log_likelihood(held) + count / (2 * self.sds[0] ** 2) * gained

    def gap(self, held: float, mean: float) -> float:
        """ℓ − 𝓛 = KL(q ‖ p(z | x, μ)) ≥ 0."""
        return max(self.log_likelihood(mean) - float(self.bound(held, mean)), 0.0)

    def path(self, start: float, n_iterations: int) -> Array:
        """The mean at the start and after each iteration, [1 + n_iterations]."""
        means = [start]
        for _ in range(n_iterations):
            means.append(self.m_step(means[-1]))
        return np.array(means)


# -------------------------------------------------------------------------------- numbers to pictures
@picture.look()
def jensen_chord(values: Sequence[float], q: Sequence[float]) -> picture.Picture:
    """The logarithm, a chord below it, and the gap that Jensen's inequality speaks of.

    Parameters
    ----------
    values : two numbers > 0
        What is averaged.
    q : two numbers that sum to 1
        How it is averaged.

    Returns
    -------
    Picture
        With its alternative text.
    """
    a, share = np.asarray(values, dtype=float), np.asarray(q, dtype=float)
    mean, above, below = share @ a, float(np.log(share @ a)), float(share @ np.log(a))
    figure, ax = picture.subplots(width=7.2, height=4.2)
    grid = np.linspace(0.25 * a.min(), 1.15 * a.max(), 300)
    ax.plot(grid, np.log(grid), color=_LEVEL)
    ax.plot(a, np.log(a), "--", marker="o", color=_BOUND, markersize=8)
    ax.plot([mean, mean], [below, above], color=_GAP, linewidth=3)
    ax.plot(mean, above, "D", color=_LEVEL, markersize=8)
    ax.plot(mean, below, "s", color=_BOUND, markersize=8)
    note(ax, "log of the mean", (mean, above), (-8, 8), _LEVEL, "right")
    note(ax, "mean of the logs", (mean, below), (10, -12), _BOUND)
    ax.set(xlabel="what is averaged, r", ylabel="log r")
    words = (
        f"The curve of the logarithm and a straight dashed chord at {a.min():g} and {a.max():g}. At the "
        f"mean {mean:g} the curve ({in_nats(above, 2)}) lies above the chord ({in_nats(below, 2)}): Jensen's gap."
    )
    picture.describe(figure, words)
    return figure


@picture.look()
def bound_curves(
    model: OneMean, held: Sequence[float], low: float = 38, high: float = 102
) -> picture.Picture:
    """The log-likelihood over the free mean, and under it the bounds that touch it at some points.

    Parameters
    ----------
    model : OneMean
    held : sequence of float
        Where an E-step was made: each gives one bound.
    low, high : float
        How far the axis goes.

    Returns
    -------
    Picture
        With its alternative text.
    """
    figure, ax = picture.subplots(width=8.4, height=4.8)
    draw_level(ax, model, low, high)
    for i, mean in enumerate(held):
        look, best = palette.style(i), model.m_step(mean)
        curve, touch, top = bound_artists(ax, look.colour, look.line)
        place_bound(model, (curve, touch, top), mean, low, high)
        ax.annotate(
            "", (best, model.bound(mean, best)), (mean, model.log_likelihood(mean)), arrowprops=_ARROW
        )
    ax.legend(
        [ax.lines[0], *ax.lines[1:4]],
        ["log-likelihood ℓ", r"bound $\mathcal{L}$", "E: touches", "M: its top"],
        ncols=2,
    )
    picture.describe(figure, _bound_words(model, held))
    return figure


def draw_level(ax: Axes, model: OneMean, low: float, high: float) -> None:
    """The log-likelihood over the free mean, with limits that leave room for bounds."""
    grid = np.linspace(low, high, 300)
    levels = np.array([model.log_likelihood(mean) for mean in grid])
    ax.plot(grid, levels, color=_LEVEL, linewidth=2.6)
    span = np.ptp(levels)
    ax.set(xlim=(low, high), ylim=(levels.min() - 0.25 * span, levels.max() + 0.25 * span))
    ax.set(xlabel="mean m of the narrow bell (min)", ylabel="nats")


def bound_artists(ax: Axes, colour: str, line: Any = "--") -> tuple[Any, Any, Any]:
    """Empty lines for a bound, the point where it touches, and its top."""
    (curve,) = ax.plot([], [], color=colour, linestyle="--" if line == "-" else line)
    (touch,) = ax.plot([], [], "o", color=colour, markersize=9, zorder=4)
    (top,) = ax.plot([], [], "^", color=colour, markersize=10, zorder=4)
    return curve, touch, top


def place_bound(model: OneMean, artists: tuple[Any, Any, Any], held: float, low: float, high: float) -> None:
    """Move those lines to the bound that was made at `held`."""
    grid, best = np.linspace(low, high, 200), model.m_step(held)
    artists[0].set_data(grid, model.bound(held, grid))
    artists[1].set_data([held], [model.log_likelihood(held)])
    artists[2].set_data([best], [float(model.bound(held, best))])


def _bound_words(model: OneMean, held: Sequence[float]) -> str:
    touching = listed([f"{mean:.0f} (its top at {model.m_step(mean):.1f})" for mean in held])
    under = "A parabola lies" if len(held) == 1 else "For each mean held a parabola lies"
    return (
        f"The log-likelihood over one mean has two hills. {under} under it and touches it at a mean of {touching} "
        "minutes; at the parabola's top the log-likelihood is higher than where it touched."
    )


@picture.look()
def half_steps(levels: ArrayLike, bounds: ArrayLike) -> picture.Picture:
    """The log-likelihood and the bound after each half step: E closes the gap, M lifts both.

    Parameters
    ----------
    levels, bounds : array-like [H]
        ℓ and 𝓛 at the start (0) and after E, M, E, M …

    Returns
    -------
    Picture
        With its alternative text.
    """
    upper, lower = to_numpy(levels), to_numpy(bounds)
    steps = np.arange(len(upper))
    figure, ax = picture.subplots(width=8.2, height=4.6)
    ax.vlines(steps, lower, upper, color=_GAP, linewidth=3, label="gap: KL(q ‖ γ)")
    ax.plot(steps, upper, color=_LEVEL, marker="D", markersize=6, label="log-likelihood ℓ")
    ax.plot(
        steps, lower, color=_BOUND, marker="s", linestyle="--", markersize=6, label=r"bound $\mathcal{L}$"
    )
    ax.set_xticks(steps, ["start", *["E" if step % 2 else "M" for step in steps[1:]]])
    ax.set(xlabel="half step", ylabel="nats")
    ax.legend(loc="lower right")
    words = (
        f"Log-likelihood and bound after each of {len(upper) - 1} half steps. At each E the bound rises to meet the "
        "log-likelihood; at each M both rise, and a gap opens. The log-likelihood goes from "
        f"{in_nats(upper[0])} to {in_nats(upper[-1])} nats; neither curve ever falls."
    )
    picture.describe(figure, words)
    return figure


@picture.look()
def staircase(model: OneMean, starts: Sequence[float], low: float = 42, high: float = 98) -> picture.Picture:
    """EM as coordinate ascent: the bound over (where q was made, the mean), and EM's stairs on it.

    Parameters
    ----------
    model : OneMean
    starts : sequence of float
        One staircase of eight iterations from each.
    low, high : float
        How far both axes go.

    Returns
    -------
    Picture
        With its alternative text.
    """
    grid = np.linspace(low, high, 113)
    height = np.array([model.bound(held, grid) for held in grid]).T
    figure, ax = picture.subplots(width=7.2, height=6.4)
    depths = height.max() - np.geomspace(1, 600, 16)[::-1]
    ax.contour(grid, grid, height, levels=depths, colors="#9A9A9A", linewidths=1, linestyles="solid")
    ax.plot(grid, grid, color=_LEVEL, label="E: make q at the mean")
    ax.plot(grid, [model.m_step(held) for held in grid], "--", color=_BOUND, label="M: the best mean for q")
    ends = []
    for i, start in enumerate(starts):
        means = model.path(start, 8)
        look = palette.style(i + 1)
        ax.plot(*stairs(means), color=look.colour, marker=look.marker, markersize=5, linewidth=1.8)
        ax.plot(start, start, look.marker, color=look.colour, markersize=11)
        ends.append(means[-1])
    ax.set(xlabel="mean at which q was made (min)", ylabel="mean m (min)", aspect="equal")
    ax.set(xlim=(low, high), ylim=(low, high))
    ax.legend(loc="upper left", facecolor="white", framealpha=0.9, frameon=True)
    words = (
        "Contours of the bound in a square. EM goes in stairs, up or down to the dashed curve of best means (M), then "
        f"sideways to the diagonal (E). From {listed([f'{s:g}' for s in starts])} minutes the stairs run to where "
        f"curve and diagonal cross; after eight iterations they are at {listed([f'{end:.1f}' for end in ends])}."
    )
    picture.describe(figure, words)
    return figure


def stairs(means: Array) -> tuple[Array, Array]:
    """The corners of a staircase on (held, mean), beginning on the diagonal."""
    return np.repeat(means, 2)[:-1], np.r_[means[0], np.repeat(means[1:], 2)]


def in_nats(value: float, digits: int = 0) -> str:
    """A number rounded, with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


_ARROW: dict[str, Any] = {
    "arrowstyle": "->",
    "color": palette.MUTED,
    "linewidth": 1.6,
    "shrinkA": 6,
    "shrinkB": 6,
}


def note(
    ax: Axes, text: str, at: tuple[float, float], offset: tuple[int, int], colour: str, side: str = "left"
) -> None:
    """A word beside a point, shifted by so many points of the page."""
    ax.annotate(text, at, xytext=offset, textcoords="offset points", color=colour, ha=side, fontsize=11.5)

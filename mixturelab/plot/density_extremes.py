"""Pictures of what densities do far out and in many dimensions: vanish, whiten, stay certain, and share images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.stats import norm

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import listed, percent, plural, short

__all__ = ["certain_far_away", "image_shares", "shares_of", "vanishing_product", "whitened", "whitening"]


# --------------------------------------------------------------------------------------- products that vanish
def _last_alive(logs: Array, dtype: type) -> int:
    """How many factors can be multiplied in a precision before the product is 0."""
    product: Any = np.cumprod(np.exp(logs).astype(dtype), dtype=dtype)
    return int((product > 0).sum())


def vanishing_product(log_densities: ArrayLike) -> Figure:
    """Draw the density of the first n rows together, as a product in two precisions and as a sum of logs.

    Parameters
    ----------
    log_densities : array-like [N]
        Of each row.

    Returns
    -------
    Picture
        With its alternative text.
    """
    logs = to_numpy(log_densities)
    total, alive = logs.cumsum(), {t.__name__: _last_alive(logs, t) for t in (np.float32, np.float64)}
    with picture.look():
        figure = picture.new(8.6, 4.4)
        ax = figure.subplots()
        ax.plot(np.arange(1, len(logs) + 1), total, color=palette.MUTED, linewidth=1.6, label="sum of logs")
        for index, (name, n) in enumerate(alive.items()):
            look = palette.style(1 - index)
            ax.plot(np.arange(1, n + 1), total[:n], color=look.colour, linewidth=7 - 3 * index, alpha=0.8)
            ax.plot(n, total[n - 1], look.marker, color=look.colour, markersize=11, zorder=5)
            place: dict[str, Any] = {"xytext": (14, 6), "textcoords": "offset points"}
            ax.annotate(f"{name}: 0 from row {n + 1} on", (n, total[n - 1]), **place)
        ax.set(xlabel="rows multiplied", ylabel="log of the product (nats)")
        ax.annotate("sum of logs", (len(logs), total[-1]), ha="right", xytext=(-32, 0), **_POINTS)
    ends = listed([f"{name} ends after {n} rows, at {total[n - 1]:.0f}" for name, n in alive.items()])
    words = (
        f"A line that falls steadily to {total[-1]:.0f} nats at row {len(logs)}: the sum of log densities. "
    )
    return picture.describe(
        figure, f"{words}The product of the densities follows it only for a while: {ends}."
    )


_POINTS: dict[str, Any] = {"textcoords": "offset points", "color": palette.MUTED}


# ----------------------------------------------------------------------------------------------- whitening
def whitened(values: ArrayLike, mean: ArrayLike, covariance: ArrayLike) -> Array:
    """The residuals y with L y = x − μ and L Lᵀ = Σ: their squares add up to Mahalanobis' distance, squared."""
    factor = np.linalg.cholesky(to_numpy(covariance))
    return np.linalg.solve(factor, (to_numpy(values) - to_numpy(mean)).T).T


def whitening(values: ArrayLike, points: Mapping[str, ArrayLike], *, labels: Sequence[str]) -> Figure:
    """Draw rows before and after whitening, with circles of Mahalanobis' distance 1, 2 and 3, and some points.

    Parameters
    ----------
    values : array-like [N, 2]
        Rows; their own mean and covariance are used.
    points : mapping from names to array-like [2]
        To be followed from one panel into the other.
    labels : sequence of two str
        What is measured, with units.

    Returns
    -------
    Picture
        With its alternative text.
    """
    rows = to_numpy(values)
    mean, covariance = rows.mean(axis=0), np.cov(rows.T, bias=True)
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    with picture.look():
        figure = picture.new(10.2, 4.9)
        left, right = figure.subplots(1, 2)
        _draw_rings(left, rows, [mean + r * circle @ np.linalg.cholesky(covariance).T for r in (1, 2, 3)])
        _draw_rings(right, whitened(rows, mean, covariance), [r * circle for r in (1, 2, 3)])
        for index, (name, point) in enumerate(points.items()):
            _draw_point(left, to_numpy(point), index + 1, name)
            _draw_point(right, whitened(to_numpy(point)[None], mean, covariance)[0], index + 1, name)
        left.set(xlabel=labels[0], ylabel=labels[1], title="as measured", aspect="equal")
        right.set(xlabel="$y_1$", ylabel="$y_2$", title="whitened", aspect="equal")
    return picture.describe(figure, _white_words(rows, points, mean, covariance))


def _draw_rings(ax: Axes, rows: Array, rings: Sequence[Array]) -> None:
    ax.scatter(rows[:, 0], rows[:, 1], s=16, color="dimgrey", alpha=0.6, linewidths=0)
    for ring, line in zip(rings, palette.LINE_STYLES[:3], strict=True):
        ax.plot(*ring.T, color=palette.COLOURS[0], linestyle=line, linewidth=1.8)


def _draw_point(ax: Axes, point: Array, index: int, name: str) -> None:
    look = palette.style(index)
    ax.plot(*point, look.marker, color=look.colour, markersize=13, markeredgecolor=palette.INK, zorder=5)
    ax.annotate(
        name, (point[0], point[1]), xytext=(10, 7), textcoords="offset points", fontweight="bold", fontsize=13
    )


def _white_words(rows: Array, points: Mapping[str, ArrayLike], mean: Array, covariance: Array) -> str:
    far = []
    for name, point in points.items():
        plain = float(np.linalg.norm(to_numpy(point) - mean))
        white = np.linalg.norm(whitened(to_numpy(point)[None], mean, covariance))
        far.append(f"{name} is {short(plain)} units from the mean and Mahalanobis' distance {white:.1f} away")
    return (
        f"{plural(len(rows), 'row')} twice. As measured, a tilted cloud with three tilted ellipses about its mean; "
        f"whitened, a round cloud with three circles of radius 1, 2 and 3. {listed(far)}."
    )


# ------------------------------------------------------------------------------------------ certain far away
def certain_far_away(
    values: ArrayLike, weights: ArrayLike, means: ArrayLike, sds: ArrayLike, *, label: str, reach: float
) -> Figure:
    """Draw responsibilities along an axis, and below them how probable each place is at all.

    Parameters
    ----------
    values : array-like [N]
        Rows, drawn as ticks.
    weights, means, sds : array-like [K]
        The mixture.
    label : str
        What is measured, with its unit.
    reach : float
        How far the axis goes beyond the rows, at both ends.

    Returns
    -------
    Picture
        With its alternative text.
    """
    rows = to_numpy(values).ravel()
    x = np.linspace(rows.min() - reach, rows.max() + reach, 800)
    shares, logs = shares_of(x, weights, means, sds)
    with picture.look():
        figure = picture.new(9.4, 5.4)
        upper, lower = figure.subplots(2, 1, sharex=True)
        for k, share in enumerate(shares.T):
            look = palette.style(k)
            upper.plot(
                x, share, color=look.colour, linestyle=look.line, linewidth=2.6, label=f"component {k}"
            )
        upper.vlines(rows, -0.12, -0.04, color=palette.MUTED, linewidth=0.9)
        upper.set(ylabel="responsibility", ylim=(-0.14, 1.06))
        upper.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        lower.plot(x, logs / np.log(10), color=palette.INK)
        lower.set(xlabel=label, ylabel="log₁₀ p(x)")
    ends = listed([f"{percent(round(shares[i].max(), 3))} at {x[i]:.0f}" for i in (0, -1)])
    words = f"Above, the responsibilities of {len(shares.T)} components along the axis: each is near 1 somewhere, and "
    words += f"component {shares[0].argmax()} takes both far ends, with {ends}. Below, the density there has fallen to "
    words += f"10 to the power {logs[0] / np.log(10):.0f}."
    return picture.describe(figure, words)


def shares_of(x: ArrayLike, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> tuple[Array, Array]:
    """Responsibilities [N, K] and log p(x) [N] of a mixture of one feature, by log-sum-exp."""
    logs = np.log(to_numpy(weights)) + norm.logpdf(to_numpy(x)[:, None], to_numpy(means), to_numpy(sds))
    total = np.logaddexp.reduce(logs, axis=1)
    return np.exp(logs - total[:, None]), total


# ------------------------------------------------------------------------------------------- images and shares
def image_shares(
    images: ArrayLike, shares: ArrayLike, labels: Sequence[int], *, shape: tuple[int, int] = (8, 8)
) -> Figure:
    """Draw images, and under each the responsibilities of all components for it.

    Parameters
    ----------
    images : array-like [N, P]
        Height × width numbers each.
    shares : array-like [N, K]
        Responsibilities.
    labels : sequence of int
        The true class of each image, its component in the same numbering.
    shape : (int, int)
        Height and width.

    Returns
    -------
    Picture
        With its alternative text.
    """
    pixels, gamma = to_numpy(images), to_numpy(shares)
    with picture.look():
        figure = picture.new(1.95 * len(pixels), 4.2)
        upper, lower = figure.subplots(2, len(pixels), height_ratios=[1.2, 1], squeeze=False)
        for n, label in enumerate(labels):
            upper[n].imshow(pixels[n].reshape(shape), cmap="gray_r", interpolation="nearest")
            upper[n].set(xticks=[], yticks=[], title=_named(label))
            _draw_bars(lower[n], gamma[n], label)
            lower[n].set(ylim=(0, 1), xticks=range(gamma.shape[1]), xlabel="component")
            lower[n].tick_params(labelsize=9, labelleft=n == 0)
        lower[0].set_ylabel("responsibility")
    said = [f"{_named(label)}: {_leaders(gamma[n])}" for n, label in enumerate(labels)]
    words = (
        f"{len(pixels)} images with bars of their responsibilities, the true component's hatched in orange. "
    )
    return picture.describe(figure, words + "; ".join(said) + ".")


def _draw_bars(ax: Axes, shares: Array, truth: int) -> None:
    """A bar for each component; that of the truth differs in colour and in hatching."""
    for k, share in enumerate(shares):
        look: dict[str, Any] = (
            {"color": palette.COLOURS[1], "hatch": "//"} if k == truth else {"color": "#8A8A8A"}
        )
        ax.bar(k, share, edgecolor="white", **look)


def _named(digit: int) -> str:
    return f"an {digit}" if digit == 8 else f"a {digit}"


def _leaders(shares: Array) -> str:
    order = np.argsort(-shares, kind="stable")[:2]
    return listed([f"{shares[k]:.2f} for component {k}" for k in order])

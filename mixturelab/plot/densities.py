"""Pictures of densities of one feature: histograms, what a mixture is and is not, drawing from it, Bayes' rule."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.stats import norm

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import listed, plural

__all__ = [
    "bayes_steps",
    "bin_widths",
    "histogram_density",
    "one_bell",
    "three_readings",
    "two_steps",
    "weighted_sum",
]

_BARS: dict[str, Any] = {"fill": True, "color": "#D5D5D5", "edgecolor": "white"}


# ------------------------------------------------------------------------------------------------- histograms
def histogram_density(values: ArrayLike, width: float) -> tuple[Array, Array]:
    """Heights [B] and edges [B + 1] of a histogram of area 1 whose edges are multiples of a width."""
    rows = to_numpy(values).ravel()
    first, last = np.floor(rows.min() / width), np.floor(rows.max() / width) + 1
    edges = width * np.arange(first, last + 1)
    return np.histogram(rows, edges)[0] / (len(rows) * width), edges


def _peaks(heights: Array) -> int:
    """How many bars, or level rows of bars, are higher than what lies on both sides."""
    level = np.concatenate([[-1.0], heights, [-1.0]])
    level = level[np.concatenate([[True], np.diff(level) != 0])]
    return int(((level[1:-1] > level[:-2]) & (level[1:-1] > level[2:])).sum())


def bin_widths(tables: Mapping[str, tuple[ArrayLike, Sequence[float]]]) -> Figure:
    """Draw the same numbers in bins of several widths, a line of histograms for each table.

    Parameters
    ----------
    tables : mapping from axis labels to (values [N], widths)
        As many widths for each table; every histogram has the area 1.

    Returns
    -------
    Picture
        With its alternative text.
    """
    said = []
    with picture.look():
        figure = picture.new(10.4, 3.0 * len(tables))
        n_columns = max(len(widths) for _, widths in tables.values())
        axes = figure.subplots(len(tables), n_columns, squeeze=False)
        for line, (label, (values, widths)) in zip(axes, tables.items(), strict=True):
            for ax, width in zip(line, widths, strict=True):
                heights, edges = histogram_density(values, width)
                ax.stairs(heights, edges, fill=True, color=palette.COLOURS[5], alpha=0.75)
                ax.stairs(heights, edges, color=palette.COLOURS[0], linewidth=1.2)
                ax.set(xlabel=label, title=f"bins of {width:g}: {plural(_peaks(heights), 'peak')}")
            line[0].set_ylabel("density")
            said.append(_width_words(label, values, widths))
    return picture.describe(figure, " ".join(said))


def _width_words(label: str, values: ArrayLike, widths: Sequence[float]) -> str:
    peaks = [f"{_peaks(histogram_density(values, width)[0])} with bins of {width:g}" for width in widths]
    return f"Histograms of {plural(np.size(values), 'row')}, {label}, each of area 1. Peaks: {listed(peaks)}."


# ------------------------------------------------------------------------- what a mixture is, and what it is not
def one_bell(weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> tuple[float, float]:
    """Mean and standard deviation of the mixture, and so of the one bell that imitates it."""
    pi, mu, sigma = map(to_numpy, (weights, means, sds))
    mean = float(pi @ mu)
    return mean, float(np.sqrt(pi @ (sigma**2 + (mu - mean) ** 2)))


def weighted_sum(weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> tuple[float, float]:
    """Mean and standard deviation of Σ_k π_k X_k, one independent draw of each component: a bell again."""
    pi, mu, sigma = map(to_numpy, (weights, means, sds))
    return float(pi @ mu), float(np.sqrt(pi**2 @ sigma**2))


def three_readings(
    values: ArrayLike, weights: ArrayLike, means: ArrayLike, sds: ArrayLike, *, label: str, width: float
) -> Figure:
    """Draw a mixture of one feature, the one bell that imitates it, and the sum that it is mistaken for.

    Parameters
    ----------
    values : array-like [N]
        Rows, drawn as a histogram.
    weights, means, sds : array-like [K]
        The mixture.
    label : str
        What is measured, with its unit.
    width : float
        Of the histogram's bins.

    Returns
    -------
    Picture
        With its alternative text.
    """
    rows = to_numpy(values).ravel()
    bell, total = one_bell(weights, means, sds), weighted_sum(weights, means, sds)
    x = np.linspace(rows.min() - 3, rows.max() + 3, 500)
    curves = {
        "the mixture: a weighted sum of densities": _joint(x, weights, means, sds).sum(axis=1),
        f"one bell: mean {bell[0]:.0f}, width {bell[1]:.1f}": norm.pdf(x, *bell),
        f"a weighted sum of draws: mean {total[0]:.0f}, width {total[1]:.1f}": norm.pdf(x, *total),
    }
    with picture.look():
        figure = picture.new(8.6, 4.8)
        ax = figure.subplots()
        ax.stairs(*histogram_density(rows, width), **_BARS)
        for index, (name, density) in enumerate(curves.items()):
            look = palette.style(index)
            ax.plot(x, density, color=look.colour, linestyle=look.line, linewidth=2.6, label=name)
        ax.set(xlabel=label, ylabel="density", ylim=(0, None))
        figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left")
    return picture.describe(figure, _reading_words(rows, bell, total))


def _reading_words(rows: Array, bell: tuple[float, float], total: tuple[float, float]) -> str:
    return (
        f"Histogram of {len(rows)} rows with three curves. The mixture follows both humps. One bell with the same mean "
        f"{bell[0]:.0f} and standard deviation {bell[1]:.1f} is highest in the valley between them. The weighted sum "
        f"of draws is a narrow bell, standard deviation {total[1]:.1f}, that stands in the valley alone."
    )


def _joint(x: ArrayLike, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> Array:
    """π_k N(x_n | μ_k, σ_k²), [N, K]."""
    return to_numpy(weights) * norm.pdf(to_numpy(x)[:, None], to_numpy(means), to_numpy(sds))


def two_steps(values: ArrayLike, z: ArrayLike, x: ArrayLike, *, label: str, width: float) -> Figure:
    """Draw real rows beside rows that were drawn in two steps, these in the colours of their components.

    Parameters
    ----------
    values : array-like [N]
        Real rows.
    z, x : array-like [M]
        First step and second step: the component of each drawn row, and the row.
    label : str
        What is measured, with its unit.
    width : float
        Of the bins.

    Returns
    -------
    Picture
        With its alternative text.
    """
    rows, drawn, made_by = to_numpy(values).ravel(), to_numpy(x).ravel(), np.asarray(z).ravel()
    edges = histogram_density(np.concatenate([rows, drawn]), width)[1]
    with picture.look():
        figure = picture.new(10.0, 4.0)
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        left.stairs(np.histogram(rows, edges)[0], edges, fill=True, color="#9A9A9A")
        below = np.zeros(len(edges) - 1)
        for k in np.unique(made_by):
            top = below + np.histogram(drawn[made_by == k], edges)[0]
            _draw_layer(right, top, below, edges, int(k), int((made_by == k).sum()))
            below = top
        left.set(title="observed: nobody noted the kind", xlabel=label, ylabel="rows")
        right.set(title="drawn: z first, then x", xlabel=label)
        right.legend(loc="upper left")
    return picture.describe(figure, _draw_words(rows, drawn, made_by))


def _draw_layer(ax: Axes, top: Array, below: Array, edges: Array, k: int, count: int) -> None:
    hatch = ("//", "..", "xx", "--")[k % 4]
    look: dict[str, Any] = {"facecolor": palette.style(k).colour, "edgecolor": "white", "hatch": hatch}
    ax.stairs(top, edges, baseline=below, fill=True, label=f"z = {k}: {count} rows", **look)


def _draw_words(rows: Array, drawn: Array, z: Array) -> str:
    counts = listed([f"{(z == k).sum()} by component {k}" for k in np.unique(z)])
    return (
        f"Two histograms side by side. Left, {len(rows)} observed rows, all grey, in two humps. Right, {len(drawn)} "
        f"drawn rows, {counts}: the same two humps, each in the colour of its component."
    )


# ------------------------------------------------------------------------------------------------ Bayes' rule
def bayes_steps(weights: ArrayLike, densities: ArrayLike, *, names: Sequence[str], at: str) -> Figure:
    """Draw Bayes' rule for one row in four pairs of bars: prior, likelihood, joint, posterior.

    Parameters
    ----------
    weights, densities : array-like [K]
        π_k and N(x | μ_k, σ_k²) of the row.
    names : sequence of str
        What the components are called.
    at : str
        Which row it is, in words.

    Returns
    -------
    Picture
        With its alternative text.
    """
    prior, likelihood = to_numpy(weights), to_numpy(densities)
    joint = prior * likelihood
    panels = {
        "prior $\\pi_k$": prior,
        "× likelihood": likelihood,
        "= joint": joint,
        "posterior $\\gamma_k$": joint / joint.sum(),
    }
    with picture.look():
        figure = picture.new(10.2, 3.4)
        for ax, (title, bars) in zip(figure.subplots(1, 4), panels.items(), strict=True):
            ax.set_title(title)
            for k, height in enumerate(bars):
                ax.bar(k, height, width=0.7, color=palette.style(k).colour, hatch=("//", "..")[k % 2], ec="w")
                ax.annotate(_digits(height), (k, height), ha="center", va="bottom", fontsize=12)
            ax.set(xticks=range(len(bars)), xticklabels=names, yticks=[], ylim=(0, 1.18 * bars.max()))
    shares = listed([f"{g:.2f} for {name}" for g, name in zip(joint / joint.sum(), names, strict=True)])
    words = f"Bayes' rule {at} in four pairs of bars. The prior favours {names[int(prior.argmax())]}, the likelihood "
    words += f"{names[int(likelihood.argmax())]}; their products are close, and the posterior is {shares}."
    return picture.describe(figure, words)


def _digits(height: float) -> str:
    return f"{height:.2f}" if height >= 0.05 else f"{height:.4f}"

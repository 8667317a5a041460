"""How often each criterion finds the true K: many simulated tables, fitted at once, and the picture with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike
from scipy.stats import norm

from mixturelab.plot import palette, picture
from mixturelab.plot.choosing import CRITERIA, criterion_style, line_of
from mixturelab.plot.geometry import Array
from mixturelab.plot.labels import listed


@dataclass(frozen=True, eq=False)
class Choices:
    """Which K each criterion chose, for many simulated tables.

    Attributes
    ----------
    separations : tuple of float
        Distance of the two true means, in standard deviations.
    sizes : tuple of int
        Rows of a table.
    ks : tuple of int
        The K that were tried.
    counts : ndarray [separations, sizes, criteria, ks] of int
        How many of the tables; the criteria are `CRITERIA`.
    """

    separations: tuple[float, ...]
    sizes: tuple[int, ...]
    ks: tuple[int, ...]
    counts: Any

    @property
    def n_tables(self) -> int:
        """Simulated tables for each separation and size."""
        return int(self.counts[0, 0, 0].sum())

    def share(self, criterion: str, k: int = 2) -> Array:
        """The share of tables for which the criterion chose that K, [separations, sizes]."""
        chosen = self.counts[:, :, CRITERIA.index(criterion), self.ks.index(k)]
        return np.asarray(chosen / self.n_tables, dtype=float)


def simulate_choices(
    separations: Sequence[float] = (2.0, 3.0, 4.0),
    sizes: Sequence[int] = (50, 100, 200, 400, 800),
    n_tables: int = 200,
    ks: Sequence[int] = (1, 2, 3),
    random_state: int = 0,
) -> Choices:
    """Draw tables from two equal bells in one dimension, and let each criterion choose K.

    The bells have standard deviation 1 and weight ½, and rows are rounded to 0.1, so that equal ones are fitted
    together. Every K is fitted with a common variance, from one start at the quantiles: the likelihood is bounded.
    """
    counts = np.zeros((len(separations), len(sizes), len(CRITERIA), len(ks)), dtype=int)
    for i, separation in enumerate(separations):
        for j, size in enumerate(sizes):
            generator = np.random.default_rng([random_state, round(10 * separation), size])
            values, table = draw_tables(generator, separation, size, n_tables)
            counts[i, j] = _choices(values, table, ks)
    return Choices(tuple(separations), tuple(sizes), tuple(ks), counts)


def draw_tables(generator: Any, separation: float, size: int, n_tables: int) -> tuple[Array, Array]:
    """The values that occur, [B], and how often each does in each table, [R, B]."""
    signs = np.where(generator.random((n_tables, size)) < 0.5, 0.5, -0.5)
    tenths = np.rint(10 * (separation * signs + generator.standard_normal((n_tables, size)))).astype(int)
    low, high = int(tenths.min()), int(tenths.max())
    table = np.array([np.bincount(row - low, minlength=high - low + 1) for row in tenths], dtype=float)
    return np.arange(low, high + 1) / 10, table


def _choices(values: Array, table: Array, ks: Sequence[int]) -> Array:
    """How many tables chose each K, [criteria, ks]."""
    fits = [fit_common_variance(values, table, k) for k in ks]
    deviance = -2 * np.array([level for level, _ in fits])
    doubt = np.array([entropy for _, entropy in fits])
    price = 2.0 * np.array(ks)[:, None]  # K means, K − 1 weights, one variance
    bic = deviance + price * np.log(table.sum(axis=1))
    criteria = (deviance + 2 * price, bic, bic + 2 * doubt)
    return np.array([np.bincount(values.argmin(axis=0), minlength=len(ks)) for values in criteria])


def fit_common_variance(
    values: Array, table: Array, k: int, *, tol: float = 1e-4, max_iter: int = 400
) -> tuple[Array, Array]:
    """EM for many tables at once: K bells in one dimension with one variance.

    Parameters
    ----------
    values : ndarray [B]
        The values that rows have.
    table : ndarray [R, B]
        How often, in each of R tables.
    k : int
    tol : float
        A table is finished when its log-likelihood rises by less, in nats.
    max_iter : int

    Returns
    -------
    log_likelihood, doubt : ndarray [R]
        Sums over the rows; the doubt is the entropy of the responsibilities.
    """
    level, doubt = np.full(len(table), -np.inf), np.zeros(len(table))
    active, own, parameters = np.arange(len(table)), table, _quantile_start(values, table, k)
    for _ in range(max_iter):
        gamma, log_density = _e_step(values, *parameters)
        now = (own * log_density).sum(axis=1)
        done = now - level[active] < tol
        level[active] = now
        if done.any():
            doubt[active[done]] = _entropy(own[done], gamma[done])
            active, own, gamma = active[~done], own[~done], gamma[~done]
        if not len(active):
            break
        parameters = _m_step(values, own, gamma)
    else:
        doubt[active] = _entropy(own, gamma)
    return level, doubt


def _quantile_start(values: Array, table: Array, k: int) -> tuple[Array, Array, Array]:
    share = table / table.sum(axis=1, keepdims=True)
    levels = (np.arange(k) + 0.5) / k
    means = values[(share.cumsum(axis=1)[:, :, None] < levels).sum(axis=1)]
    variance = (share * values**2).sum(axis=1) - (share * values).sum(axis=1) ** 2
    return np.full((len(table), k), 1 / k), means, variance / k


def _e_step(values: Array, weights: Array, means: Array, variance: Array) -> tuple[Array, Array]:
    """Responsibilities [R, K, B] and log densities [R, B]; x² is common to all components."""
    v = variance[:, None]
    constant, slope = np.log(np.maximum(weights, 1e-300)) - means**2 / (2 * v), means / v
    gamma = slope[:, :, None] * values
    gamma += constant[:, :, None]
    top = gamma.max(axis=1)
    gamma -= top[:, None]
    np.exp(gamma, out=gamma)
    total = gamma.sum(axis=1)
    gamma /= total[:, None]
    common = -(values**2) / (2 * v) - 0.5 * np.log(2 * np.pi * v)
    return gamma, np.log(total) + top + common


def _m_step(values: Array, table: Array, gamma: Array) -> tuple[Array, Array, Array]:
    n = table.sum(axis=1)
    mass = np.maximum((gamma @ table[:, :, None])[:, :, 0], 1e-300)
    means = (gamma @ (table * values)[:, :, None])[:, :, 0] / mass
    weights, square = mass / n[:, None], table @ values**2 / n
    return weights, means, square - (weights * means**2).sum(axis=1)


def _entropy(table: Array, gamma: Array) -> Array:
    return np.asarray(-(table[:, None] * gamma * np.log(np.maximum(gamma, 1e-300))).sum(axis=(1, 2)))


def wilson(successes: ArrayLike, n: int, confidence: float = 0.95) -> tuple[Array, Array]:
    """Wilson's interval for a share: it stays within 0 and 1, and has a width at 0 and at n too."""
    z = float(norm.ppf((1 + confidence) / 2))
    share = np.asarray(successes, dtype=float) / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def choice_rates(found: Choices, k: int = 2) -> picture.Picture:
    """How often each criterion chose K: a panel for each separation, the rows of a table along x, 95 % intervals.

    Parameters
    ----------
    found : Choices
    k : int
        The true one.
    """
    with picture.look():
        figure = picture.new(4.0 * len(found.separations), 5.4)
        grid = figure.subplots(2, len(found.separations), sharey="row", squeeze=False, height_ratios=[1, 4])
        panels = grid[1]
        for i, (ax, separation) in enumerate(zip(panels, found.separations, strict=True)):
            _draw_truth(grid[0, i], separation)
            for c, name in enumerate(CRITERIA):
                _draw_rate(ax, found, name, found.counts[i, :, c, found.ks.index(k)])
            _set_sizes(ax, found.sizes)
        panels[0].set_ylabel(f"share of tables with K = {k} chosen")
        panels[-1].legend(loc="lower right")
    picture.describe(figure, _rate_words(found, k))
    return figure


def _draw_truth(ax: Axes, separation: float) -> None:
    """The two bells, and the density that they make together."""
    x = np.linspace(-5.5, 5.5, 221)
    bells = [norm.pdf(x, side * separation / 2) / 2 for side in (-1, 1)]
    for bell in bells:
        ax.plot(x, bell, color=palette.MUTED, linewidth=1.2, linestyle="--")
    ax.fill_between(x, np.sum(bells, axis=0), color=palette.MUTED, alpha=0.35, linewidth=0)
    ax.set_title(f"Truth: two bells, {separation:g} sd apart", fontsize=12.5)
    ax.set_axis_off()


def _draw_rate(ax: Axes, found: Choices, name: str, counts: Array) -> None:
    look, offset = criterion_style(name), 1.06 ** (CRITERIA.index(name) - 1)
    share, (low, high) = counts / found.n_tables, wilson(counts, found.n_tables)
    bars = np.clip([share - low, high - share], 0.0, None)
    ax.errorbar(np.array(found.sizes) * offset, share, yerr=bars, capsize=3, label=name, **line_of(look, 7))


def _set_sizes(ax: Axes, sizes: Sequence[int]) -> None:
    ax.set(xscale="log", xlabel="rows N of a table", ylim=(-0.04, 1.04))
    ax.xaxis.set_major_locator(FixedLocator(list(sizes)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")


def _rate_words(found: Choices, k: int) -> str:
    ends = [_end_words(found, i, k) for i in range(len(found.separations))]
    return (
        f"How often AIC, BIC and ICL choose the true K = {k}, against the rows of a table, with intervals; one panel "
        f"for each distance of the bells. With {found.sizes[-1]} rows: {'; '.join(ends)}."
    )


def _end_words(found: Choices, i: int, k: int) -> str:
    shares = [f"{name} {_banded(float(found.share(name, k)[i, -1]))}" for name in CRITERIA]
    return f"{found.separations[i]:g} sd apart, {listed(shares)}"


def _banded(share: float) -> str:
    """A share in words: simulations may differ by a table between computers."""
    bands = (
        (0.05, "hardly ever"),
        (0.4, "seldom"),
        (0.6, "half the time"),
        (0.93, "mostly"),
        (2.0, "nearly always"),
    )
    return next(words for limit, words in bands if share < limit)

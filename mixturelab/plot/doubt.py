"""Pictures of doubt: labels hard and soft, where on the plane rows are in doubt, and how far out they lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from mixturelab.plot import palette, picture
from mixturelab.plot.assignments import soft_assignments
from mixturelab.plot.geometry import Array, covariance_matrices, ellipse, to_numpy
from mixturelab.plot.labels import Units, feature_labels, plural, unpacked

__all__ = [
    "Panel",
    "distance_map",
    "entropy_map",
    "entropy_share",
    "hard_and_soft",
    "label_panels",
    "renumbered",
    "squared_distances",
]

MASS = 0.9  # within each ellipse


# ------------------------------------------------------------------------------- numbers to numbers
def entropy_share(responsibilities: ArrayLike) -> Array:
    """Each row's entropy as a share of the most there can be, log K: 0 is certain, 1 is an even split.

    Parameters
    ----------
    responsibilities : array-like [N, K]

    Returns
    -------
    ndarray [N]
    """
    gamma = np.asarray(responsibilities, dtype=float)
    logs = np.log(np.where(gamma > 0, gamma, 1.0))  # 0 log 0 is 0
    return np.maximum(-(gamma * logs).sum(axis=1), 0.0) / np.log(max(gamma.shape[1], 2))


def renumbered(labels: ArrayLike, like: ArrayLike) -> Any:
    """The same groups, numbered so that they share as many rows as they can with the labels they are put beside.

    Parameters
    ----------
    labels, like : array-like [N] of int
        From 0; as many groups in both, or fewer in one.

    Returns
    -------
    ndarray [N] of int
    """
    ours, theirs = np.asarray(labels, dtype=int), np.asarray(like, dtype=int)
    k = int(max(ours.max(), theirs.max())) + 1
    common = np.zeros((k, k), dtype=int)
    np.add.at(common, (ours, theirs), 1)
    return linear_sum_assignment(-common)[1][ours]


def squared_distances(model: Any, X: Any) -> Array:
    """Squared Mahalanobis distance of each row to the component that leads it.

    Parameters
    ----------
    model : GaussianMixture
        Fitted.
    X : array-like [N, D]

    Returns
    -------
    ndarray [N]
        In a mixture that is right, nearly chi-squared with D degrees of freedom.
    """
    rows = to_numpy(X)
    leader = to_numpy(model.predict_proba(rows)).argmax(axis=1)
    away = rows - to_numpy(model.means_)[leader]
    inverse = np.linalg.inv(covariance_matrices(model))[leader]
    return np.einsum("ni,nij,nj->n", away, inverse, away)


# -------------------------------------------------------------------------------- rows and their labels
@dataclass(frozen=True, eq=False)
class Panel:
    """Rows with one hard label each.

    Attributes
    ----------
    title : str
    points : ndarray [N, 2]
    labels : ndarray [N] of int
    axes : pair of str
        What the axes are.
    """

    title: str
    points: Array
    labels: Array
    axes: tuple[str, str] = ("$x_1$", "$x_2$")


def label_panels(panels: Sequence[Panel], words: str, *, columns: int = 2) -> Any:
    """Scatter plots, each row in its label's colour and marker; a unit is as long upward as sideways.

    Parameters
    ----------
    panels : sequence of Panel
    words : str
        The alternative text.
    columns : int
        Panels in a line.

    Returns
    -------
    Picture
    """
    lines = -(-len(panels) // columns)
    with picture.look():
        figure = picture.new(3.4 * columns + 1.2, 3.1 * lines + 0.3)
        for ax, panel in zip(figure.subplots(lines, columns, squeeze=False).flat, panels, strict=False):
            draw_labels(ax, panel.points, panel.labels)
            ax.set_title(panel.title, fontsize=12)
            ax.set(xlabel=panel.axes[0], ylabel=panel.axes[1])
            ax.set_aspect("equal", adjustable="datalim")  # what a distance sees
    return picture.describe(figure, words)


def draw_labels(ax: Axes, points: Array, labels: Array, size: float = 20.0) -> None:
    """Rows in the colour and with the marker of their label."""
    for k in np.unique(labels):
        look, (x, y) = palette.style(int(k)), points[labels == k].T
        ax.scatter(x, y, s=size, marker=look.marker, color=look.colour, alpha=0.6, linewidths=0, zorder=2)


def hard_and_soft(model: Any, X: Any, units: Units = None) -> Any:
    """One fit, drawn twice: each row in one colour, and in the mixed colours of its responsibilities.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, of two features.
    X : Dataset, DataFrame or array-like [N, 2]
    units : optional
        As for `soft_assignments`.

    Returns
    -------
    Picture
    """
    table, names, units = unpacked(X, None, units)
    points, labels = to_numpy(table), feature_labels(model, table, names, units)
    with picture.look():
        figure = picture.new(11.0, 4.9)
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        draw_labels(left, points, to_numpy(model.predict_proba(points)).argmax(axis=1), 26)
        left.set(title="Hard: the likeliest component", xlabel=labels[0], ylabel=labels[1])
        picture.describe(figure, "One fit drawn twice. Left, every row is plainly of one colour. Right:")
        soft_assignments(
            model, table, right, legend=False, title="Soft: mixed colours", feature_names=names, units=units
        )
        right.label_outer()
    return figure


# ---------------------------------------------------------------------------------- over the plane
def entropy_map(model: Any, X: Any, units: Units = None, *, margin: float = 0.45) -> Any:
    """How uncertain a row would be at each place of the plane.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, of two features.
    X : Dataset, DataFrame or array-like [N, 2]
        Rows, drawn on top.
    units : optional
        As for `soft_assignments`.
    margin : float
        How far beyond the rows the map goes, as a share of their range.

    Returns
    -------
    Picture
    """
    table, names, units = unpacked(X, None, units)
    points, labels = to_numpy(table), feature_labels(model, table, names, units)
    doubtful = entropy_share(to_numpy(model.predict_proba(points))) > 0.5
    with picture.look():
        figure = picture.new(8.2, 5.2)
        ax = figure.subplots()
        shades = draw_entropy(ax, model, points, margin)
        figure.colorbar(shades, ax=ax, label="entropy, as a share of log K")
        ax.scatter(
            points[:, 0], points[:, 1], 9, color="white", edgecolors=palette.INK, linewidths=0.6, zorder=3
        )
        for k, (mean, covariance) in enumerate(zip(model.means_, covariance_matrices(model), strict=True)):
            ax.plot(*ellipse(mean, covariance, MASS).T, color=palette.style(k).colour, zorder=4)
        ax.set(title="Where would a row be in doubt?", xlabel=labels[0], ylabel=labels[1])
    return picture.describe(figure, _map_words(len(points), int(doubtful.sum()), len(model.means_)))


def draw_entropy(ax: Axes, model: Any, points: Array, margin: float) -> Any:
    """Shades of the entropy on a grid: light is certain, dark is in doubt."""
    low, high = points.min(axis=0), points.max(axis=0)
    low, high = low - margin * (high - low), high + margin * (high - low)
    x, y = (np.linspace(low[d], high[d], 161) for d in range(2))
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    share = entropy_share(to_numpy(model.predict_proba(places))).reshape(len(y), len(x))
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    ax.grid(False)
    return ax.contourf(x, y, share, levels=np.linspace(0, 1, 11), cmap="Purples", zorder=0)


def _map_words(n_rows: int, n_doubtful: int, k: int) -> str:
    return (
        f"The plane shaded by the entropy of the responsibilities of {k} components, with {plural(n_rows, 'row')} "
        f"on it. Dark bands run along the borders between the ellipses and widen where they meet; {n_doubtful} rows "
        "lie where the entropy is above half of log K. Far outside, where there are no rows at all, most of the plane "
        "is as light as at the centres."
    )


# --------------------------------------------------------------------------------------------- outliers
def distance_map(model: Any, X: Any, *, quantile: float = 0.99) -> Any:
    """Two kinds of strange rows: between components (uncertain), and far from all (distant).

    Parameters
    ----------
    model : GaussianMixture
        Fitted.
    X : array-like [N, D]
    quantile : float
        Of the chi-squared distribution, drawn as a line.

    Returns
    -------
    Picture
    """
    rows = to_numpy(X)
    gamma, distance = to_numpy(model.predict_proba(rows)), squared_distances(model, rows)
    doubt, limit = 1 - gamma.max(axis=1), float(chi2.ppf(quantile, rows.shape[1]))
    far = distance > limit
    with picture.look():
        figure = picture.new(7.6, 4.6)
        ax = figure.subplots()
        ax.axhline(limit, color=palette.ALARM, linestyle="--", linewidth=1.4)
        ax.annotate(f"{100 * quantile:g} % of rows should be below", (0.5, limit), color=palette.ALARM,
                    ha="right", va="bottom", fontsize=11)  # fmt: skip
        for k in np.unique(gamma.argmax(axis=1)):
            draw_labels(ax, np.column_stack([doubt, distance])[gamma.argmax(axis=1) == k],
                        np.full((gamma.argmax(axis=1) == k).sum(), k), 26)  # fmt: skip
        ax.scatter(
            doubt[far], distance[far], s=110, facecolors="none", edgecolors=palette.ALARM, linewidths=1.8
        )
        ax.set(xlabel="uncertainty: 1 − largest responsibility", ylabel="squared distance to its component")
    words = (
        f"Squared Mahalanobis distance against uncertainty for {plural(len(rows), 'row')}. Most lie at the lower left: "
        f"certain and near. {plural(int(far.sum()), 'row')} above the {quantile:g} quantile of chi-squared, "
        f"{limit:.1f}, ringed; {int((far & (doubt < 0.1)).sum())} of them have an uncertainty below 0.1."
    )
    return picture.describe(figure, words)

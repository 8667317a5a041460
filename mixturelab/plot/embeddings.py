"""A map of embeddings: rows and components where the components of their mixture lie furthest apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import chi2

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, checked_mass, ellipse, to_numpy
from mixturelab.plot.labels import listed, percent, plural, short


@dataclass(frozen=True)
class _Map:
    """Embeddings and components in the directions in which the components differ most."""

    points: Array  # [N, A], A = 2 or 4 directions
    component: Array  # [N]
    labels: Array | None  # [N]
    weights: Array  # [K]
    means: Array  # [K, A]
    covariances: Array | None  # [K, A, A]
    shares: Array  # [A], of trace_B
    mass: float
    n_rows: int
    length: float  # of a row, on average

    @property
    def reach(self) -> float:
        """Half the side of a panel: rows and ellipses have room."""
        live = self.weights > 0
        ends = np.abs(self.means[live])
        if self.covariances is not None:
            ends = ends + np.sqrt(chi2.ppf(self.mass, 2) * self.covariances[live].diagonal(axis1=1, axis2=2))
        return 1.04 * float(max(np.abs(self.points).max(), ends.max())) or 1.0

    @property
    def n_panels(self) -> int:
        return self.points.shape[1] // 2


def embedding_map(
    z: Any,
    mixture: Mapping[str, Any],
    *,
    component: Any = None,
    labels: Any = None,
    mass: float = 0.9,
    max_points: int = 3000,
    title: str | None = None,
) -> Figure:
    """Draw embeddings where the components of their mixture lie furthest apart.

    The axes are the eigenvectors of B with the largest eigenvalues, of which opnorm_B is the first; each axis
    says its share of trace_B. The first panel has the first two, the second the next two. A component is a colour
    and an ellipse; a row's mark is its class, if there are labels.

    Parameters
    ----------
    z : array-like or Tensor [N, D]
    mixture : mapping
        ``pi`` [K], ``mu`` [K, D], ``Sigma`` [K, D, D] or [K, D] or None, ``B`` [D, D]: what `MixtureStats.compute`
        gives.
    component : array-like [N], optional
        Of each row. Default: the one with the nearest mean.
    labels : array-like [N], optional
        Class of each row.
    mass : float
        Probability within a component's ellipse.
    max_points : int
        Of more rows, evenly spaced ones are drawn, and the picture says so.
    title : str, optional
        Default: how many rows and components.

    Returns
    -------
    Picture
        With its alternative text.
    """
    view = _map(z, mixture, component, labels, mass, max_points)
    with picture.look():
        figure = picture.new(0.6 + 5.9 * view.n_panels, 6.2)
        # One scale in all panels: a direction without variance looks like one.
        panels = figure.subplots(1, view.n_panels, squeeze=False, sharex=True, sharey=True)[0]
        for panel, ax in enumerate(panels):
            _draw_map(ax, view, 2 * panel)
            ax.tick_params(labelleft=True)
        figure.suptitle(
            _map_title(view) if title is None else title, x=0.01, ha="left", fontsize=14, fontweight="bold"
        )
        figure.supxlabel(_map_note(view), fontsize=11, color=palette.MUTED)
    return picture.describe(figure, _map_words(view))


def _map(
    z: Any, mixture: Mapping[str, Any], component: Any, labels: Any, mass: float, max_points: int
) -> _Map:
    rows, means, weights = to_numpy(z), to_numpy(mixture["mu"]), to_numpy(mixture["pi"])
    values, vectors = np.linalg.eigh(to_numpy(mixture["B"]))
    wide = 4 if rows.shape[1] >= 4 and (weights > 0).sum() > 3 else 2
    axes = vectors[:, ::-1][:, :wide]
    trace = max(values.sum(), np.finfo(float).tiny)
    chosen = np.arange(0, len(rows), max(1, -(-len(rows) // max_points)))
    nearest = _nearest(rows, means, weights) if component is None else to_numpy(component)
    centre = weights @ means
    return _Map(
        points=(rows[chosen] - centre) @ axes,
        component=nearest[chosen].astype(int),
        labels=None if labels is None else to_numpy(labels)[chosen].astype(int),
        weights=weights,
        means=(means - centre) @ axes,
        covariances=_projected(mixture["Sigma"], axes),
        shares=np.clip(values[::-1][:wide], 0, None) / trace,
        mass=checked_mass(mass),
        n_rows=len(rows),
        length=float(np.linalg.norm(rows, axis=1).mean()),
    )


def _nearest(rows: Array, means: Array, weights: Array) -> Array:
    distance = ((rows[:, None] - means[None]) ** 2).sum(axis=2)
    return np.where(weights > 0, distance, np.inf).argmin(axis=1)


def _projected(sigma: Any, axes: Array) -> Array | None:
    """AᵀΣA of each component, from whole or diagonal covariances."""
    if sigma is None:
        return None
    matrices = to_numpy(sigma)
    whole = matrices if matrices.ndim == 3 else np.stack([np.diag(row) for row in matrices])
    return np.einsum("da,kde,eb->kab", axes, whole, axes)


def _draw_map(ax: Axes, view: _Map, first: int) -> None:
    pair = slice(first, first + 2)
    for k in np.flatnonzero(view.weights > 0):
        _draw_rows(ax, view, int(k), pair)
    for k in np.flatnonzero(view.weights > 0):
        _draw_component(ax, view, int(k), pair)
    names = [
        f"direction {d + 1} ({percent(float(view.shares[d].round(3)))} of trace_B)"
        for d in (first, first + 1)
    ]
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.set_aspect("equal", adjustable="box")
    ax.set(xlim=(-view.reach, view.reach), ylim=(-view.reach, view.reach))


def _draw_rows(ax: Axes, view: _Map, k: int, pair: slice) -> None:
    look, mine = palette.style(k), view.component == k
    kinds = [(look.marker, mine)] if view.labels is None else _glyphs(view.labels, mine)
    for marker, rows in kinds:
        x, y = view.points[rows, pair].T
        size = 14 if view.labels is None else 38
        ax.scatter(x, y, marker=marker, s=size, color=look.colour, alpha=0.7, linewidths=0)


def _glyphs(labels: Array, mine: Array) -> list[tuple[str, Array]]:
    """A class is drawn as its number."""
    return [(rf"$\mathbf{{{label}}}$", mine & (labels == label)) for label in np.unique(labels[mine])]


def _draw_component(ax: Axes, view: _Map, k: int, pair: slice) -> None:
    colour, centre = palette.style(k).colour, view.means[k, pair]
    if view.covariances is not None:
        outline = ellipse(centre, view.covariances[k, pair, pair], view.mass)
        ax.plot(*outline.T, color="white", linewidth=4.0, zorder=3)
        ax.plot(*outline.T, color=colour, linewidth=2.2, zorder=4)
    ax.plot(*centre, palette.style(k).marker, color=colour, markersize=13, markeredgecolor="white", zorder=5)


def _map_title(view: _Map) -> str:
    n_components = int((view.weights > 0).sum())
    return f"{plural(view.n_rows, 'embedding')} and the {plural(n_components, 'component')} of their mixture"


def _map_note(view: _Map) -> str:
    parts = ["colour: component"]
    if view.labels is not None:
        parts.append("number: class")
    if view.covariances is not None:
        parts.append(f"ellipse: {percent(view.mass)} of a component")
    parts.append(f"mean length of a row: {short(view.length)}")
    if len(view.points) < view.n_rows:
        parts.append(f"{len(view.points):,} rows drawn")
    return "; ".join(parts)


def _map_words(view: _Map) -> str:
    parts = [
        f"{_map_title(view)}, in the directions in which the components differ most.",
        f"Their shares of trace_B are {_shares(view.shares)}.",
        f"The components' weights are {_shares(np.sort(view.weights[view.weights > 0])[::-1])}.",
    ]
    if view.labels is not None:
        parts.append(
            f"{percent(round(_purity(view), 3))} of the rows have their component's commonest class."
        )
    return " ".join(parts)


def _shares(shares: Array) -> str:
    return listed([percent(round(float(share), 3)) for share in shares])


def _purity(view: _Map) -> float:
    assert view.labels is not None
    pairs = np.column_stack([view.component, view.labels])
    found, counts = np.unique(pairs, axis=0, return_counts=True)
    commonest = [counts[found[:, 0] == k].max() for k in np.unique(found[:, 0])]
    return float(sum(commonest) / len(pairs))

"""Soft assignments: rows coloured by their responsibilities, components as regions of stated probability."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import norm

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, checked_mass, covariance_matrices, ellipse, interval, to_numpy
from mixturelab.plot.labels import Units, feature_labels, listed, named, percent, plural, short, unpacked

# A row is called uncertain when its largest responsibility is below this.
CERTAIN = 0.9


@dataclass(frozen=True)
class _View:
    """What is drawn: the rows in the chosen columns, and the mixture's marginal there."""

    points: Array  # [N, 1 or 2]
    responsibilities: Array  # [N, K], from all columns
    weights: Array  # [K]
    means: Array  # [K, 1 or 2]
    covariances: Array  # [K, 1 or 2, 1 or 2]
    labels: list[str]  # of the chosen columns
    n_features: int  # of the model
    n_rows: int  # of the table, drawn or not
    n_uncertain: int  # of the table, drawn or not
    family: str
    masses: tuple[float, ...]

    @property
    def certainty(self) -> Array:
        return self.responsibilities.max(axis=1)

    @property
    def component(self) -> Array:
        return self.responsibilities.argmax(axis=1)

    @property
    def n_components(self) -> int:
        return len(self.weights)


def soft_assignments(
    model: Any,
    X: Any,
    ax: Axes | None = None,
    *,
    mass: float | Sequence[float] = 0.9,
    columns: Sequence[int] | None = None,
    feature_names: Sequence[str] | None = None,
    units: Units = None,
    title: str | None = None,
    legend: bool = True,
    max_points: int = 5000,
) -> Figure:
    """Draw the rows in the colours of the components that are responsible for them.

    A row that two components share has a mixed colour, and is drawn larger and with a dark edge; its marker
    is that of the component most responsible. Each component is a region that holds a stated share
    of its probability: an ellipse (two features, or two of more: the marginal), an interval (one feature,
    with the density and a histogram).

    Parameters
    ----------
    model : GaussianMixture
        Fitted; of any family, ours or scikit-learn's.
    X : array-like [N, D] or Dataset
        The rows to draw. A DataFrame gives the axes their names, a Dataset the units too.
    ax : matplotlib Axes, optional
        Where to draw. Default: a new picture.
    mass : float or several
        The probability within a component's ellipse or interval.
    columns : two ints, optional
        Which features are drawn when D > 2. Default: the two in which the components lie furthest apart.
        Responsibilities always use all of them.
    feature_names, units : sequence, or mapping from name to unit, optional
        For the axes.
    title : str, optional
        Default: the family and K.
    legend : bool
        Whether to draw the legend.
    max_points : int
        Of more rows, evenly spaced ones are drawn, and the picture says so.

    Returns
    -------
    matplotlib.figure.Figure
        A `Picture` (or the figure of ``ax``), with its alternative text.

    Raises
    ------
    ValueError
        If ``mass`` is not a probability, or a column is not one of the model's.
    """
    view = _view(model, X, mass, columns, feature_names, units, max_points)
    with picture.look():
        if ax is None:
            ax = picture.new(*_size(view, legend)).subplots()
        (_draw_one_feature if view.points.shape[1] == 1 else _draw_two_features)(ax, view)
        ax.set_title(_title(view) if title is None else title)
        if legend:
            _draw_legend(ax, view)
    return picture.describe(picture.figure_of(ax), _alt_text(view))


def _view(
    model: Any,
    X: Any,
    mass: float | Sequence[float],
    columns: Sequence[int] | None,
    names: Sequence[str] | None,
    units: Units,
    max_points: int,
) -> _View:
    X, names, units = unpacked(X, names, units)
    data, means = to_numpy(X), to_numpy(model.means_)
    covariances = covariance_matrices(model)
    columns = _furthest_apart(model, means, covariances) if columns is None else columns
    chosen = np.array(_columns(columns, means.shape[1]))
    responsibilities = to_numpy(model.predict_proba(named(model, X)))
    shown = np.arange(0, len(data), max(1, -(-len(data) // max_points)))
    labels = feature_labels(model, X, names, units)
    return _View(
        points=data[np.ix_(shown, chosen)],
        responsibilities=responsibilities[shown],
        weights=to_numpy(model.weights_),
        means=means[:, chosen],
        covariances=covariances[np.ix_(np.arange(len(means)), chosen, chosen)],
        labels=[labels[d] for d in chosen],
        n_features=means.shape[1],
        n_rows=len(data),
        n_uncertain=int((responsibilities.max(axis=1) < CERTAIN).sum()),
        family=str(model.covariance_type),
        masses=tuple(sorted(checked_mass(float(m)) for m in np.atleast_1d(mass))),
    )


def _furthest_apart(model: Any, means: Array, covariances: Array) -> list[int]:
    """The two features with the largest share of variance between the components, in their own order."""
    weights = to_numpy(model.weights_)[:, None]
    between = (weights * (means - (weights * means).sum(axis=0)) ** 2).sum(axis=0)
    within = (weights * covariances.diagonal(axis1=1, axis2=2)).sum(axis=0)
    return sorted(np.argsort(-between / within, kind="stable")[:2].tolist())


def _columns(columns: Sequence[int], n_features: int) -> list[int]:
    if n_features == 1:
        return [0]
    chosen = list(columns)
    if len(chosen) != 2 or any(not 0 <= d < n_features for d in chosen):
        raise ValueError(f"columns is {columns!r}; wanted two numbers from 0 to {n_features - 1}")
    return chosen


def _size(view: _View, legend: bool) -> tuple[float, float]:
    beside = (3.3 if view.n_components <= _LEGEND_ROWS else 5.4) if legend else 0.0
    return 6.4 + beside, 5.4


# --------------------------------------------------------------------------------------------- two features
def _draw_two_features(ax: Axes, view: _View) -> None:
    _draw_points(ax, view)
    for k in range(view.n_components):
        _draw_component(ax, view, k)
    ax.set_xlabel(view.labels[0])
    ax.set_ylabel(view.labels[1])


def _draw_points(ax: Axes, view: _View) -> None:
    """Certain rows small and pale, uncertain ones larger, edged and on top; the marker says who leads."""
    colours, sure = palette.mix(view.responsibilities), view.certainty >= CERTAIN
    shrink = float(np.clip(np.sqrt(400 / max(len(colours), 1)), 0.3, 1.0))  # a crowd is drawn finer
    for k in np.unique(view.component):
        marker = palette.style(int(k)).marker
        for chosen, look in [(sure, _SURE), (~sure, _UNSURE)]:
            rows = np.flatnonzero(chosen & (view.component == k))
            if not len(rows):
                continue
            x, y = view.points[rows].T
            size, edge = look["s"] * shrink, look["linewidths"] * shrink**2
            ax.scatter(x, y, c=colours[rows], marker=marker, **look | {"s": size, "linewidths": edge})


_SURE: dict[str, Any] = {"s": 26, "alpha": 0.55, "linewidths": 0, "zorder": 2}
_UNSURE: dict[str, Any] = {"s": 52, "alpha": 1.0, "linewidths": 1.0, "edgecolors": palette.INK, "zorder": 3}


def _draw_component(ax: Axes, view: _View, k: int) -> None:
    colour = palette.style(k).colour
    for i, mass in enumerate(reversed(view.masses)):
        outline = ellipse(view.means[k], view.covariances[k], mass)
        ax.plot(*outline.T, color=colour, linestyle=palette.LINE_STYLES[i % 4], linewidth=2.2, zorder=4)
        ax.fill(*outline.T, color=colour, alpha=0.07, linewidth=0, zorder=1)
    ax.plot(*view.means[k], "o", markeredgecolor=colour, **_DISC)
    ax.annotate(str(k), view.means[k], **_NUMBER)


_DISC: dict[str, Any] = {"markersize": 18, "markerfacecolor": "white", "markeredgewidth": 2.2, "zorder": 5}
_NUMBER: dict[str, Any] = {
    "ha": "center",
    "va": "center_baseline",
    "color": palette.INK,
    "fontsize": 10.5,
    "fontweight": "bold",
    "zorder": 6,
}


# ---------------------------------------------------------------------------------------------- one feature
def _draw_one_feature(ax: Axes, view: _View) -> None:
    """Histogram, the mixture's density, each component's share of it, and the rows below the axis."""
    values = view.points[:, 0]
    ax.hist(values, bins=_bins(values), density=True, color="#DDDDDD", edgecolor="white", zorder=1)
    grid = _grid(view)
    shares = _densities(view, grid)
    for k, share in enumerate(shares):
        _draw_share(ax, k, grid, share)
    ax.plot(grid, shares.sum(axis=0), color=palette.INK, linewidth=3.4, zorder=3)
    top = float(max(shares.sum(axis=0).max(), ax.get_ylim()[1] / 1.05))
    _draw_rug(ax, view, top)
    _draw_intervals(ax, view, top)
    ax.set_xlabel(view.labels[0])
    ax.set_ylabel("probability density")


def _bins(values: Array) -> int:
    """Freedman and Diaconis's rule, between 20 and 60 bins."""
    quartiles = np.quantile(values, [0.25, 0.75])
    width = 2 * float(np.diff(quartiles)[0]) / max(len(values), 1) ** (1 / 3)
    return int(np.clip(np.ptp(values) / width, 20, 60)) if width > 0 else 20


def _grid(view: _View) -> Array:
    spread = np.sqrt(view.covariances[:, 0, 0])
    low = min(view.points.min(), (view.means[:, 0] - 3 * spread).min())
    high = max(view.points.max(), (view.means[:, 0] + 3 * spread).max())
    # The means are on the grid: a component narrower than its spacing is still seen.
    return np.sort(np.concatenate([np.linspace(low, high, 601), view.means[:, 0]]))


def _densities(view: _View, grid: Array) -> Array:
    scale = np.sqrt(view.covariances[:, 0])
    return view.weights[:, None] * norm.pdf(grid, loc=view.means, scale=scale)


def _draw_share(ax: Axes, k: int, grid: Array, share: Array) -> None:
    look, seen = palette.style(k), share > 2e-3 * share.max()
    ax.fill_between(grid, share, where=seen, color=look.colour, alpha=0.18, linewidth=0, zorder=2)
    ax.plot(grid[seen], share[seen], color=look.colour, linestyle=look.line, zorder=4)


def _draw_rug(ax: Axes, view: _View, top: float) -> None:
    colours = palette.mix(view.responsibilities)
    low = np.full(len(view.points), -0.035 * top)
    ax.vlines(
        view.points[:, 0], 1.9 * low, 0.3 * low, colors=list(map(tuple, colours)), linewidth=1.3, alpha=0.8
    )


def _draw_intervals(ax: Axes, view: _View, top: float) -> None:
    """One line a component, under the rows: a bar that holds the stated probability, and its mean."""
    for k in range(view.n_components):
        look, height = palette.style(k), -top * (0.11 + 0.055 * k)
        for mass in view.masses:
            low, high = interval(view.means[k, 0], view.covariances[k, 0, 0], mass)
            ax.plot([low, high], [height, height], color=look.colour, linewidth=3, marker="|", markersize=9)
        ax.plot(view.means[k, 0], height, look.marker, color=look.colour, **_DOT)
    ax.set_ylim(-top * (0.11 + 0.055 * view.n_components), 1.06 * top)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= 1.06 * top])


_DOT: dict[str, Any] = {"markersize": 10, "markeredgecolor": "white"}


# ---------------------------------------------------------------------------------------------------- words
_LEGEND_ROWS = 12


def _title(view: _View) -> str:
    return f"Soft assignments: {view.family} covariance, K = {view.n_components}"


def _draw_legend(ax: Axes, view: _View) -> None:
    handles = [_handle(view, k) for k in range(view.n_components)] + _key(view)
    columns = 1 if view.n_components <= _LEGEND_ROWS else 2
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), ncols=columns, **_LEGEND)


_LEGEND: dict[str, Any] = {"borderaxespad": 0.0, "labelspacing": 0.65, "handlelength": 1.8}


def _handle(view: _View, k: int) -> Line2D:
    look = palette.style(k)
    line: Any = look.line if view.points.shape[1] == 1 else "none"
    return Line2D(
        [],
        [],
        color=look.colour,
        marker=look.marker,
        linestyle=line,
        markersize=9,
        label=f"component {k}: weight {_weight(view.weights[k])}",
    )


def _weight(weight: float) -> str:
    return f"{weight:.2f}" if weight >= 0.095 else f"{weight:.2g}"


def _key(view: _View) -> list[Line2D]:
    """What colours, sizes and outlines mean, in words."""
    if view.points.shape[1] == 1:
        mixture = Line2D([], [], color=palette.INK, linewidth=3.4, label="mixture: the components' sum")
        return [mixture, *_region_keys(view, "bar")]
    dot: dict[str, Any] = {"color": _mixed_example(view), "markeredgecolor": palette.INK, "markersize": 8.5}
    unsure = Line2D([], [], marker="o", linestyle="none", label=_unsure_words(view), **dot)
    return [*([unsure] if view.n_components > 1 else []), *_region_keys(view, "ellipse")]


def _mixed_example(view: _View) -> Array:
    """Half and half of the two components that share most of the uncertain rows."""
    unsure = view.responsibilities[view.certainty < CERTAIN]
    shared = unsure.mean(axis=0) if len(unsure) else -np.arange(view.n_components)
    pair = np.argsort(-shared, kind="stable")[:2]
    return palette.mix(np.eye(view.n_components)[pair].mean(axis=0, keepdims=True))[0]


def _unsure_words(view: _View) -> str:
    count = plural(view.n_uncertain, "row")
    return f"uncertain: largest\nresponsibility below {CERTAIN:g}\n({count}, mixed colours)"


def _region_keys(view: _View, region: str) -> list[Line2D]:
    keys = []
    for i, mass in enumerate(reversed(view.masses)):
        label = f"{region}: holds {percent(mass)} of\na component's probability"
        line: Any = palette.LINE_STYLES[i % 4] if region == "ellipse" else "-"
        keys.append(Line2D([], [], color=palette.MUTED, linestyle=line, linewidth=2.2, label=label))
    notes = [*_marginal_note(view), *_sample_note(view)]
    return keys + [Line2D([], [], linestyle="none", label=note) for note in notes]


def _marginal_note(view: _View) -> list[str]:
    return [] if view.n_features <= 2 else [f"two of {view.n_features} features:\nellipses are marginals"]


def _sample_note(view: _View) -> list[str]:
    drawn = len(view.points)
    return [] if drawn == view.n_rows else [f"{drawn:,} of {view.n_rows:,} rows drawn"]


def _alt_text(view: _View) -> str:
    kind = "Histogram and densities" if len(view.labels) == 1 else "Scatter plot"
    region = "bar" if len(view.labels) == 1 else "ellipse"
    components = [_component_words(view, k) for k in range(min(view.n_components, _LEGEND_ROWS))]
    more = view.n_components - len(components)
    components += [f"{more} more"] if more else []
    return (
        f"{kind} of {plural(view.n_rows, 'row')}, {' against '.join(reversed(view.labels))}, coloured by "
        f"responsibility under a Gaussian mixture ({view.family} covariance, K = {view.n_components}); each "
        f"{region} holds {listed([percent(m) for m in view.masses])} of a component's probability. "
        f"{listed(components).capitalize()}. {_uncertain_sentence(view)}"
    )


def _component_words(view: _View, k: int) -> str:
    mean = ", ".join(short(value) for value in view.means[k])
    return f"component {k} has weight {_weight(view.weights[k])} and mean ({mean})"


def _uncertain_sentence(view: _View) -> str:
    verb = "is" if view.n_uncertain == 1 else "are"
    return f"{plural(view.n_uncertain, 'row')} {verb} uncertain (largest responsibility below {CERTAIN:g})."

"""A widget that drops an outlier on a fit and moves it, with its static twin: what a stray row does, how it hides."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.stats import chi2

from mixturelab.estimators import GaussianMixture
from mixturelab.exceptions import ArgumentError
from mixturelab.plot import palette, picture
from mixturelab.plot.doubt import MASS, draw_labels, squared_distances
from mixturelab.plot.doubt_widgets import CROSS, DOT, scenes, table_of, two_panels
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, covariance_matrices, ellipse, to_numpy
from mixturelab.plot.labels import Units, plural

__all__ = ["OutlierExplorer", "refit_with"]


def refit_with(model: Any, X: ArrayLike, point: ArrayLike, copies: int = 1) -> Any:
    """Fit again with a point put in as often as said, from where the fit without it ended.

    Parameters
    ----------
    model : GaussianMixture
        Fitted to X.
    X : array-like [N, D]
    point : array-like [D]
    copies : int

    Returns
    -------
    GaussianMixture
    """
    if copies < 1:
        raise ArgumentError(f"copies is {copies!r}; wanted at least 1")
    rows = np.vstack([to_numpy(X), np.tile(to_numpy(point), (copies, 1))])
    start = {"weights_init": model.weights_, "means_init": model.means_, "precisions_init": model.precisions_}
    again = GaussianMixture(len(model.weights_), covariance_type=model.covariance_type, max_iter=200, **start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal rows are what is asked for
        return again.fit(rows)


@dataclass(frozen=True, eq=False)
class _Dropped:
    """What a point did to a fit."""

    point: Array
    copies: int
    model: Any
    leader: int
    responsibility: float
    before: float  # squared distance by the fit without it, to the component that leads it there
    after: float  # by the fit with it


def _drop(model: Any, rows: Array, point: Array, copies: int) -> _Dropped:
    again = refit_with(model, rows, point, copies)
    gamma = to_numpy(again.predict_proba(point[None]))[0]
    before, after = (float(squared_distances(each, point[None])[0]) for each in (model, again))
    return _Dropped(point, copies, again, int(gamma.argmax()), float(gamma.max()), before, after)


def outlier_words(model: Any, dropped: _Dropped) -> str:
    """What a point did, in three sentences."""
    k, (x, y) = dropped.leader, dropped.point
    mean, was = to_numpy(dropped.model.means_)[k], to_numpy(model.means_)[k]
    spread, before = (np.sqrt(covariance_matrices(each)[k, 1, 1]) for each in (dropped.model, model))
    return (
        f"{plural(dropped.copies, 'row')} at ({x:.1f}, {y:.0f}): component {k} answers, γ = "
        f"{dropped.responsibility:.2f}. "
        f"Its mean goes from ({was[0]:.2f}, {was[1]:.1f}) to ({mean[0]:.2f}, {mean[1]:.1f}), its vertical standard "
        f"deviation from {before:.1f} to {spread:.1f}. Squared distance: {dropped.before:.1f} by the fit without, "
        f"{dropped.after:.1f} by the fit with."
    )


class _Fit:
    """The rows, the fit without the point (dashed), with it (filled), and the point."""

    def __init__(self, ax: Axes, model: Any, points: Array):
        draw_labels(ax, points, to_numpy(model.predict_proba(points)).argmax(axis=1), 16)
        for mean, covariance in zip(model.means_, covariance_matrices(model), strict=True):
            ax.plot(
                *ellipse(mean, covariance, MASS).T, color=palette.INK, linestyle="--", linewidth=1.3, zorder=3
            )
        colours = [palette.style(k).colour for k in range(len(model.means_))]
        self.fills = [ax.fill([0], [0], color=colour, alpha=0.2, zorder=1)[0] for colour in colours]
        self.edges = [ax.plot([], [], color=colour, linewidth=2.4, zorder=4)[0] for colour in colours]
        self.centres = [
            ax.plot([], [], "o", color=c, mec="white", markersize=9, zorder=5)[0] for c in colours
        ]
        (self.point,) = ax.plot(
            [], [], **CROSS | {"marker": "X", "mec": "white", "mew": 1.0, "markersize": 15}
        )
        self.moving = (*self.fills, *self.edges, *self.centres, self.point)
        for artist in self.moving:
            artist.set_in_layout(False)

    def draw(self, dropped: _Dropped) -> None:
        covariances = covariance_matrices(dropped.model)
        for k, mean in enumerate(to_numpy(dropped.model.means_)):
            outline = ellipse(mean, covariances[k], MASS)
            self.fills[k].set_xy(outline)
            self.edges[k].set_data(*outline.T)
            self.centres[k].set_data([mean[0]], [mean[1]])
        self.point.set_data([dropped.point[0]], [dropped.point[1]])


def _limit(points: Array) -> float:
    return float(chi2.ppf(0.99, points.shape[1]))


def _draw_distances(ax: Axes, model: Any, points: Array) -> None:
    """How far the rows are from their components, and how far 99 % should be at most."""
    bins: Any = np.geomspace(0.01, 600, 40)
    ax.hist(np.clip(squared_distances(model, points), bins[0], None), bins=bins, color="#C9C9C9", zorder=1)
    limit = _limit(points)
    ax.axvline(limit, color=palette.INK, linestyle="--", linewidth=1.4)
    top = ax.get_ylim()[1]
    ax.annotate(
        "99 % of rows\nshould be left of it", (1.1 * limit, 1.33 * top), ha="left", va="top", fontsize=11
    )
    ax.set(xscale="log", xlim=(0.01, 600), ylim=(0, 1.35 * top))
    ax.set(xlabel="squared distance to its component", ylabel="rows")


class OutlierExplorer(Explorer):
    """Drop a row where none should be, move it, and see what the fit does.

    Parameters
    ----------
    model : GaussianMixture
        Fitted to X, of two features.
    X : Dataset, DataFrame or array-like [N, 2]
    units : optional
        As for `soft_assignments`.
    reach : float
        How far beyond the rows the point may go, as a share of their range.
    """

    COPIES = (1, 5, 25)

    def __init__(self, model: Any, X: Any, units: Units = None, *, reach: float = 0.7):
        self.model = model
        self._last: _Dropped | None = None
        self.points, self.axis_labels = table_of(model, X, units)
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        self.low, self.high = low - reach * (high - low), high + reach * (high - low)
        figure, (left, right) = two_panels()
        with picture.look():
            self.fit = self._fit(left)
            _draw_distances(right, model, self.points)
            (self.without,) = right.plot(
                [], [], marker="X", label="by the fit without it", **DOT | {"mfc": "white"}
            )
            (self.seen,) = right.plot([], [], marker="X", label="by the fit with it", **DOT)
            right.legend(loc="upper left", fontsize=10)
            self.heights = 0.62 * right.get_ylim()[1], 0.5 * right.get_ylim()[1]
        self.frames = Frames(figure, (*self.fit.moving, self.without, self.seen))
        controls = {"x": self._slider(0), "y": self._slider(1), "copies": self._toggle()}
        rows = [[controls["x"], controls["y"]], [controls["copies"]]]
        super().__init__(controls, draw=self.frame, words=self.sentence, twin=self.panels, rows=rows)

    def _fit(self, ax: Axes) -> _Fit:
        made = _Fit(ax, self.model, self.points)
        ax.set(xlim=(self.low[0], self.high[0]), ylim=(self.low[1], self.high[1]))
        ax.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
        return made

    def _slider(self, d: int) -> ipywidgets.FloatSlider:
        low, high = float(self.low[d]), float(self.high[d])
        step = 10.0 ** np.floor(np.log10((high - low) / 40))
        ends = {"min": float(np.ceil(low / step) * step), "max": float(np.floor(high / step) * step)}
        value = float(np.round(self.points[:, d].mean() / step) * step)
        made = ipywidgets.FloatSlider(value, step=float(step), description=self.axis_labels[d], **ends)
        made.layout.width, made.style.description_width = "27em", "9em"
        return made

    def _toggle(self) -> ipywidgets.ToggleButtons:
        options = [(plural(n, "row"), n) for n in self.COPIES]
        made = ipywidgets.ToggleButtons(options=options, tooltips=["How often it is put in"] * len(options))
        made.style.button_width = "7em"
        return made

    def drop(self, x: float, y: float, copies: int) -> _Dropped:
        """The fit with the point, and what it did; the picture and the words ask for the same one in turn."""
        if self._last is None or (*self._last.point, self._last.copies) != (x, y, copies):
            self._last = _drop(self.model, self.points, np.array([x, y]), copies)
        return self._last

    def frame(self, x: float, y: float, copies: int) -> bytes:
        """The frame with the point there."""
        dropped = self.drop(x, y, copies)
        self.fit.draw(dropped)
        for marker, distance, height in zip(
            (self.without, self.seen), (dropped.before, dropped.after), self.heights, strict=True
        ):
            marker.set_data([np.clip(distance, 0.012, 550)], [height])
        return self.frames.png()

    def sentence(self, x: float, y: float, copies: int) -> str:
        """What the point does there."""
        return outlier_words(self.model, self.drop(x, y, copies))

    def panels(self, point: tuple[float, float] | None = None) -> picture.Picture:
        """The static twin: one far point, put in once, five and twenty-five times, and its distances."""
        x, y = point or (float(self.points[:, 0].max() + 1.4), float(self.points[:, 1].min() - 3))
        dropped = [self.drop(x, y, copies) for copies in self.COPIES]
        figure, upper, lower = scenes(len(dropped))
        with picture.look():
            for ax, each in zip(upper, dropped, strict=True):
                self._fit(ax).draw(each)
                ax.set_title(f"{plural(each.copies, 'row')} at the cross", fontsize=12.5)
                ax.label_outer()
            _draw_distances(lower, self.model, self.points)
            self._mark(lower, dropped)
            lower.set_title("How far the cross is, by each fit (grey: the rows)")
        said = " ".join(outlier_words(self.model, each) for each in dropped)
        picture.describe(
            figure, f"A cross far from all rows. Dashed, the ellipses without it; filled, with it. {said}"
        )
        return figure

    def _mark(self, ax: Axes, dropped: Sequence[_Dropped]) -> None:
        top = ax.get_ylim()[1]
        marks = [("without it", dropped[0].before)] + [(plural(d.copies, "row"), d.after) for d in dropped]
        for index, (name, distance) in enumerate(marks):
            height = (0.75 - 0.2 * index) * top
            ax.plot(distance, height, marker="X", **DOT)
            side = 1 if distance > _limit(self.points) else -1
            ax.annotate(name, (distance, height), xytext=(10 * side, 0), textcoords="offset points", va="center",
                        ha="left" if side > 0 else "right")  # fmt: skip

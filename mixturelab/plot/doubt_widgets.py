"""A widget that refuses uncertain rows, with its static twin; and the frame that the widgets on doubt share."""

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from mixturelab.exceptions import ArgumentError
from mixturelab.plot import palette, picture
from mixturelab.plot.doubt import draw_labels, entropy_share
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import Units, feature_labels, plural, unpacked

__all__ = ["RefusalExplorer", "answers"]

_WIDTH, _HEIGHT, _DPI = 9.8, 4.4, 90
CROSS: dict[str, Any] = {
    "color": palette.ALARM,
    "linestyle": "none",
    "marker": "x",
    "markersize": 10,
    "mew": 2.4,
}
_ABOVE: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2, "borderaxespad": 0.1}
DOT: dict[str, Any] = {"color": palette.ALARM, "markersize": 11, "linestyle": "none", "zorder": 5}


def two_panels(ratio: float = 1.25) -> tuple[picture.Picture, Any]:
    """A figure of two axes in the size of a widget's picture."""
    with picture.look():
        figure = picture.new(_WIDTH, _HEIGHT)
        figure.set_dpi(_DPI)
        return figure, figure.subplots(1, 2, width_ratios=[ratio, 1])


def scenes(n: int) -> tuple[picture.Picture, Any, Axes]:
    """Axes for n pictures side by side, and one below them."""
    with picture.look():
        figure = picture.new(10.5, 7.0)
        grid: Any = figure.subfigures(2, 1, height_ratios=[3.2, 3.2])
        return figure, grid[0].subplots(1, n, sharex=True, sharey=True), grid[1].subplots()


def table_of(model: Any, X: Any, units: Units) -> tuple[Array, list[str]]:
    """The rows, and what the axes are."""
    table, names, units = unpacked(X, None, units)
    return to_numpy(table), feature_labels(model, table, names, units)


# --------------------------------------------------------------------------- refuse what is in doubt
def answers(doubt: ArrayLike, correct: ArrayLike, threshold: float) -> tuple[int, int]:
    """How many rows are answered when those in more doubt than the threshold are refused, and how many are right.

    Parameters
    ----------
    doubt : array-like [N]
        Any measure of doubt, as `entropy_share`.
    correct : array-like [N] of bool
        Whether the row's label is right.
    threshold : float
        A row is answered if its doubt is not above it.
    """
    answered = np.asarray(doubt, dtype=float) <= threshold
    return int(answered.sum()), int(np.asarray(correct, dtype=bool)[answered].sum())


class _Refusals:
    """Left, rows with the refused ones blanked and the wrong ones crossed; right, accuracy against rows answered."""

    def __init__(self, left: Axes, points: Array, labels: Any, doubt: Array, correct: Any):
        self.points, self.doubt, self.wrongly = points, doubt, ~correct
        draw_labels(left, points, labels, 30)
        blank: dict[str, Any] = {
            "markerfacecolor": "white",
            "markeredgecolor": palette.MUTED,
            "markersize": 6.5,
        }
        (self.refused,) = left.plot([], [], "o", zorder=3, label="refused", **blank)
        (self.wrong,) = left.plot([], [], zorder=4, label="answered, and wrong", **CROSS)
        self.moving: tuple[Any, ...] = (self.refused, self.wrong)

    def draw(self, threshold: float) -> None:
        answered = self.doubt <= threshold
        self.refused.set_data(*self.points[~answered].T)
        self.wrong.set_data(*self.points[answered & self.wrongly].T)


def _draw_tradeoff(ax: Axes, doubt: Array, correct: Array) -> None:
    """Accuracy of the answered rows against their share, for every threshold there is."""
    order = np.argsort(doubt, kind="stable")
    n = np.arange(1, len(doubt) + 1)
    accuracy = np.cumsum(correct[order]) / n
    shown = n >= 0.5 * len(doubt)
    ax.plot(100 * n[shown] / len(n), 100 * accuracy[shown], color=palette.INK, linewidth=1.8)
    floor = 100 * accuracy[shown].min()
    ax.set(
        xlim=(49, 101.5),
        ylim=(floor - 0.5, 100.3),
        xlabel="answered (% of rows)",
        ylabel="right (% of answered)",
    )


def refusal_words(doubt: Array, correct: Array, threshold: float) -> str:
    """What one threshold does, in two sentences."""
    n, right = answers(doubt, correct, threshold)
    refused = len(doubt) - n
    share = f"{right} are right, {100 * right / n:.1f} %" if n else "none can be wrong"
    return (
        f"Refuse above {threshold:.2f} of log K: {plural(refused, 'row')} of {len(doubt)} refused, {n} answered. "
        f"Of these, {share}."
    )


class RefusalExplorer(Explorer):
    """Refuse rows whose entropy is above a threshold, and see what that buys.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, of two features.
    X : Dataset, DataFrame or array-like [N, 2]
    correct : array-like [N] of bool
        Whether the leading component is the row's group.
    units : optional
        As for `soft_assignments`.
    """

    def __init__(self, model: Any, X: Any, correct: ArrayLike, units: Units = None):
        self.points, self.axis_labels = table_of(model, X, units)
        gamma = to_numpy(model.predict_proba(self.points))
        self.labels, self.doubt = gamma.argmax(axis=1), entropy_share(gamma)
        self.correct = np.asarray(correct, dtype=bool)
        if self.correct.shape != self.doubt.shape:
            raise ArgumentError(f"correct has shape {self.correct.shape}; wanted {self.doubt.shape}")
        figure, (left, right) = two_panels()
        with picture.look():
            self.rows = self._rows(left)
            left.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
            left.legend(handles=self.rows.moving, **_ABOVE)
            _draw_tradeoff(right, self.doubt, self.correct)
            (self.dot,) = right.plot([], [], marker="o", **DOT)
        self.frames = Frames(figure, (*self.rows.moving, self.dot))
        most = max(float(np.ceil(50 * self.doubt.max()) / 50), 0.04)  # above it nothing would be refused
        slider = ipywidgets.FloatSlider(most, min=0.02, max=most, step=0.02, description="refuse above")
        slider.layout.width, slider.style.description_width = "30em", "7em"
        super().__init__({"threshold": slider}, draw=self.frame, words=self.sentence, twin=self.panels)

    def _rows(self, ax: Axes) -> _Refusals:
        return _Refusals(ax, self.points, self.labels, self.doubt, self.correct)

    def frame(self, threshold: float) -> bytes:
        """The frame at a threshold."""
        self.rows.draw(threshold)
        n, right = answers(self.doubt, self.correct, threshold)
        self.dot.set_data([100 * n / len(self.doubt)], [100 * right / max(n, 1)])
        return self.frames.png()

    def sentence(self, threshold: float) -> str:
        """What is seen at a threshold."""
        return refusal_words(self.doubt, self.correct, threshold)

    def panels(self, thresholds: Sequence[float] = (1.0, 0.4, 0.1)) -> picture.Picture:
        """The static twin: three thresholds, and all of them as a curve."""
        figure, upper, lower = scenes(len(thresholds))
        with picture.look():
            for ax, threshold in zip(upper, thresholds, strict=True):
                rows = self._rows(ax)
                rows.draw(threshold)
                ax.set_title(f"refuse above {threshold:g}", fontsize=12.5)
                ax.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
                ax.label_outer()
            _draw_tradeoff(lower, self.doubt, self.correct)
            self._mark(lower, thresholds)
            lower.legend(handles=rows.moving, loc="lower left")
            lower.set_title("What is answered, and how much of it is right (dots: above)")
        said = " ".join(self.sentence(threshold) for threshold in thresholds)
        picture.describe(
            figure, f"Refused rows are hollow, wrong ones crossed. {said} Below, the curve of all thresholds."
        )
        return figure

    def _mark(self, ax: Axes, thresholds: Sequence[float]) -> None:
        for threshold in thresholds:
            n, right = answers(self.doubt, self.correct, threshold)
            place = 100 * n / len(self.doubt), 100 * right / max(n, 1)
            ax.plot(*place, marker="o", **DOT)
            ax.annotate(f"{threshold:g}", place, xytext=(7, 7), textcoords="offset points")

"""A widget that asks what shape the border between two components has, with the numbers behind it and its twin."""

from dataclasses import dataclass
from typing import Any

import contourpy
import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import ArrayLike

from mixturelab.plot import palette, picture
from mixturelab.plot.assignments import CERTAIN
from mixturelab.plot.explorer import Explorer, button
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, ellipse, to_numpy
from mixturelab.plot.labels import axis_label

__all__ = [
    "STRETCHES",
    "BorderExplorer",
    "Pair",
    "along",
    "border_panels",
    "border_shape",
    "log_odds",
    "pair",
]

STRETCHES: tuple[str, ...] = ("all ways", "one way", "turned")


# ------------------------------------------------------------------------------- numbers to numbers
@dataclass(frozen=True, eq=False)
class Pair:
    """Two components in the plane.

    Attributes
    ----------
    weights : ndarray [2]
    means : ndarray [2, 2]
    covariances : ndarray [2, 2, 2]
    """

    weights: Array
    means: Array
    covariances: Array


def pair(base: Pair, mean: ArrayLike, weight: float, spread: float, stretch: str) -> Pair:
    """The base with another component 0: its mean, its weight, and a covariance made from component 1's.

    Parameters
    ----------
    base : Pair
        Component 1 keeps its mean and covariance.
    mean : array-like [2]
        Of component 0.
    weight : float
        π_0.
    spread : float
        By which component 1's standard deviations are multiplied.
    stretch : {"all ways", "one way", "turned"}
        Whether in all directions, in one only, or in all with the correlation turned round.
    """
    factor = np.linalg.cholesky(base.covariances[1])
    scales = np.array([spread, 1.0 if stretch == "one way" else spread])
    covariance = (factor * scales**2) @ factor.T
    if stretch == "turned":
        covariance = covariance * np.array([[1.0, -1.0], [-1.0, 1.0]])
    return Pair(
        np.array([weight, 1 - weight]),
        np.array([to_numpy(mean), base.means[1]]),
        np.array([covariance, base.covariances[1]]),
    )


def log_odds(two: Pair, points: ArrayLike) -> Array:
    """Log γ_0 − log γ_1 at each point [N, 2]: prior odds and likelihood ratio, in logs."""
    x = to_numpy(points)
    logs = []
    for weight, mean, covariance in zip(two.weights, two.means, two.covariances, strict=True):
        away = x - mean
        square = (away * np.linalg.solve(covariance, away.T).T).sum(axis=1)
        logs.append(np.log(weight) - 0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * square)
    return logs[0] - logs[1]


def border_shape(two: Pair) -> str:
    """What γ = ½ looks like: a line, a parabola, a hyperbola, an ellipse round 0 or 1, or no border at all.

    The quadratic part of the log-odds decides, ½(Σ_1⁻¹ − Σ_0⁻¹), and for an ellipse the sign at its middle.
    """
    inverse = np.linalg.inv(two.covariances)
    # In units in which component 1 is round, "nearly zero" means something.
    root = np.linalg.cholesky(two.covariances[1])
    bend = root.T @ (inverse[1] - inverse[0]) @ root
    bends = np.linalg.eigvalsh(bend)
    bends = np.where(np.abs(bends) < 1e-9, 0.0, bends)
    if not bends.any():
        same = np.allclose(two.means[0], two.means[1])
        return "none" if same else "a line"
    if not bends.all():
        return "a parabola"
    if bends[0] * bends[1] < 0:
        return "a hyperbola"
    slope = inverse[0] @ two.means[0] - inverse[1] @ two.means[1]
    middle = np.linalg.solve(inverse[0] - inverse[1], slope)
    inner = 0 if bends[0] < 0 else 1  # the narrower one is closed in
    wins = log_odds(two, middle[None])[0] * (1 if inner == 0 else -1)
    return f"an ellipse round component {inner}" if wins > 0 else "none"


def along(two: Pair, start: float = -1.0, stop: float = 2.0, n_points: int = 301) -> tuple[Array, Array]:
    """Positions on the line through both means, 0 at mean 0 and 1 at mean 1, and the log-odds there."""
    t = np.linspace(start, stop, n_points)
    return t, log_odds(two, two.means[0] + t[:, None] * (two.means[1] - two.means[0]))


def shares(two: Pair, points: ArrayLike) -> Array:
    """Responsibilities [N, 2], from the log-odds by the logistic function."""
    first = 1 / (1 + np.exp(-np.clip(log_odds(two, points), -500, 500)))
    return np.column_stack([first, 1 - first])


def border_words(two: Pair, points: ArrayLike) -> str:
    """Shape of the border and how the rows are shared, in two sentences."""
    gamma, shape = shares(two, points), border_shape(two)
    n_doubtful = int((gamma.max(axis=1) < CERTAIN).sum())
    verb = "is" if n_doubtful == 1 else "are"
    border = "There is no border: one component wins everywhere." if shape == "none" else f"Border: {shape}."
    return (
        f"{border} Component 0 answers for {gamma[:, 0].sum():.0f} of {len(gamma)} rows; {n_doubtful} {verb} in doubt "
        f"(largest responsibility below {CERTAIN:g})."
    )


# -------------------------------------------------------------------------------- numbers to pictures
class _Scene:
    """Rows, ellipses, the responsibilities as a tint, and the border, in the plane."""

    def __init__(self, ax: Axes, rows: Array, labels: tuple[str, str], n_grid: int = 120):
        self.ax, self.rows = ax, rows
        low, high = rows.min(axis=0), rows.max(axis=0)
        low, high = low - 0.6 * (high - low), high + 0.6 * (high - low)
        self.x, self.y = (np.linspace(low[d], high[d], n_grid) for d in (0, 1))
        self.grid = np.stack(np.meshgrid(self.x, self.y), axis=-1).reshape(-1, 2)
        extent = (low[0], high[0], low[1], high[1])
        blank = np.ones((n_grid, n_grid, 3))
        self.tint = ax.imshow(blank, origin="lower", extent=extent, aspect="auto", interpolation="nearest")
        self.dots = ax.scatter(rows[:, 0], rows[:, 1], s=15, color=palette.INK, alpha=0.55, linewidths=0)
        looks = [palette.style(k) for k in (0, 1)]
        self.rings = [ax.plot([], [], color=s.colour, linestyle=s.line, linewidth=2.4)[0] for s in looks]
        self.discs = [ax.plot([], [], "o", markeredgecolor=s.colour, **_DISC)[0] for s in looks]
        self.numbers = [ax.annotate(str(k), (0, 0), **_NUMBER) for k in (0, 1)]
        self.border = LineCollection([], colors="black", linewidths=3.2)
        ax.add_collection(self.border)
        self.moving = (self.tint, self.dots, *self.rings, self.border, *self.discs, *self.numbers)
        for artist in self.moving:
            artist.set_in_layout(False)
        ax.set(xlabel=labels[0], ylabel=labels[1], xlim=extent[:2], ylim=extent[2:])
        ax.grid(visible=False)

    def draw(self, two: Pair) -> None:
        odds = log_odds(two, self.grid).reshape(len(self.y), len(self.x))
        first = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
        self.tint.set_data(
            1
            - 0.32
            * (1 - palette.mix(np.stack([first, 1 - first], -1).reshape(-1, 2))).reshape(*odds.shape, 3)
        )
        lines = contourpy.contour_generator(self.x, self.y, odds).lines(0.0)
        self.border.set_segments([np.asarray(line) for line in lines])
        for k in (0, 1):
            self.rings[k].set_data(*ellipse(two.means[k], two.covariances[k], 0.9, 91).T)
            self.discs[k].set_data(*two.means[k][:, None])
            self.numbers[k].xy = tuple(two.means[k])
            self.numbers[k].set_position(self.numbers[k].xy)


_DISC: dict[str, Any] = {"markersize": 17, "markerfacecolor": "white", "markeredgewidth": 2.4}
_NUMBER: dict[str, Any] = {
    "ha": "center",
    "va": "center_baseline",
    "color": palette.INK,
    "fontsize": 10.5,
    "fontweight": "bold",
}
_REACH = 40.0  # nats of log-odds that are drawn


class _Profile:
    """Log-odds and responsibilities along the line through both means."""

    def __init__(self, upper: Axes, lower: Axes):
        (self.odds,) = upper.plot([], [], color=palette.INK, linewidth=2.6)
        (self.zeros,) = upper.plot([], [], "D", color=palette.ALARM, markersize=9)
        looks = [palette.style(k) for k in (0, 1)]
        self.curves = [lower.plot([], [], color=s.colour, linestyle=s.line, linewidth=2.6)[0] for s in looks]
        (self.halves,) = lower.plot([], [], "D", color=palette.ALARM, markersize=9)
        self.moving = (self.odds, self.zeros, *self.curves, self.halves)
        for ax, level in ((upper, 0.0), (lower, 0.5)):
            ax.axhline(level, color=palette.MUTED, linewidth=1.2, linestyle=":")
            ax.set(xlim=(-1, 2), xticks=[0, 1], xticklabels=["mean 0", "mean 1"])
        upper.set(ylim=(-_REACH, _REACH), ylabel="log-odds")
        lower.set(ylim=(-0.04, 1.04), ylabel="responsibility", yticks=[0, 0.5, 1])
        upper.set_title("Along the line through both means", fontsize=12.5)

    def draw(self, two: Pair) -> None:
        t, odds = along(two)
        zeros = crossings(t, odds)
        self.odds.set_data(t, odds)
        self.zeros.set_data(zeros, np.zeros_like(zeros))
        self.halves.set_data(zeros, np.full_like(zeros, 0.5))
        first = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
        for curve, share in zip(self.curves, (first, 1 - first), strict=True):
            curve.set_data(t, share)


def crossings(t: Array, values: Array) -> Array:
    """Where a curve through these points crosses zero."""
    left = np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) < 0)
    part = values[left] / (values[left] - values[left + 1])
    return t[left] + part * (t[left + 1] - t[left])


# Six pairs for the twin: mean of component 0 as in the base, then weight, spread and stretch.
_PANELS: tuple[tuple[float, float, str], ...] = (
    (0.36, 1.0, "all ways"),
    (0.98, 1.0, "all ways"),
    (0.36, 0.5, "all ways"),
    (0.36, 2.0, "all ways"),
    (0.36, 2.0, "one way"),
    (0.36, 1.0, "turned"),
)


def border_panels(base: Pair, rows: ArrayLike, labels: tuple[str, str]) -> picture.Picture:
    """Six pairs of components and their borders: the static twin of the explorer.

    Parameters
    ----------
    base : Pair
        Whose component 1 stands still.
    rows : array-like [N, 2]
    labels : two str
        What is measured, with units.

    Returns
    -------
    Picture
        With its alternative text.
    """
    said = []
    with picture.look():
        figure = picture.new(10.6, 7.2)
        for ax, setting in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, _PANELS, strict=True):
            two = pair(base, base.means[0], *setting)
            _Scene(ax, to_numpy(rows), labels).draw(two)
            ax.set_title(f"{_panel_title(setting)}:\n{border_shape(two)}", fontsize=12)
            ax.label_outer()
            said.append(f"{_panel_title(setting)} gives {border_shape(two)}")
    words = "Two components in the plane, six times, with the border where both are equally responsible. Weight and "
    words += "spread of component 0 differ: "
    picture.describe(figure, words + "; ".join(said) + ".")
    return figure


def _panel_title(setting: tuple[float, float, str]) -> str:
    weight, spread, stretch = setting
    return f"weight {weight:g}, ×{spread:g} {stretch}"


# -------------------------------------------------------------------------------- pictures to a widget
class BorderExplorer(Explorer):
    """Move and stretch component 0, and watch the border γ = ½; without a kernel it is six borders.

    Parameters
    ----------
    base : mixture
        Fitted, ours or scikit-learn's, with two components of two features and tied covariances.
    X : Dataset
        The rows, with names and units.
    """

    def __init__(self, base: Any, X: Any):
        self.rows = to_numpy(X.data)
        self.base = _base_of(base)
        self.labels = _labels_of(X)
        with picture.look():
            figure = picture.new(9.8, 4.7)
            figure.set_dpi(90)
            grid = figure.add_gridspec(2, 2, width_ratios=[1.35, 1])
            self._scene = _Scene(figure.add_subplot(grid[:, 0]), self.rows, self.labels)
            self._profile = _Profile(figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1]))
        self._frames = Frames(figure, (*self._scene.moving, *self._profile.moving))
        controls = self._controls()
        self._start = {name: control.value for name, control in controls.items()}
        again = button("restart", "Back to equal covariances", self.restart, "fast-backward")
        sliders = [controls[name] for name in ("across", "up", "weight", "spread")]
        name = ipywidgets.Label("0: stretch", layout={"width": "6.5em", "justify_content": "flex-end"})
        rows = [sliders[:2], sliders[2:], [name, controls["stretch"], again]]
        super().__init__(controls, draw=self._png, words=self._sentence, twin=self._panels, rows=rows)

    def pair(self, across: float, up: float, weight: float, spread: float, stretch: str) -> Pair:
        """The two components for these values of the controls."""
        return pair(self.base, (across, up), weight, spread, stretch)

    def restart(self) -> None:
        """Component 0 where it was fitted, as wide as component 1."""
        self.set(**self._start)

    def _controls(self) -> dict[str, Any]:
        (x, y), low, high = self.base.means[0], self.rows.min(axis=0), self.rows.max(axis=0)
        names = [label.split(" (")[0] for label in self.labels]
        spreads = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)
        shapes = ipywidgets.ToggleButtons(options=list(STRETCHES), tooltips=list(_STRETCHED))
        shapes.style.button_width = "6.5em"
        return {
            "across": _slider(x, low[0], high[0], 0.05, f"0: {names[0]}"),
            "up": _slider(y, low[1], high[1], 0.5, f"0: {names[1]}"),
            "weight": _slider(self.base.weights[0], 0.01, 0.99, 0.01, "0: weight"),
            "spread": ipywidgets.SelectionSlider(
                options=[(f"×{s:g}", s) for s in spreads], value=1.0, description="0: spread", **_WIDE
            ),
            "stretch": shapes,
        }

    def _png(self, **values: Any) -> bytes:
        two = self.pair(**values)
        self._scene.draw(two)
        self._profile.draw(two)
        return self._frames.png()

    def _sentence(self, **values: Any) -> str:
        return border_words(self.pair(**values), self.rows)

    def _panels(self) -> picture.Picture:
        return border_panels(self.base, self.rows, self.labels)


_STRETCHED = ("Wider in all directions", "Wider in one direction", "Wider, and tilted the other way")
_WIDE: dict[str, Any] = {"style": {"description_width": "6.5em"}, "layout": {"width": "25em"}}


def _slider(value: float, low: float, high: float, step: float, name: str) -> ipywidgets.FloatSlider:
    """A slider at the nearest of its own steps: what it shows is what it says."""
    snapped = round(float(low + round((value - low) / step) * step), 6)
    return ipywidgets.FloatSlider(snapped, min=low, max=high, step=step, description=name, **_WIDE)


def _base_of(mixture: Any) -> Pair:
    covariance = to_numpy(mixture.covariances_)
    return Pair(to_numpy(mixture.weights_), to_numpy(mixture.means_), np.stack([covariance, covariance]))


def _labels_of(X: Any) -> tuple[str, str]:
    first, second = (axis_label(n, u) for n, u in zip(X.feature_names, X.units, strict=True))
    return first, second

"""Widgets that step through finished results, each with a static twin for a page without a kernel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import MaxNLocator

from mixturelab.estimators import GaussianMixture
from mixturelab.plot import palette, picture
from mixturelab.plot.explorer import Explorer, step_buttons
from mixturelab.plot.frames import small_png
from mixturelab.plot.geometry import Array, covariance_matrices, ellipse, to_numpy
from mixturelab.plot.labels import Units, feature_labels, unpacked

Phase = Literal["start", "E", "M"]


# ------------------------------------------------------------------------------- numbers to numbers
@dataclass(frozen=True)
class EMState:
    """EM between two half steps.

    Attributes
    ----------
    iteration : int
        0 at the start.
    phase : "start", "E" or "M"
        The half step that has just been made.
    model : GaussianMixture
        The parameters now: an E-step leaves them alone.
    responsibilities : ndarray [N, K] or None
        From the last E-step, None before the first: an M-step leaves them alone.
    log_likelihood : float
        Mean per row under the parameters now, in nats.
    """

    iteration: int
    phase: Phase
    model: GaussianMixture
    responsibilities: Array | None
    log_likelihood: float


def em_path(start: GaussianMixture, X: Any, n_iterations: int) -> tuple[EMState, ...]:
    """Run EM half step by half step and keep every state.

    Parameters
    ----------
    start : GaussianMixture
        With parameters, from `GaussianMixture.from_parameters` or a fit.
    X : array-like [N, D]
        Rows.
    n_iterations : int
        Iterations of one E-step and one M-step; nothing is tested for convergence.

    Returns
    -------
    tuple of EMState
        The start, then E and M in turn: 1 + 2 n_iterations states.
    """
    rows, model = to_numpy(X), start
    states = [EMState(0, "start", start, None, float(start.score(rows)))]
    for iteration in range(1, n_iterations + 1):
        shares = to_numpy(model.predict_proba(rows))
        states.append(EMState(iteration, "E", model, shares, states[-1].log_likelihood))
        model = _m_step(start, rows, shares)
        states.append(EMState(iteration, "M", model, shares, float(model.score(rows))))
    return tuple(states)


def _m_step(like: GaussianMixture, rows: Array, shares: Array) -> GaussianMixture:
    return GaussianMixture(
        shares.shape[1],
        covariance_type=like.covariance_type,
        reg_covar=like.reg_covar,
        init_params=shares,
        max_iter=0,
    ).fit(rows)


def caption(states: Sequence[EMState], step: int) -> str:
    """What has just happened, in two sentences."""
    now = states[step]
    level = f"{now.log_likelihood:.3f}".replace("-", "−")
    if now.phase == "start":
        return f"Start. No row belongs to anyone yet. Mean log-likelihood {level}."
    if now.phase == "E":
        return f"Iteration {now.iteration}, E-step: every row is shared out anew. Colours change, ellipses stand still."
    gain = now.log_likelihood - states[step - 1].log_likelihood
    return (
        f"Iteration {now.iteration}, M-step: each component moves to the rows it answers for. "
        f"Mean log-likelihood {level}, up by {gain:.4f}."
    )


# -------------------------------------------------------------------------------- numbers to pictures
class _Rows:
    """The scatter and the ellipses of one state; the artists are made once and moved after that."""

    def __init__(self, ax: Axes, points: Array, labels: Sequence[str], n_components: int, mass: float):
        self.points, self.mass = points, mass
        self.groups = [
            ax.scatter([], [], marker=palette.style(k).marker, **_DOTS) for k in range(n_components)
        ]
        self.outlines = [
            ax.plot([], [], color=palette.style(k).colour, **_LINE)[0] for k in range(n_components)
        ]
        self.trails = [
            ax.plot([], [], color=palette.style(k).colour, **_TRAIL)[0] for k in range(n_components)
        ]
        self.discs = [
            ax.plot([], [], "o", markeredgecolor=palette.style(k).colour, **_DISC)[0]
            for k in range(n_components)
        ]
        self.numbers = [ax.annotate(str(k), (0, 0), **_NUMBER) for k in range(n_components)]
        for artist in (*self.outlines, *self.trails, *self.discs, *self.numbers):
            artist.set_in_layout(False)  # they may leave the axes: the layout must not make room for them
        ax.set(xlabel=labels[0], ylabel=labels[1])

    def frame(self, ax: Axes, states: Sequence[EMState]) -> None:
        """Limits that hold every row and every mean on the way."""
        seen = np.concatenate([self.points, *(to_numpy(state.model.means_) for state in states)])
        low, high = seen.min(axis=0), seen.max(axis=0)
        margin = 0.07 * (high - low)
        ax.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))

    def draw(self, states: Sequence[EMState], step: int) -> None:
        now = states[step]
        means, covariances = to_numpy(now.model.means_), covariance_matrices(now.model)
        way = np.array([to_numpy(state.model.means_) for state in states[: step + 1]])
        self._colour(now.responsibilities)
        for k, mean in enumerate(means):
            self.outlines[k].set_data(*ellipse(mean, covariances[k], self.mass).T)
            self.trails[k].set_data(*way[:, k].T)
            self.discs[k].set_data([mean[0]], [mean[1]])
            self.numbers[k].xy = mean
            self.numbers[k].set_position(mean)

    def _colour(self, shares: Array | None) -> None:
        """Mixed colours and the leader's marker; grey dots before the first E-step."""
        leader = np.zeros(len(self.points), dtype=int) if shares is None else shares.argmax(axis=1)
        colours = np.full((len(self.points), 3), 0.62) if shares is None else palette.mix(shares)
        for k, group in enumerate(self.groups):
            group.set_offsets(self.points[leader == k])
            group.set_facecolor(colours[leader == k])


_DOTS: dict[str, Any] = {"s": 26, "alpha": 0.75, "linewidths": 0, "zorder": 2}
_LINE: dict[str, Any] = {"linewidth": 2.4, "zorder": 4}
_TRAIL: dict[str, Any] = {"linewidth": 1.3, "linestyle": ":", "zorder": 3}
_DISC: dict[str, Any] = {"markersize": 17, "markerfacecolor": "white", "markeredgewidth": 2.2, "zorder": 5}
_NUMBER: dict[str, Any] = {
    "ha": "center",
    "va": "center_baseline",
    "color": palette.INK,
    "fontsize": 10.5,
    "fontweight": "bold",
    "zorder": 6,
}


class _Trace:
    """The log-likelihood up to now; the axes leave room for the rest, but do not give it away."""

    def __init__(self, ax: Axes, states: Sequence[EMState]):
        self.levels = np.array([state.log_likelihood for state in states if state.phase != "E"])
        # The first iteration gains so much that the rest would look flat: it comes in from below.
        low, high = self.levels[1:].min(), self.levels.max()
        margin = 0.1 * max(high - low, 1e-6)
        floor = low - 2.5 * margin
        steps = np.arange(len(self.levels))
        (self.line,) = ax.plot([], [], color=palette.INK, marker="o", markersize=4, zorder=2)
        (self.dot,) = ax.plot([], [], "o", color=palette.ALARM, markersize=9, zorder=3, clip_on=False)
        ax.set(xlim=(-0.7, len(steps) - 0.3), ylim=(floor, high + margin))
        ax.set(xlabel="iteration", ylabel="mean log-likelihood")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if self.levels[0] < floor:
            level = f"start: {self.levels[0]:.2f} ↓".replace("-", "−")
            ax.annotate(level, (1, floor), xytext=(8, 5), textcoords="offset points", color=palette.MUTED)
        self.floor = floor

    def draw(self, iteration: int) -> None:
        self.line.set_data(np.arange(iteration + 1), self.levels[: iteration + 1])
        self.dot.set_data([iteration], [max(self.levels[iteration], self.floor)])


class _Frames:
    """Every state as a small PNG with a palette: what the widget flips through."""

    def __init__(self, states: Sequence[EMState], points: Array, labels: Sequence[str], mass: float):
        self.states = states
        with picture.look():
            self.figure = picture.new(9.6, 4.5)
            self.figure.set_dpi(90)
            self.canvas = FigureCanvasAgg(self.figure)
            left, right = self.figure.subplots(1, 2, width_ratios=[1.25, 1])
            self.rows = _Rows(left, points, labels, states[0].model.means_.shape[0], mass)
            self.rows.frame(left, states)
            self.trace = _Trace(right, states)
            self.title = left.set_title("Start")
            right.set_title("How well it explains the rows")
            self.rows.draw(states, 0)
            self.trace.draw(0)
            self.canvas.draw()
        self.figure.set_layout_engine("none")  # the layout is found once, and then stands still

    def png(self, step: int) -> bytes:
        now = self.states[step]
        self.rows.draw(self.states, step)
        self.trace.draw(now.iteration - (now.phase == "E"))
        self.title.set_text(_title(now))
        with picture.look():
            self.canvas.draw()
        return small_png(self.canvas)


def _title(state: EMState) -> str:
    return "Start" if state.phase == "start" else f"Iteration {state.iteration}, {state.phase}-step"


def em_panels(
    states: Sequence[EMState], X: Any, steps: Sequence[int], *, mass: float = 0.9, units: Units = None
) -> picture.Picture:
    """Some states of EM side by side, and the log-likelihood of all: the static twin of the stepper.

    Parameters
    ----------
    states : sequence of EMState
        From `em_path`, in two dimensions.
    X : Dataset, DataFrame or array-like [N, 2]
        The same rows.
    steps : sequence of int
        Which states to show; three a line look best.
    mass : float
        The probability within an ellipse.
    units : optional
        As for `soft_assignments`.

    Returns
    -------
    Picture
        With its alternative text.
    """
    points, labels = _unpack(states[0].model, X, units)
    n_lines = -(-len(steps) // 3)
    with picture.look():
        figure = picture.new(10.5, 3.3 * n_lines + 2.3)
        grid: Any = figure.subfigures(2, 1, height_ratios=[3.3 * n_lines, 2.3])
        upper, lower = grid
        axes = upper.subplots(n_lines, 3, sharex=True, sharey=True, squeeze=False)
        for ax, step in zip(axes.flat, steps, strict=False):
            rows = _Rows(ax, points, labels, states[0].model.means_.shape[0], mass)
            rows.frame(ax, states)
            rows.draw(states, step)
            ax.set_title(_title(states[step]))
            ax.label_outer()
        _draw_whole_trace(lower.subplots(), states, steps)
    picture.describe(figure, _panel_words(states, steps, mass))
    return figure


def _draw_whole_trace(ax: Axes, states: Sequence[EMState], steps: Sequence[int]) -> None:
    trace = _Trace(ax, states)
    trace.draw(states[-1].iteration)
    shown = sorted({states[step].iteration for step in steps} - {0})
    ax.plot(shown, trace.levels[shown], "o", color=palette.ALARM, markersize=9)
    ax.set_title("Mean log-likelihood after each iteration (red: shown above)")


def _panel_words(states: Sequence[EMState], steps: Sequence[int], mass: float) -> str:
    shown = "; ".join(f"{_title(states[step])}: {_mean_words(states[step])}" for step in steps)
    first, last = states[2].log_likelihood, states[-1].log_likelihood
    return (
        f"EM in {len(steps)} pictures. Rows take the mixed colours of their responsibilities, ellipses hold "
        f"{100 * mass:.0f} % of a component, dotted lines show the way of the means. {shown}. Below, the mean "
        f"log-likelihood rises at each of {states[-1].iteration} iterations, from {first:.2f} after the first "
        f"to {last:.2f}."
    )


def _mean_words(state: EMState) -> str:
    return "means at " + " and ".join(f"({x:.1f}, {y:.0f})" for x, y in to_numpy(state.model.means_))


def _unpack(model: GaussianMixture, X: Any, units: Units) -> tuple[Array, list[str]]:
    table, names, units = unpacked(X, None, units)
    return to_numpy(table), feature_labels(model, table, names, units)


# -------------------------------------------------------------------------------- pictures to a widget
class EMStepper(Explorer):
    """Step EM forward and back, half a step at a time; without a kernel it is a picture of the main steps.

    Parameters
    ----------
    start : GaussianMixture
        Where EM starts; two features.
    X : Dataset, DataFrame or array-like [N, 2]
        Rows.
    n_iterations : int
        How far it can go.
    moments : sequence of int, optional
        The half steps shown in the static twin. Default: the start, the first E and M, and three more.
    mass : float
        The probability within an ellipse.
    units : optional
        As for `soft_assignments`.
    """

    def __init__(
        self,
        start: GaussianMixture,
        X: Any,
        n_iterations: int = 16,
        *,
        moments: Sequence[int] | None = None,
        mass: float = 0.9,
        units: Units = None,
    ):
        points, labels = _unpack(start, X, units)
        self.states = em_path(start, points, n_iterations)
        last = len(self.states) - 1
        shown = tuple(moments or (0, 1, 2, 2 * (last // 6), 2 * (last // 3), last))
        frames = _Frames(self.states, points, labels, mass)
        self.frames = tuple(frames.png(step) for step in range(last + 1))
        self.slider = ipywidgets.IntSlider(0, 0, last, description="half step", layout={"width": "24em"})
        super().__init__(
            {"step": self.slider},
            draw=lambda step: self.frames[step],
            words=lambda step: caption(self.states, step),
            twin=lambda: em_panels(self.states, X, shown, mass=mass, units=units),
            rows=[[*step_buttons(self.slider, "half step"), self.slider]],
        )

    def go(self, step: int) -> None:
        """Show that half step, or the nearest there is."""
        self.slider.value = min(max(step, 0), len(self.states) - 1)

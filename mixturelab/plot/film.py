"""A film of embeddings: where the rows of several runs lie step by step, as a widget with its static twin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle

from mixturelab.plot import palette, picture
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, ellipse, to_numpy
from mixturelab.plot.labels import listed
from mixturelab.plot.live import spoken
from mixturelab.stream.diagnostics import COLLAPSED_SHARE, FEW_DIRECTIONS, ONE_DIRECTION

_MASS = 0.9
_WIDTH, _DPI = 828, 90  # of the widget's picture, in pixels


# ------------------------------------------------------------------------------- numbers to numbers
@dataclass(frozen=True)
class Scene:
    """One moment of a run.

    Attributes
    ----------
    step : int
    rows : ndarray [N, D]
        Embeddings of length 1.
    weights, means, covariances : ndarray [K], [K, D], [K, D, D]
        Their mixture.
    numbers : mapping
        What the mixture logged.
    """

    step: int
    rows: Array
    weights: Array
    means: Array
    covariances: Array
    numbers: Mapping[str, Any]

    @property
    def component(self) -> Array:
        """Of each row, the component with the nearest mean, among those that have any weight."""
        distance = (self.means**2).sum(axis=1) - 2 * self.rows @ self.means.T
        return np.where(self.weights > 0, distance, np.inf).argmin(axis=1)


@dataclass
class Film:
    """Scenes of several runs, in the order in which they were added.

    Attributes
    ----------
    labels : array-like [N]
        Class of each row, drawn as its number.
    runs : dict from str to list of Scene
    """

    labels: Any
    runs: dict[str, list[Scene]] = field(default_factory=dict)

    def add(self, run: str, step: int, z: Any, mixture: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        """Keep a moment; a run that is begun again loses what it had from this step on.

        Parameters
        ----------
        run : str
            What the run is called.
        step : int
        z : Tensor or array-like [N, D]
            Embeddings; each row is brought to length 1.
        mixture : mapping
            ``pi`` [K], ``mu`` [K, D], ``Sigma`` [K, D, D]: what `MixtureStats.compute` gives.
        row : mapping
            What `MixtureStats` logged: ``batch_spread``, ``trace_B``, ``opnorm_B``, ``effective_rank``, ``alarms``.
        """
        rows = to_numpy(z)
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        pi, mu, sigma = (to_numpy(mixture[name]) for name in ("pi", "mu", "Sigma"))
        before = [scene for scene in self.runs.get(run, []) if scene.step < step]
        self.runs[run] = [*before, Scene(step, rows, pi, mu, sigma, dict(row))]

    @property
    def steps(self) -> list[int]:
        """All steps at which there is a scene."""
        return sorted({scene.step for scenes in self.runs.values() for scene in scenes})


def plane(scenes: Sequence[Scene]) -> Array:
    """The plane in which the last scene's rows are longest, [D, 2]: the first two eigenvectors of XᵀX.

    It is the same for a whole run, so that what moves are the rows. Not centred: on a page where the centre is 0 and
    the circle has radius 1, rows at one point of the sphere lie at one point of the rim.
    """
    rows = scenes[-1].rows
    axes = np.linalg.eigh(rows.T @ rows)[1][:, :-3:-1]
    side = np.sign((rows @ axes).sum(axis=0))
    return axes * np.where(
        side == 0, 1.0, side
    )  # an eigenvector's sign means nothing: most rows lie on the right


def where_words(rows: Array) -> str:
    """Where points of the unit disc [N, 2] lie, in words."""
    radius = float(np.linalg.norm(rows, axis=1).mean())
    if np.linalg.norm(rows.mean(axis=0)) > 0.85:
        return "crowded at one place of the rim"
    if radius > 0.85:
        return "along the rim, with little outside of this plane"
    return (
        "near the centre, with most of their length outside of this plane"
        if radius < 0.4
        else "all over the disc"
    )


# -------------------------------------------------------------------------------- numbers to pictures
_SIDES = (-1.2, 1.55)  # most rows lie on the right: there components may leave the disc
_CENTRE = -_SIDES[0] / (_SIDES[1] - _SIDES[0])


class _Stage:
    """The disc: rows as their class's number in their component's colour, and components as ellipses.

    A component that no row is nearest to is dashed: all it has is memory.
    """

    def __init__(self, ax: Axes, scenes: Sequence[Scene], labels: Array):
        self.plane, self.classes = plane(scenes), np.unique(labels)
        self.members = [labels == label for label in self.classes]
        n_components = len(scenes[0].weights)
        ax.add_patch(Circle((0, 0), 1, fill=False, edgecolor=palette.MUTED, linewidth=1.2))
        self.rows = [
            ax.scatter([], [], marker=rf"$\mathbf{{{int(label)}}}$", s=34, alpha=0.75, linewidths=0)
            for label in self.classes
        ]
        self.edges = [
            ax.plot([], [], color=palette.style(k).colour, linewidth=1.8)[0] for k in range(n_components)
        ]
        self.moving = (*self.rows, *self.edges)
        for artist in self.moving:
            artist.set_in_layout(False)
        ax.set(xlim=_SIDES, ylim=(-1.25, 1.25), aspect="equal", xticks=[], yticks=[])
        ax.spines[:].set_visible(False)

    def draw(self, scene: Scene) -> None:
        points, component = scene.rows @ self.plane, scene.component
        colours = _PALETTE[component % len(_PALETTE)]
        for group, mine in zip(self.rows, self.members, strict=True):
            group.set_offsets(points[mine])
            group.set_facecolor(colours[mine])
        means = scene.means @ self.plane
        covariances = np.einsum("da,kde,eb->kab", self.plane, scene.covariances, self.plane)
        for k, edge in enumerate(self.edges):
            has_rows = bool((component == k).any())
            edge.set_visible(bool(scene.weights[k] > 0))
            edge.set(linestyle="-" if has_rows else (0, (2, 2)), linewidth=1.9 if has_rows else 1.2)
            edge.set_data(*ellipse(means[k], covariances[k], _MASS).T)


_PALETTE = np.array([to_rgb(colour) for colour in palette.COLOURS])

# Name, words, top of the axis, limit of the alarm.
_GAUGES = (
    ("spread", "spread of a batch", 1.08, COLLAPSED_SHARE),
    ("ratio", "opnorm_B / trace_B", 1.08, ONE_DIRECTION),
    ("rank", "effective rank", None, FEW_DIRECTIONS),
)


def _gauge(scene: Scene, name: str) -> float:
    numbers = scene.numbers
    if name == "ratio":
        return float(numbers["opnorm_B"] / numbers["trace_B"]) if numbers["trace_B"] else float("nan")
    return float(numbers[{"spread": "batch_spread", "rank": "effective_rank"}[name]])


class _Gauge:
    """One number over a run's steps, its limit, and where we are."""

    def __init__(self, ax: Axes, scenes: Sequence[Scene], gauge: tuple[str, str, float | None, float]):
        name, words, top, limit = gauge
        self.ax = ax
        self.values = {scene.step: _gauge(scene, name) for scene in scenes}
        known = {step: value for step, value in self.values.items() if np.isfinite(value)}
        ax.plot(list(known), list(known.values()), color=palette.style(0).colour)
        ax.axhline(limit, color=palette.ALARM, linestyle=(0, (4, 3)), linewidth=1.3)
        (self.dot,) = ax.plot([], [], "o", color=palette.INK, markersize=8)
        for first, last in _alarm_spans(scenes):
            ax.axvspan(first, last, color=palette.ALARM, alpha=0.12, linewidth=0, zorder=0)
        highest = top or 1.1 * max([limit, *known.values()])
        ax.set(ylim=(0, highest), xlim=(0, scenes[-1].step + 1))
        ax.set_title(words, fontsize=11.5, fontweight="normal")

    def draw(self, scene: Scene) -> None:
        value = self.values[scene.step]
        self.dot.set_data([scene.step], [value])
        self.dot.set_visible(bool(np.isfinite(value)))


def _alarm_spans(scenes: Sequence[Scene]) -> list[tuple[int, int]]:
    return [(before.step, after.step) for before, after in pairwise(scenes) if after.numbers.get("alarms")]


class _Reel:
    """All frames of one run."""

    def __init__(self, scenes: Sequence[Scene], labels: Array):
        self.scenes = {scene.step: scene for scene in scenes}
        with picture.look():
            figure = picture.new(_WIDTH / _DPI, 4.9)
            figure.set_dpi(_DPI)
            grid = figure.add_gridspec(3, 2, width_ratios=[1.35, 1])
            self.stage = _Stage(figure.add_subplot(grid[:, 0]), scenes, labels)
            self.gauges = [
                _Gauge(figure.add_subplot(grid[line, 1]), scenes, gauge) for line, gauge in enumerate(_GAUGES)
            ]
            for gauge in self.gauges[:-1]:
                gauge.ax.tick_params(labelbottom=False)
            self.gauges[-1].ax.set_xlabel("step")
        self.frames = Frames(figure, [*self.stage.moving, *(gauge.dot for gauge in self.gauges)])
        self.png = lru_cache(maxsize=None)(self._png)

    def _png(self, step: int) -> bytes:
        self.stage.draw(self.scenes[step])
        for gauge in self.gauges:
            gauge.draw(self.scenes[step])
        return self.frames.png()


def film_strip(film: Film, steps: Sequence[int]) -> picture.Picture:
    """Some moments of all runs: the static twin of the viewer.

    Parameters
    ----------
    film : Film
    steps : sequence of int
        Moments that every run has.

    Returns
    -------
    Picture
        One column a run, one line a moment, with its alternative text.
    """
    labels = to_numpy(film.labels)
    with picture.look():
        figure = picture.new(2.75 * len(film.runs), 2.55 * len(steps) + 0.4)
        axes = figure.subplots(len(steps), len(film.runs), squeeze=False)
        for column, (run, scenes) in enumerate(film.runs.items()):
            by_step = {scene.step: scene for scene in scenes}
            for line, step in enumerate(steps):
                _Stage(axes[line, column], scenes, labels).draw(by_step[step])
            axes[0, column].set_title(run, loc="center", x=_CENTRE, fontsize=12.5)
        for line, step in enumerate(steps):
            axes[line, 0].set_ylabel(f"step {step}", fontsize=12)
    picture.describe(figure, _strip_words(film))
    return figure


def _strip_words(film: Film) -> str:
    ends = [f"{run}, {where_words(scenes[-1].rows @ plane(scenes))}" for run, scenes in film.runs.items()]
    return (
        "Rows of several runs in a disc, a column a run, a line a moment. A row is its class's number in its "
        f"component's colour; ellipses hold most of a component. At the end the rows lie: {'; '.join(ends)}."
    )


# -------------------------------------------------------------------------------- pictures to a widget
class FilmViewer(Explorer):
    """Choose a run and slide through its steps; without a kernel it is a picture of the main moments.

    Parameters
    ----------
    film : Film
    moments : sequence of int, optional
        The steps of the static twin. Default: the first, the middle and the last that all runs have.
    """

    def __init__(self, film: Film, moments: Sequence[int] | None = None):
        self.film = film
        shared = sorted(
            set.intersection(*({scene.step for scene in scenes} for scenes in film.runs.values()))
        )
        self.moments = tuple(moments or (shared[0], shared[len(shared) // 2], shared[-1]))
        labels = to_numpy(film.labels)
        self._reels = {run: _Reel(scenes, labels) for run, scenes in film.runs.items()}
        self.run = ipywidgets.ToggleButtons(options=list(film.runs), description="run")
        self.run.style.button_width = "12em"
        self.step = ipywidgets.SelectionSlider(
            options=shared, description="step", layout={"width": "32em"}, continuous_update=True
        )
        super().__init__(
            {"run": self.run, "step": self.step},
            draw=lambda run, step: self._reels[run].png(step),
            words=self._scene_words,
            twin=lambda: film_strip(self.film, self.moments),
            width=_WIDTH,
        )

    def _scene_words(self, run: str, step: int) -> str:
        reel = self._reels[run]
        return scene_words(reel.scenes[step], reel.stage.plane)


def scene_words(scene: Scene, axes: Array) -> str:
    """What one scene shows, in two sentences."""
    points = scene.rows @ axes
    held = float((points**2).sum(axis=1).mean())
    alarms = [spoken(name) for name in filter(None, scene.numbers.get("alarms", "").split(";"))]
    warned = f"Alarm: {listed(alarms)}." if alarms else "No alarm."
    return (
        f"Step {scene.step}: the rows lie {where_words(points)}. This plane holds {held:.0%} of their squared length. "
        f"{warned}"
    )

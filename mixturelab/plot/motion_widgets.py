"""A widget that asks how much a moving mixture should remember, with its static twin."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import FixedLocator, NullLocator

from mixturelab.datasets import MixtureTruth, StreamBatch
from mixturelab.plot import palette, picture
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.frames import small_png
from mixturelab.plot.geometry import Array, ellipse
from mixturelab.plot.labels import listed

# Batches that the slider offers; a memory of M is the decay 1 − 1/M.
MEMORIES: tuple[int, ...] = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200)
MOVING = 1  # the component whose mean is judged


# ------------------------------------------------------------------------------- numbers to numbers
@dataclass(frozen=True)
class Tracking:
    """How statistics with several memories followed one stream.

    Attributes
    ----------
    memories : tuple of int, length M
        1/(1 − decay), in batches.
    means : ndarray [M, K, D]
        At the end.
    covariances : ndarray [M, K, D, D]
        At the end.
    errors : ndarray [M]
        Root mean squared distance of the moving component's mean from the truth, over the second half.
    """

    memories: tuple[int, ...]
    means: Array
    covariances: Array
    errors: Array

    @property
    def best(self) -> int:
        """The position of the memory with the least error."""
        return int(self.errors.argmin())


def track(batches: Sequence[StreamBatch], memories: Sequence[int] = MEMORIES) -> Tracking:
    """Fold labelled batches with exponential forgetting, for all memories at once.

    Parameters
    ----------
    batches : sequence of StreamBatch
        With labels and truth.
    memories : sequence of int
        At least 1; 1 forgets everything but the last batch.

    Returns
    -------
    Tracking
    """
    gain = 1 / np.asarray(memories, dtype=float)[:, None]  # [M, 1]
    k, d = batches[0].truth.means.shape
    mass = np.zeros((len(gain), k))
    means, covariances = np.zeros((len(gain), k, d)), np.zeros((len(gain), k, d, d))
    errors = []
    for batch in batches:
        count, mean, covariance = _batch_moments(batch, k)
        mass = (1 - gain) * mass + gain * count
        share = gain * count / np.where(mass > 0, mass, 1.0)  # how much of each component is this batch
        shift = mean - means
        means = means + share[..., None] * shift
        between = (share * (1 - share))[..., None, None] * shift[..., :, None] * shift[..., None, :]
        covariances = _mixed(covariances, covariance, share) + between
        errors.append(((means[:, MOVING] - batch.truth.means[MOVING]) ** 2).sum(axis=1))
    late = np.sqrt(np.mean(errors[len(errors) // 2 :], axis=0))
    return Tracking(tuple(memories), means, covariances, late)


def _batch_moments(batch: StreamBatch, n_components: int) -> tuple[Array, Array, Array]:
    """Counts [K], means [K, D] and covariances [K, D, D] of the labelled rows; zeros where there are none."""
    own = (batch.labels[:, None] == np.arange(n_components)).astype(float)  # [N, K]
    count = own.sum(axis=0)
    divisor = np.maximum(count, 1.0)
    mean = own.T @ batch.data / divisor[:, None]
    residual = batch.data - mean[batch.labels]
    return count, mean, np.einsum("nk,ni,nj->kij", own, residual, residual) / divisor[:, None, None]


def _mixed(old: Array, new: Array, share: Array) -> Array:
    f = share[..., None, None]
    return (1 - f) * old + f * new


def decay_of(memory: int) -> str:
    """The decay of a memory, in as many digits as it takes: 20 batches are ``0.95``."""
    return f"{1 - 1 / memory:.3f}".rstrip("0").rstrip(".")


def tracking_words(found: Tracking, position: int, n_tried: int) -> str:
    """What one setting did, in a sentence or two."""
    memory = found.memories[position]
    batches = "1 batch" if memory == 1 else f"{memory} batches"
    return (
        f"Memory {batches} (g = {decay_of(memory)}): the moving mean is off by {found.errors[position]:.2f}. "
        f"{n_tried} of {len(found.memories)} memories tried at this speed."
    )


# -------------------------------------------------------------------------------- numbers to pictures
_SHOWN = 10  # batches whose rows are drawn
_MASS = 0.9


class _Scene:
    """The last rows, the true mixture (dashed) and what the statistics say (filled)."""

    def __init__(self, ax: Axes, batches: Sequence[StreamBatch]):
        self.ax = ax
        _draw_rows(ax, batches[-_SHOWN:])
        _draw_truth(ax, batches[0].truth, batches[-1].truth)
        colours = [palette.style(k).colour for k in range(len(batches[-1].truth.weights))]
        self.fills = [ax.fill([0], [0], color=colour, alpha=0.28, zorder=3)[0] for colour in colours]
        self.edges = [ax.plot([], [], color=colour, linewidth=2.6, zorder=5)[0] for colour in colours]
        (self.centres,) = ax.plot([], [], "o", **_CENTRE)
        self.moving = (*self.fills, *self.edges, self.centres)
        ax.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-4.4, 7.4), ylim=(-4.4, 5.2), aspect="equal")

    def draw(self, found: Tracking, position: int) -> None:
        for k, (fill, edge) in enumerate(zip(self.fills, self.edges, strict=True)):
            outline = ellipse(found.means[position, k], found.covariances[position, k] + _DOT, _MASS)
            fill.set_xy(outline)
            edge.set_data(*outline.T)
        self.centres.set_data(*found.means[position].T)


_DOT = 1e-4 * np.eye(2)  # a component of one row is drawn as a dot
_CENTRE: dict[str, Any] = {"color": "white", "markeredgecolor": palette.INK, "markersize": 8, "zorder": 6}


def _draw_rows(ax: Axes, batches: Sequence[StreamBatch]) -> None:
    rows = np.concatenate([batch.data for batch in batches])
    labels = np.concatenate([batch.labels for batch in batches])
    for k in np.unique(labels):
        look, (x, y) = palette.style(int(k)), rows[labels == k].T
        ax.scatter(x, y, s=20, marker=look.marker, color=look.colour, alpha=0.55, linewidths=0)


def _draw_truth(ax: Axes, first: MixtureTruth, last: MixtureTruth) -> None:
    for mean, covariance in zip(last.means, last.covariances, strict=True):
        outline = ellipse(mean, covariance, _MASS)
        ax.plot(*outline.T, color=palette.INK, linewidth=1.5, linestyle=(0, (3, 2)), zorder=4)
    arrow = {"arrowstyle": "->", "color": palette.MUTED, "linewidth": 1.6}
    ax.annotate("", last.means[MOVING], first.means[MOVING], arrowprops=arrow)


class _Errors:
    """Error against memory, on two log scales: the settings tried so far, or all."""

    def __init__(self, ax: Axes, found: Mapping[str, Tracking]):
        self.ax, self.found = ax, found
        looks = [palette.style(i + 3) for i in range(len(found))]  # the first three are the components'
        self.lines = [
            ax.plot([], [], color=look.colour, marker=look.marker, markersize=8)[0] for look in looks
        ]
        self.names = [ax.annotate("", (1, 1), color=palette.INK, fontsize=12, va="center") for _ in looks]
        (self.ring,) = ax.plot([], [], "o", **_RING)
        self.moving = (*self.lines, *self.names, self.ring)
        _set_scales(ax, np.concatenate([tracking.errors for tracking in found.values()]))

    def draw(self, seen: Mapping[str, Iterable[int]], now: tuple[str, int] | None) -> None:
        for line, name, (speed, found) in zip(self.lines, self.names, self.found.items(), strict=True):
            positions = sorted(seen[speed])
            memories, errors = np.array(found.memories)[positions], found.errors[positions]
            line.set_data(memories, errors)
            line.set_linestyle("-" if len(positions) == len(found.memories) else "none")
            name.set_text(f" {speed}" if positions else "")
            if positions:
                name.xy = (memories[-1] * 1.15, errors[-1])
                name.set_position(name.xy)
        self._keep_names_apart()
        if now is not None:
            speed, position = now
            found = self.found[speed]
            self.ring.set_data([found.memories[position]], [found.errors[position]])

    def _keep_names_apart(self) -> None:
        """Names of dots that lie close together, from the lowest up, each a line above the last."""
        shown = sorted((name for name in self.names if name.get_text()), key=lambda name: name.xy[1])
        for below, name in pairwise(shown):
            (x, low), (own_x, y) = below.xy, name.xy
            if 1 / _NAME_WIDTH < own_x / x < _NAME_WIDTH:
                name.xy = (own_x, max(y, low * _NAME_HEIGHT))
                name.set_position(name.xy)


_NAME_WIDTH, _NAME_HEIGHT = 3.5, 1.25  # of a name on the two log scales, as factors
_RING: dict[str, Any] = {
    "markersize": 15,
    "markerfacecolor": "none",
    "markeredgecolor": palette.ALARM,
    "markeredgewidth": 2.6,
}


def _set_scales(ax: Axes, errors: Array) -> None:
    ax.set(xscale="log", yscale="log", xlim=(0.8, 900), ylim=(0.8 * errors.min(), 1.5 * errors.max()))
    ax.set(xlabel="memory 1/(1 − g), in batches", ylabel="error of the moving mean")
    ax.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100]))
    ax.yaxis.set_major_locator(FixedLocator([0.05, 0.1, 0.2, 0.5, 1, 2]))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")


class _Frames:
    """Both panels, drawn when asked for: what stands still is drawn once, the rest on top of it."""

    def __init__(self, streams: Mapping[str, Sequence[StreamBatch]], found: Mapping[str, Tracking]):
        self.found = found
        with picture.look():
            self.figure = picture.new(9.8, 4.6)
            self.figure.set_dpi(90)
            self.canvas = FigureCanvasAgg(self.figure)
            grid = self.figure.add_gridspec(1, 2, width_ratios=[1.15, 1])
            self.axes = {speed: self.figure.add_subplot(grid[0]) for speed in streams}
            self.scenes = {speed: _Scene(ax, streams[speed]) for speed, ax in self.axes.items()}
            for ax in self.axes.values():
                ax.set_title("Filled: the statistics. Dashed: the truth", fontsize=12.5)
            right = self.figure.add_subplot(grid[1])
            right.set_title("How far off the moving mean is", fontsize=12.5)
            self.errors = _Errors(right, found)
            self.canvas.draw()
            self.figure.set_layout_engine("none")  # the layout is found once, and then stands still
            self.backgrounds = {speed: self._background(speed) for speed in streams}
        self.png = lru_cache(maxsize=256)(self._png)

    def _background(self, speed: str) -> Any:
        """All that does not depend on the memory; matplotlib leaves out what is marked as animated."""
        for name, ax in self.axes.items():
            ax.set_visible(name == speed)
        for artist in (*self.scenes[speed].moving, *self.errors.moving):
            artist.set_animated(True)
        self.canvas.draw()
        return self.canvas.copy_from_bbox(self.figure.bbox)

    def _png(self, speed: str, position: int, seen: tuple[tuple[str, frozenset[int]], ...]) -> bytes:
        scene = self.scenes[speed]
        scene.draw(self.found[speed], position)
        self.errors.draw(dict(seen), (speed, position))
        with picture.look():
            self.canvas.restore_region(self.backgrounds[speed])
            for part in (scene, self.errors):
                for artist in part.moving:
                    part.ax.draw_artist(artist)
        return small_png(self.canvas)


def decay_panels(
    streams: Mapping[str, Sequence[StreamBatch]], found: Mapping[str, Tracking], speed: str
) -> picture.Picture:
    """Three memories at one speed, and the errors at all speeds: the static twin of the explorer.

    Parameters
    ----------
    streams : mapping from words to batches
    found : mapping from the same words to Tracking
    speed : str
        The one whose scenes are shown: with the least memory, the best one, and a long one.

    Returns
    -------
    Picture
        With its alternative text.
    """
    shown = (0, found[speed].best, len(found[speed].memories) - 3)
    with picture.look():
        figure = picture.new(10.5, 7.6)
        grid: Any = figure.subfigures(2, 1, height_ratios=[3.0, 3.6])
        for ax, position in zip(grid[0].subplots(1, 3, sharex=True, sharey=True), shown, strict=True):
            _Scene(ax, streams[speed]).draw(found[speed], position)
            memory = found[speed].memories[position]
            ax.set_title(f"memory {memory} (g = {decay_of(memory)})", fontsize=12.5)
            ax.label_outer()
        lower = grid[1].subplots()
        _Errors(lower, found).draw({name: range(len(each.memories)) for name, each in found.items()}, None)
        lowest = [(each.memories[each.best], each.errors[each.best]) for each in found.values()]
        lower.plot(*np.transpose(lowest), "o", **_RING)
        lower.set_title("Error at each speed (ringed: the best memory). Above: " + speed)
    picture.describe(figure, _panel_words(found, speed, shown))
    return figure


def _panel_words(found: Mapping[str, Tracking], speed: str, shown: Sequence[int]) -> str:
    scenes = listed([f"{found[speed].memories[p]} (error {found[speed].errors[p]:.2f})" for p in shown])
    best = listed([f"{each.memories[each.best]} batches, {name}" for name, each in found.items()])
    return (
        f"Three components, of which one moves ({speed}), followed with a memory of {scenes} batches: the first is "
        "restless, the last lags behind and is smeared along the way. Below, the error of the moving mean against the "
        f"memory: a U at every speed, lowest at {best}."
    )


# -------------------------------------------------------------------------------- pictures to a widget
class DecayExplorer(Explorer):
    """Slide the memory of exponential forgetting on streams of several speeds; without a kernel it is a picture.

    Parameters
    ----------
    streams : mapping from words to sequences of StreamBatch
        The streams by the name of their speed, from `make_drifting_stream`.
    start : int
        The memory to begin with, in batches; one of `MEMORIES`.
    """

    def __init__(self, streams: Mapping[str, Iterable[StreamBatch]], start: int = MEMORIES[0]):
        self.streams = {speed: list(batches) for speed, batches in streams.items()}
        self.found = {speed: track(batches) for speed, batches in self.streams.items()}
        self.tried: dict[str, set[int]] = {speed: set() for speed in self.streams}
        self._frames = _Frames(self.streams, self.found)
        self.memory = ipywidgets.SelectionSlider(
            options=[(str(memory), position) for position, memory in enumerate(MEMORIES)],
            index=MEMORIES.index(start),
            description="memory",
            layout={"width": "30em"},
        )
        self.speed = ipywidgets.ToggleButtons(
            options=list(self.streams), tooltips=["How fast the component moves"] * len(self.streams)
        )
        self.speed.style.button_width = "7em"
        self.all = ipywidgets.ToggleButton(
            description="show all memories", tooltip="Draw the whole curves", layout={"width": "12em"}
        )
        name = ipywidgets.Label("speed", layout={"width": "80px", "justify_content": "flex-end"})
        super().__init__(
            {"position": self.memory, "speed": self.speed, "everything": self.all},
            draw=self._picture,
            words=self._words,
            twin=lambda: decay_panels(self.streams, self.found, list(self.streams)[-1]),
            rows=[[self.memory], [name, self.speed, self.all]],
        )

    def _picture(self, position: int, speed: str, everything: bool) -> bytes:
        self.tried[speed].add(position)
        seen = self.tried
        if everything:
            seen = {name: set(range(len(MEMORIES))) for name in self.streams}
        key = tuple((name, frozenset(positions)) for name, positions in seen.items())
        return self._frames.png(speed, position, key)

    def _words(self, position: int, speed: str, everything: bool) -> str:
        return tracking_words(self.found[speed], position, len(self.tried[speed]))

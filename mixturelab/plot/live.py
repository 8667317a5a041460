"""A run while it trains, as frames: six curves, the embeddings in two directions, the alarms in words."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from PIL import Image

from mixturelab.plot import palette, picture
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import ellipse
from mixturelab.stream.diagnostics import COLLAPSED_SHARE, FEW_DIRECTIONS, ONE_DIRECTION
from mixturelab.watch.record import Record, thinned
from mixturelab.watch.view import View
from mixturelab.watch.words import spoken

__all__ = ["PANELS", "WIDTH", "Panel", "RunDrawing", "spoken"]

WIDTH, _HEIGHT, _DPI = 980, 470, 84  # of the picture, in pixels
_MASS = 0.9
_MOST_POINTS = 600  # of a curve: more than its panel has columns of pixels
_FEW_STEPS = 50  # the steps that the axes begin with where nobody knows how many there will be


@dataclass(frozen=True)
class Panel:
    """What one panel shows. Its axis begins with `low` and `high`, and grows where the numbers leave it."""

    title: str
    names: tuple[str, ...]
    low: float
    high: float
    limit: float | None = None  # an alarm's
    beyond: str = ""  # on which side of the limit it is raised, and what lies there


PANELS = (
    Panel("loss", ("loss",), math.inf, -math.inf),
    Panel("weights π: largest, least (dashed)", ("pi_min", "pi_max"), 0.0, 0.2),
    Panel("spread of a batch", ("batch_spread",), 0.0, 1.05, COLLAPSED_SHARE, "below: one point"),
    Panel("trace_B, opnorm_B (dashed)", ("opnorm_B", "trace_B"), 0.0, 0.7),
    Panel("opnorm_B / trace_B", ("ratio",), 0.0, 1.05, ONE_DIRECTION, "above: one direction"),
    Panel("effective rank", ("effective_rank",), 0.0, 6.0, FEW_DIRECTIONS, "below: few directions"),
)


class RunDrawing:
    """Draws a record and a view, frame after frame; what stands still is drawn once.

    Parameters
    ----------
    n_steps : int or None
        How many steps there will be; where that is not known the axes grow.
    """

    def __init__(self, n_steps: int | None = None):
        self.end = float(max(n_steps or _FEW_STEPS, 1))
        with picture.look():
            figure = picture.new(WIDTH / _DPI, _HEIGHT / _DPI)
            figure.set_dpi(_DPI)
            grid = figure.add_gridspec(3, 3, width_ratios=[1, 1, 1.5])
            self.title = figure.suptitle("Ready", x=0.01, ha="left", fontsize=13.5, fontweight="bold")
            places = [(line, column) for line in range(3) for column in range(2)]
            self.panels = [
                _Curves(figure.add_subplot(grid[place]), panel)
                for place, panel in zip(places, PANELS, strict=True)
            ]
            for curves in self.panels:
                curves.ax.set_xlim(0, self.end)
                curves.ax.tick_params(labelbottom=curves in self.panels[4:])
            for curves in self.panels[4:]:
                curves.ax.set_xlabel("step", fontsize=11)
            self.map = _Map(figure.add_subplot(grid[:, 2]))
        moving = [artist for panel in self.panels for artist in panel.moving]
        self.frames = _QuietFrames(figure, [self.title, *moving, *self.map.fixed])

    def png(self, record: Record, view: View | None, title: str, is_alarmed: bool) -> bytes:
        """The frame."""
        self.title.set_text(title)
        self.title.set_color(palette.ALARM if is_alarmed else palette.INK)
        grown = [panel.ax for panel in self.panels if panel.draw(record)]
        if view is not None and self.map.draw(view):
            grown.append(self.map.ax)
        if self._reach(record.step + 1):
            self.frames.redraw()
        elif grown:
            self.frames.redraw_parts(grown)
        self.frames.moving = (
            self.title,
            *(a for panel in self.panels for a in panel.moving),
            *self.map.moving,
        )
        return self.frames.png()

    def _reach(self, step: int) -> bool:
        """Make room for a step, and for as many again."""
        if step <= self.end:
            return False
        while self.end < step:
            self.end *= 2
        for panel in self.panels:
            panel.ax.set_xlim(0, self.end)
        return True

    def set_end(self, n_steps: int | None) -> None:
        """Tell how many steps there will be, once that is known."""
        if n_steps is not None and n_steps != self.end:
            self.end = float(n_steps)
            for panel in self.panels:
                panel.ax.set_xlim(0, self.end)
            self.frames.redraw()


class _QuietFrames(Frames):
    """Frames that another thread may draw: matplotlib's settings, which all threads share, are not switched."""

    def redraw(self) -> None:
        self.canvas.draw()
        self.background: Any = self.canvas.copy_from_bbox(self.figure.bbox)
        self._places = {ax: self._place(ax) for ax in self.figure.axes}

    def redraw_parts(self, parts: Sequence[Axes]) -> None:
        """Draw what stands still in some panels only, in a fraction of the time; in all where they are too near."""
        places = {ax: Bbox.union([self._places[ax], self._place(ax)]) for ax in parts}
        others = [place for ax, place in self._places.items() if ax not in places]
        if any(place.count_overlaps(others) for place in places.values()):
            self.redraw()
            return
        self.canvas.restore_region(self.background)
        for ax, place in places.items():
            Rectangle(place.p0, *place.size, facecolor="white").draw(self.canvas.get_renderer())
            ax.draw(self.canvas.get_renderer())
            self._places[ax] = self._place(ax)
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def _place(self, ax: Axes) -> Bbox:
        """All that a panel covers, its labels included."""
        place = ax.get_tightbbox(self.canvas.get_renderer())
        return ax.bbox if place is None else place.padded(1)

    def png(self) -> bytes:
        self.canvas.restore_region(self.background)
        for artist in self.moving:
            if artist.get_visible():
                self.figure.draw_artist(artist)
        return _quick_png(self.canvas)


def _quick_png(canvas: FigureCanvasAgg) -> bytes:
    """As `small_png`, with a palette that is found in a sixth of the time and differs by a shade."""
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(256, method=Image.Quantize.FASTOCTREE).save(buffer, "png", compress_level=3)
    return buffer.getvalue()


# -------------------------------------------------------------------------------------------------- curves
class _Curves:
    """One panel."""

    def __init__(self, ax: Axes, panel: Panel):
        self.ax, self.panel = ax, panel
        self.low, self.high = panel.low, panel.high
        self.lines = [_line(ax, name) for name in panel.names]
        self.alarm = Rectangle(
            (0, 0), 0, 1, transform=ax.get_xaxis_transform(), color=palette.ALARM, alpha=0.12, linewidth=0
        )
        ax.add_patch(self.alarm)
        self.moving: tuple[Artist, ...] = (self.alarm, *self.lines)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        ax.yaxis.set_major_locator(MaxNLocator(nbins=4))
        ax.set_title(panel.title, fontsize=11.5, fontweight="normal")
        ax.tick_params(labelsize=10)
        if panel.limit is not None:
            _draw_limit(ax, panel)
        self._set_limits()

    def draw(self, record: Record) -> bool:
        """Move the curves; whether the axis had to grow for them."""
        curves = [record.curve(name) for name in self.panel.names]
        for line, curve in zip(self.lines, curves, strict=True):
            line.set_data(*thinned(*curve, _MOST_POINTS))
        first, last = _alarm_span(record)
        self.alarm.set_bounds(first, 0, last - first, 1)
        self.alarm.set_visible(bool(record.alarms))
        return self._grow(np.concatenate([values for _, values in curves]))

    def _grow(self, values: np.ndarray) -> bool:
        if not len(values) or (values.min() >= self.low and values.max() <= self.high):
            return False
        if self.low > self.high:  # the first: most losses fall
            size = float(np.abs(values).max()) or 1.0
            self.low, self.high = values.min() - 0.3 * size, values.max() + 0.05 * size
        low, high = min(self.low, values.min()), max(self.high, values.max())
        margin = 0.15 * ((high - low) or 1.0)
        self.low = low - margin if low < self.low else self.low
        self.high = high + margin if high > self.high else self.high
        self._set_limits()
        return True

    def _set_limits(self) -> None:
        self.ax.set_ylim(*((self.low, self.high) if self.low < self.high else (0, 1)))


def _line(ax: Axes, name: str) -> Any:
    look = palette.style(1 if name in ("pi_min", "opnorm_B") else 0)
    marker = "o" if name == "effective_rank" else None  # known now and then only
    return ax.plot([], [], color=look.colour, linestyle=look.line, marker=marker, markersize=4.5)[0]


def _draw_limit(ax: Axes, panel: Panel) -> None:
    assert panel.limit is not None
    ax.axhline(panel.limit, color=palette.INK, linestyle=(0, (4, 3)), linewidth=1.1)
    place: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center", "fontsize": 10}
    ax.annotate(
        panel.beyond, (0.5, panel.limit), xycoords=("axes fraction", "data"), color=palette.INK, **place
    )


def _alarm_span(record: Record) -> tuple[int, int]:
    spans = record.alarms.values()
    return min((first for first, _ in spans), default=0), max((last for _, last in spans), default=0)


# ------------------------------------------------------------------------------------------------- the map
class _Map:
    """Embeddings in the mixed colours of their responsibilities, and components as ellipses. Its scale only grows:
    what falls to one point is seen to do so.
    """

    def __init__(self, ax: Axes):
        self.ax, self.reach = ax, 1.15
        self.rows = ax.scatter([], [], s=13, linewidths=0, alpha=0.8)
        self.nothing = ax.text(
            0.5, 0.5, "no view yet", transform=ax.transAxes, ha="center", color=palette.MUTED
        )
        below: dict[str, Any] = {"transform": ax.transAxes, "ha": "center", "va": "top", "fontsize": 10.5}
        self.note = ax.text(0.5, -0.02, "", color=palette.INK, **below)
        self.fixed: tuple[Artist, ...] = (self.rows, self.nothing, self.note)
        self.components: list[tuple[Artist, ...]] = []
        self.edges: list[Any] = []
        self.centres: list[Any] = []
        ax.set_title("embeddings, where the means differ most", fontsize=11.5, fontweight="normal")
        ax.set(aspect="equal", xticklabels=[], yticklabels=[])
        ax.tick_params(length=0)
        self._set_limits()

    @property
    def moving(self) -> tuple[Artist, ...]:
        return (*self.fixed, *self.edges, *self.centres)

    def draw(self, view: View) -> bool:
        """Move everything; whether the scale had to grow."""
        self.nothing.set_visible(False)
        self.rows.set_offsets(view.points)
        self.rows.set_facecolor(_colours(view))
        self.note.set_text(f"step {view.step}: {view.shares.sum():.0%} of the variance is seen")
        self._make(len(view.weights))
        for k in range(len(self.edges)):
            self._draw_component(view, k)
        return self._grow(view.reach)

    def _make(self, n_components: int) -> None:
        for k in range(len(self.edges), n_components):
            look = palette.style(k)
            self.edges += self.ax.plot([], [], color=look.colour, linewidth=1.6, animated=True)
            self.centres += self.ax.plot(
                [], [], look.marker, color=look.colour, markersize=9, markeredgecolor="white", animated=True
            )

    def _draw_component(self, view: View, k: int) -> None:
        edge, centre = self.edges[k], self.centres[k]
        is_there = k < len(view.weights) and bool(view.weights[k] > 0)
        has_edge = is_there and bool(np.isfinite(view.covariances[k]).all())
        edge.set_visible(has_edge)
        centre.set_visible(is_there)
        if has_edge:
            edge.set_data(*ellipse(view.means[k], view.covariances[k], _MASS, n_points=61).T)
        if is_there:
            centre.set_data(view.means[k : k + 1, 0], view.means[k : k + 1, 1])

    def _grow(self, reach: float) -> bool:
        if reach <= self.reach:
            return False
        self.reach = 1.3 * reach
        self._set_limits()
        return True

    def _set_limits(self) -> None:
        self.ax.set(xlim=(-self.reach, self.reach), ylim=(-self.reach, self.reach))


def _colours(view: View) -> Any:
    """Mixed as the responsibilities say; grey where there is no mixture."""
    if not view.responsibilities.shape[1]:
        return palette.MUTED
    return palette.mix(view.responsibilities)

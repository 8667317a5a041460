"""A figure that moves while a network trains: loss and mixture, redrawn at most so often; its last frame stays."""

import html
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from IPython.display import DisplayHandle
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mixturelab.plot import palette, picture
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array
from mixturelab.plot.labels import listed
from mixturelab.stream.diagnostics import COLLAPSED_SHARE, FEW_DIRECTIONS, ONE_DIRECTION


@dataclass(frozen=True)
class _Panel:
    """What one panel shows. Its axis begins with `low` and `high`, and grows where the numbers leave it."""

    title: str
    names: tuple[str, ...]
    low: float
    high: float
    limit: float | None = None  # an alarm's
    beyond: str = ""  # on which side of the limit it is raised, and what lies there


_PANELS = (
    _Panel("loss", ("loss",), math.inf, -math.inf),
    _Panel("weights π: largest, least (dashed)", ("pi_min", "pi_max"), 0.0, 0.2),
    _Panel("spread of a batch", ("batch_spread",), 0.0, 1.05, COLLAPSED_SHARE, "below: one point"),
    _Panel("trace_B, opnorm_B (dashed)", ("opnorm_B", "trace_B"), 0.0, 0.7),
    _Panel("opnorm_B / trace_B", ("ratio",), 0.0, 1.05, ONE_DIRECTION, "above: one direction"),
    _Panel("effective rank", ("effective_rank",), 0.0, 6.0, FEW_DIRECTIONS, "below: few directions"),
)
_NAMES = tuple(name for panel in _PANELS for name in panel.names)
_SHARE = 0.1  # at most this much of the time goes into drawing
_WIDTH, _DPI = 860, 84  # of the picture, in pixels


class LiveFigure(ipywidgets.VBox):
    """Loss and mixture of a run, drawn while it trains.

    Display it, call `update` after every step, and `final` at the end: where there is no kernel any more, the last
    frame stands in its place, with its alternative text.

    Parameters
    ----------
    n_steps : int
        The number of the last step.
    title : str
        What the run is called.
    every : float
        Seconds between two frames, at least; more where drawing is slow.
    clock : callable
        Gives the time in seconds.

    Examples
    --------
    >>> live = LiveFigure(210)  # doctest: +SKIP
    >>> display(live)  # doctest: +SKIP
    >>> for step in trainer:  # doctest: +SKIP
    ...     live.update(step.number, step.loss, step.row)
    >>> live.final()  # doctest: +SKIP
    """

    def __init__(
        self,
        n_steps: int,
        title: str = "run",
        *,
        every: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.n_steps, self.title, self.every = n_steps, title, every
        self.steps: list[int] = []
        self.curves: dict[str, list[float]] = {name: [] for name in _NAMES}
        self.alarms: dict[str, tuple[int, int]] = {}  # name: the first and the last step that it was on
        self._clock, self._due = clock, -math.inf
        self._drawing = _Drawing(self)
        self._handle: Any = None
        self.image = ipywidgets.Image(
            value=self._drawing.png(self),
            format="png",
            layout={"max_width": "100%", "width": f"{_WIDTH}px"},
        )
        self.words = ipywidgets.HTML()
        super().__init__([self.image, self.words])

    def update(self, step: int, loss: float, row: Mapping[str, Any] | None = None) -> bool:
        """Take one step's numbers, and draw if it is time to.

        Parameters
        ----------
        step : int
        loss : float
        row : mapping, optional
            What the mixture logged.

        Returns
        -------
        bool
            Whether it was drawn.
        """
        self._keep(step, loss, {} if row is None else row)
        now = self._clock()
        if now < self._due:
            return False
        self._draw()
        after = self._clock()
        self._due = now + max(self.every, (after - now) / _SHARE)
        return True

    def final(self) -> None:
        """Draw the last frame, and leave it in the page in the widget's place."""
        self._draw()
        if self._handle is not None:
            data, metadata = self._repr_mimebundle_()
            self._handle.update(data, metadata=metadata, raw=True)

    @property
    def still(self) -> picture.Still:
        """The frame that is shown now, with its alternative text."""
        return picture.Still(self.image.value, _alternative(self))

    def curve(self, name: str) -> tuple[Array, Array]:
        """Steps and values of a number, where it is known."""
        values = np.array(self.curves[name], dtype=float)
        known = np.isfinite(values)
        return np.array(self.steps, dtype=float)[known], values[known]

    def _keep(self, step: int, loss: float, row: Mapping[str, Any]) -> None:
        trace_b, opnorm_b = row.get("trace_B", math.nan), row.get("opnorm_B", math.nan)
        found = {**row, "loss": loss, "ratio": opnorm_b / trace_b if trace_b else math.nan}
        self.steps.append(step)
        for name, values in self.curves.items():
            values.append(float(found.get(name, math.nan)))
        for name in filter(None, row.get("alarms", "").split(";")):
            self.alarms[name] = (self.alarms.get(name, (step,))[0], step)

    def _draw(self) -> None:
        self.image.value = self._drawing.png(self)
        self.words.value = html.escape(_reading(self))

    def __repr__(self) -> str:
        # The same before the run and after it: what the run did is told by the alternative text.
        return f"LiveFigure: loss and mixture of the run “{self.title}” while it trains"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        data = super()._repr_mimebundle_(**options)
        still, metadata = self.still._repr_mimebundle_()
        return {**data, "image/png": still["image/png"], "text/plain": repr(self)}, metadata

    def _ipython_display_(self) -> None:
        """Displayed under a name, so that `final` finds the place again."""
        data, metadata = self._repr_mimebundle_()
        self._handle = DisplayHandle()
        self._handle.display(data, metadata=metadata, raw=True)


# ------------------------------------------------------------------------------------ numbers to pictures
class _Drawing:
    """The panels: axes and limits stand still, curves and the title move."""

    def __init__(self, live: LiveFigure):
        with picture.look():
            figure = picture.new(_WIDTH / _DPI, 5.2)
            figure.set_dpi(_DPI)
            grid = figure.subplots(2, 3, sharex=True).flat
            self.title = figure.suptitle("Ready", x=0.01, ha="left", fontsize=13.5, fontweight="bold")
            self.panels = [_Curves(ax, panel, live) for ax, panel in zip(grid, _PANELS, strict=True)]
            for panel in self.panels[3:]:
                panel.ax.set_xlabel("step")
        moving = [artist for panel in self.panels for artist in panel.moving]
        self.frames = Frames(figure, [self.title, *moving])

    def png(self, live: LiveFigure) -> bytes:
        self.title.set_text(_headline(live))
        self.title.set_color(palette.ALARM if live.alarms else palette.INK)
        grown = [panel.draw(live) for panel in self.panels]
        if any(grown):
            self.frames.redraw()
        return self.frames.png()


class _Curves:
    """One panel."""

    def __init__(self, ax: Axes, panel: _Panel, live: LiveFigure):
        self.ax, self.panel = ax, panel
        self.low, self.high = panel.low, panel.high
        self.lines = [_line(ax, name) for name in panel.names]
        self.alarm = Rectangle(
            (0, 0), 0, 1, transform=ax.get_xaxis_transform(), color=palette.ALARM, alpha=0.12, linewidth=0
        )
        ax.add_patch(self.alarm)
        self.moving: tuple[Artist, ...] = (self.alarm, *self.lines)
        ax.set_xlim(0, max(live.n_steps, 1))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        ax.set_title(panel.title, fontsize=12, fontweight="normal")
        ax.tick_params(labelsize=10.5)
        if panel.limit is not None:
            _draw_limit(ax, panel)
        self._set_limits()

    def draw(self, live: LiveFigure) -> bool:
        """Move the curves; whether the axis had to grow for them."""
        for line, name in zip(self.lines, self.panel.names, strict=True):
            line.set_data(*live.curve(name))
        first, last = _alarm_span(live)
        self.alarm.set_bounds(first, 0, last - first, 1)
        self.alarm.set_visible(bool(live.alarms))
        return self._grow()

    def _grow(self) -> bool:
        values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in self.lines])
        if not len(values) or (values.min() >= self.low and values.max() <= self.high):
            return False
        low, high = min(self.low, values.min()), max(self.high, values.max())
        margin = 0.15 * ((high - low) or 1.0)
        self.low = low - margin if low < self.low else self.low
        self.high = high + margin if high > self.high else self.high
        self._set_limits()
        return True

    def _set_limits(self) -> None:
        if self.low < self.high:
            self.ax.set_ylim(self.low, self.high)


def _line(ax: Axes, name: str) -> Any:
    look = palette.style(1 if name in ("pi_min", "opnorm_B") else 0)
    marker = "o" if name == "effective_rank" else None  # known now and then only
    return ax.plot([], [], color=look.colour, linestyle=look.line, marker=marker, markersize=5)[0]


def _draw_limit(ax: Axes, panel: _Panel) -> None:
    assert panel.limit is not None
    ax.axhline(panel.limit, color=palette.INK, linestyle=(0, (4, 3)), linewidth=1.1)
    place: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center", "fontsize": 10}
    ax.annotate(
        panel.beyond, (0.5, panel.limit), xycoords=("axes fraction", "data"), color=palette.INK, **place
    )


def _alarm_span(live: LiveFigure) -> tuple[int, int]:
    spans = live.alarms.values()
    return min((first for first, _ in spans), default=0), max((last for _, last in spans), default=0)


# --------------------------------------------------------------------------------------- numbers to words
def _headline(live: LiveFigure) -> str:
    if not live.steps:
        return f"{live.title}: ready"
    return f"{live.title}: step {live.steps[-1]} of {live.n_steps}, {_alarm_words(live, steps=True)}"


def _alarm_words(live: LiveFigure, steps: bool) -> str:
    if not live.alarms:
        return "no alarm"
    names = [
        spoken(name) + (f" from step {first} on" if steps else "") for name, (first, _) in live.alarms.items()
    ]
    return f"alarm: {listed(names)}"


def spoken(name: str) -> str:
    """An alarm's name as people say it."""
    return name.replace("low_rank", "low-rank").replace("_", " ")


def _reading(live: LiveFigure) -> str:
    """The last known number of each curve."""
    known = {name: live.curve(name)[1] for name in _NAMES}
    last = {name: values[-1] for name, values in known.items() if len(values)}
    return " · ".join(f"{name} {value:.3f}".replace("-", "−") for name, value in last.items())


def _alternative(live: LiveFigure) -> str:
    """What is seen, in words that hold for every run of this kind: no number that differs between machines."""
    if not live.steps:
        return f"Six empty panels that wait for the run “{live.title}”."
    parts = [_course(panel, live) for panel in _PANELS]
    return (
        f"Six curves over the steps of the run “{live.title}”: {'; '.join(filter(None, parts))}. "
        f"{_alarm_words(live, steps=False).capitalize()}."
    )


def _course(panel: _Panel, live: LiveFigure) -> str:
    name = panel.names[-1]
    values = live.curve(name)[1]
    if not len(values):
        return ""
    side = (
        ""
        if panel.limit is None
        else f" and ends {'above' if values[-1] > panel.limit else 'below'} its limit"
    )
    return f"{_SPOKEN.get(name, name)} {_moves(values)}{side}"


def _moves(values: Array) -> str:
    """The shape of a curve in a few words; what is less than a quarter of its range does not count."""
    first, last, low, high = values[0], values[-1], values.min(), values.max()
    quarter = max(0.25 * (high - low), 0.02 * max(abs(low), abs(high)))
    if high - max(first, last) > quarter:
        return "rises and falls again"
    if min(first, last) - low > quarter:
        return "falls and rises again"
    if abs(last - first) <= quarter:
        return "stays much the same"
    return "rises" if last > first else "falls"


_SPOKEN = {
    "pi_max": "the largest weight",
    "batch_spread": "the spread of a batch",
    "ratio": "opnorm_B / trace_B",
    "effective_rank": "the effective rank",
    "loss": "the loss",
}

"""The curves of a training run: its loss, and what the mixture of its embeddings says at every step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import listed, plural, short
from mixturelab.stream.diagnostics import COLLAPSED_SHARE, FEW_DIRECTIONS, ONE_DIRECTION

# From top to bottom, if there is a mixture.
_PANELS = ("loss", "spread", "traces", "ratio", "rank")
# The house style's alarms begin here: a batch's spread, the ratio, the effective rank.
_LIMITS = (COLLAPSED_SHARE, ONE_DIRECTION, FEW_DIRECTIONS)


@dataclass(frozen=True)
class _Curves:
    """What is drawn: one value a step, or one a logged row; NaN where there is none."""

    losses: Array  # [T]
    first_step: int
    steps: Array  # [R], of the rows
    spread: Array  # of a batch
    trace_b: Array
    opnorm_b: Array
    rank: Array
    alarms: tuple[tuple[str, float, float], ...]  # name, first step, last step
    marks: dict[float, str]
    limits: tuple[float, float, float]  # of spread, ratio and rank

    @property
    def ratio(self) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.trace_b > 0, self.opnorm_b / self.trace_b, np.nan)

    @property
    def first_alarms(self) -> dict[str, float]:
        """Each alarm with the step at which it was first on."""
        found: dict[str, float] = {}
        for name, first, _ in sorted(self.alarms, key=lambda span: span[1]):
            found.setdefault(name, first)
        return found

    @property
    def end(self) -> float:
        return float(max([self.first_step + len(self.losses), *self.steps, 1]))


def training_curves(
    losses: ArrayLike,
    rows: Any = (),
    *,
    marks: Mapping[int, str] | None = None,
    limits: tuple[float, float, float] = _LIMITS,
    first_step: int = 0,
    title: str | None = None,
) -> Figure:
    """Draw loss, a batch's spread, trace_B and opnorm_B, their ratio and the effective rank over the steps.

    Parameters
    ----------
    losses : array-like [T]
        One a step.
    rows : sequence of mappings, or DataFrame
        What the mixture logged: ``step``, ``trace_B``, ``opnorm_B``, ``batch_spread``, and where it is known
        ``effective_rank`` and ``alarms``. Without any, only the loss is drawn.
    marks : mapping from step to words, optional
        Drawn as lines: what was changed there.
    limits : three floats
        Below the first (of the spread) lies the complete collapse; above the second (of the ratio) and below the
        third (of the rank) the low-rank one.
    first_step : int
        That of the first loss.
    title : str, optional
        Default: how many steps, and which alarms.

    Returns
    -------
    Picture
        With its alternative text.
    """
    curves = _curves(losses, rows, marks, limits, first_step)
    with picture.look():
        drawn = _PANELS if len(curves.steps) else _PANELS[:1]
        figure = picture.new(9.2, 1.3 + 1.9 * len(drawn))
        axes = np.atleast_1d(figure.subplots(len(drawn), 1, sharex=True))
        for name, ax in zip(drawn, axes, strict=True):
            _DRAW[name](ax, curves)
            _draw_events(ax, curves)
        _write_events(axes[0], curves)
        axes[0].set_title(_curves_title(curves) if title is None else title, pad=_pad(curves))
        axes[-1].set_xlabel("optimiser step")
        axes[-1].set_xlim(curves.first_step, curves.end)
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.align_ylabels()
    return picture.describe(figure, _curves_words(curves))


def _curves(
    losses: ArrayLike,
    rows: Any,
    marks: Mapping[int, str] | None,
    limits: tuple[float, float, float],
    first_step: int,
) -> _Curves:
    table = _records(rows)

    def column(name: str) -> Array:
        return np.array([_number(row.get(name)) for row in table], dtype=float)

    return _Curves(
        losses=to_numpy(losses),
        first_step=first_step,
        steps=column("step"),
        spread=column("batch_spread"),
        trace_b=column("trace_B"),
        opnorm_b=column("opnorm_B"),
        rank=column("effective_rank"),
        alarms=tuple(_alarm_spans(table)),
        marks={float(step): words for step, words in (marks or {}).items()},
        limits=limits,
    )


def _records(rows: Any) -> list[Mapping[str, Any]]:
    return rows.to_dict("records") if hasattr(rows, "to_dict") else list(rows)


def _number(value: Any) -> float:
    """A cell that was not computed is empty in a CSV file, and None or absent in a row."""
    return float("nan") if value is None or value == "" else float(value)


def _alarm_spans(table: Sequence[Mapping[str, Any]]) -> Iterable[tuple[str, float, float]]:
    """Each alarm with the first and the last step of each time that it was on."""
    since: dict[str, float] = {}
    for before, row in pairwise([{}, *table, {}]):
        now = _alarm_names(row)
        for name in [name for name in since if name not in now]:
            yield name, since.pop(name), float(before["step"])
        for name in now:
            since.setdefault(name, float(row["step"]))


def _alarm_names(row: Mapping[str, Any]) -> list[str]:
    """A row's alarms: names between semicolons; an empty cell comes back from pandas as NaN."""
    names = row.get("alarms")
    return names.split(";") if isinstance(names, str) and names else []


def _draw_loss(ax: Axes, curves: _Curves) -> None:
    steps = curves.first_step + np.arange(len(curves.losses))
    ax.plot(steps, curves.losses, color=palette.style(0).colour, linewidth=1.6)
    ax.set_ylabel("loss")


def _draw_spread(ax: Axes, curves: _Curves) -> None:
    ax.plot(curves.steps, curves.spread, color=palette.style(5).colour)
    ax.set_ylim(0, 1.05)
    ax.set_ylabel("spread of a batch\n(share of length²)")
    _draw_limit(ax, curves.limits[0], "below: all on one point")


def _draw_traces(ax: Axes, curves: _Curves) -> None:
    for index, (values, name) in enumerate([(curves.trace_b, "trace_B"), (curves.opnorm_b, "opnorm_B")]):
        look = palette.style(index)
        ax.plot(curves.steps, values, color=look.colour, linestyle=look.line, label=name)
    ax.set_ylim(0, 1.25 * _largest(curves.trace_b))  # room for the legend
    ax.set_ylabel("variance between\ncomponents")
    ax.legend(ncols=2, loc="upper right", handlelength=3)


def _largest(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size and known.max() > 0 else 1.0


def _draw_ratio(ax: Axes, curves: _Curves) -> None:
    ax.plot(curves.steps, curves.ratio, color=palette.style(2).colour)
    ax.set_ylim(0, 1.05)
    ax.set_ylabel("opnorm_B\n/ trace_B")
    _draw_limit(ax, curves.limits[1], "above: one direction dominates")


def _draw_rank(ax: Axes, curves: _Curves) -> None:
    known, look = np.isfinite(curves.rank), palette.style(3)
    ax.plot(curves.steps[known], curves.rank[known], color=look.colour, marker=look.marker, markersize=5)
    ax.set_ylim(0, 1.08 * max(_largest(curves.rank), 1.5 * curves.limits[2]))
    ax.set_ylabel("effective rank\nof all embeddings")
    _draw_limit(ax, curves.limits[2], "below: few directions are left")


def _draw_limit(ax: Axes, value: float, words: str) -> None:
    ax.axhline(value, color=palette.INK, linestyle=(0, (4, 3)), linewidth=1.2)
    place: dict[str, Any] = {
        "xytext": (-4, 3),
        "textcoords": "offset points",
        "ha": "right",
        "fontsize": 10.5,
    }
    ax.annotate(words, (1, value), xycoords=("axes fraction", "data"), color=palette.INK, **place)


_DRAW = {
    "loss": _draw_loss,
    "spread": _draw_spread,
    "traces": _draw_traces,
    "ratio": _draw_ratio,
    "rank": _draw_rank,
}


def _draw_events(ax: Axes, curves: _Curves) -> None:
    for step in curves.marks:
        ax.axvline(step, color=palette.INK, linewidth=1.4, linestyle=":")
    for _, first, last in curves.alarms:
        ax.axvspan(first, max(last, first + 1), color=palette.ALARM, alpha=0.10, linewidth=0, zorder=0)


def _write_events(ax: Axes, curves: _Curves) -> None:
    """Above the first panel: what was changed, and from which step on an alarm is raised."""
    marks = [(step, words, palette.INK) for step, words in curves.marks.items()]
    alarms = [
        (first, f"alarm: {_spoken(name)}", palette.ALARM) for name, first in curves.first_alarms.items()
    ]
    for level, (step, words, colour) in enumerate(marks + alarms):
        on_left = step < curves.first_step + 0.6 * (curves.end - curves.first_step)
        ax.annotate(
            f"{words} (step {step:.0f})",
            (step, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 + _LINE * level),
            textcoords="offset points",
            ha="left" if on_left else "right",
            color=colour,
            fontsize=11,
            fontweight="bold" if colour == palette.ALARM else "normal",
        )


_LINE = 15.0  # points between two lines above the first panel


def _pad(curves: _Curves) -> float:
    return 8 + _LINE * (len(curves.marks) + len(curves.first_alarms))


def _spoken(name: str) -> str:
    return name.replace("low_rank", "low-rank").replace("_", " ")


def _curves_title(curves: _Curves) -> str:
    names = [_spoken(name) for name in curves.first_alarms]
    return f"{plural(len(curves.losses), 'step')}: {listed(names) if names else 'no alarm'}"


def _curves_words(curves: _Curves) -> str:
    parts = [
        f"Training curves over {plural(len(curves.losses), 'step')}.",
        *_course("The loss", curves.losses),
        *_course("The spread of a batch", curves.spread),
        *_course("Trace_B", curves.trace_b),
        *_course("The ratio of opnorm_B to trace_B", curves.ratio),
        *_course("The effective rank", curves.rank),
        *(f"At step {step:.0f}: {words}." for step, words in curves.marks.items()),
        *(f"Alarm from step {first:.0f} on: {_spoken(name)}." for name, first in curves.first_alarms.items()),
    ]
    return " ".join(parts if curves.alarms else [*parts, "No alarm."])


def _course(name: str, values: Array) -> list[str]:
    known = values[np.isfinite(values)]
    return [f"{name} goes from {short(known[0])} to {short(known[-1])}."] if len(known) else []

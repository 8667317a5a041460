"""Mixtures that change: rows that fade, a monitor of a stream, and what its components look like."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import listed, short
from mixturelab.stream.diagnostics import COLLAPSED_SHARE

__all__ = ["Fading", "component_images", "fading", "fading_rows", "stream_curves"]


# ---------------------------------------------------------------------------------------- rows that fade
@dataclass(frozen=True)
class Fading:
    """One component of one feature under exponential forgetting, by both ways to reckon.

    Attributes
    ----------
    weights : ndarray [T]
        What each batch counts, the oldest first; they sum to 1.
    mean : float
        Of all rows with their weights.
    exact : float
        The variance of all rows with their weights, about that mean.
    averaged : float
        The batches' own variances, averaged with the same weights.
    """

    weights: Array
    mean: float
    exact: float
    averaged: float


def fading(batches: ArrayLike, decay: float) -> Fading:
    """Both variances of batches of equal size [T, N]; a row of batch t weighs decay^(T − t)."""
    rows = to_numpy(batches)
    weights = decay ** np.arange(len(rows) - 1.0, -1.0, -1.0)
    weights /= weights.sum()
    mean = float(weights @ rows.mean(axis=1))
    exact = float(weights @ ((rows - mean) ** 2).mean(axis=1))
    return Fading(weights, mean, exact, float(weights @ rows.var(axis=1)))


def fading_rows(batches: ArrayLike, decay: float) -> Figure:
    """Draw batches of equal size, the paler the older, and the two bells that describe them.

    Parameters
    ----------
    batches : array-like [T, N]
        Rows of one feature, the oldest batch first.
    decay : float
        What a row's weight is multiplied with from one batch to the next.

    Returns
    -------
    Picture
        With its alternative text.
    """
    rows, found = to_numpy(batches), fading(batches, decay)
    counting = rows[found.weights > 1e-3 * found.weights.max()]  # what came before weighs nothing to speak of
    first = len(rows) - len(counting)
    with picture.look():
        figure = picture.new(10.4, 5.2)
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.3, 1])
        _draw_rows(left, counting, first, found)
        _draw_bells(right, counting, found)
        left.set_ylim(*_height(counting, found))
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=3)
    return picture.describe(figure, _fading_words(rows, found, decay))


def _height(rows: Array, found: Fading) -> tuple[float, float]:
    """What both panels show: all rows that count, and nearly the whole of both bells."""
    reach = 3.2 * np.sqrt(found.exact)
    return min(rows.min(), found.mean - reach) - 0.3, max(rows.max(), found.mean + reach) + 0.3


def _draw_rows(ax: Axes, rows: Array, first: int, found: Fading) -> None:
    batch = first + np.repeat(np.arange(len(rows)), rows.shape[1])
    weights = found.weights[first:].repeat(rows.shape[1])
    alpha = np.clip(0.8 * weights / weights.max(), 0.04, None)
    ax.scatter(batch, rows.ravel(), s=11, c="black", alpha=alpha, linewidths=0)
    ax.axhline(found.mean, color=palette.INK, linestyle=":", linewidth=1.8)
    place: dict[str, Any] = {"xytext": (4, 5), "textcoords": "offset points", "fontsize": 11.5}
    ax.annotate("weighted mean", (0, found.mean), xycoords=("axes fraction", "data"), **place)
    ax.set(xlabel="batch (the newest on the right)", ylabel="x", xlim=(first - 1, first + len(rows)))
    ax.set_title("The rows, as dark as they count")


def _draw_bells(ax: Axes, rows: Array, found: Fading) -> None:
    edges = np.linspace(rows.min(), rows.max(), 46)
    weights = np.repeat(found.weights[-len(rows) :] / rows.shape[1], rows.shape[1])
    density, _ = np.histogram(rows.ravel(), edges, weights=weights, density=True)
    ax.stairs(density, edges, orientation="horizontal", fill=True, color="#CCCCCC", label="the weighted rows")
    x = np.linspace(*_height(rows, found), 400)
    named = [(found.exact, "statistics folded"), (found.averaged, "parameters averaged")]
    for index, (variance, name) in enumerate(named):
        look = palette.style(index)
        bell = np.exp(-((x - found.mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
        ax.plot(bell, x, color=look.colour, linestyle=look.line, label=f"{name}: variance {variance:.2f}")
    ax.axhline(found.mean, color=palette.INK, linestyle=":", linewidth=1.8)
    ax.axhline(rows[-1].mean(), color=palette.ALARM, linewidth=1.6)
    place: dict[str, Any] = {"xytext": (-4, 4), "textcoords": "offset points", "ha": "right"}
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "color": palette.ALARM}
    ax.annotate("newest batch", (1, rows[-1].mean()), fontsize=11.5, **where, **place)
    ax.set(xlabel="density", xlim=(0, None))
    ax.set_title("Two descriptions of them")


def _fading_words(rows: Array, found: Fading, decay: float) -> str:
    return (
        f"Left: {len(rows)} batches of {rows.shape[1]} rows that climb from {short(rows[0].mean())} to "
        f"{short(rows[-1].mean())}, the older the paler (decay {decay:g}), and a line at their weighted mean "
        f"{found.mean:.1f}. Right: the weighted rows as a histogram. The bell of the folded statistics, variance "
        f"{found.exact:.2f}, is as wide as the histogram; the bell of the averaged parameters, variance "
        f"{found.averaged:.2f}, is narrow and all but misses the newest rows."
    )


# ------------------------------------------------------------------------------------ what components look like
def component_images(means: Mapping[str, ArrayLike], shape: tuple[int, int] = (8, 8)) -> Figure:
    """Draw the means of components as images, a line of them for each moment.

    Parameters
    ----------
    means : mapping from words to array-like [K, P]
        The means at some moments, each of K components and P = height × width pixels between 0 and 1.
    shape : (int, int)
        Height and width of an image.

    Returns
    -------
    Picture
        With its alternative text. Components are called A, B, C, …: their numbers would be mistaken for digits.
    """
    tables = {name: to_numpy(table) for name, table in means.items()}
    n_components = len(next(iter(tables.values())))
    with picture.look():
        figure = picture.new(0.9 * n_components + 1.1, 0.9 * len(tables) + 0.55)
        ax = figure.subplots()
        for line, table in enumerate(tables.values()):
            for k, mean in enumerate(table):
                _draw_tile(ax, mean.reshape(shape), k, line)
        ax.set(xlim=(-0.1, n_components), ylim=(len(tables), -0.12), aspect="equal")
        ax.set_xticks(np.arange(n_components) + 0.45, [letter(k) for k in range(n_components)])
        ax.set_yticks(np.arange(len(tables)) + 0.45, list(tables))
        ax.tick_params(length=0, labelsize=12.5, top=True, labeltop=True, bottom=False, labelbottom=False)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    return picture.describe(figure, _tile_words(tables))


def letter(k: int) -> str:
    """A component's name where a number would be mistaken for a class: A, B, …, Z, then A2, B2, …."""
    turn, index = divmod(k, 26)
    return string.ascii_uppercase[index] + (str(turn + 1) if turn else "")


_TILE = 0.9  # of the distance between two


def _draw_tile(ax: Axes, image: Array, k: int, line: int) -> None:
    where = (k, k + _TILE, line + _TILE, line)
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1, extent=where, interpolation="nearest", aspect="equal")
    frame: dict[str, Any] = {"fill": False, "edgecolor": palette.style(k).colour, "linewidth": 2.6}
    ax.add_patch(Rectangle((k, line), _TILE, _TILE, **frame))


def _tile_words(tables: Mapping[str, Array]) -> str:
    (first, start), *others = tables.items()
    moved = [
        f"{name} each pixel differs from that by {np.abs(table - start).mean():.2f} on average"
        for name, table in others
    ]
    shown = f"The means of {len(start)} components, A to {letter(len(start) - 1)}, as grey images: {first}"
    return f"{shown}; {listed(moved)} (0 is paper, 1 is ink)." if moved else f"{shown}."


# ------------------------------------------------------------------------------------- a monitor of a stream
# The house style's alarm of a complete collapse begins below this spread of a batch.
_LEAST_SPREAD = COLLAPSED_SHARE
_SMOOTH = 15  # steps that the drawn mean of the drift runs over


@dataclass(frozen=True)
class _Stream:
    """What is drawn, one value a logged step."""

    steps: Array
    pi: Array | None  # [T, K]
    trace_b: Array
    opnorm_b: Array
    drift: Array
    spread: Array
    alarms: tuple[tuple[str, float, float], ...]
    marks: dict[float, str]


def stream_curves(
    rows: Sequence[Mapping[str, Any]], pi: ArrayLike | None = None, *, marks: Mapping[int, str] | None = None
) -> Figure:
    """Draw what `MixtureStats` logged of a stream: weights, variance between components, drift, a batch's spread.

    Parameters
    ----------
    rows : sequence of mappings
        Logged rows, with ``step``, ``trace_B``, ``opnorm_B``, ``drift``, ``batch_spread`` and ``alarms``.
    pi : array-like [T, K], optional
        The mixing weights at the same steps.
    marks : mapping from step to words, optional
        Drawn as lines: what happened there.

    Returns
    -------
    Picture
        With its alternative text. Times at which an alarm is on are shaded.
    """
    stream = _stream(rows, pi, marks)
    panels = [_draw_pi, _draw_between, _draw_drift, _draw_spread][stream.pi is None :]
    with picture.look():
        figure = picture.new(9.2, 1.0 + 2.1 * len(panels))
        heights = [1.5 if draw is _draw_pi else 1.0 for draw in panels]
        axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights)
        for draw, ax in zip(panels, axes, strict=True):
            draw(ax, stream)
            _draw_events(ax, stream)
        _write_events(axes[0], stream)
        axes[-1].set(xlabel="batch", xlim=(stream.steps[0], stream.steps[-1]))
        axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.align_ylabels()
    return picture.describe(figure, _stream_words(stream))


def _stream(
    rows: Sequence[Mapping[str, Any]], pi: ArrayLike | None, marks: Mapping[int, str] | None
) -> _Stream:
    names = ("step", "trace_B", "opnorm_B", "drift", "batch_spread")
    steps, trace_b, opnorm_b, drift, spread = (np.array([float(row[n]) for row in rows]) for n in names)
    return _Stream(
        steps=steps,
        pi=None if pi is None else to_numpy(pi),
        trace_b=trace_b,
        opnorm_b=opnorm_b,
        drift=drift,
        spread=spread,
        alarms=_alarm_spans(steps, [str(row["alarms"]).split(";") for row in rows]),
        marks={float(step): words for step, words in (marks or {}).items()},
    )


def _alarm_spans(steps: Array, alarms: list[list[str]]) -> tuple[tuple[str, float, float], ...]:
    """Each alarm with the first and the last step of each time that it was on."""
    spans = []
    for name in dict.fromkeys(name for names in alarms for name in names if name):
        is_on = np.array([False, *(name in names for names in alarms), False])
        first, after = np.flatnonzero(is_on[1:] & ~is_on[:-1]), np.flatnonzero(is_on[:-1] & ~is_on[1:])
        spans += [(name, steps[a], steps[b - 1]) for a, b in zip(first, after, strict=True)]
    return tuple(spans)


def _draw_pi(ax: Axes, stream: _Stream) -> None:
    assert stream.pi is not None
    tops = stream.pi.cumsum(axis=1)
    bottoms = tops - stream.pi
    for k in range(stream.pi.shape[1]):
        colour = palette.style(k).colour
        ax.fill_between(stream.steps, bottoms[:, k], tops[:, k], color=colour, alpha=0.8, linewidth=0)
        if stream.pi[:, k].max() > 0.04:
            _write_in_band(ax, stream, k, bottoms[:, k])
    borders = [np.column_stack([stream.steps, top]) for top in tops.T[:-1]]
    ax.add_collection(LineCollection(borders, colors="white", linewidths=1.3))
    ax.set(ylim=(0, 1), ylabel="weights π")
    ax.grid(visible=False)


def _write_in_band(ax: Axes, stream: _Stream, k: int, bottom: Array) -> None:
    """The component's letter early in its band, and again where the band is widest."""
    assert stream.pi is not None
    early, late = len(stream.steps) // 12, int(stream.pi[:, k].argmax())
    for at in {early, min(late, len(stream.steps) * 49 // 50)}:
        if stream.pi[at, k] > 0.03 and (at == early or stream.pi[at, k] > 0.3):
            words: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontweight": "bold"}
            text = ax.text(
                stream.steps[at], bottom[at] + stream.pi[at, k] / 2, letter(k), fontsize=10.5, **words
            )
            text.set_path_effects([withStroke(linewidth=2.6, foreground="white")])


def _draw_between(ax: Axes, stream: _Stream) -> None:
    for index, (values, name) in enumerate([(stream.trace_b, "trace_B"), (stream.opnorm_b, "opnorm_B")]):
        look = palette.style(index)
        ax.plot(stream.steps, values, color=look.colour, linestyle=look.line, label=name)
    ax.set(ylim=(0, 1.35 * stream.trace_b.max()), ylabel="variance between\ncomponents")
    ax.legend(ncols=2, loc="upper right", handlelength=3)


def _draw_drift(ax: Axes, stream: _Stream) -> None:
    colour = palette.style(2).colour
    ax.plot(stream.steps, stream.drift, color=colour, alpha=0.35, linewidth=1.0)
    ax.plot(stream.steps, _running_mean(stream.drift), color=colour, linewidth=2.6)
    usual = np.nanmedian(stream.drift)
    ax.set(ylim=(0, 4.2 * usual), ylabel="drift of the means\na batch")


def _running_mean(values: Array) -> Array:
    """Of the last steps; a value that is not known is left out."""
    known = np.isfinite(values)
    sums = np.cumsum([np.where(known, values, 0.0), known], axis=1)
    sums[:, _SMOOTH:] = sums[:, _SMOOTH:] - sums[:, :-_SMOOTH]
    return sums[0] / np.maximum(sums[1], 1)


def _draw_spread(ax: Axes, stream: _Stream) -> None:
    ax.plot(stream.steps, stream.spread, color=palette.style(3).colour, linewidth=1.6)
    ax.axhline(_LEAST_SPREAD, color=palette.INK, linestyle=(0, (4, 3)), linewidth=1.2)
    place: dict[str, Any] = {"xytext": (6, 4), "textcoords": "offset points", "fontsize": 11}
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data")}
    ax.annotate("below: all rows alike", (0, _LEAST_SPREAD), **where, **place)
    ax.set(ylim=(0, 1.15 * np.nanmax(stream.spread)), ylabel="spread of a batch\n(share of E‖x‖²)")


def _draw_events(ax: Axes, stream: _Stream) -> None:
    for step in stream.marks:
        ax.axvline(step, color=palette.INK, linewidth=1.4, linestyle=":")
    for _, first, last in stream.alarms:
        ax.axvspan(first, max(last, first + 1), color=palette.ALARM, alpha=0.12, linewidth=0, zorder=0)


def _write_events(ax: Axes, stream: _Stream) -> None:
    """Above the first panel, a line each: what happened, and from which step on an alarm is raised."""
    events = [(step, words, palette.INK) for step, words in stream.marks.items()]
    events += [(first, f"alarm: {name.replace('_', ' ')}", palette.ALARM) for name, first, _ in stream.alarms]
    half = (stream.steps[0] + stream.steps[-1]) / 2
    for level, (step, words, colour) in enumerate(sorted(events, reverse=True)):
        ax.annotate(
            f"{words} ({step:.0f})" if step > half else f"({step:.0f}) {words}",
            (step, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 + 15 * level),
            textcoords="offset points",
            ha="right" if step > half else "left",
            color=colour,
            fontsize=11,
        )


def _stream_words(stream: _Stream) -> str:
    parts = [
        f"What was logged of {len(stream.steps)} batches.",
        *_weight_words(stream),
        _course("trace_B", stream.trace_b),
        _course("opnorm_B", stream.opnorm_b),
        _course("The drift, as a running mean,", _running_mean(stream.drift)[_SMOOTH:]),
        _course("The spread of a batch", stream.spread),
        *(f"At batch {step:.0f}: {words}." for step, words in stream.marks.items()),
        *(f"Alarm, {n.replace('_', ' ')}, from batch {a:.0f} to {b:.0f}." for n, a, b in stream.alarms),
    ]
    return " ".join(parts if stream.alarms else [*parts, "No alarm."])


def _weight_words(stream: _Stream) -> list[str]:
    if stream.pi is None:
        return []
    k = int(np.ptp(stream.pi[len(stream.pi) // 8 :], axis=0).argmax())
    low, high = stream.pi[:, k].min(), stream.pi[:, k].max()
    changes = f"{letter(k)} changes most, between {low:.2f} and {high:.2f}"
    return [f"The weights of {stream.pi.shape[1]} components as bands; {changes}."]


def _course(name: str, values: Array) -> str:
    known = values[np.isfinite(values)]
    low, high = short(known.min()), short(known.max())
    return (
        f"{name} begins at {short(known[0])}, ends at {short(known[-1])}, and lies between {low} and {high}."
    )

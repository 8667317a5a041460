"""Several runs side by side: their signals over the steps, their scores, and components against labels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import listed, percent, plural, short
from mixturelab.stream.diagnostics import COLLAPSED_SHARE, FEW_DIRECTIONS, ONE_DIRECTION

Rows = Sequence[Mapping[str, Any]]
Classes = NDArray[np.int64]


def _ratio(row: Mapping[str, Any]) -> float:
    return row["opnorm_B"] / row["trace_B"] if row["trace_B"] else float("nan")


# Title, what is read of a row, and the limit of an alarm.
_SIGNALS: tuple[tuple[str, Callable[[Mapping[str, Any]], float], float | None], ...] = (
    ("trace_B", lambda row: row["trace_B"], None),
    ("R² = tr B / tr T", lambda row: row["r_squared"], None),
    ("spread of a batch", lambda row: row["batch_spread"], COLLAPSED_SHARE),
    ("opnorm_B / trace_B", _ratio, ONE_DIRECTION),
    ("effective rank", lambda row: row["effective_rank"], FEW_DIRECTIONS),
)


def signal_curves(runs: Mapping[str, tuple[Sequence[float], Rows]]) -> Figure:
    """Draw loss and mixture of several runs over their steps, a panel for each signal.

    Parameters
    ----------
    runs : mapping from names to (losses, rows)
        Rows as `MixtureStats` logs them.

    Returns
    -------
    Picture
        With its alternative text. Dashed lines are limits of the alarms.
    """
    with picture.look():
        figure = picture.new(10.2, 5.8)
        grid = figure.subplots(2, 3, sharex=True).flat
        _draw_losses(grid[0], runs)
        for ax, (title, read, limit) in zip(grid[1:], _SIGNALS, strict=True):
            _draw_signal(ax, title, read, limit, runs)
        for ax in grid[3:]:
            ax.set_xlabel("step")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper left", ncols=len(runs), handlelength=3, fontsize=12)
    return picture.describe(figure, _signal_words(runs))


def _draw_losses(ax: Axes, runs: Mapping[str, tuple[Sequence[float], Rows]]) -> None:
    for index, (name, (losses, _)) in enumerate(runs.items()):
        look = palette.style(index)
        ax.plot(losses, color=look.colour, linestyle=look.line, linewidth=1.8, label=name)
    ax.set_title("loss", fontsize=12, fontweight="normal")


def _draw_signal(
    ax: Axes,
    title: str,
    read: Callable[[Mapping[str, Any]], float],
    limit: float | None,
    runs: Mapping[str, tuple[Sequence[float], Rows]],
) -> None:
    for index, (_, rows) in enumerate(runs.values()):
        look = palette.style(index)
        ax.plot(*_known(rows, read), color=look.colour, linestyle=look.line, linewidth=1.8)
    if limit is not None:
        ax.axhline(limit, color=palette.ALARM, linestyle=(0, (1, 1.5)), linewidth=1.6)
    ax.set_ylim(bottom=0)
    ax.set_title(title, fontsize=12, fontweight="normal")


def _known(rows: Rows, read: Callable[[Mapping[str, Any]], float]) -> tuple[Array, Array]:
    steps, values = (
        np.array(found, dtype=float) for found in ([r["step"] for r in rows], list(map(read, rows)))
    )
    return steps[np.isfinite(values)], values[np.isfinite(values)]


def _signal_words(runs: Mapping[str, tuple[Sequence[float], Rows]]) -> str:
    parts = [f"Signals of {plural(len(runs), 'run')} over their steps; at the end:"]
    for name, (losses, rows) in runs.items():
        ends = [f"{title} {short(_known(rows, read)[1][-1])}" for title, read, _ in _SIGNALS]
        parts.append(f"{name}, loss {short(losses[-1])}, {', '.join(ends)}.")
    return " ".join(parts)


def score_dots(
    scores: Mapping[str, Mapping[str, float]],
    *,
    names: Mapping[str, str] | None = None,
    baseline: str | None = None,
) -> Figure:
    """Draw scores between 0 and 1 as dots: a line for each score, a mark for each of several methods.

    Parameters
    ----------
    scores : mapping from methods to mappings from scores to values
        Every method has the same scores.
    names : mapping, optional
        What each score is called on the picture; those that are not in it are left out.
    baseline : str, optional
        The method that is drawn as a bar to beat.

    Returns
    -------
    Picture
        With its alternative text.
    """
    called = names or {name: name for name in next(iter(scores.values()))}
    shown = {method: {called[name]: values[name] for name in called} for method, values in scores.items()}
    others = [method for method in scores if method != baseline]  # coloured as in the curves
    with picture.look():
        figure = picture.new(8.8, 0.62 * len(called) + 1.5)
        ax = figure.subplots()
        for method, values in shown.items():
            _draw_scores(
                ax, method, list(values.values()), others.index(method) if method in others else None
            )
        ax.set_yticks(range(len(called)), list(called.values()))
        ax.set(xlim=(0, 1.02), ylim=(len(called) - 0.4, -0.6), xlabel="score (1 is best)")
        ax.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper left", ncols=len(shown), handletextpad=0.3, columnspacing=1.4)
    return picture.describe(figure, _score_words(shown))


def _draw_scores(ax: Axes, method: str, values: Sequence[float], index: int | None) -> None:
    lines = np.arange(len(values))
    common: dict[str, Any] = {"linestyle": "none", "label": method}
    if index is None:
        ax.plot(values, lines, "|", color=palette.INK, markersize=26, markeredgewidth=2.6, **common)
    else:
        look = palette.style(index)
        ax.plot(values, lines, look.marker, color=look.colour, markersize=10, alpha=0.9, **common)


def _score_words(scores: Mapping[str, Mapping[str, float]]) -> str:
    parts = [
        f"{method}: {listed([f'{name} {value:.2f}' for name, value in values.items()])}."
        for method, values in scores.items()
    ]
    return f"Scores of {len(scores)} methods. {' '.join(parts)}"


def confusion_map(labels: Any, components: Any, class_names: Sequence[str] | None = None) -> Figure:
    """Draw how many rows of each class went to each component, components in the order that fits the classes best.

    Parameters
    ----------
    labels : array-like [N]
        Class of each row, whole numbers ≥ 0.
    components : array-like [N]
        Component of each row, whole numbers ≥ 0.
    class_names : sequence of str, optional

    Returns
    -------
    Picture
        With its alternative text.
    """
    counts, order = _matched(to_numpy(labels).astype(int), to_numpy(components).astype(int))
    names = class_names or [str(k) for k in range(len(counts))]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with picture.look():
        figure = picture.new(6.6, 5.6)
        ax = figure.subplots()
        shown = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (line, column), count in np.ndenumerate(counts):
            colour = "white" if share[line, column] > 0.55 else palette.INK
            if count:
                ax.text(column, line, f"{int(count)}", ha="center", va="center", color=colour, fontsize=10.5)
        ax.set_xticks(range(len(order)), [str(k) for k in order])
        ax.set_yticks(range(len(names)), list(names))
        ax.set(xlabel="component (its number means nothing)", ylabel="class")
        ax.grid(False)
        figure.colorbar(shown, ax=ax, label="share of the class", shrink=0.85)
    return picture.describe(figure, _confusion_words(counts, names))


def _matched(labels: Classes, components: Classes) -> tuple[Classes, Classes]:
    """Counts [classes, components] with its columns reordered, and that order."""
    counts = np.zeros((labels.max() + 1, components.max() + 1), dtype=int)
    np.add.at(counts, (labels, components), 1)
    lines, columns = linear_sum_assignment(-counts)
    matched = columns[np.argsort(lines)]
    order = np.concatenate([matched, np.setdiff1d(np.arange(counts.shape[1]), matched)])
    return counts[:, order], order


def _confusion_words(counts: Classes, names: Sequence[str]) -> str:
    largest = counts.max(axis=1) / np.maximum(counts.sum(axis=1), 1)
    worst, match = int(largest.argmin()), float(np.trace(counts) / counts.sum())
    return (
        f"{counts.sum():,} rows, a line for each of {len(counts)} classes and a column for each of {counts.shape[1]} "
        f"components. {percent(round(match, 3))} lie where class and component match. The most divided class is "
        f"{names[worst]}: its commonest component has {percent(round(float(largest[worst]), 2))}."
    )

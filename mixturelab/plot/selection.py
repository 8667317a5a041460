"""The criterion against the number of components: the winner, and the spurious fits that would have won."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array
from mixturelab.plot.labels import listed, plural

_NAMES = {
    "bic": "BIC",
    "aic": "AIC",
    "icl": "ICL",
    "heldout": "Held-out likelihood",
    "cv": "Cross-validation",
}
_AXIS_NAMES = {
    "heldout": "log-likelihood of held-out rows\nmean per row",
    "cv": "cross-validated log-likelihood\nmean per row",
}
# How many spurious fits are named on the picture; the table has them all.
_LETTERS = "ABC"
# A second panel shows the best half of the fits when they fill less than this share of the whole range.
_SQUASHED = 0.35


@dataclass(frozen=True)
class _Choice:
    """What is drawn: the finished fits, apart by whether they may win."""

    honest: Any  # DataFrame
    spurious: Any  # DataFrame
    families: list[str]
    criterion: str
    best: dict[str, Any]
    sign: int  # 1 where lower is better, −1 where higher is

    @property
    def value(self) -> float:
        return float(self.best[self.criterion])

    @property
    def tempting(self) -> list[tuple[str, dict[str, Any]]]:
        """The spurious fits that would have won, best first, each with its letter."""
        rows = sorted(self.spurious.to_dict("records"), key=lambda row: self.sign * row[self.criterion])
        better = [row for row in rows if self.sign * row[self.criterion] <= self.sign * self.value]
        return list(zip(_LETTERS, better, strict=False))


def selection_curve(result: Any, ax: Axes | None = None, *, title: str | None = None) -> Figure:
    """Draw the criterion against K: one line a family, the winner ringed, spurious fits crossed out.

    A spurious fit (one that describes a few rows, not a group) is a hollow crossed marker off its
    family's line. Those that would have won have a letter, and the reason why they may not is given
    underneath. Where poor fits squash the good ones together, a second panel shows the good ones alone.

    Parameters
    ----------
    result : SelectionResult
        From `mixturelab.select`.
    ax : matplotlib Axes, optional
        Where to draw, in one panel. Default: a new picture.
    title : str, optional
        Default: the winner, in words.

    Returns
    -------
    matplotlib.figure.Figure
        A `Picture` (or the figure of ``ax``), with its alternative text.
    """
    choice = _choice(result)
    title = _winner_words(choice) if title is None else title
    with picture.look():
        if ax is None:
            figure = _draw_picture(choice, title)
        else:
            figure = _draw_alone(ax, choice, title)
    return picture.describe(figure, _words(choice))


def _choice(result: Any) -> _Choice:
    table = result.table.dropna(subset=[result.criterion])
    spurious = table["spurious"].astype(bool)
    return _Choice(
        honest=table[~spurious],
        spurious=table[spurious],
        families=list(dict.fromkeys(table["covariance_type"])),
        criterion=result.criterion,
        best=dict(result.best_row),
        sign=1 if result.lower_is_better else -1,
    )


def _draw_picture(choice: _Choice, title: str) -> Figure:
    zoom = _is_squashed(choice)
    notes = _footnotes(choice, 136 if zoom else 100)
    figure = picture.new(11.6 if zoom else 8.6, 5.4 + _foot_height(notes))
    panels = figure.subplots(1, 2 if zoom else 1, squeeze=False)[0]
    for ax, near in zip(panels, [False, True], strict=False):
        _draw_panel(ax, choice, _range(choice, near))
    _mark_winner(panels[-1], choice)
    _mark_tempting(panels[-1], choice)
    panels[0].set_ylabel(_axis_words(choice))
    panels[0].set_title(title)
    if zoom:
        panels[1].set_title("The better half, closer")
    _draw_foot(figure, choice, notes)
    return figure


_LINE = 0.22  # inches


def _foot_height(notes: Sequence[str]) -> float:
    return 0.5 + _LINE * len(notes)


def _draw_foot(figure: Figure, choice: _Choice, notes: Sequence[str]) -> None:
    """The legend in a row, and under it the reasons; the layout leaves room for both."""
    whole = figure.get_figheight()
    share = _foot_height(notes) / whole
    figure.set_layout_engine("constrained", rect=(0, share, 1, 1 - share))
    figure.legend(*_legend(choice), loc="upper center", bbox_to_anchor=(0.5, share), ncols=5, **_LEGEND)
    figure.text(0.012, 0.08 / whole, "\n".join(notes), color=palette.ALARM, fontsize=11, va="bottom")


def _draw_alone(ax: Axes, choice: _Choice, title: str) -> Figure:
    _draw_panel(ax, choice, _range(choice, near=False))
    _mark_winner(ax, choice)
    _mark_tempting(ax, choice)
    ax.set_ylabel(_axis_words(choice))
    ax.set_xlabel("\n".join(["number of components K", *_footnotes(choice, 60)]))
    ax.set_title(title)
    ax.legend(*_legend(choice), loc="best", **_LEGEND)
    return picture.figure_of(ax)


_LEGEND: dict[str, Any] = {
    "handlelength": 3.0,
    "handler_map": {tuple: HandlerTuple(ndivide=1)},
    "columnspacing": 1.6,
}


# --------------------------------------------------------------------------------------------------- panels
def _is_squashed(choice: _Choice) -> bool:
    values = choice.honest[choice.criterion]
    return abs(float(values.median()) - choice.value) < _SQUASHED * float(np.ptp(values))


def _range(choice: _Choice, near: bool) -> tuple[float, float]:
    """Honest fits, all or the better half, and tempting ones as far as they do not squash these."""
    values = choice.honest[choice.criterion]
    worst = float(values.median()) if near else float((choice.sign * values).max() * choice.sign)
    room = max(abs(worst - choice.value), 1e-9 * abs(worst), 1e-12)
    gaps = [abs(row[choice.criterion] - choice.value) for _, row in choice.tempting]
    best = choice.value - choice.sign * min(max([0.0, *gaps]), 1.5 * room)
    low, high = sorted([best, worst])
    return low - 0.08 * (high - low) - 1e-12, high + 0.08 * (high - low) + 1e-12


def _draw_panel(ax: Axes, choice: _Choice, limits: tuple[float, float]) -> None:
    ax.set_ylim(limits)
    for i, family in enumerate(choice.families):
        _draw_family(ax, choice.honest[choice.honest["covariance_type"] == family], i, choice.criterion)
    for row in choice.spurious.to_dict("records"):
        _draw_spurious(ax, choice, row)
    _ring(ax, choice)
    ks = choice.honest["n_components"].tolist() + choice.spurious["n_components"].tolist()
    ax.set_xlim(min(ks) - 0.6, max(ks) + 0.6)
    ax.set_xlabel("number of components K")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.7g}".replace("-", "−"))


def _draw_family(ax: Axes, rows: Any, index: int, criterion: str) -> None:
    look, rows = palette.style(index), rows.sort_values("n_components")
    line = {"color": look.colour, "marker": look.marker, "linestyle": look.line}
    ax.plot(rows["n_components"], rows[criterion], markersize=8, zorder=3, **line)


def _draw_spurious(ax: Axes, choice: _Choice, row: dict[str, Any]) -> None:
    """Hollow in the family's colour, with a cross; at the panel's edge where there is no room."""
    place = _within(ax, choice, row)
    if place is None:
        return
    look = palette.style(choice.families.index(row["covariance_type"]))
    hollow: dict[str, Any] = {
        "color": look.colour,
        "markerfacecolor": "white",
        "markeredgewidth": 1.8,
        "clip_on": False,
    }
    ax.plot(*place, look.marker, markersize=12, zorder=4, **hollow)
    ax.plot(*place, "x", color=palette.ALARM, markersize=6.5, markeredgewidth=2, zorder=5, clip_on=False)


def _within(ax: Axes, choice: _Choice, row: dict[str, Any]) -> tuple[float, float] | None:
    """Where a fit is drawn: pulled to the edge if it is better than the panel reaches, nowhere if worse."""
    low, high = ax.get_ylim()
    value = row[choice.criterion]
    inside = np.clip(value, low, high)
    worse = choice.sign * (value - inside) > 0
    return None if worse else (float(row["n_components"]), float(inside))


def _ring(ax: Axes, choice: _Choice) -> None:
    ring: dict[str, Any] = {"markerfacecolor": "none", "markeredgecolor": palette.INK, "markeredgewidth": 2.2}
    ax.plot(choice.best["n_components"], choice.value, "o", markersize=20, zorder=6, **ring)


def _mark_winner(ax: Axes, choice: _Choice) -> None:
    words = f"winner: {_fit(choice.best)}\n{_name(choice)} {_number(choice.value)}"
    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": palette.INK}
    line = {"arrowstyle": "-", "color": palette.INK, "shrinkB": 10}
    ax.annotate(
        words,
        (choice.best["n_components"], choice.value),
        xytext=_free_place(ax, choice),
        textcoords="axes fraction",
        ha="center",
        va="center",
        fontweight="bold",
        bbox=box,
        arrowprops=line,
        zorder=7,
    )


# Half the width and height that the winner's words take, with some air, as shares of a panel.
_HALF_BOX = np.array([0.25, 0.075])


def _free_place(ax: Axes, choice: _Choice) -> tuple[float, float]:
    """Where the winner's words cover the fewest curves; of equals, the nearest to the winner."""
    drawn = np.concatenate([_along(line, ax) for line in ax.get_lines()])
    winner = _fraction(ax, np.array([[choice.best["n_components"], choice.value]]))[0]
    places = np.array([(x, y) for x in np.linspace(0.26, 0.74, 13) for y in np.linspace(0.09, 0.91, 21)])
    covered = (np.abs(drawn[None] - places[:, None]) < _HALF_BOX).all(axis=2).sum(axis=1)
    over_winner = (np.abs(places - winner) < _HALF_BOX + 0.03).all(axis=1)
    best = np.argmin(covered + 1000 * over_winner + np.linalg.norm(places - winner, axis=1))
    return float(places[best, 0]), float(places[best, 1])


def _along(line: Line2D, ax: Axes) -> Array:
    """Points along a drawn line, close together, as shares of the panel."""
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    step = np.linspace(0, len(x) - 1, 24 * len(x))
    index = np.arange(len(x))
    return _fraction(ax, np.column_stack([np.interp(step, index, x), np.interp(step, index, y)]))


def _fraction(ax: Axes, points: Array) -> Array:
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    return (points - [left, low]) / [right - left, high - low]


def _mark_tempting(ax: Axes, choice: _Choice) -> None:
    offset: dict[str, Any] = {"xytext": (11, 0), "textcoords": "offset points", "va": "center"}
    for letter, row in choice.tempting:
        place = row["n_components"], float(np.clip(row[choice.criterion], *ax.get_ylim()))
        ax.annotate(letter, place, color=palette.ALARM, fontweight="bold", fontsize=13, zorder=7, **offset)


# ---------------------------------------------------------------------------------------------------- words
def _legend(choice: _Choice) -> tuple[list[Any], list[str]]:
    handles: list[Any] = [_family_key(i) for i in range(len(choice.families))]
    labels = list(choice.families)
    if len(choice.spurious):
        handles.append(_spurious_key())
        labels.append("spurious: never wins")
    return handles, labels


def _family_key(index: int) -> Line2D:
    look = palette.style(index)
    return Line2D([], [], color=look.colour, marker=look.marker, linestyle=look.line, markersize=8)


def _spurious_key() -> tuple[Line2D, Line2D]:
    hollow = Line2D([], [], color=palette.MUTED, marker="o", markersize=12, linestyle="none")
    hollow.set_markerfacecolor("white")
    cross = Line2D([], [], color=palette.ALARM, marker="x", markersize=6.5, linestyle="none")
    cross.set_markeredgewidth(2)
    return hollow, cross


def _footnotes(choice: _Choice, width: int) -> list[str]:
    return [line for note in _notes(choice) for line in textwrap.wrap(note, width, subsequent_indent="    ")]


def _notes(choice: _Choice) -> list[str]:
    return [
        f"{letter}: {_fit(row)} ({_number(row[choice.criterion])}) is spurious: {row['reason']}"
        for letter, row in choice.tempting
    ]


def _winner_words(choice: _Choice) -> str:
    return f"{_name(choice)} chooses {_fit(choice.best)}"


def _axis_words(choice: _Choice) -> str:
    name = _AXIS_NAMES.get(choice.criterion, _name(choice))
    return f"{name} ({'lower' if choice.sign > 0 else 'higher'} is better)"


def _fit(row: dict[str, Any]) -> str:
    return f"{row['covariance_type']}, K = {row['n_components']}"


def _name(choice: _Choice) -> str:
    return _NAMES.get(choice.criterion, choice.criterion)


def _number(value: float) -> str:
    return (f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}").replace("-", "−")


def _words(choice: _Choice) -> str:
    ks = choice.honest["n_components"]
    tried = f"{ks.min()} to {ks.max()}" if ks.min() < ks.max() else f"{ks.min()} alone"
    axis = _axis_words(choice).replace("\n", ", ")
    curve = (
        f"{axis[0].upper()}{axis[1:]} against the number of components, {tried}, one line for each "
        f"covariance family: {listed(choice.families)}."
    )
    winner = f"{_winner_words(choice)}, with {_number(choice.value)}."
    notes = [f"{note.rstrip('.')}." for note in _notes(choice)]
    return " ".join([curve, winner, _spurious_words(choice), *notes])


def _spurious_words(choice: _Choice) -> str:
    count = len(choice.spurious)
    return f"{plural(count, 'fit')} marked as spurious." if count else "No fit is spurious."

"""K, family and criterion on sliders and buttons: every fit of a sweep beside the curves that judge it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from mixturelab.model.covariance import FAMILIES
from mixturelab.plot import palette, picture
from mixturelab.plot.choosing import CRITERIA, Fit, Key, Sweep, line_of, named_fit, sentence, sweep
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, ellipse, to_numpy
from mixturelab.plot.labels import Units, axis_label, listed, unpacked

# -------------------------------------------------------------------------------------- numbers to pictures
_MASS = 0.9


class _Scene:
    """The rows in the colours of their components, and an ellipse for each; needles in the alarm colour."""

    def __init__(self, ax: Axes, rows: Array, labels: Sequence[str], n_most: int):
        self.ax, self.rows = ax, rows
        looks = [palette.style(k) for k in range(n_most)]
        dot: dict[str, Any] = {"s": 26, "alpha": 0.75, "linewidths": 0, "zorder": 3}
        self.dots = [ax.scatter([], [], marker=look.marker, **dot) for look in looks]
        self.edges = [ax.plot([], [], linewidth=2.2, zorder=5)[0] for _ in looks]
        self.moving = (*self.dots, *self.edges)
        low, high = rows.min(axis=0), rows.max(axis=0)
        room = 0.12 * (high - low)
        ax.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
        ax.set(xlabel=labels[0], ylabel=labels[1])

    def draw(self, fit: Fit | None) -> None:
        for artist in self.moving:
            artist.set_visible(False)
        if fit is None:
            return
        colours, own = palette.mix(fit.responsibilities), fit.responsibilities.argmax(axis=1)
        needles = _needles(fit)
        for k in range(len(fit.covariances)):
            self._component(fit, k, own == k, colours, is_needle=k in needles)

    def _component(self, fit: Fit, k: int, own: Any, colours: Array, *, is_needle: bool) -> None:
        dots, edge, look = self.dots[k], self.edges[k], palette.style(k)
        dots.set_offsets(self.rows[own])
        dots.set_facecolor(colours[own])
        edge.set_data(*ellipse(fit.model.means_[k], fit.covariances[k], _MASS).T)
        edge.set(color=palette.ALARM if is_needle else look.colour, linestyle="-" if is_needle else look.line)
        edge.set_linewidth(3.6 if is_needle else 2.2)
        for artist in (dots, edge):
            artist.set_visible(True)


def _needles(fit: Fit) -> set[int]:
    """The components that make a fit degenerate, as its reasons number them."""
    return {int(reason.split()[1]) for reason in fit.reasons if reason.startswith("component ")}


class _Curves:
    """How far each fit is from the best honest one, against K: a line a family, on a scale that bends at 10."""

    def __init__(self, ax: Axes, found: Sweep, families: Sequence[str], ks: Sequence[int]):
        self.ax, self.found, self.families, self.ks = ax, found, families, ks
        self.lines = [_family_line(ax, families, name) for name in families]
        cross: dict[str, Any] = {"markersize": 9, "markeredgewidth": 2.4, "linestyle": "none", "zorder": 6}
        (self.crosses,) = ax.plot([], [], "x", color=palette.ALARM, label="degenerate", **cross)
        (self.ring,) = ax.plot([], [], "o", **_RING)
        self.moving = (*self.lines, self.crosses, self.ring)
        _set_scale(ax, found, ks)

    def draw(self, family: str, k: int, criterion: str, allow: bool) -> None:
        for name, line in zip(self.families, self.lines, strict=True):
            line.set_data(self.ks, [self._height(name, each, criterion, allow) for each in self.ks])
        marked = [key for key in self.found.degenerate if allow]
        self.crosses.set_data(
            [each for _, each in marked], [self._height(*key, criterion, True) for key in marked]
        )
        self.ring.set_data([k], [self._height(family, k, criterion, allow)])

    def _height(self, family: str, k: int, criterion: str, allow: bool) -> float:
        fit = self.found.fit(family, k, allow)
        return np.nan if fit is None else self.found.gap(fit, criterion)


_RING: dict[str, Any] = {
    "markersize": 18,
    "markerfacecolor": "none",
    "markeredgecolor": palette.INK,
    "markeredgewidth": 2.4,
    "zorder": 7,
}


def _family_line(ax: Axes, families: Sequence[str], name: str) -> Any:
    return ax.plot([], [], label=name, zorder=4, **line_of(palette.style(families.index(name)), 7))[0]


def _set_scale(ax: Axes, found: Sweep, ks: Sequence[int]) -> None:
    fits = [*found.honest.values(), *found.degenerate.values()]
    gaps = [found.gap(fit, criterion) for fit in fits for criterion in CRITERIA]
    ax.set_yscale("symlog", linthresh=10, linscale=0.8)
    ax.set(xlim=(min(ks) - 0.5, max(ks) + 0.5), ylim=(min(-12.0, 2.5 * min(gaps)), 2.5 * max(gaps)))
    ax.axhspan(0, 10, color=palette.COLOURS[5], alpha=0.18, linewidth=0)
    ax.axhline(0, color=palette.MUTED, linewidth=1)
    ticks = [-1000, -100, -10, 0, 10, 100, 1000]
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:+.0f}".replace("-", "−") if value else "best")
    ax.xaxis.set_major_locator(FixedLocator(list(ks)))
    ax.set(xlabel="number of components K", ylabel="distance from the best honest fit")


class _Panels:
    """Both panels, drawn when asked for."""

    def __init__(
        self, found: Sweep, rows: Array, labels: Sequence[str], families: Sequence[str], ks: Sequence[int]
    ):
        self.found = found
        with picture.look():
            figure = picture.new(10.4, 4.7)
            figure.set_dpi(90)
            left, right = figure.subplots(1, 2)
            self.scene = _Scene(left, rows, labels, max(ks))
            self.curves = _Curves(right, found, families, ks)
            right.legend(loc="upper right", ncols=3, fontsize=10.5, bbox_to_anchor=(1.0, 1.16))
            self.frames = Frames(figure, (*self.scene.moving, *self.curves.moving))
        self.png = lru_cache(maxsize=256)(self._png)

    def _png(self, K: int, family: str, criterion: str, allow: bool) -> bytes:
        self.scene.draw(self.found.fit(family, K, allow))
        self.curves.draw(family, K, criterion, allow)
        with picture.look():
            return self.frames.png()


def choice_panels(
    found: Sweep,
    X: Any,
    shown: Sequence[tuple[str, int, bool]],
    *,
    units: Units = None,
    criterion: str = "BIC",
) -> picture.Picture:
    """Some fits side by side, and under them the curves with degenerate fits crossed: the explorer's static twin.

    Parameters
    ----------
    found : Sweep
    X : Dataset, DataFrame or array-like [N, 2]
    shown : sequence of (family, K, whether degenerate fits are allowed)
    units : optional
        As for `soft_assignments`.
    criterion : str
    """
    rows, labels = _unpack(X, units)
    families, ks = _axes_of(found)
    with picture.look():
        figure = picture.new(10.8, 8.0)
        grid: Any = figure.subfigures(2, 1, height_ratios=[3.2, 3.8])
        for ax, (family, k, allow) in zip(grid[0].subplots(1, len(shown), sharey=True), shown, strict=True):
            fit = found.fit(family, k, allow)
            _Scene(ax, rows, labels, k).draw(fit)
            ax.set_title(_panel_title(found, fit, criterion), fontsize=12.5)
            ax.label_outer()
        curves = _Curves(grid[1].subplots(), found, families, ks)
        _draw_all(curves, found, criterion)
    picture.describe(figure, _panel_words(found, shown, criterion))
    return figure


def _draw_all(curves: _Curves, found: Sweep, criterion: str) -> None:
    """Honest fits as lines, degenerate ones as crosses of their own, the honest winner ringed."""
    family, k = found.best(criterion).key
    curves.draw(family, k, criterion, allow=False)
    marked = [(key[1], found.gap(fit, criterion)) for key, fit in found.degenerate.items()]
    curves.crosses.set_data(*np.reshape(marked, (-1, 2)).T)
    curves.ax.legend(loc="upper right", ncols=5, fontsize=10.5)
    curves.ax.set_title(f"{criterion}: lines and ring honest, crosses degenerate; the band is within 10")


def _panel_title(found: Sweep, fit: Fit | None, criterion: str) -> str:
    if fit is None:
        return "no honest fit"
    return f"{named_fit(fit)}: {criterion} {fit.criteria[criterion]:.1f}" + (" ✗" if fit.reasons else "")


def _panel_words(found: Sweep, shown: Sequence[tuple[str, int, bool]], criterion: str) -> str:
    fits = [found.fit(*each) for each in shown]
    titles = [
        named_fit(fit) + (" (degenerate: one ellipse is a needle)" if fit.reasons else "")
        for fit in fits
        if fit
    ]
    best, lowest = found.best(criterion), found.best(criterion, allow=True)
    end = f" Lowest of all is a degenerate one, {named_fit(lowest)}." if lowest.reasons else ""
    return (
        f"Above, the same rows under {listed(titles)}. Below, how far each honest fit is from the best {criterion}, a "
        f"line for each family against K; the best is {named_fit(best)}.{end}"
    )


def _axes_of(found: Sweep) -> tuple[list[str], list[int]]:
    keys = [*found.honest, *found.degenerate]
    names = {family for family, _ in keys}
    return [family for family in FAMILIES if family in names], sorted({k for _, k in keys})


def _unpack(X: Any, units: Units) -> tuple[Array, list[str]]:
    table, names, units = unpacked(X, None, units)
    rows = to_numpy(table)
    names = names or getattr(table, "columns", None) or [f"feature {d}" for d in range(rows.shape[1])]
    given = [None] * len(names) if units is None else units
    known = [given.get(name) if isinstance(given, Mapping) else given[d] for d, name in enumerate(names)]
    return rows, [axis_label(name, unit) for name, unit in zip(names, known, strict=True)]


# ---------------------------------------------------------------------------------------- pictures to a widget
class ChoiceExplorer(Explorer):
    """Slide K, change the family and the criterion, let degenerate fits in; without a kernel it is a picture.

    Parameters
    ----------
    X : Dataset, DataFrame or array-like [N, 2]
        Rows.
    ks : iterable of int
        The K to fit.
    families : sequence of str
    n_init, random_state : int
        Starts for each family and K, and their seed. All fits are made here, once.
    more : mapping from (family, K) to int, optional
        The starts of single ones, where they are others than `n_init`.
    shown : sequence of (family, K, whether degenerate fits are allowed)
        The fits in the static twin.
    units : optional
        As for `soft_assignments`.
    """

    def __init__(
        self,
        X: Any,
        ks: Iterable[int] = range(1, 8),
        families: Sequence[str] = ("full", "tied", "diag", "spherical"),
        *,
        n_init: int = 3,
        more: Mapping[Key, int] | None = None,
        random_state: int = 0,
        shown: Sequence[tuple[str, int, bool]] = (("full", 2, False), ("tied", 3, False), ("diag", 5, True)),
        units: Units = None,
    ):
        rows, labels = _unpack(X, units)
        self.found = sweep(rows, ks, families, n_init=n_init, more=more, random_state=random_state)
        known, tried = _axes_of(self.found)
        panels = _Panels(self.found, rows, labels, known, tried)
        controls = _controls(tried, known)
        super().__init__(
            controls,
            draw=panels.png,
            words=lambda K, family, criterion, allow: sentence(self.found, family, K, criterion, allow),
            twin=lambda: choice_panels(self.found, X, shown, units=units),
            rows=[
                [controls["K"], controls["allow"]],
                [_name("family"), controls["family"]],
                [_name("criterion"), controls["criterion"]],
            ],
            width=936,
        )


def _controls(ks: Sequence[int], families: Sequence[str]) -> dict[str, Any]:
    wide = {"width": "26em"}
    return {
        "K": ipywidgets.IntSlider(ks[0], ks[0], ks[-1], description="K", layout=wide),
        "family": _choice(families, families[0], "The family of the covariances"),
        "criterion": _choice(CRITERIA, "BIC", "What distances are measured in"),
        "allow": ipywidgets.ToggleButton(
            description="allow degenerate fits",
            tooltip="Keep the most likely fit of all starts, whether or not it is degenerate",
            layout={"width": "14em"},
        ),
    }


def _choice(options: Sequence[str], value: str, tooltip: str) -> ipywidgets.ToggleButtons:
    buttons = ipywidgets.ToggleButtons(options=list(options), value=value, tooltips=[tooltip] * len(options))
    buttons.style.button_width = "7.5em"
    return buttons


def _name(text: str) -> ipywidgets.Label:
    return ipywidgets.Label(text, layout={"width": "80px", "justify_content": "flex-end"})

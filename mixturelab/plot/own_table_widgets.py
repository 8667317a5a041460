"""A table of any number of features under every K and family: its groups in two of them, beside the criteria."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from mixturelab.exceptions import ArgumentError
from mixturelab.model.covariance import FAMILIES
from mixturelab.plot import palette, picture
from mixturelab.plot.choosing import CRITERIA, Fit, Sweep, line_of, named_fit, sentence, sweep
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, ellipse, to_numpy
from mixturelab.plot.labels import axis_label, listed, plural

__all__ = ["TableExplorer", "marginal"]

_MASS = 0.9
_RING: dict[str, Any] = {"markersize": 18, "markerfacecolor": "none", "markeredgecolor": palette.INK}


def marginal(fit: Fit, pair: Sequence[int]) -> tuple[Array, Array]:
    """Means and covariances of a fit in two of its features.

    Parameters
    ----------
    fit : Fit
    pair : two of the D features, by number

    Returns
    -------
    ndarray [K, 2], ndarray [K, 2, 2]
    """
    kept = list(pair)
    return to_numpy(fit.model.means_)[:, kept], fit.covariances[:, kept][:, :, kept]


class _Groups:
    """The rows in two features, in the colours of their components, and an ellipse for each component.

    Components are coloured in the order of their first feature's means: numbers mean nothing outside one fit.
    """

    def __init__(self, ax: Axes, rows: Array, pair: Sequence[int], labels: Sequence[str], n_most: int):
        self.rows, self.pair = rows[:, list(pair)], pair
        looks = [palette.style(k) for k in range(n_most)]
        dot: dict[str, Any] = {"s": 24, "alpha": 0.75, "linewidths": 0, "zorder": 3}
        self.dots = [ax.scatter([], [], marker=look.marker, **dot) for look in looks]
        self.edges = [
            ax.plot([], [], color=look.colour, linestyle=look.line, linewidth=2.4, zorder=5)[0]
            for look in looks
        ]
        low, high = self.rows.min(axis=0), self.rows.max(axis=0)
        room = 0.12 * (high - low)
        ax.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
        ax.set(xlabel=labels[pair[0]], ylabel=labels[pair[1]])

    def draw(self, fit: Fit | None) -> None:
        for artist in (*self.dots, *self.edges):
            artist.set_visible(False)
        if fit is None:
            return
        order = to_numpy(fit.model.means_)[:, 0].argsort()
        shares, (means, covariances) = fit.responsibilities[:, order], marginal(fit, self.pair)
        colours, own = palette.mix(shares), shares.argmax(axis=1)
        for k, component in enumerate(order):
            self.dots[k].set_offsets(self.rows[own == k])
            self.dots[k].set_facecolor(colours[own == k])
            self.edges[k].set_data(*ellipse(means[component], covariances[component], _MASS).T)
            self.dots[k].set_visible(True)
            self.edges[k].set_visible(True)


class _Heights:
    """A criterion against K, a line for each family; the fit that is shown has a ring."""

    def __init__(self, ax: Axes, found: Sweep, criterion: str):
        self.found, self.criterion = found, criterion
        families, ks = _tried(found)
        for name in families:
            heights = [self._height(name, k) for k in ks]
            ax.plot(ks, heights, label=name, **line_of(palette.style(families.index(name)), 7))
        (self.ring,) = ax.plot([], [], "o", markeredgewidth=2.4, zorder=7, **_RING)
        ax.xaxis.set_major_locator(FixedLocator(ks))
        ax.set(xlabel="number of components K", ylabel=f"{criterion} (lower is better)")
        ax.legend(fontsize=10.5)

    def draw(self, fit: Fit | None) -> None:
        self.ring.set_visible(fit is not None)
        if fit is not None:
            self.ring.set_data([fit.key[1]], [fit.criteria[self.criterion]])

    def _height(self, family: str, k: int) -> float:
        fit = self.found.fit(family, k, allow=False)
        return np.nan if fit is None else fit.criteria[self.criterion]


class _Panels:
    """Both panels for one pair of features and one criterion."""

    def __init__(self, found: Sweep, rows: Array, pair: Sequence[int], labels: Sequence[str], criterion: str):
        with picture.look():
            # No layout engine: to find a layout takes as long as all else, and each pair of features would wait for it.
            figure = picture.Picture(figsize=(10.4, 4.7), dpi=90)
            figure.subplots_adjust(left=0.075, right=0.985, bottom=0.14, top=0.97, wspace=0.21)
            left, right = figure.subplots(1, 2)
            self.groups = _Groups(left, rows, pair, labels, max(_tried(found)[1]))
            self.heights = _Heights(right, found, criterion)
            self.frames = Frames(figure, (*self.groups.dots, *self.groups.edges, self.heights.ring))

    def png(self, fit: Fit | None) -> bytes:
        self.groups.draw(fit)
        self.heights.draw(fit)
        with picture.look():
            return self.frames.png()


def _tried(found: Sweep) -> tuple[list[str], list[int]]:
    keys = [*found.honest, *found.degenerate]
    names = {family for family, _ in keys}
    return [family for family in FAMILIES if family in names], sorted({k for _, k in keys})


def table_panels(found: Sweep, rows: Array, pair: Sequence[int], labels: Sequence[str]) -> picture.Picture:
    """What each criterion chooses, side by side in two features: the explorer's static twin.

    Parameters
    ----------
    found : Sweep
    rows : ndarray [N, D]
    pair : two of the D features, by number
    labels : sequence of D axis labels
    """
    chosen = [(criterion, found.best(criterion)) for criterion in CRITERIA]
    with picture.look():
        figure = picture.new(12.0, 4.4)
        for ax, (criterion, fit) in zip(figure.subplots(1, 3, sharey=True), chosen, strict=True):
            _Groups(ax, rows, pair, labels, fit.key[1]).draw(fit)
            ax.set_title(f"{criterion}: {named_fit(fit)}")
            ax.label_outer()
    seen = listed([labels[d] for d in pair])
    said = listed([f"{criterion} chooses {named_fit(fit)}" for criterion, fit in chosen])
    picture.describe(
        figure, f"{plural(len(rows), 'row')} in {seen}, an ellipse for each component. Three panels: {said}."
    )
    return figure


class TableExplorer(Explorer):
    """Change K, family, criterion and the two features that are shown; without a kernel it is a picture.

    Parameters
    ----------
    table : DataFrame [N, D]
        Numbers, no value missing, two columns or more.
    ks : iterable of int
        The K to fit.
    families : sequence of str
    n_init, random_state : int
        Starts for each family and K, and their seed. All fits are made here, once.
    unit : str, optional
        What all columns are measured in, for the axes; as "standardised".

    Raises
    ------
    ArgumentError
        If there are fewer than two columns to be shown.
    """

    def __init__(
        self,
        table: Any,
        ks: Iterable[int] = range(1, 7),
        families: Sequence[str] = ("full", "tied", "diag", "spherical"),
        *,
        n_init: int = 5,
        random_state: int = 0,
        unit: str | None = None,
    ):
        names, rows = [str(name) for name in table.columns], to_numpy(table)
        if len(names) < 2:
            raise ArgumentError(
                f"the table has {len(names)} columns; wanted two or more, to be shown as a picture"
            )
        labels = [axis_label(name, unit) for name in names]
        self.found = sweep(rows, list(ks), families, n_init=n_init, random_state=random_state)

        @lru_cache(maxsize=12)
        def panels(x: int, y: int, criterion: str) -> _Panels:
            return _Panels(self.found, rows, (x, y), labels, criterion)

        def draw(K: int, family: str, criterion: str, x: int, y: int) -> bytes:
            return panels(x, y, criterion).png(self.found.fit(family, K, allow=False))

        def words(K: int, family: str, criterion: str, x: int, y: int) -> str:
            return sentence(self.found, family, K, criterion, allow=False)

        controls = _controls(self.found, names)
        super().__init__(
            controls,
            draw=draw,
            words=words,
            twin=lambda: table_panels(self.found, rows, (0, 1), labels),
            rows=[
                [controls["K"], controls["x"], controls["y"]],
                [controls["family"]],
                [controls["criterion"]],
            ],
            width=936,
        )


def _controls(found: Sweep, names: Sequence[str]) -> dict[str, Any]:
    families, ks = _tried(found)
    features = [(name.replace("_", " "), d) for d, name in enumerate(names)]
    return {
        "K": ipywidgets.IntSlider(ks[0], ks[0], ks[-1], description="K", layout={"width": "20em"}),
        "family": ipywidgets.ToggleButtons(options=families, description="family"),
        "criterion": ipywidgets.ToggleButtons(options=list(CRITERIA), value="BIC", description="criterion"),
        "x": _feature(features, 0, "across"),
        "y": _feature(features, 1, "up"),
    }


def _feature(features: Sequence[tuple[str, int]], value: int, name: str) -> ipywidgets.SelectionSlider:
    """Which feature lies along an axis. Not a Dropdown: JupyterLab takes the arrow keys away from it."""
    # Wide enough for a name of some 18 letters beside the slider, which otherwise is cut off.
    return ipywidgets.SelectionSlider(
        options=list(features), value=value, description=name, layout={"width": "30em"}
    )

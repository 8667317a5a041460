"""A widget that slides the concentration of a prior on weights: its draws, and what a fit of K components keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray
from scipy.special import gammaln

from mixturelab.bayes import BayesianGaussianMixture
from mixturelab.exceptions import ArgumentError
from mixturelab.plot import palette, picture
from mixturelab.plot.doubt_widgets import two_panels
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, ellipse, to_numpy
from mixturelab.plot.labels import feature_labels, listed, unpacked

__all__ = ["ConcentrationExplorer", "expected_in_use", "keep", "stick_weights"]

CONCENTRATIONS: tuple[float, ...] = (0.001, 0.01, 0.1, 0.3, 1, 3, 10, 30, 100)
DIRICHLET, PROCESS = "dirichlet_distribution", "dirichlet_process"
_NAMES = {DIRICHLET: "Dirichlet", PROCESS: "Dirichlet process"}
_MASS, _LEAST, _N_DRAWS = 0.9, 0.01, 12


# ------------------------------------------------------------------------------- numbers to numbers
def expected_in_use(concentration: float, n_components: int, n_rows: int, kind: str) -> float:
    """How many components N rows are expected to occupy under the prior, before they are seen.

    Parameters
    ----------
    concentration : float
        α of each component of a Dirichlet, or of the process.
    n_components : int
        K; a process has no K, and does not look at it.
    n_rows : int
    kind : {"dirichlet_distribution", "dirichlet_process"}
    """
    if kind == PROCESS:
        return float((concentration / (concentration + np.arange(n_rows))).sum())
    total, others = n_components * concentration, (n_components - 1) * concentration
    log_none = gammaln(others + n_rows) - gammaln(others) - gammaln(total + n_rows) + gammaln(total)
    return float(n_components * -np.expm1(log_none))


def stick_weights(fractions: Array) -> Array:
    """π_k = v_k Π_{j<k} (1 − v_j) of each draw, [..., K]: pieces broken off a stick one after the other."""
    remains = np.cumprod(1 - fractions, axis=-1)
    return fractions * np.concatenate([np.ones_like(remains[..., :1]), remains[..., :-1]], axis=-1)


def prior_draws(concentration: float, n_components: int, kind: str, seed: int = 0) -> Array:
    """Weights drawn from the prior, each draw sorted from the largest down, [S, K]."""
    generator = np.random.default_rng(seed)
    if kind == PROCESS:
        drawn = stick_weights(generator.beta(1, concentration, (_N_DRAWS, n_components)))
    else:
        drawn = generator.dirichlet(np.full(n_components, concentration), _N_DRAWS)
    return -np.sort(-drawn, axis=1)


@dataclass(frozen=True, eq=False)
class Kept:
    """A fit under one prior, its components sorted from the largest down.

    Attributes
    ----------
    responsibilities : ndarray [N, K]
    means, covariances : ndarray [K, D] and [K, D, D]
    bound : float
        The evidence lower bound, in nats.
    """

    responsibilities: Array
    means: Array
    covariances: Array
    bound: float

    @property
    def masses(self) -> Array:
        """N_k."""
        return self.responsibilities.sum(axis=0)

    @property
    def in_use(self) -> int:
        """How many components answer for at least 1 % of the rows."""
        return int(self.is_used.sum())

    @property
    def is_used(self) -> NDArray[np.bool_]:
        """Which of them do, [K]."""
        return self.masses >= _LEAST * len(self.responsibilities)


def keep(X: Any, n_components: int, concentration: float, kind: str) -> Kept:
    """Fit with full covariances, all other priors as the library chooses them."""
    model = BayesianGaussianMixture(
        n_components,
        weight_concentration_prior_type=kind,
        weight_concentration_prior=concentration,
        reg_covar=0.0,
        tol=1e-6,
        max_iter=3000,
        random_state=0,
    ).fit(X)
    gamma = to_numpy(model.predict_proba(X))
    order = np.argsort(-gamma.sum(axis=0), kind="stable")
    means, covariances = to_numpy(model.means_), to_numpy(model.covariances_)
    return Kept(gamma[:, order], means[order], covariances[order], float(model.elbo(X)))


def kept_words(kept: Kept, concentration: float, kind: str) -> str:
    """What one prior expects and one fit keeps, in two or three sentences."""
    n, k = kept.responsibilities.shape
    before = expected_in_use(concentration, k, n, kind)
    own = [f"{mass:.0f}" for mass in kept.masses[kept.is_used]]
    of = "" if kind == PROCESS else f" of {k}"
    return (
        f"{_NAMES[kind]}, α = {concentration:g}. Before any row is seen, {n} rows are expected to use {before:.1f}{of} "
        f"components. The fit uses {kept.in_use}, with {listed(own)} rows. Bound {kept.bound:.1f} nats."
    ).replace("-", "−")


# ------------------------------------------------------------------------------- numbers to pictures
class _Bars:
    """The draws of a prior as stacked bars; what a process leaves over stays white."""

    def __init__(self, ax: Axes, n_components: int):
        colours = [palette.style(k).colour for k in range(n_components)]
        self.pieces = PolyCollection([], facecolors=colours, edgecolors="white", linewidths=0.8)
        ax.add_collection(self.pieces)
        ax.set(
            xlim=(0, 1),
            ylim=(_N_DRAWS - 0.4, -0.6),
            xlabel="weight, the largest first",
            ylabel="draw of the prior",
        )
        ax.set_yticks([])
        ax.grid(visible=False)

    def draw(self, weights: Array) -> None:
        self.pieces.set_verts(_boxes(weights))


def _boxes(weights: Array) -> list[Array]:
    """The corners of each piece of each bar, [S · K] of them."""
    right = np.cumsum(weights, axis=1)
    return [
        np.array([[low, row - 0.42], [high, row - 0.42], [high, row + 0.42], [low, row + 0.42]])
        for row, (lows, highs) in enumerate(zip(right - weights, right, strict=True))
        for low, high in zip(lows, highs, strict=True)
    ]


class _Fit:
    """Rows in mixed colours, and an ellipse about each component that is in use."""

    def __init__(self, ax: Axes, rows: Array, n_components: int):
        self.rows = rows
        styles = [palette.style(k) for k in range(n_components)]
        self.groups = [ax.scatter([], [], 26, marker=look.marker, linewidths=0) for look in styles]
        self.rings = [ax.plot([], [], color=look.colour, linewidth=2.4, zorder=3)[0] for look in styles]
        self.moving = (*self.groups, *self.rings)
        low, high = rows.min(axis=0), rows.max(axis=0)
        margin = 0.14 * (high - low)
        ax.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1]))

    def draw(self, kept: Kept) -> None:
        colours, leader = palette.mix(kept.responsibilities), kept.responsibilities.argmax(axis=1)
        for k, (group, ring) in enumerate(zip(self.groups, self.rings, strict=True)):
            group.set_offsets(self.rows[leader == k])
            group.set_facecolor(list(map(tuple, colours[leader == k])))
            curve = (
                ellipse(kept.means[k], kept.covariances[k], _MASS) if kept.is_used[k] else np.empty((0, 2))
            )
            ring.set_data(*curve.T)


class ConcentrationExplorer(Explorer):
    """Slide the concentration α: what the prior on weights looks like, and what a fit of K components keeps.

    Parameters
    ----------
    X : Dataset, DataFrame or array-like [N, 2]
    n_components : int
        K.
    concentrations : sequence of float
        What the slider offers; a fit each, for both kinds of prior.

    Raises
    ------
    ArgumentError
        If X has another number of features than two.
    """

    def __init__(self, X: Any, n_components: int = 8, concentrations: Sequence[float] = CONCENTRATIONS):
        table, names, units = unpacked(X, None, None)
        self.rows, self.n_components = to_numpy(table), n_components
        if self.rows.ndim != 2 or self.rows.shape[1] != 2:
            raise ArgumentError(f"X has shape {self.rows.shape}; wanted [N, 2]")
        self.kept = {
            (kind, alpha): keep(self.rows, n_components, alpha, kind)
            for kind in _NAMES
            for alpha in concentrations
        }
        self.axis_labels = feature_labels(SimpleNamespace(means_=self.rows), table, names, units)
        figure, axes = two_panels(ratio=0.8)
        with picture.look():
            self.bars, self.fit = self._panel(axes)
        self.frames = Frames(figure, (self.bars.pieces, *self.fit.moving))
        super().__init__(
            self._controls(concentrations), draw=self.frame, words=self.sentence, twin=self.panels
        )

    def _controls(self, concentrations: Sequence[float]) -> dict[str, Any]:
        kinds = ipywidgets.ToggleButtons(
            options=[(name, kind) for kind, name in _NAMES.items()],
            description="prior",
            style={"button_width": "auto"},
        )
        slider = ipywidgets.SelectionSlider(
            options=[(f"{alpha:g}", alpha) for alpha in concentrations],
            value=concentrations[2],
            description="α",
        )
        slider.layout.width = "28em"
        return {"kind": kinds, "concentration": slider}

    def _panel(self, axes: Sequence[Axes]) -> tuple[_Bars, _Fit]:
        left, right = axes
        right.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
        return _Bars(left, self.n_components), _Fit(right, self.rows, self.n_components)

    def _telling(self) -> list[tuple[str, float]]:
        """Four priors that differ: few, some and all components bet on, and a process."""
        offered = sorted({alpha for _, alpha in self.kept})
        n = len(offered)
        return [
            *((DIRICHLET, offered[i]) for i in (n // 4, 5 * n // 9, n - 1)),
            (PROCESS, offered[2 * n // 3]),
        ]

    def frame(self, kind: str, concentration: float) -> bytes:
        """The frame at one prior."""
        self.bars.draw(prior_draws(concentration, self.n_components, kind))
        self.fit.draw(self.kept[kind, concentration])
        return self.frames.png()

    def sentence(self, kind: str, concentration: float) -> str:
        """What is seen at one prior."""
        return kept_words(self.kept[kind, concentration], concentration, kind)

    def panels(self, shown: Sequence[tuple[str, float]] = ()) -> picture.Picture:
        """The static twin: four priors, above their draws and below the fits."""
        shown = shown or self._telling()
        with picture.look():
            figure = picture.new(10.5, 6.4)
            axes = figure.subplots(2, len(shown), height_ratios=[1, 1.25], squeeze=False)
            for column, (kind, alpha) in zip(axes.T, shown, strict=True):
                bars, fit = self._panel(column)
                bars.draw(prior_draws(alpha, self.n_components, kind))
                fit.draw(self.kept[kind, alpha])
                column[0].set_title(f"{_NAMES[kind]},\nα = {alpha:g}", fontsize=12)
        for ax in axes[:, 1:].flat:
            ax.set_ylabel("")
        said = " ".join(self.sentence(*prior) for prior in shown)
        picture.describe(figure, f"Above, draws of weights from four priors; below, what a fit keeps. {said}")
        return figure

"""A widget that lets σ go to zero until EM is k-means, with its static twin, and the path that it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from mixturelab.exceptions import ArgumentError
from mixturelab.plot import palette, picture
from mixturelab.plot.doubt import entropy_share
from mixturelab.plot.doubt_widgets import DOT, scenes, two_panels
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, to_numpy
from mixturelab.plot.labels import plural

__all__ = ["Hardening", "HardeningExplorer", "harden"]

SIGMAS: tuple[float, ...] = tuple(np.geomspace(1.6, 0.05, 31))


@dataclass(frozen=True, eq=False)
class Hardening:
    """Spherical mixtures of equal weights, one for each σ, from wide to narrow.

    Attributes
    ----------
    rows : ndarray [N, D]
    sigmas : tuple of float
        S of them, falling.
    means : ndarray [S, K, D]
    responsibilities : ndarray [S, N, K]
    """

    rows: Array
    sigmas: tuple[float, ...]
    means: Array
    responsibilities: Array

    @property
    def entropy(self) -> Array:
        """Mean entropy of the rows at each σ, as a share of log K."""
        return np.array([entropy_share(gamma).mean() for gamma in self.responsibilities])

    @property
    def critical(self) -> float:
        """The σ above which the grand mean is the only centre: the root of the largest variance there is."""
        return float(np.sqrt(np.linalg.eigvalsh(np.cov(self.rows.T, bias=True))[-1]))


def harden(
    X: ArrayLike, n_components: int, sigmas: Sequence[float] = SIGMAS, *, like: ArrayLike | None = None
) -> Hardening:
    """EM for the means alone, σ held fixed; each σ starts where the next narrower one ended, the first from k-means.

    Parameters
    ----------
    X : array-like [N, D]
        Rows, in units in which one σ fits all directions (standardised, say).
    n_components : int
    sigmas : sequence of float
        Falling.
    like : array-like [K, D], optional
        Means whose numbers, and so colours, the nearest of the centres take over.

    Raises
    ------
    ArgumentError
        If the sigmas do not fall, or are not positive.
    """
    if not sigmas or sigmas[-1] <= 0 or (np.diff(sigmas) >= 0).any():
        raise ArgumentError(f"sigmas is {list(sigmas)[:4]}…; wanted falling numbers above 0")
    rows = to_numpy(X)
    means = to_numpy(KMeans(n_components, n_init=10, random_state=0).fit(rows).cluster_centers_)
    if like is not None:
        means = means[linear_sum_assignment(cdist(to_numpy(like), means, "sqeuclidean"))[1]]
    path = []
    for sigma in reversed(sigmas):
        means, gamma = _em_of_means(rows, means, sigma)
        path.append((means, gamma))
    found, shares = (np.array(each) for each in zip(*path[::-1], strict=True))
    return Hardening(rows, tuple(float(s) for s in sigmas), found, shares)


def _em_of_means(rows: Array, means: Array, sigma: float, most: int = 300) -> tuple[Array, Array]:
    for _ in range(most):
        gamma = _shares(rows, means, sigma)
        before, means = means, gamma.T @ rows / np.maximum(gamma.sum(axis=0), 1e-300)[:, None]
        if np.abs(means - before).max() < 1e-6:
            break
    return means, _shares(rows, means, sigma)


def _shares(rows: Array, means: Array, sigma: float) -> Array:
    logs = -((rows[:, None] - means) ** 2).sum(axis=2) / (2 * sigma**2)
    gamma = np.exp(logs - logs.max(axis=1, keepdims=True))
    return gamma / gamma.sum(axis=1, keepdims=True)


def hardening_words(found: Hardening, step: int) -> str:
    """What one σ does, in a sentence or two."""
    centres = _n_centres(found.means[step])
    sure = int((found.responsibilities[step].max(axis=1) > 0.99).sum())
    return (
        f"σ = {found.sigmas[step]:.2f}: {plural(centres, 'place')} for {len(found.means[step])} means. {sure} of "
        f"{len(found.rows)} rows are certain to 99 %. Mean entropy {found.entropy[step]:.2f} of log K."
    )


def _n_centres(means: Array) -> int:
    """How many of the means are apart, by more than a hundredth."""
    apart = np.linalg.norm(means[:, None] - means, axis=2) > 0.01
    return int(sum(apart[k, :k].all() for k in range(len(means))))


class _Balls:
    """Rows in mixed colours, means, and a circle of radius σ about each."""

    def __init__(self, ax: Axes, found: Hardening):
        self.found = found
        k = found.means.shape[1]
        self.groups = [ax.scatter([], [], 24, marker=palette.style(j).marker, linewidths=0) for j in range(k)]
        colours = [palette.style(j).colour for j in range(k)]
        self.circles = [ax.plot([], [], color=colour, linewidth=2.2, zorder=3)[0] for colour in colours]
        looks: list[dict[str, Any]] = [
            {"marker": palette.style(j).marker, "color": colours[j], "mec": palette.INK} for j in range(k)
        ]
        self.means = [ax.plot([], [], markersize=13, mew=1.6, zorder=4, **look)[0] for look in looks]
        self.moving = (*self.groups, *self.circles, *self.means)
        low, high = found.rows.min(axis=0) - 0.4, found.rows.max(axis=0) + 0.4
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")

    def draw(self, step: int) -> None:
        gamma = self.found.responsibilities[step]
        colours, leader = palette.mix(gamma), gamma.argmax(axis=1)
        for k, group in enumerate(self.groups):
            group.set_offsets(self.found.rows[leader == k])
            group.set_facecolor(list(map(tuple, colours[leader == k])))
        angle = np.linspace(0, 2 * np.pi, 91)
        ring = self.found.sigmas[step] * np.column_stack([np.cos(angle), np.sin(angle)])
        for circle, dot, mean in zip(self.circles, self.means, self.found.means[step], strict=True):
            circle.set_data(*(mean + ring).T)
            dot.set_data([mean[0]], [mean[1]])


def _draw_entropies(ax: Axes, found: Hardening) -> None:
    ax.plot(found.sigmas, found.entropy, color=palette.INK, linewidth=1.8)
    ax.axvline(found.critical, color=palette.MUTED, linestyle="--", linewidth=1.4)
    ax.annotate(
        "means part", (found.critical, 0.98), xytext=(5, 0), textcoords="offset points", color=palette.MUTED
    )
    ax.set(xscale="log", xlim=(1.08 * found.sigmas[0], 0.92 * found.sigmas[-1]), ylim=(-0.04, 1.06))
    ax.set(xlabel="σ, falling to the right", ylabel="mean entropy / log K")
    ax.xaxis.set_major_locator(FixedLocator([1, 0.5, 0.2, 0.1, 0.05]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")


class HardeningExplorer(Explorer):
    """Let σ fall and watch soft responsibilities become the hard ones of k-means; it plays by itself, too.

    Parameters
    ----------
    found : Hardening
        From `harden`, of two features.
    labels : pair of str
        What the axes are.
    """

    def __init__(self, found: Hardening, labels: Sequence[str]):
        self.found, self.axis_labels = found, tuple(labels)
        figure, (left, right) = two_panels()
        with picture.look():
            self.balls = _Balls(left, found)
            left.set(xlabel=labels[0], ylabel=labels[1])
            _draw_entropies(right, found)
            (self.dot,) = right.plot([], [], marker="o", **DOT)
        self.frames = Frames(figure, (*self.balls.moving, self.dot))
        options = [(f"{sigma:.2f}", step) for step, sigma in enumerate(found.sigmas)]
        slider = ipywidgets.SelectionSlider(
            options=options, index=0, description="σ", layout={"width": "28em"}
        )
        play = ipywidgets.Play(min=0, max=len(options) - 1, interval=250, show_repeat=False)
        ipywidgets.jslink((play, "value"), (slider, "index"))
        super().__init__(
            {"step": slider}, draw=self.frame, words=self.sentence, twin=self.panels, rows=[[play, slider]]
        )

    def frame(self, step: int) -> bytes:
        """The frame at one σ."""
        self.balls.draw(step)
        self.dot.set_data([self.found.sigmas[step]], [self.found.entropy[step]])
        return self.frames.png()

    def sentence(self, step: int) -> str:
        """What is seen at one σ."""
        return hardening_words(self.found, step)

    def panels(self, targets: Sequence[float] = (1.3, 0.9, 0.5, 0.05)) -> picture.Picture:
        """The static twin: four σ, and the entropy at all."""
        steps = [int(np.abs(np.log(np.array(self.found.sigmas) / target)).argmin()) for target in targets]
        figure, upper, lower = scenes(len(steps))
        with picture.look():
            for ax, step in zip(upper, steps, strict=True):
                _Balls(ax, self.found).draw(step)
                ax.set_title(f"σ = {self.found.sigmas[step]:.2f}", fontsize=12.5)
                ax.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
                ax.label_outer()
            _draw_entropies(lower, self.found)
            lower.plot(np.array(self.found.sigmas)[steps], self.found.entropy[steps], marker="o", **DOT)
            lower.set_title("How soft the responsibilities are (dots: above)")
        said = " ".join(self.sentence(step) for step in steps)
        picture.describe(
            figure, f"Circles of radius σ about the means; colours mix as the responsibilities. {said}"
        )
        return figure

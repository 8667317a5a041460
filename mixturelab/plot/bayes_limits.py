"""Pictures of what variational Bayes gets wrong: widths too small, one hill of several, tails of new rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import norm

from mixturelab.exceptions import ArgumentError
from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, ellipse, to_numpy
from mixturelab.plot.labels import listed

__all__ = ["Hills", "mean_field", "posterior_widths", "tails"]

_TRUE, _Q, _P = palette.INK, palette.style(0), palette.style(1)


# ------------------------------------------------------------------------------- numbers to numbers
@dataclass(frozen=True)
class Hills:
    """Two equal bells of standard deviation 1 at −distance/2 and distance/2: a density with two hills.

    Attributes
    ----------
    distance : float
    """

    distance: float

    def log_density(self, x: ArrayLike) -> Array:
        """Log p at x."""
        half = self.distance / 2
        return logsumexp([norm.logpdf(x, -half), norm.logpdf(x, half)], axis=0) - np.log(2)

    def reverse_kl(self, mean: float, sd: float) -> float:
        """KL(q ‖ p) of a Gaussian q, by the trapezoidal rule."""
        x = np.linspace(mean - 9 * sd, mean + 9 * sd, 2001)
        q = norm.pdf(x, mean, sd)
        return float(np.trapezoid(q * (norm.logpdf(x, mean, sd) - self.log_density(x)), x))

    def closest(self) -> tuple[float, float]:
        """Mean and standard deviation of the Gaussian that minimises KL(q ‖ p), from a start on the right."""
        start = [self.distance / 2, 0.0]
        found = minimize(lambda v: self.reverse_kl(v[0], float(np.exp(v[1]))), start, method="Nelder-Mead")
        return float(found.x[0]), float(np.exp(found.x[1]))

    def covering(self) -> tuple[float, float]:
        """Mean and standard deviation of the Gaussian that minimises KL(p ‖ q): those of p itself."""
        return 0.0, float(np.sqrt(1 + self.distance**2 / 4))


def mean_field_variances(covariance: ArrayLike) -> Array:
    """Variances of the independent Gaussian q that minimises KL(q ‖ p): 1 / (Σ⁻¹)_dd (Bishop 2006, section 10.1.2)."""
    return 1 / np.diag(np.linalg.inv(to_numpy(covariance)))


# -------------------------------------------------------------------------------- numbers to pictures
@picture.look()
def mean_field(correlation: float, distance: float = 6.0, mass: float = 0.9) -> picture.Picture:
    """What KL(q ‖ p) and KL(p ‖ q) make of a tilted Gaussian, and of two hills.

    Parameters
    ----------
    correlation : float
        Of two features of variance 1; between −1 and 1.
    distance : float
        Of the two hills.
    mass : float
        Within each ellipse.

    Returns
    -------
    Picture
        With its alternative text.

    Raises
    ------
    ArgumentError
        If the correlation is not between −1 and 1.
    """
    if not -1 < correlation < 1:
        raise ArgumentError(f"correlation is {correlation!r}; wanted a number between −1 and 1")
    covariance = np.array([[1.0, correlation], [correlation, 1.0]])
    variances = mean_field_variances(covariance)
    figure, (left, right) = picture.subplots(1, 2, width=10.4, height=4.7)
    for matrix, look, label in [
        (covariance, {"color": _TRUE}, "truth p"),
        (np.diag(variances), _dashes(_Q, "--"), "least KL(q ‖ p)"),
        (np.eye(2), _dashes(_P, ":"), "least KL(p ‖ q)"),
    ]:
        left.plot(*ellipse([0, 0], matrix, mass).T, label=label, **look)
    left.set(aspect="equal", xlabel="parameter 1", ylabel="parameter 2", xlim=(-4, 4), ylim=(-2.6, 4.4))
    left.set_title(f"one hill, correlation {correlation:g}", fontsize=12.5)
    left.legend(loc="upper left")
    hills = Hills(distance)
    _draw_hills(right, hills)
    (m, s), (_, wide) = hills.closest(), hills.covering()
    words = (
        f"Left, a narrow tilted ellipse. The circle of least KL(q ‖ p) is small and meets the ellipse on the axes, "
        f"with standard deviations of {variances[0] ** 0.5:.2f} for 1. That of least KL(p ‖ q) is as wide as the "
        f"ellipse. Right, two hills: one Gaussian sits on the right hill (mean {m:.1f}, standard deviation {s:.1f}), "
        f"the other, of standard deviation {wide:.1f}, covers both and the valley."
    )
    picture.describe(figure, words)
    return figure


def _dashes(look: palette.Style, line: Any) -> dict[str, Any]:
    return {"color": look.colour, "linestyle": line, "linewidth": 2.6}


def _draw_hills(ax: Axes, hills: Hills) -> None:
    x = np.linspace(-0.5 * hills.distance - 5, 0.5 * hills.distance + 5, 501)
    ax.plot(x, np.exp(hills.log_density(x)), color=_TRUE)
    ax.plot(x, norm.pdf(x, *hills.closest()), **_dashes(_Q, "--"))
    ax.plot(x, norm.pdf(x, *hills.covering()), **_dashes(_P, ":"))
    ax.set(xlabel="parameter", ylabel="density", ylim=(0, None))
    ax.set_title("two hills", fontsize=12.5)


@picture.look()
def posterior_widths(
    panels: Mapping[str, tuple[ArrayLike, Any]], label: str = "minutes or mm from the middle"
) -> picture.Picture:
    """What a sampler and variational Bayes say of one parameter: a histogram, and a narrower curve.

    Parameters
    ----------
    panels : mapping from str to (draws [S], frozen scipy distribution)
        A panel each, under that title.
    label : str
        What the axes are.

    Returns
    -------
    Picture
        With its alternative text.
    """
    figure, axes = picture.subplots(1, len(panels), width=10.4, height=4.2)
    said = []
    for ax, (title, (draws, q)) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        values = to_numpy(draws)
        reach = 4 * values.std()
        x = np.linspace(values.mean() - reach, values.mean() + reach, 301)
        ax.hist(values, x[::6], density=True, color=_P.colour, alpha=0.45, label="Gibbs")
        ax.plot(x, q.pdf(x), color=_Q.colour, label="variational")
        ax.set_title(title, fontsize=12.5)
        ax.set(xlabel=label, ylabel="density", xlim=(x[0], x[-1]))
        ax.label_outer()
        said.append(f"{title}: {_ratio_words(values.std() / q.std())}")
    ax.legend(loc="upper right")
    words = f"Histograms of a sampler's draws under the curve of variational Bayes. {listed(said)}."
    picture.describe(figure, words)
    return figure


def _ratio_words(ratio: float) -> str:
    """Coarse on purpose: the sampler's digits are chance."""
    if ratio < 1.08:
        return "about as wide as the curve"
    return "a little wider than the curve" if ratio < 1.5 else "about twice as wide as the curve"


@picture.look()
def tails(x: ArrayLike, curves: Mapping[str, ArrayLike], rows: ArrayLike, label: str) -> picture.Picture:
    """Log densities of a new row, by several ways of reckoning with the parameters, and the rows seen.

    Parameters
    ----------
    x : array-like [G]
    curves : mapping from str to array-like [G]
        Log densities.
    rows : array-like [N]
        Drawn as ticks.
    label : str
        What the axis is, with its unit.

    Returns
    -------
    Picture
        With its alternative text.
    """
    grid = to_numpy(x)
    figure, ax = picture.subplots(width=8.4, height=4.6)
    looks: Sequence[Any] = [_dashes(_P, ":"), _dashes(_Q, "--"), {"color": _TRUE}]
    for (name, values), look in zip(curves.items(), looks, strict=False):
        ax.plot(grid, to_numpy(values), label=name, **look)
    ax.plot(to_numpy(rows), np.full(np.size(rows), -19.4), "|", color=palette.INK, markersize=14)
    ax.set(xlim=(grid[0], grid[-1]), ylim=(-20, -2), xlabel=label, ylabel="log density of a new row (nats)")
    ax.legend(loc="upper right")
    ends = [f"{name} {to_numpy(values)[-1]:.0f}" for name, values in curves.items()]
    words = (
        f"Log densities over {label}, rows as ticks. Near the rows the curves agree; outside they part. At "
        f"{grid[-1]:g}: {listed(ends)}."
    )
    picture.describe(figure, words.replace("-", "−"))
    return figure

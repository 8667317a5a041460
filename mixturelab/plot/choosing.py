"""Choosing K: curves of criteria, a needle looked at closely, and all fits of a search with what judges them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from mixturelab.estimators import GaussianMixture
from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, covariance_matrices, ellipse, to_numpy
from mixturelab.plot.labels import Units, feature_labels, listed, named, unpacked

CRITERIA = ("AIC", "BIC", "ICL")
Key = tuple[str, int]
Flags = NDArray[np.bool_]
_RING: dict[str, Any] = {
    "markersize": 17,
    "markerfacecolor": "none",
    "markeredgecolor": palette.INK,
    "markeredgewidth": 2.2,
    "linestyle": "none",
}


# ------------------------------------------------------------------------------------ curves against K
def overfit_curves(ks: ArrayLike, train: ArrayLike, unseen: ArrayLike) -> picture.Picture:
    """Log-likelihood per row against K: of the rows that were fitted, and of rows that were not.

    Parameters
    ----------
    ks : array-like [M]
        Numbers of components.
    train, unseen : array-like [S, M]
        Mean log-likelihood per row, in nats, for each of S splits of the table.

    Returns
    -------
    Picture
        The means over the splits; thin lines are the splits, and the best unseen value is ringed.
    """
    ks, train, unseen = np.asarray(ks), np.atleast_2d(train), np.atleast_2d(unseen)
    best = int(unseen.mean(0).argmax())
    with picture.look():
        figure, ax = _panel("log-likelihood per row (nats)")
        for index, (name, values) in enumerate(
            [("rows it was fitted to", train), ("rows kept back", unseen)]
        ):
            ax.plot(ks, values.T, color=palette.style(index).colour, linewidth=0.8, alpha=0.3)
            ax.plot(ks, values.mean(0), label=name, **line_of(palette.style(index)))
        ax.plot(ks[best], unseen.mean(0)[best], "o", **_RING)
        ax.set_ylim(_middle(unseen.mean(0), train.mean(0)))
        ax.set_title("More components always fit better what they have seen")
        ax.legend(loc="upper left")
    picture.describe(figure, _overfit_words(ks, best))
    return figure


def _panel(ylabel: str) -> tuple[picture.Picture, Axes]:
    figure = picture.new(7.8, 4.6)
    ax = figure.subplots()
    ax.set(xlabel="number of components K", ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, ax


def line_of(look: palette.Style, size: float = 8) -> dict[str, Any]:
    """A style as the arguments of `plot`."""
    return {"color": look.colour, "marker": look.marker, "linestyle": look.line, "markersize": size}


def _middle(*curves: Array) -> tuple[float, float]:
    """Limits that hold the mean curves; a single wild split may leave the picture."""
    values = np.concatenate(curves)
    room = 0.12 * float(np.ptp(values))
    return float(values.min()) - room, float(values.max()) + 2 * room


def _overfit_words(ks: Array, best: int) -> str:
    return (
        f"Log-likelihood per row against the number of components, {ks[0]} to {ks[-1]}. For the rows that were "
        "fitted "
        f"the curve climbs all the way; for rows kept back it rises to K = {ks[best]} (ringed) and then falls."
    )


def criteria_curves(ks: ArrayLike, curves: Mapping[str, ArrayLike], title: str = "") -> picture.Picture:
    """Several criteria against K, each with its lowest value ringed; lower is better.

    Parameters
    ----------
    ks : array-like [M]
        Numbers of components.
    curves : mapping from name to array-like [M]
        As "AIC", "BIC" and "ICL".
    title : str
    """
    ks = np.asarray(ks)
    chosen = {}
    with picture.look():
        figure, ax = _panel("criterion (lower is better)")
        for name, values in curves.items():
            best = int(to_numpy(values).argmin())
            chosen[name] = int(ks[best])
            ax.plot(ks, to_numpy(values), label=name, **line_of(criterion_style(name)))
            ax.plot(ks[best], to_numpy(values)[best], "o", **_RING)
        ax.set_title(title)
        ax.legend(loc="best")
    where = listed([f"{name} at K = {k}" for name, k in chosen.items()])
    words = (
        f"{listed(list(curves))} against the number of components, {ks[0]} to {ks[-1]}. Lowest, "
        f"and ringed: {where}."
    )
    picture.describe(figure, words)
    return figure


def criterion_style(name: str) -> palette.Style:
    """How a criterion is drawn in every picture; the first two styles are training and unseen rows."""
    return palette.style(2 + CRITERIA.index(name) if name in CRITERIA else 0)


# --------------------------------------------------------------------------------------------- a needle
def needle_map(model: Any, X: Any, *, units: Units = None, mass: float = 0.9) -> picture.Picture:
    """A degenerate fit in two features: all of it, and closely the component with the smallest variance.

    Parameters
    ----------
    model : GaussianMixture
        Fitted, with two features.
    X : Dataset, DataFrame or array-like [N, 2]
    units : optional
        As for `soft_assignments`.
    mass : float
        The probability within an ellipse.
    """
    data, names, units = unpacked(X, None, units)
    rows, labels = to_numpy(data), feature_labels(model, data, names, units)
    covariances = covariance_matrices(model)
    needle = int(np.linalg.eigvalsh(covariances)[:, 0].argmin())
    own = np.equal(to_numpy(model.predict_proba(named(model, data))).argmax(axis=1), needle)
    with picture.look():
        figure = picture.new(11.0, 4.8)
        whole, near = figure.subplots(1, 2)
        for ax in (whole, near):
            _draw_rows(ax, rows, own)
            _draw_ellipses(ax, to_numpy(model.means_), covariances, needle, mass)
            ax.set(xlabel=labels[0], ylabel=labels[1])
        _zoom(near, rows[own])
        whole.set_title(f"{model.covariance_type}, K = {len(covariances)}: one ellipse is a line")
        near.set_title(f"Closer: its {int(own.sum())} rows share one value")
        near.legend(loc="lower right", framealpha=0.9, frameon=True)
    picture.describe(figure, _needle_words(rows[own], labels, len(covariances), str(model.covariance_type)))
    return figure


def _draw_rows(ax: Axes, rows: Array, own: Flags) -> None:
    (x, y), (own_x, own_y) = rows[~own].T, rows[own].T
    ax.scatter(x, y, s=20, color="dimgrey", alpha=0.55, linewidths=0, label="other rows")
    ax.scatter(
        own_x, own_y, s=60, marker="D", color=palette.ALARM, edgecolor="white", zorder=5, label="its rows"
    )


def _draw_ellipses(ax: Axes, means: Array, covariances: Array, needle: int, mass: float) -> None:
    for k, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        colour, width = (palette.ALARM, 2.6) if k == needle else (palette.COLOURS[0], 1.6)
        ax.plot(*ellipse(mean, covariance, mass).T, color=colour, linewidth=width, zorder=4)


def _zoom(ax: Axes, rows: Array) -> None:
    low, high = rows.min(axis=0), rows.max(axis=0)
    room = np.maximum(0.25 * (high - low), 4.0 * ((high - low) < 1e-9) + 1e-9)
    ax.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))


def _needle_words(rows: Array, labels: Sequence[str], k: int, family: str) -> str:
    spread = np.ptp(rows, axis=0)
    flat = int(spread.argmin())
    return (
        f"Two panels. Left, a fit of {k} components ({family}) with one ellipse as thin as a line. Right, the "
        f"neighbourhood of that line: all of its {len(rows)} rows lie on it, at {labels[flat]} = "
        f"{rows[:, flat].mean():g}, between rows just above and below that belong to other components."
    )


# ------------------------------------------------------------------------------- all fits of a search
@dataclass(frozen=True, eq=False)
class Fit:
    """One fit of the sweep.

    Attributes
    ----------
    model : GaussianMixture
    criteria : mapping from the names in `CRITERIA` to float
        Lower is better.
    responsibilities : ndarray [N, K]
    covariances : ndarray [K, 2, 2]
    """

    model: GaussianMixture
    criteria: Mapping[str, float]
    responsibilities: Array
    covariances: Array

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is degenerate; empty for an honest fit."""
        return self.model.spurious_

    @property
    def key(self) -> Key:
        """Family and K."""
        return self.model.covariance_type, self.model.n_components


@dataclass(frozen=True, eq=False)
class Sweep:
    """The best honest fit of each family and K, and a degenerate one where it is more likely than that.

    Attributes
    ----------
    honest, degenerate : mapping from (family, K) to Fit
    """

    honest: Mapping[Key, Fit]
    degenerate: Mapping[Key, Fit]

    def fit(self, family: str, k: int, allow: bool) -> Fit | None:
        """What the search keeps: of all starts if degenerate fits are allowed, of the honest ones if not."""
        own = self.honest.get((family, k))
        return self.degenerate.get((family, k), own) if allow else own

    def best(self, criterion: str, allow: bool = False) -> Fit:
        """The fit that the criterion chooses."""
        found = [*self.honest.values(), *(self.degenerate.values() if allow else ())]
        return min(found, key=lambda fit: fit.criteria[criterion])

    def gap(self, fit: Fit, criterion: str) -> float:
        """How much worse it is than the best honest fit; negative if it is better."""
        return fit.criteria[criterion] - self.best(criterion).criteria[criterion]


def sweep(
    X: Any,
    ks: Iterable[int],
    families: Sequence[str],
    *,
    n_init: int = 3,
    more: Mapping[Key, int] | None = None,
    random_state: int = 0,
) -> Sweep:
    """Fit every family and K from several starts, and keep the best honest and the best degenerate fit of each.

    `more` gives the starts of single ones, as ``{("diag", 5): 10}``.
    """
    rows, starts = to_numpy(X), more or {}
    honest, degenerate = {}, {}
    for key in [(family, k) for family in families for k in ks]:
        found = _restarts(rows, *key, starts.get(key, n_init), random_state)
        own = [model for model in found if not model.spurious_]
        other = max((model for model in found if model.spurious_), key=lambda m: m.lower_bound_, default=None)
        if own:
            honest[key] = _fit(own[0], rows)
        if other is not None and (not own or other.lower_bound_ > own[0].lower_bound_):
            degenerate[key] = _fit(other, rows)
    return Sweep(honest, degenerate)


def _restarts(rows: Array, family: str, k: int, n_init: int, seed: int) -> list[GaussianMixture]:
    settings: dict[str, Any] = {"tol": 1e-6, "max_iter": 1000, "n_init": n_init, "random_state": seed}
    return GaussianMixture(k, covariance_type=family, **settings).fit_restarts(rows)


def _fit(model: GaussianMixture, rows: Array) -> Fit:
    criteria = {"BIC": model.bic(rows), "AIC": model.aic(rows), "ICL": model.icl(rows)}
    return Fit(model, criteria, model.predict_proba(rows), covariance_matrices(model))


def sentence(found: Sweep, family: str, k: int, criterion: str, allow: bool) -> str:
    """What one setting shows, in a sentence or two."""
    fit = found.fit(family, k, allow)
    if fit is None:
        return f"{family}, K = {k}: every start ended in a degenerate fit."
    gap = found.gap(fit, criterion)
    side = "below" if gap < 0 else "above"
    where = f"{abs(gap):.1f} {side} the best honest fit, {named_fit(found.best(criterion))}"
    verdict = "the best honest fit of all" if fit is found.best(criterion) else where
    told = f"{named_fit(fit)}: {criterion} {fit.criteria[criterion]:.1f}, {verdict}."
    return f"{told} Degenerate: {'; '.join(fit.reasons)}." if fit.reasons else told


def named_fit(fit: Fit) -> str:
    """As "tied, K = 3"."""
    return "{}, K = {}".format(*fit.key)

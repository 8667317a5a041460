"""Pictures of covariance families: an ellipse's axes, volume and shape, what each can draw, and where each wins."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from mixturelab.model.covariance import FAMILIES
from mixturelab.plot import palette, picture
from mixturelab.plot.geometry import Array, checked_mass, covariance_matrices, ellipse, to_numpy
from mixturelab.plot.labels import listed, short

__all__ = [
    "compose",
    "ellipse_axes",
    "family_fits",
    "family_race",
    "family_style",
    "held_out_curves",
    "rotation",
    "shape_panels",
]


_MASS = 0.9  # within an ellipse, where nothing else is said


# ------------------------------------------------------------------------------- numbers to numbers
def compose(volume: float, ratio: float, angle: float) -> Array:
    """λ D A Dᵀ in two dimensions (Banfield and Raftery 1993): a covariance of that volume, shape and orientation.

    Parameters
    ----------
    volume : float
        λ, the root of the determinant.
    ratio : float
        Length of the long axis over that of the short one, at least 1.
    angle : float
        Of the long axis with the first feature, in degrees.
    """
    turn = rotation(angle)
    return volume * (turn * [ratio, 1 / ratio]) @ turn.T


def rotation(angle: float) -> Array:
    """The matrix that turns the plane by that angle in degrees, counter-clockwise."""
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.array([[cosine, -sine], [sine, cosine]])


def family_style(family: str) -> palette.Style:
    """How a family is drawn, the same in every picture: its place in the library's list."""
    return palette.style(list(FAMILIES).index(family))


# ------------------------------------------------------------------------------- an ellipse and its axes
_HALVES = {
    "long": (8, -4, "left"),
    "short": (0, 14, "right"),
}  # where its words stand: from the tip, in points


def ellipse_axes(
    points: ArrayLike, masses: Sequence[float] = (0.5, 0.9), *, labels: Sequence[str] = ("x₁", "x₂")
) -> Figure:
    """Draw rows, ellipses of their Gaussian at stated probabilities, and the half-axes of the largest.

    Parameters
    ----------
    points : array-like [N, 2]
        Rows; their mean and covariance are drawn.
    masses : sequence of float
        Probabilities within the ellipses, the largest last.
    labels : two str
        Names of the axes.

    Returns
    -------
    Picture
        With its alternative text, which tells how many rows lie within each ellipse.
    """
    rows = to_numpy(points)
    mean, covariance = rows.mean(axis=0), np.cov(rows.T, bias=True)
    inside = [_count_within(rows, mean, covariance, mass) for mass in masses]
    with picture.look():
        figure = picture.new(8.6, 3.5)
        ax = figure.subplots()
        ax.plot(*rows.T, "o", color=palette.MUTED, markersize=4.5, alpha=0.6, markeredgewidth=0)
        for index, (mass, count) in enumerate(zip(masses, inside, strict=True)):
            look = palette.style(index)
            words = f"{100 * mass:g} %: {count} of {len(rows)} rows inside"
            ax.plot(*ellipse(mean, covariance, mass).T, color=look.colour, linestyle=look.line, label=words)
        lengths = _draw_half_axes(ax, mean, covariance, masses[-1])
        ax.set(xlabel=labels[0], ylabel=labels[1], aspect="equal")
        ax.margins(0.06)
        figure.legend(loc="outside lower center", ncols=len(masses), handlelength=3)
    return picture.describe(figure, _axes_words(masses, inside, len(rows), lengths))


def _count_within(rows: Array, mean: Array, covariance: Array, mass: float) -> int:
    offset = rows - mean
    squared = (offset @ np.linalg.inv(covariance) * offset).sum(axis=1)
    return int((squared <= chi2.ppf(checked_mass(mass), 2)).sum())


def _draw_half_axes(ax: Axes, mean: Array, covariance: Array, mass: float) -> list[float]:
    """Arrows from the mean along the eigenvectors to the ellipse, each with its length."""
    variances, axes = np.linalg.eigh(covariance)
    lengths = np.sqrt(chi2.ppf(mass, 2) * variances[::-1])
    for name, length, axis in zip(_HALVES, lengths, axes.T[::-1], strict=True):
        tip = mean + length * axis * np.sign(axis[np.abs(axis).argmax()])
        ax.annotate(
            "",
            (tip[0], tip[1]),
            (mean[0], mean[1]),
            arrowprops={"arrowstyle": "-|>", "color": palette.INK, "linewidth": 2.2},
        )
        right, up, side = _HALVES[name]
        place: dict[str, Any] = {"xytext": (right, up), "textcoords": "offset points", "ha": side}
        ax.annotate(f"{name}: {length:.1f}", (tip[0], tip[1]), color=palette.INK, fontweight="bold", **place)
    return lengths.tolist()


def _axes_words(masses: Sequence[float], inside: Sequence[int], n: int, lengths: Sequence[float]) -> str:
    parts = [f"{100 * mass:g} % ellipse: {count} inside" for mass, count in zip(masses, inside, strict=True)]
    return (
        f"A tilted cloud of {n} rows with nested ellipses about its mean ({'; '.join(parts)}). Two arrows at a right "
        f"angle run from the mean to the largest: the long half-axis, {lengths[0]:.1f}, and the short one, "
        f"{lengths[1]:.1f}."
    )


# ------------------------------------------------------------------------------- volume, shape, orientation
# Three ellipses a panel: only one of (volume, ratio, angle) differs within each.
_PANELS: dict[str, list[tuple[float, float, float]]] = {
    "Volume λ": [(0.3, 2.0, 25), (1.0, 2.0, 25), (2.5, 2.0, 25)],
    "Shape: ratio of the axes": [(1.0, 1.0, 25), (1.0, 2.0, 25), (1.0, 4.0, 25)],
    "Orientation: angle": [(1.0, 2.5, 0), (1.0, 2.5, 25), (1.0, 2.5, 90)],
}


def shape_panels() -> picture.Picture:
    """Three panels: ellipses that differ in volume only, in shape only, in orientation only."""
    with picture.look():
        figure = picture.new(10.6, 4.0)
        axes = figure.subplots(1, 3, sharex=True, sharey=True)
        for ax, (title, settings) in zip(axes, _PANELS.items(), strict=True):
            for index, (volume, ratio, angle) in enumerate(settings):
                look = palette.style(index)
                outline = ellipse([0, 0], compose(volume, ratio, angle), _MASS)
                words = {"V": f"λ = {volume:g}", "S": f"ratio {ratio:g}", "O": f"{angle:g}°"}[title[0]]
                ax.plot(*outline.T, color=look.colour, linestyle=look.line, linewidth=2.4, label=words)
            ax.set_title(title)
            ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", xlim=(-5.2, 5.2), ylim=(-4.6, 6.6))
            ax.label_outer()
            ax.legend(
                loc="upper center",
                ncols=3,
                handlelength=1.5,
                handletextpad=0.4,
                columnspacing=0.8,
                fontsize=10,
            )
    picture.describe(
        figure,
        "Three panels of three ellipses about one centre. Volume: the same form in three sizes. Shape: a circle, an "
        "ellipse and a long thin one of the same area. Orientation: one ellipse lying, tilted and standing.",
    )
    return figure


# ------------------------------------------------------------------------------- what each family can draw
def family_fits(
    models: Mapping[str, Any],
    points: ArrayLike,
    *,
    notes: Mapping[str, str] | None = None,
    labels: Sequence[str] = ("x₁", "x₂"),
) -> Figure:
    """Draw several mixtures of the same rows side by side: ellipses, and the borders where the likeliest changes.

    Parameters
    ----------
    models : mapping from family to GaussianMixture
        Fitted to two features, all with the same number of components.
    points : array-like [N, 2]
        The rows, drawn to scale: a unit is as long up as it is across.
    notes : mapping from family to str, optional
        What to write beside the family's name.
    labels : two str
        Names of the axes.

    Returns
    -------
    Picture
        With its alternative text. Rows have the marker and the colour of the component most responsible; components
        have those of the nearest one of the first mixture.
    """
    rows, notes = to_numpy(points), notes or {}
    first = to_numpy(next(iter(models.values())).means_)
    with picture.look():
        figure = picture.new(10.8, 0.4 + 2.35 * -(-len(models) // 2))
        axes = figure.subplots(-(-len(models) // 2), 2, sharex=True, sharey=True, squeeze=False)
        for ax, (family, model) in zip(axes.flat, models.items(), strict=False):
            _draw_borders(ax, model, rows)
            _draw_fit(ax, model, rows, _partners(to_numpy(model.means_), first))
            ax.set_title(" · ".join(filter(None, [family, notes.get(family, "")])), fontsize=12.5)
            ax.set(xlabel=labels[0], ylabel=labels[1], aspect="equal")
            ax.label_outer()
    return picture.describe(figure, _fits_words(models, notes, len(rows)))


def _partners(means: Array, first: Array) -> list[int]:
    """For each component the one of the first mixture that it stands for, each used once."""
    squared = ((means[:, None] - first) ** 2).sum(axis=-1)
    return linear_sum_assignment(squared)[1].tolist()


def _draw_fit(ax: Axes, model: Any, rows: Array, partners: Sequence[int]) -> None:
    label = model.predict(rows)
    means, covariances = to_numpy(model.means_), covariance_matrices(model)
    for k, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        look = palette.style(partners[k])
        x, y = rows[label == k].T
        ax.scatter(x, y, s=16, marker=look.marker, color=look.colour, alpha=0.45, linewidths=0)
        ax.plot(*ellipse(mean, covariance, _MASS).T, color=look.colour, linewidth=2.4, zorder=4)
        ax.plot(*mean, look.marker, color=look.colour, markeredgecolor="white", markersize=11, zorder=5)


def _draw_borders(ax: Axes, model: Any, rows: Array) -> None:
    """Where the most responsible component changes: one contour for each component's lead over the rest."""
    low, high = rows.min(axis=0), rows.max(axis=0)
    margin = [0.06, 0.2] * (high - low)
    low, high = low - margin, high + margin
    x, y = (np.linspace(low[d], high[d], 161) for d in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    shares = model.predict_proba(grid.reshape(-1, 2)).reshape(*grid.shape[:2], -1)
    log_shares = np.log(np.maximum(shares, 1e-300))
    for k in range(shares.shape[-1]):
        lead = log_shares[..., k] - np.delete(log_shares, k, axis=-1).max(axis=-1)
        ax.contour(x, y, lead, levels=[0.0], colors=palette.INK, linewidths=1.3)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


_CAN = {
    "full": "ellipses of different size and tilt, curved borders",
    "tied": "equal ellipses, straight borders",
    "diag": "ellipses parallel to the axes",
    "spherical": "circles in the numbers' own units",
}


def _fits_words(models: Mapping[str, Any], notes: Mapping[str, str], n: int) -> str:
    parts = [
        f"{family}, {_CAN[family]}" + (f" ({notes[family]})" if family in notes else "") for family in models
    ]
    return f"The same {n} rows fitted {len(models)} times, with 90 % ellipses: {'; '.join(parts)}."


# ------------------------------------------------------------------------------- held-out likelihood against rows
def held_out_curves(
    sizes: Sequence[int], scores: Mapping[str, ArrayLike], *, truth: float | None = None
) -> Figure:
    """Draw the mean held-out log-likelihood of some families against the number of rows fitted.

    Parameters
    ----------
    sizes : sequence of int, length S
        Numbers of rows.
    scores : mapping from family to array-like [R, S]
        Of R repeats.
    truth : float, optional
        What the true density scores: no fit can be better on average.

    Returns
    -------
    Picture
        With its alternative text; bars are two standard errors of the mean.
    """
    tables = {family: to_numpy(table) for family, table in scores.items()}
    with picture.look():
        figure = picture.new(8.4, 4.6)
        ax = figure.subplots()
        for family, table in tables.items():
            look = family_style(family)
            error = 2 * table.std(axis=0, ddof=1) / np.sqrt(len(table))
            line: dict[str, Any] = {"color": look.colour, "linestyle": look.line, "marker": look.marker}
            ax.errorbar(sizes, table.mean(axis=0), error, capsize=4, markersize=8, label=family, **line)
        if truth is not None:
            ax.axhline(
                truth, color=palette.INK, linewidth=1.3, linestyle=(0, (1, 2)), label="the truth itself"
            )
        ax.set(xscale="log", xlabel="rows fitted", ylabel="held-out log-likelihood\nmean per row, in nats")
        ax.set_ylim(_limits(tables, truth))
        ax.set_xticks(sizes, list(map(str, sizes)))
        ax.minorticks_off()
        ax.legend(loc="lower right", handlelength=3)
    return picture.describe(figure, _curve_words(sizes, tables))


def _limits(tables: Mapping[str, Array], truth: float | None) -> tuple[float, float]:
    """What is shown: a family that few rows make useless falls out of the picture."""
    ends = [float(table.mean(axis=0)[-1]) for table in tables.values()]
    top = max([*ends, *([] if truth is None else [truth])])
    reach = top - min(ends)
    return top - 4 * reach, top + 0.25 * reach


def _curve_words(sizes: Sequence[int], tables: Mapping[str, Array]) -> str:
    names = list(tables)
    means = np.array([table.mean(axis=0) for table in tables.values()])
    leaders = [names[k] for k in means.argmax(axis=0)]
    leads = [
        f"{leaders[i]} from {sizes[i]}" for i in range(len(sizes)) if i == 0 or leaders[i] != leaders[i - 1]
    ]
    curves = [f"{name} rises from {means[k, 0]:.1f} to {means[k, -1]:.1f}" for k, name in enumerate(names)]
    return (
        f"Held-out log-likelihood against the number of rows fitted, {sizes[0]} to {sizes[-1]}: {listed(curves)}. "
        f"In the lead: {listed([f'{lead} rows on' for lead in leads])}."
    )


# ------------------------------------------------------------------------------- where each family wins
def family_race(values: Mapping[str, Mapping[str, float]], *, title: str = "") -> Figure:
    """Draw how far each family's best BIC lies behind the winner's, a line for each table.

    Parameters
    ----------
    values : mapping from a table's name to a mapping from family to its best BIC
        Lower is better.
    title : str

    Returns
    -------
    Picture
        With its alternative text.
    """
    behind = {name: {f: v - min(row.values()) for f, v in row.items()} for name, row in values.items()}
    with picture.look():
        figure = picture.new(9.0, 1.5 + 0.72 * len(behind))
        ax = figure.subplots()
        for line, row in enumerate(behind.values()):
            ax.axhline(line, color="#DDDDDD", linewidth=1.0, zorder=1)
            for family, gap in row.items():
                look, aside = family_style(family), 0.19 * (list(FAMILIES).index(family) - 1.5)
                ax.plot(
                    gap, line + aside, look.marker, color=look.colour, markersize=12, clip_on=False, **_EDGE
                )
        ax.axvspan(0, _NARROW, color="#EEEEEE", zorder=0)
        ax.set_xscale("symlog", linthresh=10)
        top = max(max(row.values()) for row in behind.values())
        ax.set(
            xlim=(-0.6, 1.3 * top),
            ylim=(len(behind) - 0.4, -0.6),
            xlabel="BIC behind the winner (log scale beyond 10)",
        )
        ax.set_xticks([0, 5, 10, 100, 1000, 10_000][: 4 + int(np.log10(max(top, 100)) - 1)])
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.set_yticks(range(len(behind)), list(behind))
        ax.grid(axis="y", visible=False)
        ax.set_title(title)
        figure.legend(*_family_keys(ax), loc="outside lower center", ncols=len(FAMILIES) + 1)
    return picture.describe(figure, _race_words(behind))


_NARROW = 10.0  # Kass and Raftery (1995) call a difference above it very strong
_EDGE: dict[str, Any] = {"markeredgecolor": "white", "zorder": 3}


def _family_keys(ax: Axes) -> tuple[list[Any], list[str]]:
    handles: list[Any] = []
    for family in FAMILIES:
        look = family_style(family)
        handles += ax.plot([], [], look.marker, color=look.colour, markersize=11)
    band = ax.fill_between([], [], color="#E4E4E4")
    return [*handles, band], [*FAMILIES, f"less than {_NARROW:g}"]


def _race_words(behind: Mapping[str, Mapping[str, float]]) -> str:
    parts = []
    for name, row in behind.items():
        order = sorted(row, key=row.__getitem__)
        winners = [family for family in order if row[family] < 0.05]
        gap = short(row[order[len(winners)]]) if len(winners) < len(order) else "0"
        second = order[min(len(winners), len(order) - 1)]
        parts.append(f"{name}: {listed(winners)}, {gap} ahead of {second}")
    return f"Families by BIC on {len(behind)} tables, the winner at zero on the left. {'; '.join(parts)}."

"""Two widgets on covariance families: one ellipse's volume, shape and orientation, and a cloud that turns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.axes import Axes

from mixturelab.estimators import GaussianMixture
from mixturelab.model.covariance import FAMILIES
from mixturelab.plot import palette, picture
from mixturelab.plot.explorer import Explorer
from mixturelab.plot.families import compose, family_style, rotation, shape_panels
from mixturelab.plot.frames import Frames
from mixturelab.plot.geometry import Array, covariance_matrices, ellipse, to_numpy
from mixturelab.plot.labels import listed

__all__ = ["ANGLES", "RATIOS", "RotationExplorer", "ShapeExplorer", "Turn", "crossing", "drawable"]

_MASS = 0.9


# ------------------------------------------------------------------------------- volume, shape, orientation
def drawable(ratio: float, angle: float) -> list[str]:
    """The families that can draw one ellipse of that axis ratio, its long axis at that angle in degrees."""
    if np.isclose(ratio, 1.0):
        return list(FAMILIES)
    return [f for f in FAMILIES if f != "spherical" and (f != "diag" or np.isclose(angle % 90, 0.0))]


def shape_words(volume: float, ratio: float, angle: float) -> str:
    """What the sliders have made, in numbers."""
    (a, b), (_, d) = compose(volume, ratio, angle)
    able = listed(drawable(ratio, angle))
    numbers = f"variances {a:.2f} and {d:.2f}, covariance {b + 0.0:.2f}".replace("-", "−")
    return f"Σ has {numbers}; its determinant is {volume**2:.2f}. Families that can draw it: {able}."


def _unit_cloud() -> Array:
    """160 rows whose mean is exactly 0 and whose covariance is exactly the identity."""
    raw = np.random.default_rng(3).normal(size=(160, 2))
    centred = raw - raw.mean(axis=0)
    return centred @ np.linalg.inv(np.linalg.cholesky(centred.T @ centred / len(raw))).T


class _ShapeScene:
    """The unit circle (dashed), the ellipse it becomes, its axes, and the same rows stretched and turned."""

    def __init__(self, ax: Axes):
        self.cloud = _unit_cloud()
        ax.plot(*ellipse([0, 0], np.eye(2), _MASS).T, color=palette.MUTED, linewidth=1.4, linestyle="--")
        (self.rows,) = ax.plot([], [], "o", color=palette.MUTED, markersize=4, alpha=0.5, markeredgewidth=0)
        (self.outline,) = ax.plot([], [], color=palette.COLOURS[0], linewidth=2.8)
        (self.long,) = ax.plot([], [], color=palette.COLOURS[1], linewidth=2.4)
        (self.short,) = ax.plot([], [], color=palette.COLOURS[1], linewidth=2.4, linestyle="--")
        self.moving = (self.rows, self.outline, self.long, self.short)
        ax.set(xlim=(-7.2, 7.2), ylim=(-5.4, 5.4), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")

    def draw(self, volume: float, ratio: float, angle: float) -> None:
        turned, lengths = rotation(angle), np.sqrt([volume * ratio, volume / ratio])
        self.rows.set_data(*(self.cloud * lengths @ turned.T).T)
        self.outline.set_data(*ellipse([0, 0], compose(volume, ratio, angle), _MASS).T)
        radius = np.sqrt(-2 * np.log(1 - _MASS))
        for line, length, axis in zip((self.long, self.short), lengths, turned.T, strict=True):
            line.set_data(*(np.outer([0, 1], radius * length * axis)).T)


class _Matrix:
    """The four numbers of Σ as tiles: the larger the bluer, negative ones red."""

    def __init__(self, ax: Axes):
        self.image = ax.imshow(np.zeros((2, 2)), cmap="RdBu", vmin=-9, vmax=9, zorder=1)
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 19, "zorder": 3}
        self.numbers = [ax.text(j, i, "", **style) for i in (0, 1) for j in (0, 1)]
        self.able = ax.text(0.5, 1.72, "", ha="center", va="top", fontsize=12.5, linespacing=1.5)
        self.moving = (self.image, *self.numbers, self.able)
        ax.set(xticks=[], yticks=[], xlim=(-0.5, 1.5), ylim=(2.95, -0.5))
        ax.spines[:].set_visible(False)
        ax.grid(visible=False)

    def draw(self, volume: float, ratio: float, angle: float) -> None:
        sigma = compose(volume, ratio, angle)
        self.image.set_data(0.8 * sigma)
        for text, value in zip(self.numbers, sigma.ravel(), strict=True):
            text.set_text(f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−"))
            text.set_color("white" if abs(value) > 6 else palette.INK)
        able = drawable(ratio, angle)
        marks = [f"{'✓' if family in able else '✗'} {family}" for family in FAMILIES]
        self.able.set_text("who can draw it:\n" + "   ".join(marks[:2]) + "\n" + "   ".join(marks[2:]))


class ShapeExplorer(Explorer):
    """Slide the volume, the shape and the orientation of one ellipse, and watch the matrix.

    Parameters
    ----------
    volume, ratio, angle : float
        Where the sliders begin; ``ratio`` is that of the axes, ``angle`` is in degrees.
    """

    def __init__(self, volume: float = 1.0, ratio: float = 1.0, angle: float = 0.0):
        with picture.look():
            figure = picture.new(9.4, 4.3)
            left, right = figure.subplots(1, 2, width_ratios=[1.75, 1])
            self.scene, self.matrix = _ShapeScene(left), _Matrix(right)
            left.set_title("90 % ellipse (dashed: of Σ = I)", fontsize=12.5)
            right.set_title("Σ", fontsize=14, loc="center")
            figure.set_dpi(90)
            self.frames = Frames(figure, [*self.scene.moving, *self.matrix.moving])
        super().__init__(
            {
                "volume": _slider("volume λ", volume, 0.25, 2.5, 0.25),
                "ratio": _slider("axis ratio", ratio, 1.0, 4.0, 0.25),
                "angle": _slider("angle (°)", angle, 0.0, 175.0, 5.0),
            },
            draw=self._picture,
            words=shape_words,
            twin=shape_panels,
        )

    def _picture(self, volume: float, ratio: float, angle: float) -> bytes:
        for part in (self.scene, self.matrix):
            part.draw(volume, ratio, angle)
        return self.frames.png()


def _slider(name: str, value: float, low: float, high: float, step: float) -> ipywidgets.FloatSlider:
    layout = {"width": "30em"}
    return ipywidgets.FloatSlider(value, min=low, max=high, step=step, description=name, layout=layout)


# ------------------------------------------------------------------------------- a cloud that turns
ANGLES: tuple[int, ...] = tuple(range(0, 95, 5))
RATIOS: tuple[float, ...] = (1.2, 1.5, 2.0, 3.0)  # of the standard deviations along the two axes
_HALF = 150  # rows a component


@dataclass(frozen=True)
class Turn:
    """A long and a tall group of 150 rows, turned together; each family is fitted when it is first asked for.

    Attributes
    ----------
    ratio : float
        Standard deviation along a group's long axis over that along its short one.
    angle : float
        In degrees. At 0 the axes of both groups are those of the table.
    """

    ratio: float
    angle: float

    @property
    def rows(self) -> Array:
        """The cloud [N, 2]; the standard normal numbers behind it are the same for every ratio and angle."""
        spread = np.sqrt([[self.ratio, 1 / self.ratio], [1 / self.ratio, self.ratio]])[_GROUPS]
        centre = np.array([[-2.0, -2.0], [2.0, 2.0]])[_GROUPS]
        return (centre + spread * _white()) @ rotation(self.angle).T

    def model(self, family: str) -> GaussianMixture:
        """Two components of that family, by EM from the true groups."""
        return _fit(self, family)[0]

    @property
    def bic(self) -> dict[str, float]:
        """By family. Only diag's depends on the angle: the others' fits turn with the cloud, so one angle will do."""
        still = replace(self, angle=0)
        return {family: _fit(self if family == "diag" else still, family)[1] for family in FAMILIES}

    def behind(self, family: str) -> float:
        """That family's BIC minus that of the full family: below zero it is the better choice of the two."""
        return self.bic[family] - self.bic["full"]


_GROUPS = np.repeat([0, 1], _HALF)


@cache
def _fit(cloud: Turn, family: str) -> tuple[GaussianMixture, float]:
    rows, shares = cloud.rows, np.eye(2)[_GROUPS]
    model = GaussianMixture(2, covariance_type=family, init_params=shares, tol=1e-6, max_iter=1000).fit(rows)
    return model, float(model.bic(rows))


def _white() -> Array:
    """Rows of which each half has mean 0 and covariance 1 exactly: at angle 0 the truth is diagonal, without luck."""
    raw = np.random.default_rng(8).normal(size=(2, _HALF, 2))
    centred = raw - raw.mean(axis=1, keepdims=True)
    roots = np.linalg.cholesky(centred.swapaxes(1, 2) @ centred / _HALF)
    return np.concatenate([half @ np.linalg.inv(root).T for half, root in zip(centred, roots, strict=True)])


def crossing(ratio: float) -> int | None:
    """The first of `ANGLES` at which the full family has a lower BIC than the diagonal one; None if there is none."""
    return next((angle for angle in ANGLES if Turn(ratio, angle).behind("diag") > 0), None)


def turn_words(ratio: float, angle: float, family: str) -> str:
    """Who is ahead at that angle."""
    now = Turn(ratio, angle)
    order = sorted(now.bic, key=now.bic.__getitem__)
    gap = now.bic[order[1]] - now.bic[order[0]]
    diag, told = now.behind("diag"), set(order[:2]) == {"diag", "full"}
    more = "" if told else f" Diag is {abs(diag):.0f} {'behind' if diag > 0 else 'ahead of'} full."
    return (
        f"Axis ratio {ratio:g}, turned by {angle}°. Lowest BIC: {order[0]}, {gap:.0f} ahead of {order[1]}.{more} "
        f"Drawn: {family}."
    )


class _Cloud:
    """The turned rows and the two ellipses of one family."""

    def __init__(self, ax: Axes):
        looks = [palette.style(k) for k in (0, 1)]
        self.rows = [
            ax.plot([], [], look.marker, color=look.colour, markersize=4, alpha=0.5, markeredgewidth=0)[0]
            for look in looks
        ]
        self.outlines = [ax.plot([], [], color=palette.INK, linewidth=2.6)[0] for _ in looks]
        self.moving = (*self.rows, *self.outlines)
        ax.set(xlim=(-7, 7), ylim=(-7, 7), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")

    def draw(self, now: Turn, family: str) -> None:
        model = now.model(family)
        covariances = covariance_matrices(model)
        for k, (rows, outline) in enumerate(zip(self.rows, self.outlines, strict=True)):
            rows.set_data(*now.rows[k == _GROUPS].T)
            outline.set_data(*ellipse(to_numpy(model.means_)[k], covariances[k], _MASS).T)
            outline.set_color(family_style(family).colour)


class _Race:
    """BIC of each family minus that of full, against the angle: what has been visited, or all."""

    def __init__(self, ax: Axes):
        self.ax = ax
        looks = {family: family_style(family) for family in FAMILIES}
        self.lines = {f: ax.plot([], [], label=f, **_line(look))[0] for f, look in looks.items()}
        (self.now,) = ax.plot([], [], color=palette.ALARM, linewidth=1.5)
        self.moving = (self.now, *self.lines.values())
        ax.set(
            xlim=(-3, 93),
            ylim=(-30, 2500),
            xlabel="turned by (°)",
            ylabel="BIC minus full's: lower is better\n(log scale beyond 20)",
        )
        ax.set_yscale("symlog", linthresh=20, linscale=1.2)
        ax.set_yticks([-20, -10, 0, 10, 20, 100, 400])
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        ax.set_xticks(range(0, 91, 15))
        ax.legend(loc="upper left", ncols=2, handlelength=2.6, bbox_to_anchor=(0.0, 1.0))

    def draw(self, ratio: float, angle: float, seen: Sequence[int]) -> None:
        for family, line in self.lines.items():
            line.set_data(seen, [Turn(ratio, each).behind(family) for each in seen])
        self.now.set_data([angle, angle], [self.ax.get_ylim()[0], 550])


def _line(look: palette.Style) -> dict[str, Any]:
    return {"color": look.colour, "linestyle": look.line, "marker": look.marker, "markersize": 6}


class RotationExplorer(Explorer):
    """Turn a cloud and watch which family has the lowest BIC; without a kernel it is the curves of all shapes.

    Parameters
    ----------
    ratio : float
        The axis ratio to begin with, one of `RATIOS`.
    """

    def __init__(self, ratio: float = 2.0):
        self.tried: dict[float, set[int]] = {each: set() for each in RATIOS}
        with picture.look():
            figure = picture.new(9.8, 4.7)
            left, right = figure.subplots(1, 2, width_ratios=[1, 1.1])
            self.cloud, self.race = _Cloud(left), _Race(right)
            left.set_title("The cloud, and a family's 90 % ellipses", fontsize=12.5)
            right.set_title("Which family is ahead?", fontsize=12.5)
            figure.set_dpi(90)
            self.frames = Frames(figure, [*self.cloud.moving, *self.race.moving])
        angle = ipywidgets.IntSlider(
            0, 0, ANGLES[-1], ANGLES[1], description="angle (°)", layout={"width": "30em"}
        )
        shape = _toggles([(f"{each:g}", each) for each in RATIOS], ratio)
        family = _toggles([(name, name) for name in FAMILIES], "diag")
        whole = ipywidgets.ToggleButton(description="show all angles", tooltip="Draw the whole curves")
        super().__init__(
            {"angle": angle, "ratio": shape, "family": family, "whole": whole},
            draw=self._picture,
            words=lambda angle, ratio, family, whole: turn_words(ratio, angle, family),
            twin=turn_panels,
            rows=[[angle, whole], [_label("axis ratio"), shape], [_label("drawn"), family]],
        )

    def _picture(self, angle: int, ratio: float, family: str, whole: bool) -> bytes:
        self.tried[ratio].add(angle)
        self.cloud.draw(Turn(ratio, angle), family)
        self.race.draw(ratio, angle, ANGLES if whole else sorted(self.tried[ratio]))
        return self.frames.png()


def _toggles(options: list[tuple[str, Any]], value: Any) -> ipywidgets.ToggleButtons:
    made = ipywidgets.ToggleButtons(options=options, value=value)
    made.style.button_width = "7em"
    return made


def _label(text: str) -> ipywidgets.Label:
    return ipywidgets.Label(text, layout={"width": "80px", "justify_content": "flex-end"})


def turn_panels() -> picture.Picture:
    """Diag's ellipses at three angles, and how far it is behind full at every angle and ratio: the static twin."""
    shown = (0, 20, 45)
    with picture.look():
        figure = picture.new(10.4, 8.0)
        grid: Any = figure.subfigures(2, 1, height_ratios=[3.5, 4.2])
        for ax, angle in zip(grid[0].subplots(1, 3, sharey=True), shown, strict=True):
            now = Turn(2.0, angle)
            _Cloud(ax).draw(now, "diag")
            gap = now.behind("diag")
            ax.set_title(f"{angle}°: diag {abs(gap):.0f} {'behind' if gap > 0 else 'ahead'}")
            ax.label_outer()
        lower = grid[1].subplots()
        _draw_all_ratios(lower)
        lower.set_title("Diag's BIC minus full's (above: axis ratio 2)")
    picture.describe(figure, _turn_twin_words(shown))
    return figure


def _draw_all_ratios(ax: Axes) -> None:
    for index, ratio in enumerate(RATIOS):
        gaps = [Turn(ratio, angle).behind("diag") for angle in ANGLES]
        ax.plot(ANGLES, gaps, label=f"axis ratio {ratio:g}", **_line(palette.style(index + 3)))
    ax.axhline(0, color=palette.INK, linewidth=1.3)
    ax.text(45, -17, "below zero: diag is the better choice", ha="center", va="center")
    ax.set(
        xlabel="turned by (°)",
        ylabel="BIC minus full's\n(log scale beyond 20)",
        xlim=(-2, 92),
        ylim=(-22, 2500),
    )
    ax.set_yscale("symlog", linthresh=20, linscale=1.2)
    ax.set_yticks([-10, 0, 10, 20, 100, 400])
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    ax.set_xticks(range(0, 91, 15))
    ax.legend(loc="upper center", ncols=4, fontsize=10.5, handlelength=3)


def _turn_twin_words(shown: Sequence[int]) -> str:
    found = {ratio: crossing(ratio) for ratio in RATIOS}
    lost = [f"{ratio:g} at {angle}°" for ratio, angle in found.items() if angle is not None]
    never = [f"{ratio:g}" for ratio, angle in found.items() if angle is None]
    return (
        f"A long and a tall group turned by {listed([f'{angle}°' for angle in shown])}: diag's ellipses fit at 0°, "
        "stay parallel to the axes and swell as the groups turn. Below, diag's BIC minus full's against the angle: "
        f"humps, highest at 45°, the higher the longer the groups. Diag first falls behind at these axis ratios: "
        f"{listed(lost)}" + (f"; never at {listed(never)}." if never else ".")
    )

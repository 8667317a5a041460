"""A widget that climbs a log-likelihood by bounds: slide the mean, press E-step and M-step; with its static twin."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np

from mixturelab.plot import palette, picture
from mixturelab.plot.em_lessons import OneMean, bound_artists, draw_level, place_bound
from mixturelab.plot.explorer import Explorer, button
from mixturelab.plot.frames import Frames
from mixturelab.plot.labels import listed

LOW, HIGH = 38.0, 102.0
_SAME = 0.05  # minutes: nearer than the slider shows
_BOUND, _MEAN = palette.style(0).colour, palette.style(1).colour


# ------------------------------------------------------------------------------- numbers to numbers
State = tuple[float, float]  # (where q was made, the mean now)


def next_half_step(model: OneMean, held: float, mean: float) -> tuple[str, State]:
    """The half step that is due: E if the mean has left the point where q was made, M otherwise."""
    if abs(mean - held) > _SAME:
        return "E", (mean, mean)
    return "M", (held, model.m_step(held))


def climbing_words(model: OneMean, held: float, mean: float) -> str:
    """Where the bound touches, where the mean is, and what lies between ℓ and 𝓛 there."""
    level, gap = model.log_likelihood(mean), model.gap(held, mean)
    numbers = f"Mean {mean:.1f} min: ℓ = {level:.2f}, 𝓛 = {level - gap:.2f}, gap {gap:.2f}.".replace("-", "−")
    return f"q made at {held:.1f} min. {numbers} {_advice(model, held, mean)}"


def _advice(model: OneMean, held: float, mean: float) -> str:
    best = model.m_step(held)
    if abs(mean - held) <= _SAME:
        if abs(best - held) <= _SAME:
            return "The bound touches at its own top: EM stands still."
        return f"The bound touches here; its top is at {best:.1f}: M-step."
    if abs(mean - best) <= _SAME:
        return "On top of the bound, below ℓ: an E-step closes the gap."
    lost = float(model.bound(held, held) - model.bound(held, mean))
    return f"𝓛 is {abs(lost):.2f} {'below' if lost > 0 else 'above'} where it touched."


# -------------------------------------------------------------------------------- numbers to pictures
_ABOVE: dict[str, Any] = {
    "ncols": 6,
    "loc": "lower center",
    "bbox_to_anchor": (0.5, 1.0),
    "columnspacing": 1.0,
    "handlelength": 1.6,
    "fontsize": 10.5,
}


class _Scene:
    """The curve stands still; the bound, the two points and the gap move."""

    def __init__(self, model: OneMean):
        self.model = model
        with picture.look():
            figure = picture.new(8.8, 4.6)
            figure.set_dpi(90)
            self.ax = figure.subplots()
            draw_level(self.ax, model, LOW, HIGH)
            self.bound = bound_artists(self.ax, _BOUND)
            (self.gap,) = self.ax.plot([], [], color=_MEAN, linewidth=3.5)
            (self.dot,) = self.ax.plot([], [], "D", color=_MEAN, markersize=10, zorder=5)
            (self.below,) = self.ax.plot([], [], "s", color=_MEAN, markersize=7, zorder=5)
            names = [
                "log-likelihood ℓ",
                r"bound $\mathcal{L}$",
                "touches (E)",
                "its top (M)",
                "gap",
                "ℓ at the mean",
            ]
            self.ax.legend([self.ax.lines[0], *self.bound, self.gap, self.dot], names, **_ABOVE)
            self.frames = Frames(figure, [*self.bound, self.gap, self.below, self.dot])

    def png(self, held: float, mean: float) -> bytes:
        level, under = self.model.log_likelihood(mean), float(self.model.bound(held, mean))
        place_bound(self.model, self.bound, held, LOW, HIGH)
        self.gap.set_data([mean, mean], [max(under, self.ax.get_ylim()[0]), level])
        self.dot.set_data([mean], [level])
        self.below.set_data([mean], [under])
        return self.frames.png()


@picture.look()
def climbing_panels(model: OneMean, start: float) -> picture.Picture:
    """The first two iterations in four panels: E, M, E, M. The static twin of the climber.

    Parameters
    ----------
    model : OneMean
    start : float
        The first mean.

    Returns
    -------
    Picture
        With its alternative text.
    """
    means = model.path(start, 2)
    moments = [
        ("E", means[0], means[0]),
        ("M", means[0], means[1]),
        ("E", means[1], means[1]),
        ("M", *means[1:]),
    ]
    figure, axes = picture.subplots(2, 2, width=10.2, height=6.6)
    for number, (ax, (phase, held, mean)) in enumerate(zip(axes.flat, moments, strict=True)):
        draw_level(ax, model, LOW, HIGH)
        place_bound(model, bound_artists(ax, _BOUND), held, LOW, HIGH)
        level, under = model.log_likelihood(mean), float(model.bound(held, mean))
        ax.plot([mean, mean], [under, level], color=_MEAN, linewidth=3.5)
        ax.plot(mean, level, "D", color=_MEAN, markersize=10, zorder=5)
        ax.set_title(f"Iteration {number // 2 + 1}, {phase}-step: mean {mean:.1f} min")
        ax.label_outer()
    picture.describe(figure, _panel_words(model, means))
    return figure


def _panel_words(model: OneMean, means: np.ndarray) -> str:
    way = listed([f"{mean:.1f} (ℓ = {model.log_likelihood(mean):.0f})".replace("-", "−") for mean in means])
    return (
        "Two iterations of EM on a log-likelihood with two hills, half step by half step. E: a parabola touches the "
        "curve from below. M: the mean jumps to the parabola's top, where the curve is higher still; the next parabola "
        f"touches there. The mean goes {way}."
    )


# -------------------------------------------------------------------------------- pictures to a widget
class BoundClimber(Explorer):
    """Slide the mean, redraw the bound (E-step), jump to its top (M-step); without a kernel it is four panels.

    Parameters
    ----------
    model : OneMean
    start : float
        The first mean; the bound is made there.
    """

    def __init__(self, model: OneMean, start: float = 95.0):
        self.model, self.start = model, start
        self.past: list[State] = []
        scene = _Scene(model)
        self.mean = ipywidgets.FloatSlider(start, min=LOW, max=HIGH, step=0.1, description="mean (min)")
        self.mean.readout_format = ".1f"
        self.mean.layout.width = "32em"
        self._held = ipywidgets.FloatText(start)  # not shown: only an E-step moves it
        super().__init__(
            {"mean": self.mean, "held": self._held},
            draw=lambda mean, held: scene.png(held, mean),
            words=lambda mean, held: climbing_words(model, held, mean),
            twin=lambda: climbing_panels(model, start),
            rows=[[self.mean], self._buttons()],
            width=792,
        )

    def e_step(self) -> None:
        """Make q at the mean: the bound touches there."""
        self._go((self.mean.value, self.mean.value))

    def m_step(self) -> None:
        """Jump to the top of the bound."""
        self._go((self._held.value, self.model.m_step(self._held.value)))

    def forward(self) -> None:
        """The half step that is due."""
        self._go(next_half_step(self.model, self._held.value, self.mean.value)[1])

    def back(self) -> None:
        """What was before the last button."""
        if self.past:
            held, mean = self.past.pop()
            self.set(held=held, mean=mean)

    def restart(self) -> None:
        """Mean and bound as they were in the beginning."""
        self.past.clear()
        self.set(held=self.start, mean=self.start)

    def _go(self, state: State) -> None:
        self.past.append((self._held.value, self.mean.value))
        self.set(held=state[0], mean=state[1])

    def _buttons(self) -> list[Any]:
        return [
            button("E-step", "Redraw the bound so that it touches at the mean", self.e_step, "refresh"),
            button("M-step", "Jump to the top of the bound", self.m_step, "arrow-up"),
            button("restart", "Back to the start", self.restart, "fast-backward"),
            button("back", "Undo the last half step", self.back, "step-backward"),
            button("forward", "The half step that is due", self.forward, "step-forward"),
        ]

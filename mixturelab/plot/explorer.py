"""The frame of every widget: controls, a sentence, a picture that follows, and a static twin for a kernel-less page."""

import html
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import ipywidgets
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mixturelab.plot import picture
from mixturelab.plot.frames import small_png


class Explorer(ipywidgets.VBox):
    """Controls above, a sentence and a picture below; without a kernel it is the picture of its twin.

    Parameters
    ----------
    controls : mapping from str to Widget
        Each has a `value`. Their names are the arguments of `draw` and `words`.
    draw : callable (**values) -> bytes
        The picture as PNG for these values: about 50 ms or less, so that it follows a slider.
    words : callable (**values) -> str
        What the picture shows, in a sentence or two: shown above it, and spoken by a screen reader.
    twin : callable () -> Picture
        A figure that tells the same story without a kernel, with its alternative text; drawn when first needed.
    rows : sequence of sequences of Widget, optional
        How controls, buttons and labels are laid out, a sequence for each line. Default: a line for each control.
    width : int, optional
        Of the picture, in pixels; it shrinks where the page is narrower.
    """

    def __init__(
        self,
        controls: Mapping[str, Any],
        *,
        draw: Callable[..., bytes],
        words: Callable[..., str],
        twin: Callable[[], picture.Picture],
        rows: Sequence[Sequence[ipywidgets.Widget]] | None = None,
        width: int | None = None,
    ):
        self.controls = dict(controls)
        self._draw, self._say, self._twin = draw, words, twin
        size = {"width": f"{width}px"} if width else {}
        # Without a margin at its sides: with one it would be wider than a narrow page, which then scrolls.
        self.image = ipywidgets.Image(format="png", layout={"max_width": "100%", "margin": "2px 0", **size})
        self.words = ipywidgets.HTML()
        for control in self.controls.values():
            control.observe(self._move, names="value")
        self._moving = False
        self._move()
        lines = rows if rows is not None else [[control] for control in self.controls.values()]
        super().__init__([*map(_line, lines), self.words, self.image])

    @property
    def values(self) -> dict[str, Any]:
        """What the controls say now, by name."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values: Any) -> None:
        """Move several controls at once; the picture is drawn once.

        Parameters
        ----------
        **values
            New values by the names of the controls.
        """
        self._moving = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._moving = False
        self._move()

    @cached_property
    def still(self) -> picture.Still:
        """The static twin."""
        return still_of(self._twin())

    def _move(self, change: Any = None) -> None:
        if self._moving:
            return
        values = self.values
        self.image.value = self._draw(**values)
        self.words.value = f'<div role="status" aria-live="polite">{html.escape(self._say(**values))}</div>'

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.still.alt_text}"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        data = super()._repr_mimebundle_(**options)
        still, metadata = self.still._repr_mimebundle_()
        return {**data, "image/png": still["image/png"], "text/plain": repr(self)}, metadata


def still_of(figure: picture.Picture) -> picture.Still:
    """A figure as a small picture with its alternative text."""
    canvas = FigureCanvasAgg(figure)
    with picture.look():
        figure.draw_without_rendering()  # the layout settles in two passes: now, and while it is drawn
        canvas.draw()
    return picture.Still(small_png(canvas), picture.alt_text(figure))


def button(name: str, tooltip: str, press: Callable[[], None], icon: str = "") -> ipywidgets.Button:
    """A button that does one thing.

    Parameters
    ----------
    name, tooltip : str
        What it says, and what it says to who points at it.
    press : callable () -> None
    icon : str
        One of Font Awesome's names, as "step-forward".
    """
    made = ipywidgets.Button(description=name, icon=icon, tooltip=tooltip, layout={"width": "auto"})
    made.on_click(lambda _: press())
    return made


def step_buttons(slider: Any, what: str = "step") -> list[ipywidgets.Button]:
    """Restart, back and forward for an integer slider."""

    def go(value: int) -> None:
        slider.value = min(max(value, slider.min), slider.max)

    return [
        button("restart", "Back to the start", lambda: go(slider.min), "fast-backward"),
        button("back", f"One {what} back", lambda: go(slider.value - 1), "step-backward"),
        button("forward", f"One {what} forward", lambda: go(slider.value + 1), "step-forward"),
    ]


def _line(widgets: Sequence[ipywidgets.Widget]) -> ipywidgets.Widget:
    return (
        widgets[0] if len(widgets) == 1 else ipywidgets.HBox(list(widgets), layout={"flex_flow": "row wrap"})
    )

"""Pictures that carry their alternative text: a matplotlib figure that shows itself, and its still."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from matplotlib import style as mpl_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Readable at half size and on a projector; the same wherever it is drawn, whatever the user's own settings.
_LOOK: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 12.0,
    "axes.titlesize": 14.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 12.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 11.0,
    "lines.linewidth": 2.0,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
DPI = 110


@contextmanager
def look() -> Iterator[None]:
    """Draw in the house style, and leave the user's settings as they were."""
    with mpl_style.context(["default", _LOOK]):
        yield


class Picture(Figure):
    """A matplotlib figure that carries its alternative text and shows itself as a cell's value.

    It belongs to no backend and to no ``pyplot`` window: nothing global is switched, and it is freed when
    the last name for it goes. Everything a matplotlib figure can do, it can do.

    Attributes
    ----------
    alt_text : str
        What the picture shows, in words, for those who do not see it.
    """

    alt_text: str = ""

    def __repr__(self) -> str:
        return f"Picture: {self.alt_text}" if self.alt_text else super().__repr__()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        return Still(png(self), self.alt_text)._repr_mimebundle_()


@dataclass(frozen=True, repr=False)
class Still:
    """A rendered picture with its alternative text: what a notebook stores."""

    png: bytes
    alt_text: str

    def __repr__(self) -> str:
        return f"Picture: {self.alt_text}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        # The plain form has the text too: for readers without pictures, and tests that compare outputs.
        data = {"image/png": base64.b64encode(self.png).decode("ascii"), "text/plain": repr(self)}
        return data, {"image/png": {"alt": self.alt_text}}


def new(width: float, height: float) -> Picture:
    """An empty picture of that size in inches, laid out so that nothing overlaps."""
    return Picture(figsize=(width, height), dpi=DPI, layout="constrained")


def subplots(
    rows: int = 1, columns: int = 1, *, width: float = 8.0, height: float = 5.0
) -> tuple[Picture, Any]:
    """An empty picture with axes in the house style: one, or an array of them as `Figure.subplots` gives."""
    with look():
        picture = new(width, height)
        return picture, picture.subplots(rows, columns)


def figure_of(ax: Axes) -> Figure:
    """The whole figure that the axes are in, also from within a subfigure."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # only after ax.remove()
    return figure


def alt_text(figure: Figure) -> str:
    """The alternative text of a figure, empty if it has none."""
    return getattr(figure, "alt_text", "")


def describe(figure: Figure, text: str) -> Figure:
    """Give a figure its alternative text; a figure that has one already (another panel) keeps both."""
    figure.alt_text = " ".join(filter(None, [alt_text(figure), text]))  # type: ignore[attr-defined]
    return figure


def show(figure: Figure, text: str | None = None) -> Still:
    """Render any matplotlib figure for a notebook, with its alternative text in the output's metadata.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Made here or with ``pyplot``; in the second case close it afterwards, or it is shown twice.
    text : str, optional
        The alternative text. Default: the one that the figure carries.

    Returns
    -------
    Still
        As a cell's last expression it is displayed.

    Raises
    ------
    ValueError
        If there is no alternative text.
    """
    words = alt_text(figure) if text is None else text
    if not words.strip():
        raise ValueError("text is empty and the figure carries none; say in words what the picture shows")
    return Still(png(figure), words)


def png(figure: Figure, dpi: float | None = None) -> bytes:
    """The figure as PNG: the same bytes each time (no date, no program name)."""
    buffer = io.BytesIO()
    with look():
        figure.draw_without_rendering()  # the layout settles in two passes: now, and while it is drawn
        figure.savefig(buffer, format="png", dpi=dpi or figure.dpi, metadata={"Software": None})
    return buffer.getvalue()

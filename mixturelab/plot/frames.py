"""Frames of a figure that moves: what stands still is drawn once, the rest on top of it, each as a small PNG."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from mixturelab.plot import picture


class Frames:
    """A figure and those of its artists that change from frame to frame.

    Parameters
    ----------
    figure : Figure
        With everything in it; its layout is found now and then stands still.
    moving : sequence of Artist
        Drawn anew in each frame. What else is changed needs `redraw`.
    """

    def __init__(self, figure: Figure, moving: Sequence[Artist]):
        self.figure, self.moving = figure, tuple(moving)
        self.canvas = FigureCanvasAgg(figure)
        with picture.look():
            figure.draw_without_rendering()  # the layout settles in two passes: now, and with the first redraw
        for artist in self.moving:
            artist.set_animated(True)
        self.redraw()
        figure.set_layout_engine("none")

    def redraw(self) -> None:
        """Draw what stands still."""
        with picture.look():
            self.canvas.draw()
        self.background: Any = self.canvas.copy_from_bbox(self.figure.bbox)

    def png(self) -> bytes:
        """The figure as it is now."""
        self.canvas.restore_region(self.background)
        for artist in self.moving:
            if artist.get_visible():
                self.figure.draw_artist(artist)
        return small_png(self.canvas)


def small_png(canvas: FigureCanvasAgg) -> bytes:
    """What has been drawn, with a palette: a third of the bytes, and quicker to write."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(128).save(buffer, "png")
    return buffer.getvalue()

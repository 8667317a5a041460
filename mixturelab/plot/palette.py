"""Colours that survive colour blindness, each with a marker and a line style as well, and how they mix."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike, NDArray

# Okabe and Ito (2008), Color universal design, then four of Paul Tol's muted colours. The yellow of the
# first comes last: alone on white it is hard to see.
COLOURS: tuple[str, ...] = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#332288",  # indigo
    "#882255",  # wine
    "#999933",  # olive
    "#44AA99",  # teal
    "#777777",  # grey
    "#F0E442",  # yellow
)
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "p", "<", ">", "h", "*", "d", "P", "X")
# A name or a pattern of dashes, as matplotlib takes them.
LINE_STYLES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
    (0, (9, 3)),
    (0, (2, 1)),
)
INK = "#222222"
MUTED = "#6B6B6B"
ALARM = "#B00020"


@dataclass(frozen=True)
class Style:
    """How one component or one family is drawn: no two share colour *and* marker."""

    colour: str
    marker: str
    line: Any


def style(index: int) -> Style:
    """The style with that number; any number is allowed.

    The lists of colours and markers have lengths without a common divisor, so that their pairs repeat
    only after 156.
    """
    return Style(
        COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], LINE_STYLES[index % len(LINE_STYLES)]
    )


def mix(responsibilities: ArrayLike) -> NDArray[np.float64]:
    """Each row's colour: its components' colours in the proportion of its responsibilities.

    Parameters
    ----------
    responsibilities : array-like [N, K]
        Rows sum to 1.

    Returns
    -------
    ndarray [N, 3]
        RGB in 0 to 1. Light is mixed, not the numbers that encode it: a half of each is as bright as it
        should be.
    """
    shares = np.asarray(responsibilities, dtype=float)
    palette = np.array([to_rgb(style(k).colour) for k in range(shares.shape[1])])
    return np.clip(shares @ palette**2.2, 0.0, 1.0) ** (1 / 2.2)

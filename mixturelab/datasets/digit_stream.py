"""A stream of real images to which things happen: handwritten digits, batch by batch, from a seeded generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixturelab.exceptions import DataError

__all__ = ["ImageBatch", "stream_digits"]

Images = NDArray[np.float64]
N_CLASSES, SIDE, WHITE = 10, 8, 16.0

# What happens, as (batches, values) with straight lines between: half of all digits are zeros for a while, the camera
# tilts, and at last it sticks: it sends more and more of one picture, whatever lies before it.
ZEROS = ((79, 80, 139, 140), (0.1, 0.5, 0.5, 0.1))
TILT = ((170, 220), (0.0, 40.0))
STUCK = ((255, 280), (0.0, 1.0))
STUCK_CLASS = 4


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """One batch of images, and what had been done to them.

    Attributes
    ----------
    step : int
        Number of the batch, from 0.
    data : ndarray [B, 64]
        Images of 8 by 8 pixels, row by row, from 0 (paper) to 1 (ink).
    labels : ndarray [B] of int
        The digit that was written.
    zeros : float
        The share of zeros that images were drawn with; the other digits are equally frequent.
    angle : float
        Degrees by which the images are turned, anticlockwise.
    stuck : float
        How much of each image is one and the same picture: 0 to 1.
    """

    step: int
    data: Images
    labels: NDArray[np.int64]
    zeros: float
    angle: float
    stuck: float


def stream_digits(n_steps: int = 300, batch_size: int = 64, random_state: int = 0) -> Iterator[ImageBatch]:
    """Yield batches of scikit-learn's digits, as a camera over a belt would, with three incidents.

    Batches 80 to 139: half of the digits are zeros. From 170 to 220 the camera tilts, and stays so. From 255 to 280
    it sticks: every image becomes the same. Images are drawn with replacement.

    Parameters
    ----------
    n_steps : int
        Number of batches.
    batch_size : int
        Images in a batch.
    random_state : int
        The seed; the same one gives the same images.

    Yields
    ------
    ImageBatch

    Raises
    ------
    DataError
        If a size is not a whole number of at least 1.
    """
    for name, value in (("n_steps", n_steps), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise DataError(f"{name} must be a whole number of at least 1; got {value!r}")
    return _batches(int(n_steps), int(batch_size), np.random.default_rng(random_state))


def _batches(n_steps: int, batch_size: int, generator: np.random.Generator) -> Iterator[ImageBatch]:
    images, of_class = _digits()
    same = images[of_class[STUCK_CLASS][0]]
    for step in range(n_steps):
        zeros, angle, stuck = (float(np.interp(step, *plan)) for plan in (ZEROS, TILT, STUCK))
        labels = generator.choice(N_CLASSES, size=batch_size, p=_class_shares(zeros))
        rows = _rows(labels, generator.random(batch_size), of_class)
        seen = (1 - stuck) * _turned(images[rows], angle) + stuck * same
        yield ImageBatch(step, seen.reshape(batch_size, -1), labels, zeros, angle, stuck)


@cache
def _digits() -> tuple[Images, tuple[NDArray[np.int64], ...]]:
    """All images [N, 8, 8], and the rows of each class."""
    from mixturelab.datasets.catalogue import load_dataset

    table = load_dataset("digits")
    assert table.target is not None
    images = table.data.reshape(-1, SIDE, SIDE) / WHITE
    images.setflags(write=False)
    return images, tuple(np.flatnonzero(table.target == digit) for digit in range(N_CLASSES))


def _class_shares(zeros: float) -> NDArray[np.float64]:
    shares = np.full(N_CLASSES, (1 - zeros) / (N_CLASSES - 1))
    shares[0] = zeros
    return shares


def _rows(
    labels: NDArray[np.int64], uniform: NDArray[np.float64], of_class: tuple[NDArray[np.int64], ...]
) -> NDArray[np.int64]:
    """A row of each label's class, by a uniform number in [0, 1)."""
    pairs = zip(labels, uniform, strict=True)
    return np.array([of_class[label][int(u * len(of_class[label]))] for label, u in pairs])


def _turned(images: Images, angle: float) -> Images:
    """Images turned about their middle; what comes in from outside is paper."""
    from scipy import ndimage

    if angle == 0:
        return images
    return np.clip(ndimage.rotate(images, angle, axes=(2, 1), reshape=False, order=3), 0.0, 1.0)

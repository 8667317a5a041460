"""Images from disk: .npy and .npz files, and folders of pictures whose sub-folders are classes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixturelab.exceptions import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_images"]

Images = tuple[Any, NDArray[Any] | None, tuple[str, ...]]  # pixels, labels, names of the classes

_IMAGE_KEYS = ("images", "x_train", "x", "X", "data", "arr_0")
_LABEL_KEYS = ("labels", "y_train", "y", "target", "arr_1")
_PICTURES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_LARGEST_SIDE = 64  # what the encoder is made for
_COMMON_SIDE = 32  # pictures of several sizes, or larger ones, are brought to this


def read_images(source: str | PathLike[str]) -> Images:
    """Images, labels (None where there are none) and names of the classes, unchecked.

    Raises
    ------
    DataError
        Nothing is there, or it cannot be read; the message names the file.
    """
    path = Path(source)
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        wanted = "'digits', 'mnist', a .npy or .npz file, or a folder of images"
        raise DataError(f"{source}: no such file or folder; wanted {wanted}")
    if path.suffix.lower() not in (".npy", ".npz"):
        raise DataError(f"{path}: wanted a .npy or .npz file, or a folder of images")
    return _read_arrays(path)


def _read_arrays(path: Path) -> Images:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, Mapping):
                return loaded, None, ()
            pixels, labels = (_first(loaded, keys) for keys in (_IMAGE_KEYS, _LABEL_KEYS))
            found = sorted(loaded)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as arrays of numbers: {error}") from None
    if pixels is None:
        raise DataError(f"{path}: holds {found}; wanted the images under one of {list(_IMAGE_KEYS)}")
    return pixels, labels, ()


def _first(arrays: Mapping[str, NDArray[Any]], keys: tuple[str, ...]) -> NDArray[Any] | None:
    return next((arrays[key] for key in keys if key in arrays), None)


def _read_folder(folder: Path) -> Images:
    loose = _pictures_in(folder)
    classes = {sub.name: _pictures_in(sub) for sub in sorted(folder.iterdir()) if _is_class(sub)}
    classes = {name: files for name, files in classes.items() if files}
    if loose and classes:
        raise DataError(f"{folder}: holds pictures both loose and in sub-folders; wanted one or the other")
    files = loose or [file for group in classes.values() for file in group]
    if not files:
        raise DataError(f"{folder}: holds no pictures ({', '.join(sorted(_PICTURES))})")
    pixels = _stack([_open(file) for file in files])
    if not classes:
        return pixels, None, ()
    labels = np.repeat(np.arange(len(classes)), [len(group) for group in classes.values()])
    return pixels, labels, tuple(classes)


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_"))


def _pictures_in(folder: Path) -> list[Path]:
    files = (file for file in sorted(folder.iterdir()) if file.suffix.lower() in _PICTURES)
    return [file for file in files if file.is_file() and not file.name.startswith(".")]


def _open(file: Path) -> Image:
    """The first frame, upright, grey or in colour, with 8 bits a channel."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise DataError(f"{file}: a folder of pictures needs Pillow: pip install pillow") from None
    try:
        with Image.open(file) as picture:
            return _plain(ImageOps.exif_transpose(picture))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{file}: not a picture that can be read: {error}") from None


def _plain(picture: Image) -> Image:
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits a pixel, which `convert` would cut off at 255
        return Image.fromarray((np.asarray(picture).clip(0, 65535) // 257).astype(np.uint8))
    if picture.mode == "F":
        raise ValueError("its pixels are floats of unknown range; save them as .npy")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _stack(pictures: list[Image]) -> NDArray[np.uint8]:
    """[N, H, W, C] of one size and one kind: grey only if all are grey."""
    sizes = {picture.size for picture in pictures}
    mode = "L" if all(picture.mode == "L" for picture in pictures) else "RGB"
    common = sizes.pop() if len(sizes) == 1 else (_COMMON_SIDE, _COMMON_SIDE)
    if max(common) > _LARGEST_SIDE:
        common = (_COMMON_SIDE, _COMMON_SIDE)
    arrays = [np.asarray(picture.convert(mode).resize(common)) for picture in pictures]
    return np.stack(arrays).reshape(len(arrays), common[1], common[0], -1)

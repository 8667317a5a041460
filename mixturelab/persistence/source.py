"""A path as a file that can be read: regular, not too large; and how a pickle is known without opening it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mixturelab.exceptions import ModelFileError

# 1,000 full components in 500 dimensions have 4e9 bytes, covariances and factors; a larger file is refused unread.
MAX_BYTES = 4 << 30

# How pickles begin, plain and as joblib compresses them.
_PICKLES = (b"\x80", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x5d\x00",
            b"\x04\x22\x4d\x18")  # fmt: skip
_PICKLE_SUFFIXES = (".joblib", ".pkl", ".pickle")
_ZIP = b"PK\x03\x04"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, open; a folder, a pipe or a device is none, and is not waited for.

    Raises
    ------
    ModelFileError
        If it cannot be read: one line that names it.
    """
    if "\0" in str(path):
        raise ModelFileError(f"{str(path)!a} is no path: it holds a null character")
    try:
        _require_regular(path, os.stat(path))
        # What is there may have changed since: a pipe must not block either, and what was opened is looked at.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as file:
            _require_regular(path, os.fstat(file.fileno()))
            yield file
    except FileNotFoundError:
        raise ModelFileError(f"{path} does not exist") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None


def _require_regular(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise ModelFileError(f"{path} is a folder; wanted a model file")
    if not stat.S_ISREG(found.st_mode):
        raise ModelFileError(f"{path} is a pipe, a device or a socket; wanted a model file")
    if found.st_size > MAX_BYTES:
        raise ModelFileError(f"{path} is larger than {MAX_BYTES >> 30} GiB; not a model file that we read")


def is_pickle(begin: bytes, path: Path) -> bool:
    """Whether a file that begins so is, or claims to be, a pickle."""
    # A safetensors file may begin with any byte (a length), but has a brace in the ninth place.
    return begin[8:9] != b"{" and (path.suffix in _PICKLE_SUFFIXES or begin.startswith(_PICKLES))


def is_archive(begin: bytes) -> bool:
    """Whether it is a zip archive: a checkpoint of torch, arrays of NumPy."""
    return begin.startswith(_ZIP)

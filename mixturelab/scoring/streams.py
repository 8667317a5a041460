"""The bytes of a CSV file in order, from any place on: plain, compressed, in UTF-16, or from standard input."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import os
from pathlib import Path
from typing import IO, Any, BinaryIO

from mixturelab.exceptions import DataError

COMPRESSED = (".gz", ".bz2", ".zst")

# How files begin that are no CSV text.
_FOREIGN = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive or an Excel workbook (export the sheet as CSV)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (export the sheet as CSV)",
    b"\x1f\x8b": "gzip data (give it the ending .gz)",
    b"\x28\xb5\x2f\xfd": "zstandard data (give it the ending .zst)",
    b"PAR1": "a Parquet file (give it the ending .parquet)",
    b"ARROW1": "an Arrow file (give it the ending .arrow)",
    b"\x93NUMPY": "a NumPy file (give it the ending .npy)",
}


class TextStream:
    """UTF-8 bytes of a text: a byte order mark is left out, UTF-16 is recoded.

    Parameters
    ----------
    raw : binary file
        Not read yet.
    size : int or None
        Bytes of the file that `raw` is read from, if that is known.
    place : callable, optional
        How many of them have been read.
    close : callable, optional
        What closes the file; by default nothing does.
    """

    def __init__(self, raw: Any, size: int | None = None, place: Any = None, close: Any = lambda: None):
        self._raw, self._size, self._place, self.close = raw, size, place, close
        self._head = _read_whole(raw, 16)
        expect_text(self._head)
        if self._head.startswith((b"\xff\xfe", b"\xfe\xff")):
            self._raw = codecs.EncodedFile(_Joined(self._head, raw), "utf-8", "utf-16")
            self._head = b""
        self._head = self._head.removeprefix(b"\xef\xbb\xbf")

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        if not self._head:
            return _read_whole(self._raw, size)
        found, self._head = self._head[:size], self._head[size:]
        return found + _read_whole(self._raw, size - len(found))

    def give_back(self, data: bytes) -> None:
        """Put what was read before the rest again."""
        self._head = data + self._head

    def skip(self, size: int) -> None:
        """Go past so many bytes, by reading them."""
        while size > 0 and (data := self.read(min(size, 2**20))):
            size -= len(data)

    def fraction(self) -> float | None:
        """How much of the file has been read."""
        return self._place() / self._size if self._size and self._place else None


def _read_whole(raw: Any, size: int) -> bytes:
    """As many bytes as wanted, unless the end comes first: pipes give what is there."""
    parts: list[bytes] = []
    while size > 0 and (part := raw.read(size)):
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Joined(io.RawIOBase):
    """What was read of a file, and the rest."""

    def __init__(self, head: bytes, rest: Any):
        self._head, self._rest = head, rest

    def read(self, size: int = -1, /) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._rest.read(max(size - len(head), 0)))


def expect_text(head: bytes) -> None:
    """Raise a DataError for the beginning of a file that is no text."""
    for start, what in _FOREIGN.items():
        if head.startswith(start):
            raise DataError(f"the file is {what}, not CSV text")
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError("the file holds a zero byte: this is a binary file, not CSV text")


def open_text(path: Path) -> TextStream:
    """A file's text.

    Raises
    ------
    DataError, OSError
    """
    file = path.open("rb", buffering=0)
    try:
        size = os.fstat(file.fileno()).st_size
        return TextStream(_decompressed(file, path), size, file.tell, file.close)
    except BaseException:
        file.close()
        raise


def _decompressed(file: BinaryIO | IO[bytes], path: Path) -> Any:
    ending = path.suffix.lower()
    if ending == ".gz":
        return gzip.GzipFile(fileobj=file, mode="rb")
    if ending == ".bz2":
        return bz2.BZ2File(file)
    if ending == ".zst":
        return _zstandard(file, path)
    return file


def _zstandard(file: Any, path: Path) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise DataError(f"{path}: zstandard needs pyarrow: pip install 'mixturelab[parquet]'") from None
    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")

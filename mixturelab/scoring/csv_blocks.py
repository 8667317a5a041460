"""Bytes of a CSV file cut into blocks of whole rows: a newline inside quotes ends no row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mixturelab.exceptions import DataError

LONGEST = 2**26  # bytes of one row: a quote that is never closed must not fill the memory
BLANK = b" \t\r\n"


class Stream(Protocol):
    """Bytes, read in order."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


@dataclass(frozen=True)
class Block:
    """Whole rows.

    Attributes
    ----------
    data : bytes
    end : int
        Where it ends in the file, in bytes.
    lines : int
        Newlines in it, those inside quotes among them.
    last : bool
        Whether the file ends with it.
    """

    data: bytes
    end: int
    lines: int
    last: bool


def blocks(stream: Stream, delimiter: bytes, at: int, rows: int, room: int) -> Iterator[Block]:
    """Blocks of so many rows (blank lines are counted), or of fewer where they do not fit into the room.

    Where blocks end depends on where they begin and on the file alone, not on how its bytes arrive.

    Parameters
    ----------
    stream : Stream
        At a row's beginning.
    delimiter : bytes
        One byte.
    at : int
        That row's place in the file, in bytes.
    rows : int
    room : int
        Bytes that a block may have; a single row may have `LONGEST`.

    Raises
    ------
    DataError
        If a row is longer.
    """
    rest, ended = b"", False
    while True:
        rest, cut, ended = _fill(stream, rest, delimiter, rows, room, ended)
        if not rest:
            return
        data, rest = rest[:cut], rest[cut:]
        at += cut
        yield Block(data, at, newlines(data), ended and not rest)


def _fill(
    stream: Stream, data: bytes, delimiter: bytes, rows: int, room: int, ended: bool
) -> tuple[bytes, int, bool]:
    """Read until a block is there: the bytes, where to cut them, and whether the stream has ended."""
    while True:
        ends = row_ends(data, delimiter, ended)
        inside = ends[: np.searchsorted(ends, room, side="right")]
        if len(inside) >= rows:
            return data, int(inside[rows - 1]), ended
        if len(data) >= room and len(ends):
            return data, int(inside[-1] if len(inside) else ends[0]), ended
        if ended:
            return data, len(data), ended
        if len(data) > LONGEST:
            raise DataError(f"a row is longer than {LONGEST >> 20} MiB; is a quote left open?")
        missing = _expected(data, len(ends), rows, room)
        more = stream.read(missing)
        data, ended = data + more, not more


def _expected(data: bytes, ends: int, rows: int, room: int) -> int:
    """How many bytes to read next, judged by the rows so far."""
    if len(data) >= room:
        return len(data)  # a very long row: twice as much each time
    if not ends:
        return 2**18
    return max(2**16, min(room, int(1.05 * len(data) / ends * (rows - ends)) + 4096))


def row_ends(data: bytes, delimiter: bytes, ended: bool) -> NDArray[np.int64]:
    """Where rows end: one past each newline that stands outside quotes; a last row without one ends with the data.

    Without ``ended`` more bytes may follow: what they could change is left out.
    """
    ends = _ends_of_quoted(data, delimiter) if b'"' in data else _ends_of_plain(data)
    if not ended:
        # After a carriage return a newline may follow.
        return ends[:-1] if len(ends) and ends[-1] == len(data) and data.endswith(b"\r") else ends
    return ends if not data or (len(ends) and ends[-1] == len(data)) else np.append(ends, len(data))


def _ends_of_plain(data: bytes) -> NDArray[np.int64]:
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return np.array([match.end() for match in re.finditer(rb"\r\n|\n|\r", data)], dtype=np.int64)
    return np.flatnonzero(np.frombuffer(data, np.uint8) == 10) + 1


def _ends_of_quoted(data: bytes, delimiter: bytes) -> NDArray[np.int64]:
    """A quote opens a cell only at its beginning; elsewhere it is a character like others."""
    pattern = rb"(?:\A|(?<=[\r\n" + re.escape(delimiter) + rb']))"[^"]*+(?:""[^"]*+)*+(?:"|(\Z))|(\r\n|\n|\r)'
    return np.array(
        [match.end() for match in re.finditer(pattern, data) if match.lastindex == 2], dtype=np.int64
    )


def newlines(data: bytes) -> int:
    r"""How many lines end in the data, whether by \\n, \\r\\n or \\r."""
    returns = data.count(b"\r")
    return data.count(b"\n") + (returns - data.count(b"\r\n") if returns else 0)


def split_rows(data: bytes, delimiter: bytes) -> list[tuple[int, bytes]]:
    """Every row of a block that is not blank: the line it begins in, from 0, and its bytes without the newline."""
    if b'"' not in data:
        return [(line, row) for line, row in enumerate(data.splitlines()) if row.strip(BLANK)]
    found, begin, line = [], 0, 0
    for end in row_ends(data, delimiter, ended=True).tolist():
        row = data[begin:end]
        if row.strip(BLANK):
            found.append((line, row.removesuffix(b"\n").removesuffix(b"\r")))
        line += newlines(row)
        begin = end
    return found

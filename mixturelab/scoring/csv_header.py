"""How a CSV file begins: the names of its columns, and what separates its cells."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from mixturelab.exceptions import DataError
from mixturelab.scoring.csv_blocks import BLANK, LONGEST, newlines, row_ends
from mixturelab.scoring.csv_cells import as_number, cells_of, is_text
from mixturelab.scoring.streams import TextStream, expect_text

# What spreadsheets write first where the separator is not the usual one.
_SEP = re.compile(rb'"?sep=([^\w\s".+-]|\t)"?[ \t]*\r?\n', re.IGNORECASE)
_SEPARATORS = b",;\t"
_QUOTED = re.compile(rb'"[^"]*"')


@dataclass(frozen=True)
class Header:
    """What was found.

    Attributes
    ----------
    names : tuple of str
        Without the spaces around them.
    delimiter : str
    size, lines : int
        Bytes and lines before the first row.
    """

    names: tuple[str, ...]
    delimiter: str
    size: int
    lines: int


def read_header(stream: TextStream) -> Header:
    """Read the header, and no further.

    Raises
    ------
    DataError
        If there is none.
    """
    data, said = b"", None
    while True:
        more = stream.read(2**16)
        data += more
        expect_text(data)
        said = _SEP.match(data)
        begin = said.end() if said else 0
        if end := _end(data, begin, ended=not more):
            stream.give_back(data[end:])
            return _header(data[:end], begin, said[1] if said else None)
        if not more:
            raise DataError("the file is empty; wanted a header and rows of numbers")
        if len(data) > LONGEST:
            raise DataError("the first row does not end; is a quote left open?")


def _end(data: bytes, begin: int, ended: bool) -> int | None:
    """Where the first row ends that is not blank."""
    # Which of the separators it is, is known once the row is: until then a quote after any of them opens a cell.
    ends = row_ends(data[begin:], _SEPARATORS, ended) + begin
    return next((end for end in ends.tolist() if data[begin:end].strip(BLANK)), None)


def _header(data: bytes, begin: int, said: bytes | None) -> Header:
    row = data[begin:].strip(b"\r\n")
    bare = _QUOTED.sub(b"", row)
    delimiter = (
        said.decode() if said else max(_SEPARATORS.decode(), key=lambda mark: bare.count(mark.encode()))
    )
    return Header(_names(row, delimiter), delimiter, len(data), newlines(data))


def _names(row: bytes, delimiter: str) -> tuple[str, ...]:
    cells = cells_of(row, delimiter)
    if cells is None:
        raise DataError("a quote in the header is not closed")
    if not all(map(is_text, cells)):
        raise DataError("the header is not UTF-8 text: if this is a CSV file, save it as UTF-8")
    names = tuple(cell.strip() for cell in cells)
    if all(not math.isnan(as_number(name)) for name in names):
        raise DataError("line 1 holds numbers; wanted a header with the names of the columns")
    return names

"""Chunks of a CSV file or of a stream of CSV: the header, which columns are wanted, then block after block."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Sequence
from functools import cached_property

from mixturelab.exceptions import DataError
from mixturelab.scoring.chunk import Chunk, Columns, Fault, Floats, Position, shortened
from mixturelab.scoring.columns import positions
from mixturelab.scoring.csv_blocks import Block, blocks, row_ends, split_rows
from mixturelab.scoring.csv_cells import (
    MISSING,
    Irregular,
    Layout,
    as_number,
    by_arrow,
    by_cell,
    cells_of,
    is_text,
    why_not,
)
from mixturelab.scoring.csv_header import read_header
from mixturelab.scoring.request import Request, kept_places
from mixturelab.scoring.streams import TextStream

_LOOKED_AT = 2**20  # bytes in which columns of numbers are told from columns of text
_ROOM = 2**25  # bytes of a block


class CsvReader:
    """The rows of one CSV text.

    Parameters
    ----------
    stream : TextStream
        Not read yet.
    label : str
        What the file is called in messages.
    request : Request

    Raises
    ------
    DataError
        If it has no header, or not the columns that are wanted. Messages do not name the file.
    """

    def __init__(self, stream: TextStream, label: str, request: Request):
        self._stream, self._label, self._request = stream, label, request
        self.header = read_header(stream)
        self._rows_seen = self._look()
        self.layout = self._find_columns()
        self.features = tuple(self.header.names[place] for place in self.layout.features)
        self.nothing: Columns = {name: [] for name, _ in self.layout.kept}

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _look(self) -> list[bytes]:
        """The first rows; they are read again later."""
        data = self._stream.read(_LOOKED_AT)
        self._stream.give_back(data)
        ends = row_ends(data, self.header.delimiter.encode(), ended=len(data) < _LOOKED_AT)
        return (
            [row for _, row in split_rows(data[: ends[-1]], self.header.delimiter.encode())]
            if len(ends)
            else []
        )

    def _find_columns(self) -> Layout:
        header, request = self.header, self._request
        if request.names is None and len(header.names) != request.n_features:
            features = self._columns_of_numbers()
        else:
            features = positions(header.names, request.names, request.n_features)
        return Layout(
            header.delimiter, len(header.names), tuple(features), kept_places(header.names, request)
        )

    def _columns_of_numbers(self) -> list[int]:
        """For a model without names: columns of text are none of its features."""
        rows = [cells_of(row, self.header.delimiter) or [] for row in self._rows_seen[:1000]]
        whole = [cells for cells in rows if len(cells) == len(self.header.names)]
        found = [place for place, cells in enumerate(zip(*whole, strict=True)) if _is_numeric(cells)]
        if len(found) != self._request.n_features:
            named = ", ".join(self.header.names[place] for place in found[:20])
            raise DataError(
                f"{len(found)} numeric columns ({named}); the model has {self._request.n_features} features and no "
                "names to match them by"
            )
        return found

    @cached_property
    def _rows_of_a_chunk(self) -> int:
        return self._request.rows_of(len(self.layout.features) + len(self.layout.kept))

    def chunks(self, start: Position) -> Iterator[Chunk]:
        """The chunks from a position on, which is that of an earlier chunk's end, or the beginning."""
        if start.at:
            self._stream.skip(start.at - self.header.size)
        else:
            start = start.moved(self.header.size, self.header.lines, 0)
        delimiter = self.layout.delimiter.encode()
        for block in blocks(self._stream, delimiter, start.at, self._rows_of_a_chunk, _ROOM):
            chunk = self._chunk(block, start)
            yield chunk
            start = chunk.end

    def _chunk(self, block: Block, start: Position) -> Chunk:
        try:
            x, kept = self._fast(block)
        except Irregular:
            x, kept = by_cell(block.data, self.layout)
        end = start.moved(block.end, block.lines, len(x))
        rows = _Rows(block.data, self.layout, self.header.names, start.line)
        fraction = self._stream.fraction()
        return Chunk(self._label, start, end, x, kept, rows.explain, rows.seen, self.features, fraction)

    def _fast(self, block: Block) -> tuple[Floats, Columns]:
        if importlib.util.find_spec("pyarrow") is None:
            raise Irregular
        return by_arrow(block.data, self.layout, block.last)


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether most of the cells that are not missing are numbers."""
    given = [cell for cell in cells if cell.strip().lower() not in MISSING]
    return bool(given) and 2 * sum(not math.isnan(as_number(cell)) for cell in given) >= len(given)


class _Rows:
    """The rows of a block, taken apart once something is wrong with one."""

    def __init__(self, data: bytes, layout: Layout, names: Sequence[str], line: int):
        self._data, self._layout, self._names, self._line = data, layout, names, line

    @cached_property
    def _rows(self) -> list[tuple[int, bytes]]:
        return split_rows(self._data, self._layout.delimiter.encode())

    def _cells(self, number: int) -> tuple[int, list[str] | None]:
        line, row = self._rows[number]
        return self._line + line + 1, cells_of(row, self._layout.delimiter)

    def explain(self, number: int) -> Fault:
        line, cells = self._cells(number)
        text = self._rows[number][1].decode(errors="backslashreplace")
        if cells is None:
            return Fault(line, "", shortened(text), "a quote is not closed")
        if len(cells) != self._layout.width:
            said = f"the row has {_count(len(cells))}; the header has {self._layout.width}"
            return Fault(line, "", shortened(text), said)
        return next(self._faults(line, cells))

    def _faults(self, line: int, cells: list[str]) -> Iterator[Fault]:
        for name, place in self._layout.kept:
            if not is_text(cells[place]):
                yield Fault(line, name, _shown(cells[place]), "is not UTF-8 text")
        for place in self._layout.features:
            if reason := why_not(cells[place]):
                yield Fault(line, self._names[place], _shown(cells[place]), reason)

    def seen(self, number: int, feature: int) -> tuple[int, str]:
        line, cells = self._cells(number)
        return line, _shown((cells or [])[self._layout.features[feature]])


def _shown(cell: str) -> str:
    return shortened(cell.encode(errors="surrogateescape").decode(errors="backslashreplace"))


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"

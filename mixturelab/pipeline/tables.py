"""Read the numeric columns of a CSV file; whatever is wrong with it is said in one line with its place."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixturelab.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

# What people write where there is no number.
_MISSING = {"", "na", "n/a", "nan", "null", "none", "missing", ".", "?", "-"}
# How files begin that are sometimes renamed to .csv.
_FOREIGN = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive or an Excel workbook (export the sheet as CSV)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (export the sheet as CSV)",
    b"\x1f\x8b": "a gzip archive (unpack it first)",
    b"PAR1": "a Parquet file",
    b"\x93NUMPY": "a NumPy file",
}


@dataclass(frozen=True, eq=False)
class Table:
    """The numeric columns of a CSV file, and which columns were left out.

    Attributes
    ----------
    path : Path
    columns : tuple of str, length D
    data : ndarray [N, D], float64
    skipped : tuple of (str, str)
        Name of a column that was left out, and why.
    sha256 : str
        Checksum of the file's bytes.
    """

    path: Path
    columns: tuple[str, ...]
    data: NDArray[np.float64] = field(repr=False)
    skipped: tuple[tuple[str, str], ...]
    sha256: str

    @property
    def frame(self) -> pd.DataFrame:
        """The same numbers with their names, so that a model fitted to them knows these."""
        import pandas as pd

        return pd.DataFrame(self.data, columns=list(self.columns))

    def __len__(self) -> int:
        return len(self.data)


def read_table(path: str | os.PathLike[str], columns: Sequence[str] | None = None) -> Table:
    """Read the numeric columns of a CSV file with a header.

    Cells may be separated by comma, semicolon or tab. A column without a single number is text, and is left
    out; one that is mostly numbers must be wholly so.

    Parameters
    ----------
    path : path
    columns : sequence of str, optional
        Read these, in this order. Default: all that are numeric.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        One line that names the file, and the row (the first under the header is 1), the line and the
        column where there is one.
    """
    path = Path(path)
    raw = _read_bytes(path)
    try:
        found = _parse(_decode(raw))
        kept = _usable(found) if columns is None else _chosen(found, columns)
        _check_complete(kept)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    data = np.column_stack([np.frombuffer(column.values, dtype=float) for column in kept])
    skipped = tuple((column.label, column.why_skipped) for column in found if column not in kept)
    return Table(path, tuple(c.name for c in kept), data, skipped, hashlib.sha256(raw).hexdigest())


# ----------------------------------------------------------------------------------------- bytes, text, cells
def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder; wanted a CSV file")
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def _decode(raw: bytes) -> str:
    """The file's text, if it is text."""
    for start, what in _FOREIGN.items():
        if raw.startswith(start):
            raise DataError(f"the file is {what}, not CSV text")
    coding = "UTF-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "UTF-8"
    try:
        text = raw.decode(coding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"line {line} is not {coding} text: if this is a CSV file, save it as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"line {line} holds a zero byte: this is a binary file, not CSV text")
    if not text.strip():
        raise DataError("the file is empty; wanted a header and rows of numbers")
    return text


@dataclass(eq=False)
class _Column:
    """One column while it is read: its numbers, and the first cell of each other kind."""

    name: str
    index: int
    values: array[float] = field(default_factory=lambda: array("d"))
    n_numbers: int = 0
    n_texts: int = 0
    # (row, line, cell) of the first of each kind
    text: tuple[int, int, str] | None = None
    missing: tuple[int, int, str] | None = None
    infinite: tuple[int, int, str] | None = None

    @property
    def label(self) -> str:
        return self.name or f"(column {self.index + 1})"

    @property
    def is_numeric(self) -> bool:
        return self.n_numbers > 0 and self.n_numbers >= self.n_texts

    @property
    def why_skipped(self) -> str:
        if not self.name:
            return "no name"
        if self.is_numeric:
            return "not chosen"
        return "text" if self.n_texts else "no values"

    def add(self, cell: str, row: int, line: int) -> None:
        value = _number(cell)
        self.values.append(math.nan if value is None else value)
        if value is None and cell.strip().lower() not in _MISSING:
            self.n_texts += 1
            self.text = self.text or (row, line, cell)
        elif value is None or math.isnan(value):
            self.missing = self.missing or (row, line, cell)
        else:
            self.n_numbers += 1
            if math.isinf(value):
                self.infinite = self.infinite or (row, line, cell)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _parse(text: str) -> list[_Column]:
    """All columns; rows of another length than the header are refused."""
    rows = _rows(text)
    _, header = next(rows)
    columns = [_Column(name.strip(), index) for index, name in enumerate(header)]
    _check_header(columns)
    n_rows = 0
    for n_rows, (line, cells) in enumerate(rows, start=1):
        if len(cells) != len(columns):
            raise DataError(
                f"row {n_rows} (line {line}) has {_count(len(cells), 'cell')}; the header has {len(columns)}"
            )
        for column, cell in zip(columns, cells, strict=True):
            column.add(cell, n_rows, line)
    if n_rows == 0:
        raise DataError("there is a header and no rows under it")
    return columns


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that is not blank."""
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} is not CSV: {error}") from None


def _check_header(columns: list[_Column]) -> None:
    seen: dict[str, _Column] = {}
    for column in columns:
        if column.name and column.name in seen:
            first, second = seen[column.name].index + 1, column.index + 1
            raise DataError(f"columns {first} and {second} are both named {column.name!r}; rename one")
        seen[column.name] = column
    if all(_number(column.name) is not None for column in columns):
        raise DataError("line 1 holds numbers; wanted a header with the names of the columns")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# ------------------------------------------------------------------------------------------ which columns
def _usable(columns: list[_Column]) -> list[_Column]:
    kept = [column for column in columns if column.name and column.is_numeric]
    if not kept:
        named = ", ".join(f"{column.label!r} ({column.why_skipped})" for column in columns[:5])
        more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
        raise DataError(f"no column is numeric: {named}{more}")
    return kept


def _chosen(columns: list[_Column], names: Sequence[str]) -> list[_Column]:
    by_name = {column.name: column for column in columns if column.name}
    missing = [name for name in names if name not in by_name]
    if missing:
        has = ", ".join(map(repr, by_name))
        raise DataError(f"there is no column {', '.join(map(repr, missing))}; the file has {has}")
    return [by_name[name] for name in names]


def _check_complete(columns: list[_Column]) -> None:
    """Raise for the first cell, by row, that is not a finite number."""
    problems = [problem for column in columns for problem in _problems(column)]
    if problems:
        (row, line, _), name, what = min(problems, key=lambda problem: problem[0][0])
        raise DataError(f"row {row} (line {line}), column {name!r}: {what}")


def _problems(column: _Column) -> Iterator[tuple[tuple[int, int, str], str, str]]:
    if column.missing:
        found = f"the cell says {column.missing[2]!r}" if column.missing[2].strip() else "the cell is empty"
        yield column.missing, column.name, f"{found}; give it a number or delete the row"
    if column.infinite:
        yield (
            column.infinite,
            column.name,
            f"{column.infinite[2].strip()} is not finite; wanted a finite number",
        )
    if column.text:
        yield column.text, column.name, f"{column.text[2][:40]!r} is not a number"

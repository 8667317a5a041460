"""Read the numeric columns of a CSV file; whatever is wrong with it is said in one line with its place."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
# Cells that people take for numbers, and what keeps them from being one.
_ALMOST = [
    (r"[+-]?\d{1,3},\d{3}", "decimal comma, or one between thousands?"),
    (r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+", "decimal comma?"),
    (r"[+-]?\d{1,3}([,_ '\u2019\u00a0\u202f]\d{3})+(\.\d*)?", "separator between thousands?"),
    (r"[+-]?[\d.,]*\d\s?%", "percent sign?"),
    (r"[+-]?[$\u20ac\u00a3\u00a5]\s?\d[\d.,]*|[+-]?\d[\d.,]*\s?[$\u20ac\u00a3\u00a5]", "currency sign?"),
]
# A spreadsheet's first line that only says how cells are separated, and a header's part inside and outside quotes.
_SEP = re.compile(r"\"?sep=([^\w\s\".+-]|\t)\"?[ \t]*(?=[\r\n])", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_HEADER = re.compile(r'(?:"[^"]*"|[^"\r\n])*')
_SHOWN = 40
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

    Cells may be separated by comma, semicolon or tab, or as a first line like ``sep=|`` says. A column that is
    mostly text is left out; one that is mostly numbers must be wholly so. Only ``.`` is a decimal point.

    Parameters
    ----------
    path : path
    columns : sequence of str, optional
        Read these, in this order, each once. Default: all that are numeric.

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
    almost: tuple[int, int, str] | None = None

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
        if self.almost:
            row, _, cell = self.almost
            return f"text: row {row} says {_short(cell)!r}, {_hint(cell)}"
        # The first cell of a column of names would be somebody's: it stays out of what is written and shared.
        return "text" if self.n_texts else "no values"

    def add(self, cell: str, row: int, line: int) -> None:
        value = _number(cell)
        self.values.append(math.nan if value is None else value)
        if value is None and cell.strip().lower() not in _MISSING:
            self.n_texts += 1
            self.text = self.text or (row, line, cell)
            if self.almost is None and _hint(cell):
                self.almost = (row, line, cell)
        elif value is None or math.isnan(value):
            self.missing = self.missing or (row, line, cell)
        else:
            self.n_numbers += 1
            if math.isinf(value):
                self.infinite = self.infinite or (row, line, cell)


def _number(cell: str) -> float | None:
    try:
        # Python reads 1_000 as a number; nobody else does.
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _hint(cell: str) -> str:
    """What may be wrong with a cell that looks like a number; nothing for other text."""
    stripped = cell.strip()
    return next((hint for pattern, hint in _ALMOST if re.fullmatch(pattern, stripped)), "")


def _short(text: str) -> str:
    """The text, or its beginning: an error is one line that can be read."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _parse(text: str) -> list[_Column]:
    """All columns; rows of another length than the header are refused."""
    rows = _rows(text)
    _, header = next(rows, (0, []))
    if not header:
        raise DataError("the file is empty; wanted a header and rows of numbers")
    columns = [_Column(name.strip(), index) for index, name in enumerate(header)]
    _check_header(columns)
    n_rows = 0
    for n_rows, (line, cells) in enumerate(rows, start=1):
        if len(cells) != len(columns):
            found = f"row {n_rows} (line {line}) has {_count(len(cells), 'cell')}"
            hint = ": decimal comma?" if len(cells) == 2 * len(columns) else ""
            raise DataError(f"{found}; the header has {len(columns)}{hint}")
        for column, cell in zip(columns, cells, strict=True):
            column.add(cell, n_rows, line)
    if n_rows == 0:
        raise DataError("there is a header and no rows under it")
    return columns


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that is not blank."""
    said = _SEP.match(text.lstrip())
    delimiter = said[1] if said else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = (cells for cells in reader if len(cells) > 1 or any(cell.strip() for cell in cells))
    try:
        if said:
            next(rows)
        for cells in rows:
            yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} is not CSV: {error}") from None


def _delimiter(text: str) -> str:
    """Comma, semicolon or tab: the one that stands most often in the header, outside quotes."""
    match = _HEADER.match(text.lstrip())
    bare = _QUOTED.sub("", match[0] if match else "")
    return max(",;\t", key=bare.count)


def _check_header(columns: list[_Column]) -> None:
    seen: dict[str, _Column] = {}
    for column in columns:
        if column.name and column.name in seen:
            first, second = seen[column.name].index + 1, column.index + 1
            raise DataError(
                f"columns {first} and {second} are both named {_short(column.name)!r}; rename one"
            )
        seen[column.name] = column
    if all(_number(column.name) is not None for column in columns):
        raise DataError("line 1 holds numbers; wanted a header with the names of the columns")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# ------------------------------------------------------------------------------------------ which columns
def _usable(columns: list[_Column]) -> list[_Column]:
    kept = [column for column in columns if column.name and column.is_numeric]
    if not kept:
        named = ", ".join(f"{_short(column.label)!r} ({column.why_skipped})" for column in columns[:5])
        more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
        raise DataError(f"no column is numeric: {named}{more}")
    return kept


def _chosen(columns: list[_Column], names: Sequence[str]) -> list[_Column]:
    by_name = {column.name: column for column in columns if column.name}
    if not len(names) or not all(names):
        raise DataError(
            f"columns is {_listed(names) or 'empty'}; wanted one or more names, none of them empty"
        )
    name, times = Counter(map(str, names)).most_common(1)[0]
    if times > 1:
        raise DataError(f"columns names {_short(name)!r} {times} times; wanted each once")
    missing = [name for name in names if name not in by_name]
    if missing:
        raise DataError(f"there is no column {_listed(missing)}; the file has {_listed(by_name)}")
    return [by_name[name] for name in names]


def _listed(names: Iterable[str], most: int = 12) -> str:
    shown = [repr(_short(str(name))) for name in names]
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def _check_complete(columns: list[_Column]) -> None:
    """Raise for the first cell, by row, that is not a finite number."""
    problems = [problem for column in columns for problem in _problems(column)]
    if problems:
        (row, line, _), name, what = min(problems, key=lambda problem: problem[0][0])
        raise DataError(f"row {row} (line {line}), column {_short(name)!r}: {what}")


def _problems(column: _Column) -> Iterator[tuple[tuple[int, int, str], str, str]]:
    if column.missing:
        cell = column.missing[2].strip()
        found = f"the cell says {cell!r}" if cell else "the cell is empty"
        yield column.missing, column.name, f"{found}; give it a number or delete the row"
    if column.infinite:
        yield (
            column.infinite,
            column.name,
            f"{_short(column.infinite[2].strip())} is not finite; wanted a finite number",
        )
    if column.text:
        hint = _hint(column.text[2])
        found = f"{_short(column.text[2])!r} is not a number"
        yield column.text, column.name, f"{found} ({hint})" if hint else found

"""A piece of a table on its way through the job: its rows, what is kept of them, and where it stands in the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# A column on its way to the output: of an array, of Arrow, or cells of text.
Column = Any
Columns = Mapping[str, Column]


@dataclass(frozen=True)
class Position:
    """How far the input has been read: all that reading needs to go on from there.

    Attributes
    ----------
    file : int
        Which of the input's files, from 0.
    at : int
        What is done of it: bytes of a CSV file, else rows.
    line : int
        Lines of it that are done (CSV).
    rows : int
        Its rows that are done.
    before : int
        Rows of the files before it.
    """

    file: int = 0
    at: int = 0
    line: int = 0
    rows: int = 0
    before: int = 0

    @property
    def row(self) -> int:
        """Rows of the whole input that are done."""
        return self.before + self.rows

    def moved(self, at: int, lines: int, rows: int) -> Position:
        """Further on in the same file: at a place of its own, by so many lines and rows."""
        return replace(self, at=at, line=self.line + lines, rows=self.rows + rows)

    def next_file(self) -> Position:
        """The beginning of the next file."""
        return Position(self.file + 1, before=self.row)

    def as_dict(self) -> dict[str, int]:
        """For a journal."""
        return asdict(self)


@dataclass(frozen=True)
class Fault:
    """Why a row has no scores.

    Attributes
    ----------
    line : int or None
        Where the row begins in a CSV file, from 1.
    column : str
        Empty where the whole row is at fault.
    value : str
        What was found, shortened.
    reason : str
        What is wrong with it, so that "column value reason" can be read as a sentence.
    """

    line: int | None
    column: str
    value: str
    reason: str


@dataclass(frozen=True, eq=False)
class Chunk:
    """Rows of one file.

    Attributes
    ----------
    file : str
        The file, as the user named it.
    start, end : Position
        Before the chunk's first row, and after its last.
    x : ndarray [N, D]
        The model's features; not finite where a row cannot be used.
    kept : mapping of str to column [N]
        What goes to the output as it came.
    explain : callable
        The `Fault` of the n-th row of the chunk, which is one of those that cannot be used.
    seen : callable
        The line of the n-th row, if there are lines, and the text of its d-th feature.
    features : tuple of str
        The names of x's columns in the input.
    fraction : float or None
        How much of the input is done with this chunk, if that is known.
    """

    file: str
    start: Position
    end: Position
    x: Floats
    kept: Columns
    explain: Callable[[int], Fault]
    seen: Callable[[int, int], tuple[int | None, str]]
    features: tuple[str, ...]
    fraction: float | None = None

    def __len__(self) -> int:
        return len(self.x)


def pick(column: Column, chosen: NDArray[np.bool_]) -> Column:
    """The chosen rows of a column of any kind."""
    if isinstance(column, np.ndarray):
        return column[chosen]
    if isinstance(column, list):
        return [cell for cell, wanted in zip(column, chosen, strict=True) if wanted]
    import pyarrow as pa

    return column.filter(pa.array(chosen))


def shortened(text: str, most: int = 60) -> str:
    """The text, or its beginning."""
    return text if len(text) <= most else f"{text[:most]}…"

"""The rows that have no scores: which they are, what is said of them, and the file in which it is said."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mixturelab.exceptions import DataError
from mixturelab.scoring.chunk import Chunk, Fault, Floats
from mixturelab.scoring.scorer import Scores

COLUMNS = ("file", "row", "row_in_file", "line", "column", "value", "reason")

# Squares of numbers beyond this overflow once they are divided by a variance.
LARGEST = 1e-4 * float(np.finfo(np.float64).max) ** 0.5


def usable(chunk: Chunk, scores: Scores) -> NDArray[np.bool_]:
    """Which rows have scores, [N]."""
    if not len(chunk) or (_is_in_range(chunk.x) and np.isfinite(scores.log_density).all()):
        return np.ones(len(chunk), dtype=bool)
    in_range = np.abs(chunk.x) <= LARGEST  # false for NaN, too
    return in_range.all(axis=1) & np.isfinite(scores.log_density)


def _is_in_range(x: Floats) -> bool:
    return bool(x.max() <= LARGEST and x.min() >= -LARGEST)  # false for NaN, too


def faults(chunk: Chunk, good: NDArray[np.bool_]) -> Iterator[tuple[int, Fault]]:
    """For each row of the chunk that is not good: its number in the chunk, and why."""
    for number in np.flatnonzero(~good).tolist():
        yield number, _fault(chunk, number)


def _fault(chunk: Chunk, number: int) -> Fault:
    row: Floats = chunk.x[number]
    if not np.isfinite(row).all():
        return chunk.explain(number)
    feature = int(np.abs(row).argmax())
    line, text = chunk.seen(number, feature)
    reason = (
        f"is larger than {LARGEST:.3g}, so that its square overflows"
        if abs(row[feature]) > LARGEST
        else "is so far from every component that the density cannot be computed"
    )
    return Fault(line, chunk.features[feature], text, reason)


def header() -> bytes:
    """The first line of the file."""
    return _line(COLUMNS)


def record(chunk: Chunk, number: int, fault: Fault) -> bytes:
    """A row's line in the file; rows count from 1."""
    row, in_file = chunk.start.row + number + 1, chunk.start.rows + number + 1
    line = "" if fault.line is None else fault.line
    return _line((chunk.file, row, in_file, line, fault.column, fault.value, fault.reason))


def _line(cells: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode(errors="backslashreplace")


def error(chunk: Chunk, number: int, fault: Fault) -> DataError:
    """The same as an error, for a job that stops at the first."""
    line = "" if fault.line is None else f" (line {fault.line})"
    place = f"{chunk.file}: row {chunk.start.rows + number + 1}{line}"
    if not fault.column:
        return DataError(f"{place}: {fault.reason}")
    value = f"{fault.value!r} " if fault.value.strip() else "the cell " if fault.line else ""
    return DataError(f"{place}, column {fault.column!r}: {value}{fault.reason}")

"""Readers that walk through a table without holding it: arrays, memory maps, .npy, CSV and Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixturelab.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["iter_chunks"]

FloatChunk = NDArray[np.floating[Any]]
NamedChunk = tuple[Sequence[str], FloatChunk]  # the names are empty where the source has none


def iter_chunks(
    source: Any, rows: int = 65_536, *, columns: Sequence[str] | None = None, check_finite: bool = True
) -> Iterator[FloatChunk]:
    """Yield a table as arrays of at most `rows` rows, in order; every row comes exactly once.

    Parameters
    ----------
    source : array-like [N, D], DataFrame, or path
        A path ends in .npy (opened as a memory map), .csv or .parquet (read piece by piece).
    rows : int
        Rows in a chunk; only the last one may have fewer.
    columns : sequence of str, optional
        For files and frames with column names: the columns wanted. By default all numeric ones.
    check_finite : bool
        Refuse NaN and infinity, naming the row (from 0, without the header) and the column.

    Yields
    ------
    ndarray [n, D]
        float32 where the source holds float32, else float64. Chunks of an array in floating point are views.

    Raises
    ------
    DataError
        The source cannot be read as a table of numbers; the message names the file, the row and the column.
        It is raised when the first chunk is asked for, or at the chunk with the fault.
    """
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 1:
        raise DataError(f"rows must be a whole number of at least 1; got {rows!r}")
    start = 0
    for names, chunk in _open(source, int(rows), columns):
        if check_finite:
            _expect_finite(chunk, start, names, _label(source))
        start += len(chunk)
        yield chunk
    if start == 0:
        raise DataError(f"{_label(source)} has no rows")


def _open(source: Any, rows: int, columns: Sequence[str] | None) -> Iterator[NamedChunk]:
    if isinstance(source, str | PathLike):
        yield from _open_path(Path(source), rows, columns)
    elif hasattr(source, "select_dtypes"):
        yield from _frames([source], rows, columns, "the frame")
    elif columns is not None:
        raise DataError("an array has no column names; leave columns out")
    else:
        yield from _slices(_as_table(source, "the array"), rows)


def _open_path(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[NamedChunk]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        if columns is not None:
            raise DataError(f"{path}: a .npy file has no column names; leave columns out")
        yield from _slices(_memory_map(path), rows)
    elif suffix == ".csv":
        yield from _frames(_csv_frames(path, rows, columns), rows, columns, str(path))
    elif suffix in {".parquet", ".pq"}:
        yield from _frames(_parquet_frames(path, rows, columns), rows, columns, str(path))
    else:
        raise DataError(f"{path}: the ending {suffix!r} is not known; wanted .npy, .csv or .parquet")


def _slices(table: FloatChunk, rows: int) -> Iterator[NamedChunk]:
    for start in range(0, len(table), rows):
        chunk = table[start : start + rows]
        yield (), chunk if chunk.dtype in (np.float32, np.float64) else chunk.astype(np.float64)


def _as_table(values: Any, label: str) -> FloatChunk:
    table = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asanyarray(values)
    if table.ndim != 2 or table.dtype.kind not in "fiub":
        raise DataError(f"{label} has shape {table.shape} and type {table.dtype}; wanted numbers [N, D]")
    return table


def _memory_map(path: Path) -> FloatChunk:
    try:
        return _as_table(np.load(path, mmap_mode="r", allow_pickle=False), str(path))
    except DataError:
        raise
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a .npy file of numbers ({error})") from error


def exact_numbers() -> dict[str, Any]:
    """What `pandas.read_csv` has to be told so that a number read in a chunk is the number read with the whole file.

    Before pandas 3 the default parser may miss the nearest number by the last bit; since then it does not, and the
    option is deprecated.
    """
    import pandas as pd

    return {"float_precision": "round_trip"} if int(pd.__version__.split(".")[0]) < 3 else {}


def _csv_frames(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    import pandas as pd

    names = None if columns is None else list(columns)
    try:
        with pd.read_csv(path, chunksize=rows, usecols=names, **exact_numbers()) as reader:
            yield from reader
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: cannot be read as CSV ({str(error).strip()})") from error


def _parquet_frames(path: Path, rows: int, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow; install it with: pip install pyarrow") from error
    try:
        with parquet.ParquetFile(path) as file:
            wanted = None if columns is None else list(columns)
            for batch in file.iter_batches(batch_size=rows, columns=wanted):
                yield batch.to_pandas()
    except (ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error


def _frames(frames: Any, rows: int, columns: Sequence[str] | None, label: str) -> Iterator[NamedChunk]:
    names = None if columns is None else list(columns)
    start = 0
    for frame in frames:
        names = _numeric_columns(frame, names, start, label)
        table = frame[names].to_numpy(dtype=np.float32 if _all_float32(frame[names]) else np.float64)
        for _, chunk in _slices(table, rows):
            yield names, chunk
        start += len(frame)


def _all_float32(frame: pd.DataFrame) -> bool:
    return bool((frame.dtypes == np.float32).all())


def _numeric_columns(frame: pd.DataFrame, wanted: list[str] | None, start: int, label: str) -> list[str]:
    """The wanted columns, all numeric here; with none wanted, the numeric ones of the first frame."""
    numeric = list(frame.select_dtypes(["number", "bool"]).columns)
    if wanted is None:
        if not numeric and len(frame):
            raise DataError(f"{label} has no numeric column; its columns are {list(frame.columns)}")
        return numeric
    for name in wanted:
        if name not in frame.columns:
            raise DataError(f"{label} has no column {name!r}; its columns are {list(frame.columns)}")
        if name not in numeric:
            raise DataError(f"{label}: column {name!r} is {_first_text(frame[name], start)}; wanted a number")
    return wanted


def _first_text(column: pd.Series, start: int) -> str:
    import pandas as pd

    bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
    position = int(np.flatnonzero(bad.to_numpy())[0]) if bad.any() else 0
    return f"{str(column.iloc[position])!r} in row {start + position}"


def _expect_finite(chunk: FloatChunk, start: int, names: Sequence[str], label: str) -> None:
    if np.isfinite(chunk).all():
        return
    row, column = np.argwhere(~np.isfinite(chunk))[0]
    named = repr(names[column]) if len(names) else str(column)
    seen = chunk[row, column]
    raise DataError(f"{label}: row {start + row}, column {named} is {seen}; wanted a finite number")


def _label(source: Any) -> str:
    return str(source) if isinstance(source, str | PathLike) else "the source"

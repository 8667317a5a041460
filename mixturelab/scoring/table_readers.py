"""Chunks of Parquet and Arrow files, of Arrow streams, and of .npy files, which are mapped into memory."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixturelab.exceptions import DataError
from mixturelab.scoring.chunk import Chunk, Columns, Fault, Floats, Position, shortened
from mixturelab.scoring.columns import is_number, numbers, positions
from mixturelab.scoring.request import Request, kept_places

if TYPE_CHECKING:
    import pyarrow as pa


class NpyReader:
    """The rows of an array in a .npy file; its columns are the model's features by position.

    Raises
    ------
    DataError
        If it is not an array [N, D] of numbers.
    """

    features = None

    def __init__(self, path: Path, label: str, request: Request):
        self._label, self._request = label, request
        self._array = _mapped(path)
        if self._array.shape[1] != request.n_features:
            raise DataError(
                f"the array has {self._array.shape[1]} columns; the model has {request.n_features} features"
            )
        self._names = request.names or tuple(f"x{d}" for d in range(request.n_features))
        self._kept = kept_places(self._names, request)
        self.nothing: Columns = {name: np.empty(0, self._array.dtype) for name, _ in self._kept}

    def close(self) -> None:
        """Nothing: the map goes with the array."""

    def chunks(self, start: Position) -> Iterator[Chunk]:
        """The chunks from a position on."""
        rows = self._request.rows_of(self._array.shape[1] + len(self._kept))
        for at in range(start.at, len(self._array), rows):
            raw = self._array[at : at + rows]
            x = np.ascontiguousarray(raw, dtype=np.float64)
            end = start.moved(at + len(x), 0, len(x))
            kept = {name: np.ascontiguousarray(raw[:, place]) for name, place in self._kept}
            rows_ = _Values(x, self._names, None)
            fraction = end.at / len(self._array)
            yield Chunk(self._label, start, end, x, kept, rows_.explain, rows_.seen, self._names, fraction)
            start = end
            _forget(self._array)


def _forget(array: np.ndarray) -> None:
    """Let go of the pages of a map that have been read: they would count as memory in use."""
    whole = getattr(array, "_mmap", None)
    if whole is not None and hasattr(mmap, "MADV_DONTNEED"):
        whole.madvise(mmap.MADV_DONTNEED)


def _mapped(path: Path) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"not a .npy file of numbers ({error})") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiub":
        shape = getattr(array, "shape", "more than one array")
        raise DataError(
            f"the array has shape {shape} and type {getattr(array, 'dtype', '?')}; wanted numbers [N, D]"
        )
    return array


class ArrowReader:
    """The rows of record batches.

    Parameters
    ----------
    source : ParquetSource or IpcSource
    label : str
    request : Request

    Raises
    ------
    DataError
        If there are not the columns that are wanted, or they hold something else than numbers.
    """

    def __init__(self, source: Any, label: str, request: Request):
        import pyarrow as pa

        self._source, self._label, self._request = source, label, request
        schema: pa.Schema = source.schema
        self._features = _features(schema, request)
        self._kept = kept_places(schema.names, request)
        self.features = tuple(schema.names[place] for place in self._features)
        self.nothing: Columns = {name: pa.array([], schema.types[place]) for name, place in self._kept}
        for place in self._features:
            if not is_number(schema.types[place]):
                raise DataError(f"column {schema.names[place]!r} holds {schema.types[place]}; wanted numbers")

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def chunks(self, start: Position) -> Iterator[Chunk]:
        """The chunks from a position on."""
        rows = self._request.rows_of(len(self._features) + len(self._kept))
        wanted = list(dict.fromkeys([*self._features, *(place for _, place in self._kept)]))
        for batch in self._source.batches(start.at, rows, wanted):
            chunk = self._chunk(batch, start)
            yield chunk
            start = chunk.end

    def _chunk(self, batch: pa.RecordBatch, start: Position) -> Chunk:
        by_name = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
        x = np.empty(
            (len(self.features), batch.num_rows)
        ).T  # by column, as they come and as they are worked on
        for d, name in enumerate(self.features):
            x[:, d] = numbers(by_name[name], name)
        rows = _Values(x, self.features, by_name)
        end = start.moved(start.at + len(x), 0, len(x))
        kept = {name: by_name[name] for name, _ in self._kept}
        fraction = end.at / self._source.n_rows if self._source.n_rows else None
        return Chunk(self._label, start, end, x, kept, rows.explain, rows.seen, self.features, fraction)


def _features(schema: pa.Schema, request: Request) -> list[int]:
    """For a model without names: columns of text are none of its features."""
    if request.names is not None or len(schema) == request.n_features:
        return positions(schema.names, request.names, request.n_features)
    found = [place for place, kind in enumerate(schema.types) if is_number(kind)]
    if len(found) != request.n_features:
        named = ", ".join(schema.names[place] for place in found[:20])
        raise DataError(
            f"{len(found)} numeric columns ({named}); the model has {request.n_features} features and no names to "
            "match them by"
        )
    return found


class _Values:
    """What to say of a row's values."""

    def __init__(self, x: Floats, names: Sequence[str], columns: Any):
        self._x, self._names, self._columns = x, names, columns

    def explain(self, number: int) -> Fault:
        place = int(np.flatnonzero(~np.isfinite(self._x[number]))[0])
        _, text = self.seen(number, place)
        if self._columns is not None and self._columns[self._names[place]][number].as_py() is None:
            return Fault(None, self._names[place], "", "is missing")
        reason = "is NaN" if math.isnan(self._x[number, place]) else "is infinite"
        return Fault(None, self._names[place], text, reason)

    def seen(self, number: int, feature: int) -> tuple[None, str]:
        return None, shortened(repr(float(self._x[number, feature])))


class ParquetSource:
    """Record batches of a Parquet file."""

    def __init__(self, file: Any):
        from pyarrow import parquet

        # Read ahead, all row groups would be held until the end.
        self._file = parquet.ParquetFile(file, pre_buffer=False)
        self.schema: pa.Schema = self._file.schema_arrow
        self.n_rows: int = self._file.metadata.num_rows

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    def batches(self, at: int, rows: int, wanted: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """Of at most so many rows, from a row on."""
        groups, first = self._groups(at)
        names = [self.schema.names[place] for place in wanted]
        yield from exactly(self._batches(groups, rows, names), rows, at - first)

    def _groups(self, at: int) -> tuple[list[int], int]:
        """The row groups that hold the rows from there on, and the first row of the first of them."""
        first, metadata = 0, self._file.metadata
        for group in range(metadata.num_row_groups):
            n_rows = metadata.row_group(group).num_rows
            if first + n_rows > at:
                return list(range(group, metadata.num_row_groups)), first
            first += n_rows
        return [], first

    def _batches(self, groups: list[int], rows: int, names: list[str]) -> Iterator[pa.RecordBatch]:
        if groups:
            yield from self._file.iter_batches(rows, row_groups=groups, columns=names)


class IpcSource:
    """Record batches of an Arrow file, or of a stream."""

    def __init__(self, file: Any):
        import pyarrow as pa

        self.n_rows = 0
        if isinstance(file, Path):
            self._file = pa.memory_map(str(file))
            self._reader = pa.ipc.open_file(self._file)
            self._batches = map(self._reader.get_batch, range(self._reader.num_record_batches))
        else:
            self._file = pa.PythonFile(file, mode="r")
            self._reader = pa.ipc.open_stream(self._file)
            self._batches = iter(self._reader)
        self.schema: pa.Schema = self._reader.schema

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def batches(self, at: int, rows: int, wanted: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """Of at most so many rows, from a row on."""
        chosen = (batch.select(list(wanted)) for batch in self._batches)
        yield from exactly(chosen, rows, at)


def exactly(batches: Iterator[pa.RecordBatch], rows: int, skip: int) -> Iterator[pa.RecordBatch]:
    """The same rows, after those to skip, in batches of exactly so many; only the last has fewer.

    Where batches end must not depend on how the file is laid out, nor on where reading begins.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        past = min(skip, batch.num_rows)
        batch, skip = batch.slice(past), skip - past
        while sum(map(len, waiting)) + len(batch) >= rows:
            room = rows - sum(map(len, waiting))
            yield _joined([*waiting, batch.slice(0, room)])
            batch, waiting = batch.slice(room), []
        if len(batch):
            waiting.append(batch)
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    if len(parts) == 1:
        return parts[0]
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]

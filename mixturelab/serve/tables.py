"""Rows out of Arrow and Parquet bodies, and answers into them: sizes are looked at before anything is unpacked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixturelab.exceptions import DataError
from mixturelab.scoring import Scorer, matrix, positions
from mixturelab.scoring.columns import is_number
from mixturelab.serve import ipc_sizes
from mixturelab.serve.bodies import too_many_rows
from mixturelab.serve.parquet import ParquetReaders
from mixturelab.serve.refusal import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMATS", "Format", "TableReader", "write_file", "write_parquet", "write_stream"]

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

STREAM = "application/vnd.apache.arrow.stream"
FILE = "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True)
class TableReader:
    """Reads the model's features out of a table, by name where the model has names.

    Attributes
    ----------
    scorer : Scorer
    max_rows : int
    max_bytes : int
        What the columns may hold when they are unpacked.
    readers : ParquetReaders
    """

    scorer: Scorer
    max_rows: int
    max_bytes: int
    readers: ParquetReaders

    def stream(self, body: bytes) -> Floats:
        """The rows of an Arrow stream, [N, D]."""
        return self._read(body, self._stream_batches, "an Arrow stream")

    def file(self, body: bytes) -> Floats:
        """The rows of an Arrow (Feather) file, [N, D]."""
        return self._read(body, self._file_batches, "an Arrow file")

    def parquet(self, body: bytes) -> Floats:
        """The rows of a Parquet file, [N, D]."""
        return self._read(body, self._parquet_batches, "a Parquet file")

    def _read(self, body: bytes, batches: Callable[[bytes], Iterator[pa.RecordBatch]], kind: str) -> Floats:
        import pyarrow as pa

        parts, rows = [], 0
        try:
            for batch in batches(body):
                rows += batch.num_rows
                self._require_rows(rows)
                batch.validate()  # that the buffers are as long as the columns
                parts.append(matrix(batch, self.scorer.feature_names, self.scorer.n_features))
        except DataError as error:
            raise Refusal(422, str(error)) from None
        except (pa.ArrowException, OSError, ValueError, KeyError, IndexError, MemoryError, OverflowError):
            # Arrow's own words may quote the body.
            raise Refusal(
                400, f"the body is not {kind} that can be read: it is damaged, or of another format"
            ) from None
        if rows == 0:
            raise Refusal(422, "the table is empty; wanted at least one row")
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _require_rows(self, rows: int) -> None:
        if rows > self.max_rows:
            raise too_many_rows(rows, self.max_rows)

    def _require_bytes(self, size: int) -> None:
        if size > self.max_bytes:
            raise Refusal(
                413, f"the table holds {size:,} bytes when it is unpacked; at most {self.max_bytes:,}"
            )

    def _columns(self, schema: pa.Schema) -> list[int]:
        names = self.scorer.feature_names
        try:
            places = positions(schema.names, names, self.scorer.n_features)
        except DataError as error:
            at_fault = (name for name in names or () if schema.names.count(name) != 1)
            raise Refusal(422, str(error), feature=next(at_fault, None)) from None
        for feature, place in enumerate(places):
            field = schema.field(place)
            if not is_number(field.type):
                message = f"column {field.name!r} holds {str(field.type)[:80]}; wanted numbers"
                raise Refusal(422, message, feature=feature if names is None else field.name)
        return places

    def _stream_batches(self, body: bytes | memoryview) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        self._require_bytes(sum(ipc_sizes.unpacked(message) for message in _messages(body)))
        options = self._only_features(pa.ipc.open_stream(body).schema)
        yield from pa.ipc.open_stream(body, options=options)

    def _file_batches(self, body: bytes) -> Iterator[pa.RecordBatch]:
        if not body.startswith(b"ARROW1\0\0"):
            raise ValueError
        # After its first eight bytes, a file is a stream. Read as one, its footer, which can point anywhere, is not
        # believed.
        yield from self._stream_batches(memoryview(body)[8:])

    def _only_features(self, schema: pa.Schema) -> pa.ipc.IpcReadOptions:
        import pyarrow as pa

        return pa.ipc.IpcReadOptions(included_fields=sorted(self._columns(schema)), use_threads=False)

    def _parquet_batches(self, body: bytes) -> Iterator[pa.RecordBatch]:
        names = self.scorer.feature_names
        columns = None if names is None else list(names)
        answer, stream = self.readers.read(
            body, self.max_rows, self.max_bytes, columns, self.scorer.n_features
        )
        if answer["kind"] == "rows":
            self._require_rows(answer["value"])
        if answer["kind"] == "bytes":
            self._require_bytes(answer["value"])
        if answer["kind"] != "stream":
            raise ValueError
        yield from self._stream_batches(stream)


def _messages(body: bytes | memoryview) -> Iterator[pa.ipc.Message]:
    import pyarrow as pa

    reader = pa.ipc.MessageReader.open_stream(body)
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


# ---------------------------------------------------------------------------------------------------- answers
def write_stream(columns: Columns) -> bytes | memoryview:
    """An Arrow stream of one batch."""
    import pyarrow as pa

    return _ipc(columns, pa.ipc.new_stream)


def write_file(columns: Columns) -> bytes | memoryview:
    """An Arrow file of one batch."""
    import pyarrow as pa

    return _ipc(columns, pa.ipc.new_file)


def _ipc(columns: Columns, writer: Any) -> bytes | memoryview:
    import pyarrow as pa

    batch = pa.RecordBatch.from_arrays([pa.array(column) for column in columns.values()], names=list(columns))
    sink = pa.BufferOutputStream()
    with writer(sink, batch.schema) as out:
        out.write_batch(batch)
    return memoryview(sink.getvalue())


def write_parquet(columns: Columns) -> bytes | memoryview:
    """A Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    pq.write_table(table, sink, use_dictionary=False, compression="snappy")
    return memoryview(sink.getvalue())


@dataclass(frozen=True)
class Format:
    """One of the table formats.

    Attributes
    ----------
    media_type : str
    read : callable
        (TableReader, body) → rows [N, D].
    write : callable
        Columns → body.
    """

    media_type: str
    read: Callable[[TableReader, bytes], Floats]
    write: Callable[[Columns], bytes | memoryview]


FORMATS = {
    STREAM: Format(STREAM, TableReader.stream, write_stream),
    FILE: Format(FILE, TableReader.file, write_file),
    PARQUET: Format(PARQUET, TableReader.parquet, write_parquet),
}

"""Scores as bytes of a file: CSV, Parquet, .npy and Arrow, piece after piece, so that a later piece can go on from it.

What it yields for equal pieces is equal, also if another one went on half way.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mixturelab.exceptions import DataError
from mixturelab.scoring import csv_text
from mixturelab.scoring.chunk import Columns

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"PAR1"
GROUP = 2**17  # rows of a Parquet row group, at least


class Encoder(Protocol):
    """One output format."""

    def begin(self, nothing: Columns) -> bytes:
        """The file's first bytes, from columns without rows."""

    def add(self, columns: Columns) -> bytes:
        """The bytes of some rows, or of rows before them, or none yet."""

    def end(self) -> bytes:
        """The file's last bytes."""

    @property
    def is_whole(self) -> bool:
        """Whether all rows that were added are among the bytes: another encoder can go on from here."""

    def note(self) -> Any:
        """What such an encoder needs to know of the bytes since the last note, for a journal."""

    def go_on(self, notes: list[Any], size: int, nothing: Columns) -> None:
        """Take up where another one stopped: all its notes, and the bytes it had made."""

    def corrected(self) -> bytes | None:
        """What the file's first bytes have to be in the end, if they depend on the rows."""


class CsvEncoder:
    """CSV: a header, then a line for each row."""

    is_whole = True

    def begin(self, nothing: Columns) -> bytes:
        """The header."""
        return csv_text.header_line(list(nothing))

    def add(self, columns: Columns) -> bytes:
        """The rows' lines."""
        return csv_text.lines(columns)

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def note(self) -> None:
        """Nothing."""

    def go_on(self, notes: list[Any], size: int, nothing: Columns) -> None:
        """Nothing to do."""

    def corrected(self) -> None:
        """Nothing."""


class NpyEncoder:
    """A .npy file of records, whose fields have the columns' names: ``np.load(path)["log_density"]``."""

    is_whole = True

    def __init__(self) -> None:
        self._rows = 0

    def begin(self, nothing: Columns) -> bytes:
        """The header, with room for the number of rows."""
        self._dtype = np.dtype([(name, _npy_type(column, name)) for name, column in nothing.items()])
        return self._header()

    def _header(self) -> bytes:
        text = io.BytesIO()
        shape = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows,),
        }
        # NumPy leaves room in the header for a number of rows of any length.
        np.lib.format.write_array_header_2_0(text, shape)
        return text.getvalue()

    def add(self, columns: Columns) -> bytes:
        """The rows' records."""
        first = next(iter(columns.values()))
        records = np.empty(len(first), self._dtype)
        for name, column in columns.items():
            records[name] = column
        self._rows += len(records)
        return records.tobytes()

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def note(self) -> int:
        """The rows so far."""
        return self._rows

    def go_on(self, notes: list[Any], size: int, nothing: Columns) -> None:
        """Know the rows so far."""
        self.begin(nothing)
        self._rows = notes[-1]

    def corrected(self) -> bytes:
        """The header with the number of rows."""
        return self._header()


def _npy_type(column: Any, name: str) -> Any:
    if isinstance(column, np.ndarray):
        return column.dtype
    raise DataError(
        f"column {name!r} cannot be kept in a .npy file, which has numbers alone; write CSV or Parquet"
    )


class ParquetEncoder:
    """Parquet: row groups of whole chunks, each encoded on its own, then one list of them all at the end.

    A row group's places in the file are counted from the file's beginning, so a row group is made by a writer that
    believes to stand there; of what it writes the row group is taken, and its description for the list.

    Parameters
    ----------
    group : int
        Rows of a row group, at least.
    """

    def __init__(self, group: int = GROUP) -> None:
        self._group = group
        self._waiting: list[pa.Table] = []
        self._groups: list[bytes] = []  # the descriptions
        self._noted = 0
        self._size = len(_MAGIC)

    def begin(self, nothing: Columns) -> bytes:
        """The magic bytes."""
        self._schema = _table(nothing).schema
        return _MAGIC

    def add(self, columns: Columns) -> bytes:
        """A row group, once there are enough rows."""
        table = _table(columns)
        self._waiting.append(table if table.schema == self._schema else _cast(table, self._schema))
        return self._flush() if sum(map(len, self._waiting)) >= self._group else b""

    def _flush(self) -> bytes:
        import pyarrow as pa

        table = pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table()
        self._waiting = []
        data, description = _row_group(table, self._size)
        self._groups.append(description)
        self._size += len(data)
        return data

    def end(self) -> bytes:
        """The last row group and the list of all."""
        last = self._flush() if self._waiting or not self._groups else b""
        return last + _footer(self._groups)

    @property
    def is_whole(self) -> bool:
        """Whether no rows wait for their row group."""
        return not self._waiting

    def note(self) -> list[str]:
        """The descriptions of the row groups since the last note."""
        new, self._noted = self._groups[self._noted :], len(self._groups)
        return [base64.b85encode(description).decode() for description in new]

    def go_on(self, notes: list[Any], size: int, nothing: Columns) -> None:
        """Know the row groups so far."""
        self.begin(nothing)
        self._groups = [base64.b85decode(text) for note in notes for text in note]
        self._noted, self._size = len(self._groups), size

    def corrected(self) -> None:
        """Nothing."""


def _table(columns: Mapping[str, Any]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {name: pa.array(c, pa.string()) if isinstance(c, list) else c for name, c in columns.items()}
    )


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    for field, wanted in zip(table.schema, schema, strict=True):
        try:
            table.column(field.name).cast(wanted.type)
        except pa.ArrowException:
            raise DataError(
                f"column {field.name!r} holds {field.type} here and {wanted.type} in the first file; the output has "
                "one type for a column"
            ) from None
    return table.cast(schema)


def _row_group(table: pa.Table, at: int) -> tuple[bytes, bytes]:
    """The bytes of a row group that will stand there, and its description."""
    import pyarrow as pa
    from pyarrow import parquet

    with _scratch() as path:
        # The writer begins with magic bytes and then finds itself further on: before its next bytes there is a hole,
        # which takes no room.
        with pa.OSFile(path, "ab") as sink, parquet.ParquetWriter(sink, table.schema) as writer:
            os.truncate(path, at - 1)
            sink.write(b"\0")
            if len(table):
                writer.write_table(table, row_group_size=len(table))
        with open(path, "rb", buffering=0) as file:
            file.seek(at)
            data = file.readall()
    footer = int.from_bytes(data[-8:-4], "little") + 8
    return data[:-footer], data[-footer:]


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """The path of an empty file, in memory where the system has such files."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("row group")
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "row group")
            open(path, "wb").close()
            yield path


def _footer(descriptions: list[bytes]) -> bytes:
    from pyarrow import BufferReader, parquet

    whole = None
    for description in descriptions:
        one = parquet.read_metadata(BufferReader(_MAGIC + description))
        if whole is None:
            whole = one
        else:
            whole.append_row_groups(one)
    assert whole is not None
    text = io.BytesIO()
    whole.write_metadata_file(text)
    return text.getvalue()[len(_MAGIC) :]


class ArrowEncoder:
    """An Arrow stream, a record batch for each chunk; for pipes: another encoder cannot go on from it."""

    is_whole = False

    def begin(self, nothing: Columns) -> bytes:
        """The schema."""
        import pyarrow as pa

        self._schema = _table(nothing).schema
        self._file = io.BytesIO()
        self._writer = pa.ipc.new_stream(self._file, self._schema)
        return self._new()

    def _new(self) -> bytes:
        data = self._file.getvalue()
        self._file.seek(0)
        self._file.truncate()
        return data

    def add(self, columns: Columns) -> bytes:
        """The rows' record batch."""
        table = _table(columns)
        self._writer.write_table(table if table.schema == self._schema else _cast(table, self._schema))
        return self._new()

    def end(self) -> bytes:
        """The stream's end."""
        self._writer.close()
        return self._new()

    def note(self) -> None:
        """Nothing."""

    def go_on(self, notes: list[Any], size: int, nothing: Columns) -> None:
        """Not possible."""
        raise NotImplementedError

    def corrected(self) -> None:
        """Nothing."""

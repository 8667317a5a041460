"""Scores as bytes of a file: CSV, .npy and Arrow, piece after piece, so that a later piece can go on from it.

What it yields for equal pieces is equal, also if another one went on half way.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mixturelab.exceptions import DataError
from mixturelab.scoring import csv_text
from mixturelab.scoring.chunk import Columns

if TYPE_CHECKING:
    import pyarrow as pa


class Encoder(Protocol):
    """One output format."""

    def begin(self, nothing: Columns) -> bytes:
        """The file's first bytes, from columns without rows."""

    def add(self, columns: Columns) -> bytes | memoryview:
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

    def add(self, columns: Columns) -> bytes | memoryview:
        """The rows' records."""
        first = next(iter(columns.values()))
        records = np.empty(len(first), self._dtype)
        for name, column in columns.items():
            records[name] = _npy_values(column, name, self._dtype[name])
        self._rows += len(records)
        return records.view(np.uint8).data

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


def _npy_type(column: Any, name: str) -> np.dtype[Any]:
    if isinstance(column, np.ndarray):
        return column.dtype
    if not isinstance(column, list):
        import pyarrow as pa

        kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            return np.dtype(kind.to_pandas_dtype())
    raise DataError(
        f"column {name!r} cannot be kept in a .npy file, which has numbers alone; write CSV or Parquet"
    )


def _npy_values(column: Any, name: str, dtype: np.dtype[Any]) -> np.ndarray:
    if isinstance(column, np.ndarray):
        return column
    if column.null_count and dtype.kind != "f":
        raise DataError(
            f"column {name!r} lacks values, for which a .npy file of {dtype} has no place; write Parquet"
        )
    return column.to_numpy(zero_copy_only=False)


class ArrowEncoder:
    """An Arrow stream, a record batch for each chunk; for pipes: another encoder cannot go on from it."""

    is_whole = False

    def begin(self, nothing: Columns) -> bytes:
        """The schema."""
        import pyarrow as pa

        self._schema = table_of(nothing).schema
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
        table = table_of(columns)
        self._writer.write_table(table if table.schema == self._schema else with_schema(table, self._schema))
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


def table_of(columns: Mapping[str, Any]) -> pa.Table:
    """Columns of any kind as an Arrow table."""
    import pyarrow as pa

    return pa.table(
        {name: pa.array(c, pa.string()) if isinstance(c, list) else c for name, c in columns.items()}
    )


def with_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the types of the output; a DataError names a column that cannot have its type."""
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

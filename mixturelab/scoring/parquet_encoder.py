"""Scores as a Parquet file that can be gone on with half way: row groups of whole chunks, and one list of them all."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mixturelab.scoring.chunk import Columns
from mixturelab.scoring.encoders import table_of, with_schema

if TYPE_CHECKING:
    import pyarrow as pa

Place = Callable[[], contextlib.AbstractContextManager[str]]
_MAGIC = b"PAR1"
GROUP = 2**17  # rows of a row group, at least


class ParquetEncoder:
    """Parquet: row groups of whole chunks, each encoded on its own, then one list of them all at the end.

    A row group's places in the file are counted from the file's beginning, so a row group is made by a writer that
    believes to stand there; of what it writes the row group is taken, and its description for the list.

    Parameters
    ----------
    group : int, optional
        Rows of a row group, at least. Default: `GROUP`.
    place : callable, optional
        A context with the path of the output's file, all bytes so far in it: row groups are written there at once, and
        are not among the bytes that are returned.
    """

    def __init__(self, group: int | None = None, place: Place | None = None) -> None:
        self._group, self._place = group or GROUP, place
        self._waiting: list[pa.Table] = []
        self._groups: list[bytes] = []  # the descriptions
        self._noted = 0
        self._size = len(_MAGIC)

    def begin(self, nothing: Columns) -> bytes:
        """The magic bytes."""
        self._schema = table_of(nothing).schema
        return _MAGIC

    def add(self, columns: Columns) -> bytes:
        """A row group, once there are enough rows."""
        table = table_of(columns)
        self._waiting.append(table if table.schema == self._schema else with_schema(table, self._schema))
        return self._flush() if sum(map(len, self._waiting)) >= self._group else b""

    def _flush(self) -> bytes:
        import pyarrow as pa

        table = pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table()
        self._waiting = []
        with (self._place or _scratch)() as path:
            size, description = _append_row_group(path, table, self._size)
            data = _read(path, self._size) if self._place is None else b""
        self._groups.append(description)
        self._size += size
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


class _Standing:
    """A file for a writer that is to find itself at a place within it, as if it had written all before.

    The magic bytes that it writes first are those at the beginning of the file, and are dropped. (Beyond an empty
    file's end there is a hole, which takes no room.)
    """

    closed = False

    def __init__(self, file: io.FileIO, at: int) -> None:
        self._file, self._at = file, at - len(_MAGIC)
        self._begins = True
        file.seek(at)

    def tell(self) -> int:
        return self._at

    def write(self, data: bytes) -> int:
        rest = memoryview(data)[len(_MAGIC) if self._begins else 0 :]
        self._begins = False
        while rest:
            rest = rest[self._file.write(rest) :]
        self._at += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Whoever opened the file closes it."""


def _append_row_group(path: str, table: pa.Table, at: int) -> tuple[int, bytes]:
    """Add a row group to a file, where it is to stand there: its size and its description."""
    import pyarrow as pa

    with (
        open(path, "r+b", buffering=0) as file,
        pa.PythonFile(_Standing(file, at), mode="w") as sink,
        _writer(sink, table.schema) as writer,
    ):
        if len(table):
            writer.write_table(table, row_group_size=len(table))
    end = os.stat(path).st_size
    footer = int.from_bytes(_read(path, end - 8)[:4], "little") + 8
    description = _read(path, end - footer)
    os.truncate(path, end - footer)
    return end - footer - at, description


def _read(path: str, at: int) -> bytes:
    """What the file holds from there on."""
    with open(path, "rb", buffering=0) as file:
        file.seek(at)
        return file.readall()


def options(schema: pa.Schema) -> dict[str, Any]:
    """For the writer: a dictionary of values that hardly ever come twice costs time and room."""
    import pyarrow as pa

    return {
        "use_dictionary": [
            field.name for field in schema if not pa.types.is_floating(field.type) and field.name != "row"
        ]
    }


def _writer(sink: Any, schema: pa.Schema) -> Any:
    from pyarrow import parquet

    return parquet.ParquetWriter(sink, schema, **options(schema))


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

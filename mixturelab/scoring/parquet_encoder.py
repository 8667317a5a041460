"""Scores as a Parquet file that can be gone on with half way: row groups of whole chunks, and one list of them all."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from mixturelab.scoring.chunk import Columns
from mixturelab.scoring.encoders import table_of, with_schema

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"PAR1"
GROUP = 2**17  # rows of a row group, at least
_DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
Place = Callable[[], AbstractContextManager[str]]


class ParquetEncoder:
    """Parquet: row groups of whole chunks, each encoded on its own, then one list of them all at the end.

    A row group's places in the file are counted from the file's beginning, so a row group is made by a writer that
    believes to stand there; of what it writes the row group is taken, and its description for the list.

    Parameters
    ----------
    group : int, optional
        Rows of a row group, at least. Default: `GROUP`.
    place : callable, optional
        A context with the path of the output's file, all bytes so far in it: where the system can do it, row groups
        are written there at once, which spares copying them, and are not among the bytes that are returned.
    """

    def __init__(self, group: int | None = None, place: Place | None = None) -> None:
        self._group, self._place = group or GROUP, place if _lends_descriptors() else None
        self._waiting: list[pa.Table] = []
        self._groups: list[bytes] = []  # the descriptions
        self._noted = 0
        self._size = len(_MAGIC)

    def begin(self, nothing: Columns) -> bytes:
        """The magic bytes."""
        self._schema = table_of(nothing).schema
        return _MAGIC

    def add(self, columns: Columns) -> bytes | memoryview:
        """A row group, once there are enough rows."""
        table = table_of(columns)
        self._waiting.append(table if table.schema == self._schema else with_schema(table, self._schema))
        return self._flush() if sum(map(len, self._waiting)) >= self._group else b""

    def _flush(self) -> bytes | memoryview:
        import pyarrow as pa

        table = pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table()
        self._waiting = []
        data, description = self._written(table)
        self._groups.append(description)
        return data

    def _written(self, table: pa.Table) -> tuple[bytes | memoryview, bytes]:
        if self._place is None:
            data, description = _row_group(table, self._size)
            self._size += len(data)
            return data, description
        with self._place() as path:
            self._size, description = _append_row_group(path, table, self._size)
        return b"", description

    def end(self) -> bytes:
        """The last row group and the list of all."""
        last = self._flush() if self._waiting or not self._groups else b""
        return bytes(last) + _footer(self._groups)

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


def _row_group(table: pa.Table, at: int) -> tuple[memoryview, bytes]:
    """The bytes of a row group that will stand there, and its description."""
    import pyarrow as pa

    with _scratch() as path:
        # The writer begins with magic bytes and then finds itself further on: before its next bytes there is a hole,
        # which takes no room. (A file object of Python's would not do: its places are counted from its first write.)
        with pa.OSFile(path, "ab") as sink, _writer(sink, table.schema) as writer:
            os.truncate(path, at - 1)
            sink.write(b"\0")
            if len(table):
                writer.write_table(table, row_group_size=len(table))
        with open(path, "rb", buffering=0) as file:
            file.seek(at)
            data = memoryview(file.readall())
    footer = int.from_bytes(data[-8:-4], "little") + 8
    return data[:-footer], bytes(data[-footer:])


def _append_row_group(path: str, table: pa.Table, at: int) -> tuple[int, bytes]:
    """Add a row group to a file that ends there: where it now ends, and the row group's description."""
    # The writer puts its magic bytes elsewhere; then its file becomes this one, and it stands where it is to write.
    with (
        open(path, "r+b", buffering=0) as file,
        _lent_sink() as (sink, descriptor),
        _writer(sink, table.schema) as writer,
    ):
        file.seek(at)
        os.dup2(file.fileno(), descriptor, inheritable=False)
        if len(table):
            writer.write_table(table, row_group_size=len(table))
    return _cut_off_description(path)


def _cut_off_description(path: str) -> tuple[int, bytes]:
    """What follows the row group: its description, the length of it in four bytes, magic bytes."""
    with open(path, "r+b", buffering=0) as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little") + 8
        end = file.seek(-length, os.SEEK_END)
        description = file.read(length)
        file.truncate(end)
    return end, description


@contextlib.contextmanager
def _lent_sink() -> Iterator[tuple[pa.OSFile, int]]:
    """An empty file of pyarrow's, and its descriptor, which pyarrow tells since version 25 only."""
    import pyarrow as pa

    with _scratch() as path:
        ours = _descriptors(path)
        with pa.OSFile(path, "wb") as sink:
            (theirs,) = _descriptors(path) - ours
            yield sink, theirs


def _descriptors(path: str) -> set[int]:
    """Those of this process that are this file."""
    wanted, found = os.stat(path), set()
    for name in os.listdir(_DESCRIPTORS):
        with contextlib.suppress(OSError):  # the one that lists them is closed
            if os.path.samestat(os.fstat(int(name)), wanted):
                found.add(int(name))
    return found


@functools.cache
def _lends_descriptors() -> bool:
    try:
        with _lent_sink():
            return True
    except (OSError, ValueError):
        return False


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

"""Reads Parquet in a process of its own: what a damaged or hostile file does to Parquet's reader stays in here.

Some damaged files end the process that reads them (an exception in C++ that nobody catches), so the service never does
so itself: it starts this file as a script, writes bodies to its standard input and reads Arrow streams from its
standard output. Nothing of mixturelab is imported.

How many bytes the pages of a file hold when they are unpacked is read from the pages' headers first: the file's
metadata say a size too, but a reader unpacks what the page's own header promises. Headers are Thrift structs in the
compact protocol.
"""

from __future__ import annotations

import contextlib
import json
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["convert", "groups_with_rows", "main", "unpacked"]

# Fields of a page's header, as its schema numbers them.
_UNPACKED, _PACKED = 2, 3
# Types of the compact protocol.
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = (
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
)
_MOST_DEPTH = 16


def groups_with_rows(metadata: pq.FileMetaData) -> list[int]:
    """The row groups to read: those without rows need not have pages."""
    return [group for group in range(metadata.num_row_groups) if metadata.row_group(group).num_rows > 0]


def unpacked(body: bytes, metadata: pq.FileMetaData, columns: set[str]) -> int:
    """Bytes of all pages of some columns, in the groups with rows, unpacked.

    Raises
    ------
    ValueError
        If the pages do not lie where the metadata say.
    """
    try:
        return sum(_pages(body, start, size) for start, size in _chunks(metadata, columns))
    except IndexError as error:
        raise ValueError("a page lies outside the file") from error


def _chunks(metadata: pq.FileMetaData, columns: set[str]) -> Iterator[tuple[int, int]]:
    for group in groups_with_rows(metadata):
        row_group = metadata.row_group(group)
        for number in range(row_group.num_columns):
            chunk = row_group.column(number)
            if chunk.path_in_schema.partition(".")[0] not in columns:
                continue
            start, first = chunk.data_page_offset, chunk.dictionary_page_offset
            # As Arrow's reader does: a dictionary comes first where it is said to.
            yield min(start, first) if first is not None and first > 0 else start, chunk.total_compressed_size


def _pages(body: bytes, start: int, size: int) -> int:
    end, at, total = start + size, start, 0
    if start < 0 or size < 0 or end > len(body):
        raise IndexError
    while at < end:
        sizes, at = _header(body, at)
        if sizes.get(_UNPACKED, -1) < 0 or sizes.get(_PACKED, -1) < 0:
            raise ValueError("a page without a size")
        total += sizes[_UNPACKED]
        at += sizes[_PACKED]
    return total


def _header(body: bytes, at: int) -> tuple[dict[int, int], int]:
    """The integers among the fields of a struct, and where it ends."""
    integers: dict[int, int] = {}
    field = 0
    while True:
        head = body[at]
        at += 1
        kind, delta = head & 15, head >> 4
        if kind == _STOP:
            return integers, at
        if delta:
            field += delta
        else:
            field, at = _zigzag(body, at)
        if _BYTE < kind < _DOUBLE:
            integers[field], at = _zigzag(body, at)
        else:
            at = _skip(body, at, kind, 0)


def _skip(body: bytes, at: int, kind: int, depth: int) -> int:
    """Where a value ends."""
    if depth > _MOST_DEPTH:
        raise ValueError("nested too deeply")
    if kind in (_TRUE, _FALSE):
        return at
    if kind == _BYTE:
        return at + 1
    if _BYTE < kind < _DOUBLE:
        return _varint(body, at)[1]
    if kind in (_DOUBLE, _UUID):
        return at + (8 if kind == _DOUBLE else 16)
    if kind == _BINARY:
        length, at = _varint(body, at)
        return at + length
    if kind in (_LIST, _SET):
        return _skip_list(body, at, depth)
    if kind == _STRUCT:
        return _skip_struct(body, at, depth)
    raise ValueError("not a page's header")  # no header has maps


def _skip_list(body: bytes, at: int, depth: int) -> int:
    size, kind = body[at] >> 4, body[at] & 15
    at += 1
    if size == 15:
        size, at = _varint(body, at)
    for _ in range(size):
        # In a list, truth values take a byte each.
        at = _skip(body, at, _BYTE if kind in (_TRUE, _FALSE) else kind, depth + 1)
        if at > len(body):
            raise IndexError
    return at


def _skip_struct(body: bytes, at: int, depth: int) -> int:
    while True:
        head = body[at]
        at += 1
        if head & 15 == _STOP:
            return at
        if not head >> 4:
            at = _varint(body, at)[1]
        at = _skip(body, at, head & 15, depth + 1)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number that is too long")


def _zigzag(body: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(body, at)
    return (value >> 1) ^ -(value & 1), at


# ------------------------------------------------------------------------------------------------- the process
def convert(
    body: bytes, max_rows: int, max_bytes: int, columns: list[str] | None, width: int
) -> tuple[dict[str, Any], bytes]:
    """A Parquet file as an Arrow stream of some of its columns, or of all.

    Unless these are `width` columns of numbers, the stream has no rows: the schema is enough to refuse it, and a few
    bytes can be unpacked into gigabytes of text, or of columns that nobody asked for.

    Returns
    -------
    dict
        ``{"kind": "stream"}``, or of what there is too much: ``{"kind": "rows", "value": N}`` or ``"bytes"``.
    bytes
        The stream.
    """
    file = pq.ParquetFile(
        pa.BufferReader(body), thrift_string_size_limit=len(body), thrift_container_size_limit=1_000_000
    )
    names = [name for name in file.schema_arrow.names if columns is None or name in columns]
    for kind, value, most in (
        ("rows", file.metadata.num_rows, max_rows),
        ("bytes", unpacked(body, file.metadata, set(names)), max_bytes),
    ):
        if value > most:
            return {"kind": kind, "value": value}, b""
    return {"kind": "stream"}, _stream(file, names, max_rows, width)


def _stream(file: pq.ParquetFile, names: list[str], max_rows: int, width: int) -> bytes:
    sink, rows = pa.BufferOutputStream(), 0
    schema = pa.schema([file.schema_arrow.field(place) for place in _places(file.schema_arrow, names)])
    good = len(schema) == width and all(map(_is_number, schema.types))
    groups = groups_with_rows(file.metadata) if good else []
    if len(schema) != width:  # then all of it, to say what there is
        schema = file.schema_arrow.remove_metadata()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in file.iter_batches(65_536, row_groups=groups, columns=names, use_threads=False):
            rows += batch.num_rows
            if rows > max_rows:
                raise ValueError("more rows than the metadata say")
            writer.write_batch(batch)
    return bytes(memoryview(sink.getvalue()))


def _is_number(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_primitive(kind) or pa.types.is_decimal(kind)


def _places(schema: pa.Schema, names: list[str]) -> list[int]:
    return [place for place, name in enumerate(schema.names) if name in names]


def main(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer one file after the other, until there are no more."""
    while head := source.read(16):
        about, length = struct.unpack("<qq", head)
        wanted, body = json.loads(source.read(about)), source.read(length)
        try:
            answer, stream = convert(
                body, wanted["rows"], wanted["bytes"], wanted["columns"], wanted["width"]
            )
        except Exception:  # whatever is wrong with it: the service has one answer
            answer, stream = {"kind": "damaged"}, b""
        said = json.dumps(answer).encode()
        sink.write(struct.pack("<qq", len(said), len(stream)) + said)
        sink.write(stream)
        sink.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        main(sys.stdin.buffer, sys.stdout.buffer)

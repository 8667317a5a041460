"""How many bytes the buffers of an Arrow message hold when they are unpacked: read from the message, not by unpacking.

A compressed buffer begins with its unpacked length in eight bytes, and the decompressor writes no more than that; a
message of kilobytes may promise gibibytes. Where the buffers lie stands in the message's metadata, a flatbuffer
(https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["unpacked"]

# Fields of the tables Message, DictionaryBatch and RecordBatch, as their schemas number them.
_MESSAGE_KIND, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA = 1
_BATCH_BUFFERS, _BATCH_COMPRESSION = 2, 3
# The kinds of message that have buffers.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3


def unpacked(message: pa.ipc.Message) -> int:
    """Bytes of all buffers of a message, unpacked; 0 for one without buffers, such as a schema.

    Raises
    ------
    ValueError
        If the metadata are damaged.
    """
    try:
        return _unpacked(memoryview(message.metadata), message.body)
    except (struct.error, IndexError) as error:
        raise ValueError("damaged metadata") from error


def _unpacked(metadata: memoryview, body: pa.Buffer | None) -> int:
    batch = _record_batch(metadata)
    if batch is None or body is None:
        return 0
    if _field(metadata, batch, _BATCH_COMPRESSION) is None:
        return body.size
    content = memoryview(body)
    return sum(_promised(content, offset, length) for offset, length in _buffers(metadata, batch))


def _record_batch(metadata: memoryview) -> int | None:
    message = _follow(metadata, 0)
    kind_at, header_at = _field(metadata, message, _MESSAGE_KIND), _field(metadata, message, _MESSAGE_HEADER)
    if kind_at is None or header_at is None:
        return None
    kind, header = metadata[kind_at], _follow(metadata, header_at)
    if kind == _DICTIONARY_BATCH:
        data_at = _field(metadata, header, _DICTIONARY_DATA)
        return None if data_at is None else _follow(metadata, data_at)
    return header if kind == _RECORD_BATCH else None


def _buffers(metadata: memoryview, batch: int) -> Iterator[tuple[int, int]]:
    at = _field(metadata, batch, _BATCH_BUFFERS)
    if at is None:
        return
    vector = _follow(metadata, at)
    count = struct.unpack_from("<I", metadata, vector)[0]
    for number in range(count):
        yield struct.unpack_from("<qq", metadata, vector + 4 + 16 * number)


def _promised(content: memoryview, offset: int, length: int) -> int:
    if length < 8 or offset < 0:
        return 0
    promised: int = struct.unpack_from("<q", content, offset)[0]
    return length if promised < 0 else promised  # −1: this one was not compressed


def _field(metadata: memoryview, table: int, number: int) -> int | None:
    """Where a field of a flatbuffer's table lies; None if it has its default."""
    vtable = table - struct.unpack_from("<i", metadata, table)[0]
    size = struct.unpack_from("<H", metadata, vtable)[0]
    entry = 4 + 2 * number
    if entry + 2 > size:
        return None
    offset = struct.unpack_from("<H", metadata, vtable + entry)[0]
    return table + offset if offset else None


def _follow(metadata: memoryview, at: int) -> int:
    return at + int(struct.unpack_from("<I", metadata, at)[0])

"""The records of ``mixture_scores.log``: one step's responsibilities each, checksummed, found again after damage.

The log is records and nothing between them; integers are little-endian::

    "MSR1"          4 bytes, the mark
    length          8 bytes, of the payload
    CRC-32          4 bytes, of the payload
    CRC-32          4 bytes, of the sixteen bytes before
    payload         length of the description (4 bytes), the description, the numbers

The description is JSON, ``{"step": 3, "epoch": 0, "dtype": "float32", "shape": [512, 8]}``; the numbers are R's bytes,
row by row. The head has a checksum of its own, so that a record that was not written to its end (a kill, a full disk)
can be told from one whose length is damaged: the first is cut off, the second makes the whole file be set aside.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Entry", "Record", "Scan", "decode", "decode_all", "encode", "entry", "scan"]

Entry = dict[str, Any]

MARK = b"MSR1"
_HEAD = struct.Struct("<4sQI")
_CHECK = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CHECK.size


def entry(step: int, epoch: int, responsibilities: Tensor) -> Entry:
    """One step's scores, as they are stored: on the host, and with no memory but their own."""
    return {"step": step, "epoch": epoch, "R": responsibilities.detach().to("cpu", copy=True).contiguous()}


# ---------------------------------------------------------------------------------------------------- writing
def encode(scores: Entry) -> bytes:
    """The record of one entry."""
    array = scores["R"]
    described = {"dtype": str(array.dtype).removeprefix("torch."), "shape": list(array.shape)}
    description = json.dumps({"step": scores["step"], "epoch": scores["epoch"], **described}).encode()
    numbers = array.flatten().view(torch.uint8).numpy().tobytes()
    payload = _CHECK.pack(len(description)) + description + numbers
    head = _HEAD.pack(MARK, len(payload), zlib.crc32(payload))
    return head + _CHECK.pack(zlib.crc32(head)) + payload


# ---------------------------------------------------------------------------------------------------- reading
@dataclass(frozen=True)
class Record:
    """Where one whole record lies in the log, and its step."""

    step: int
    start: int
    stop: int


@dataclass(frozen=True)
class Scan:
    """A log's whole records in their order.

    Attributes
    ----------
    records : tuple of Record
    is_torn : bool
        Whether the beginning of one more record follows them.
    damaged_at : int or None
        The first byte of what is neither a record nor the beginning of one.
    """

    records: tuple[Record, ...]
    is_torn: bool
    damaged_at: int | None

    @property
    def size(self) -> int:
        """Bytes up to the end of the last whole record."""
        return self.records[-1].stop if self.records else 0


def scan(log: bytes) -> Scan:
    """Find the whole records of a log, also those behind a damaged place."""
    found = tuple(_records(log))
    gaps = zip((0, *(r.stop for r in found)), (r.start for r in found), strict=False)
    gap = next((stop for stop, start in gaps if start != stop), None)
    end = found[-1].stop if found else 0
    is_torn = gap is None and end < len(log) and _is_beginning(log[end:])
    if gap is None and end < len(log) and not is_torn:
        gap = end
    return Scan(found, is_torn, gap)


def _records(log: bytes) -> Iterator[Record]:
    at = 0
    while 0 <= at < len(log):
        record = _record_at(log, at)
        if record is not None:
            yield record
        # Behind a whole record comes the next; behind anything else it may be anywhere.
        at = record.stop if record is not None else log.find(MARK, at + 1)


def _record_at(log: bytes, at: int) -> Record | None:
    length = _payload_length(log[at : at + _HEAD_BYTES])
    start = at + _HEAD_BYTES
    if length is None or start + length > len(log):
        return None
    payload = log[start : start + length]
    if zlib.crc32(payload) != _HEAD.unpack_from(log, at)[2]:
        return None
    try:
        return Record(_parse(payload)["step"], at, start + length)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, struct.error):
        return None  # somebody else's, if it has our mark


def _payload_length(head: bytes) -> int | None:
    if len(head) < _HEAD_BYTES or not head.startswith(MARK):
        return None
    is_sound = _CHECK.unpack_from(head, _HEAD.size)[0] == zlib.crc32(head[: _HEAD.size])
    return _HEAD.unpack_from(head)[1] if is_sound else None


def _is_beginning(rest: bytes) -> bool:
    """Whether bytes could be of a record that was not written to its end."""
    if len(rest) < _HEAD_BYTES:
        return rest.startswith(MARK[: len(rest)])
    length = _payload_length(rest[:_HEAD_BYTES])
    return length is not None and len(rest) < _HEAD_BYTES + length


def decode(log: bytes, record: Record) -> Entry:
    """The entry of a whole record; its tensor has its own memory."""
    return _parse(log[record.start + _HEAD_BYTES : record.stop])


def decode_all(log: bytes) -> list[Entry]:
    """The entries of all whole records."""
    return [decode(log, record) for record in scan(log).records]


def _parse(payload: bytes) -> Entry:
    start = _CHECK.size + _CHECK.unpack_from(payload)[0]
    said = json.loads(payload[_CHECK.size : start])
    dtype, shape, numbers = getattr(torch, said["dtype"]), said["shape"], bytearray(payload[start:])
    array = torch.frombuffer(numbers, dtype=dtype) if numbers else torch.empty(0, dtype=dtype)
    return {"step": int(said["step"]), "epoch": int(said["epoch"]), "R": array.reshape(shape)}

"""Model files made by someone who knows the format: header and tensors changed at will, the checksum made to fit."""

import contextlib
import copy
import functools
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from mixturelab import BayesianGaussianMixture, GaussianMixture, load_dataset
from mixturelab.exceptions import ModelFileError
from mixturelab.persistence import encode, load, read_header
from mixturelab.persistence.header import CHECKSUM, KEY, checksum

FRAME = load_dataset("old_faithful").frame
CODES = {"float32": "F32", "float64": "F64", "int64": "I64", "float16": "F16", "bool": "BOOL"}


@functools.cache
def fitted(family: str = "full", is_bayesian: bool = False, **settings):
    """A mixture of the geyser's eruptions."""
    kind = BayesianGaussianMixture if is_bayesian else GaussianMixture
    return kind(2, covariance_type=family, random_state=3, **settings).fit(FRAME)


@functools.cache
def encoded(family: str = "full", is_bayesian: bool = False, **settings) -> bytes:
    """Its file."""
    return encode(fitted(family, is_bayesian, **settings), source="geyser")


def taken_apart(content: bytes) -> tuple[dict, dict, dict]:
    """Header, table and tensors of a file."""
    length = int.from_bytes(content[:8], "little")
    table, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    header = json.loads(table.pop("__metadata__")[KEY])
    names = {code: name for name, code in CODES.items()}
    tensors = {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], names[entry["dtype"]])
        .reshape(entry["shape"])
        .copy()
        for name, entry in table.items()
    }
    return header, table, tensors


def put_together(header, tensors, table=None, is_signed=True) -> bytes:
    """A file of these parts; with a table that is given, whatever it says."""
    tensors = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    if is_signed and CHECKSUM in header:
        with contextlib.suppress(ValueError, UnicodeEncodeError, RecursionError):  # refused before it counts
            header = header | {CHECKSUM: checksum(header, tensors)}
    body, entries = b"", {}
    for name, value in tensors.items():
        raw = value.tobytes()
        entries[name] = {
            "dtype": CODES[value.dtype.name],
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    return packed({"__metadata__": {KEY: json.dumps(header)}, **(entries if table is None else table)}, body)


def packed(table, body: bytes = b"") -> bytes:
    """The layout of safetensors: a length, JSON, numbers."""
    raw = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(raw)) + raw + body


def forged(change=None, tensors=None, table=None, of: bytes | None = None) -> bytes:
    """A file whose header, tensors or table someone has edited; ``change`` edits the header in place."""
    header, entries, held = copy.deepcopy(taken_apart(encoded() if of is None else of))
    if change is not None:
        change(header)
    held = {name: value for name, value in (held | (tensors or {})).items() if value is not None}
    if table is None:
        return put_together(header, held)
    table(entries)
    return put_together(header, held, entries)


def put(value, *keys):
    """A change of the header: this value at this place."""

    def change(header):
        for key in keys[:-1]:
            header = header[key]
        header[keys[-1]] = value

    return change


def refused(path: Path, match: str, **options) -> None:
    """The file is refused in one line that begins with its name and goes on like this."""
    with pytest.raises(ModelFileError, match=match) as caught:
        load(path, **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelFileError):
        read_header(path)

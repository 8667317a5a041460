"""Files that want much memory or time: written here, loaded by tests/persistence/test_memory.py."""

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from persistence.forging import encoded, forged, packed, put, taken_apart

from mixturelab.persistence import values
from mixturelab.persistence.header import CHECKSUM, KEY, checksum

# A header may be as long as this, less what else is in it.
ROOM = values.MAX_BYTES - 8000


def texts() -> Iterator[tuple[str, str]]:
    """JSON that is much larger in memory than on disk."""
    most = values.MAX_VALUES - 1000
    yield "lists", "[" + ",".join(["[]"] * (most // 2)) + "]"
    yield "objects", "[" + ",".join(['{"":0}'] * (most // 2)) + "]"
    yield "too_many_lists", "[" + ",".join(["[]"] * (ROOM // 3)) + "]"
    yield "too_many_objects", "[" + ",".join(['{"":0}'] * (ROOM // 8)) + "]"
    yield "numbers", "[" + ",".join(["1e9"] * most) + "]"
    yield "long_numbers", "[" + ",".join(["123456.789"] * most) + "]"
    yield "strings", "[" + ",".join(['"ab"'] * most) + "]"
    yield "a_wide_string", '"😀' + "a" * (ROOM // 2) + '"'
    yield "wide_strings", "[" + ",".join(['"é😀é"'] * (most // 2)) + "]"
    yield "escapes", '"' + "\\u00e9" * (ROOM // 7) + '"'
    yield "keys", "{" + ",".join(f'"{i:x}":0' for i in range(most)) + "}"
    yield "digits", "[" + ",".join(["9" * 4000] * 900) + "]"
    yield "a_number_too_long", "9" * (ROOM // 2)
    yield "deep", "[" * 200_000 + "]" * 200_000
    yield "rather_deep", "[" * 900 + "]" * 900


def headers() -> Iterator[tuple[str, bytes]]:
    """Such JSON as part of an otherwise good header, as all of it, and as the table."""
    content = encoded()
    header, table, _ = taken_apart(content)
    body = content[8 + int.from_bytes(content[:8], "little") :]
    for name, text in texts():
        inner = _signed(header, text, content)
        rest = json.dumps(table)[1:]
        forms = [("provenance", False), ("escaped", True)]
        for form, is_ascii in forms[: 2 if name in ("keys", "objects", "escapes") else 1]:
            quoted = json.dumps(inner, ensure_ascii=is_ascii)
            yield f"{form}_{name}", packed(f'{{"__metadata__": {{"{KEY}": {quoted}}}, {rest}'.encode(), body)
        yield f"table_{name}", packed(f'{{"means": {text}}}'.encode())
        yield f"header_{name}", packed({"__metadata__": {KEY: f'{{"x": {text}}}'}})
    yield "trace", forged(put([1.5e-300] * 200_000, "fit", "log_likelihood"))
    yield "many_tensors", packed({f"t{i}": {"dtype": "F64"} for i in range(40_000)})


def _signed(header: dict, text: str, content: bytes) -> str:
    """The header with this text as its provenance, and a checksum that fits if there can be one."""
    tensors = taken_apart(content)[2]
    with contextlib.suppress(ValueError, RecursionError):
        changed = header | {"provenance": {"x": json.loads(text)}}
        header = header | {CHECKSUM: checksum(changed, tensors)}
    return json.dumps(header | {"provenance": {"x": "HERE"}}).replace('"HERE"', text)


def claims() -> Iterator[tuple[str, bytes]]:
    """Small files that say that they are large."""

    def grow(**sizes):
        return lambda header: header.update(sizes)

    yield "a_million_components", forged(grow(n_components=1_000_000))
    yield "many_components", forged(grow(n_components=100_000))
    yield "many_features", forged(grow(n_features=100_000, feature_names=None))
    yield "many_of_both", forged(grow(n_components=100_000, n_features=100_000, feature_names=None))
    big = {"dtype": "F64", "shape": [100_000, 2, 2], "data_offsets": [0, 3_200_000]}
    yield "a_large_table", forged(grow(n_components=100_000), table=put(big, "covariances"))
    for length in (
        2**63,
        2**63 - 1,
        2**64 - 1,
        2**40,
        2**31,
        100_000_000,
        values.MAX_BYTES,
        values.MAX_BYTES + 1,
    ):
        yield f"a_header_of_{length}", struct.pack("<Q", length) + b'{"' + bytes(5000)


def write_sparse(folder: Path) -> None:
    """Large on paper: holes take no space on the disk."""
    content = encoded()
    for name, size in [("5_GiB", 5 << 30), ("3_GiB", 3 << 30)]:
        path = folder / f"sparse_{name}"
        path.write_bytes(content)
        os.truncate(path, size)
    for name, of in [("zeros", put(0, "n")), ("signed", None)]:
        _write_consistent(folder / f"sparse_consistent_{name}", of is None)


def _write_consistent(path: Path, is_signed: bool) -> None:
    """300 MB that header, table and size agree about; what is in it are zeros."""
    header, _, _ = taken_apart(encoded())
    k, d = 300, 250
    shapes = {"weights": [k], "means": [k, d], "covariances": [k, d, d], "precisions_cholesky": [k, d, d]}
    header |= {"n_components": k, "n_features": d, "feature_names": None}
    table, end = {}, 0
    for name, shape in shapes.items():
        n = 8 * int(np.prod(shape))
        table[name] = {"dtype": "F64", "shape": shape, "data_offsets": [end, end + n]}
        end += n
    if is_signed:
        header["sha256"] = _checksum_of_zeros(header, shapes)
    raw = packed({"__metadata__": {KEY: json.dumps(header)}, **table})
    path.write_bytes(raw)
    os.truncate(path, len(raw) + end)


def _checksum_of_zeros(header: dict, shapes: dict) -> str:
    rest = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(values.text(rest).encode())
    for name in sorted(shapes):
        digest.update(f"\n{name} float64 {tuple(shapes[name])}\n".encode())
        size = 8 * int(np.prod(shapes[name]))
        for start in range(0, size, 1 << 20):
            digest.update(bytes(min(1 << 20, size - start)))
    return digest.hexdigest()

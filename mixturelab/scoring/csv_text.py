"""Columns as CSV text: numbers in the fewest digits that give the same number back, text in quotes where it needs them.

Arrow writes 0.000001 but 1e-7, and 1234567890 but 1.23456789e+11 for a float; without Arrow the same is made from
Python's digits, so that the bytes are equal.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mixturelab.exceptions import DataError
from mixturelab.scoring.chunk import Columns

_NEEDS_QUOTES = re.compile('[",\r\n]')


def header_line(names: Sequence[str]) -> bytes:
    """The first line."""
    return (",".join(map(_quoted, names)) + "\n").encode()


def lines(columns: Columns) -> bytes:
    """A line for each row.

    Raises
    ------
    DataError
        If a column holds what has no text, such as a list.
    """
    return by_arrow(columns) if importlib.util.find_spec("pyarrow") else by_cell(columns)


def by_arrow(columns: Mapping[str, Any]) -> bytes:
    """As `lines`, some ten times as fast as `by_cell`."""
    import pyarrow as pa
    from pyarrow import compute

    texts = [_texts(column, name) for name, column in columns.items()]
    empty = pa.scalar("", pa.large_string())
    with_commas = compute.binary_join_element_wise(*texts, pa.scalar(",", pa.large_string()))
    with_ends = compute.binary_join_element_wise(with_commas, empty, pa.scalar("\n", pa.large_string()))
    return _content(with_ends)


def _texts(column: Any, name: str) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else _arrow(column)
    is_text = _is_text(array.type)
    try:
        texts = compute.fill_null(array.cast(pa.large_string()), "")
    except pa.ArrowException:
        raise DataError(
            f"column {name!r} holds {array.type}, which has no place in CSV; leave it out or write Parquet"
        ) from None
    return _quoted_where_needed(texts) if is_text else texts


def _arrow(column: Any) -> Any:
    import pyarrow as pa

    if isinstance(column, list):
        return pa.array(column, pa.string())
    return pa.array(column) if isinstance(column, np.ndarray) else column


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return not (
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    )


def _quoted_where_needed(texts: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    needed = compute.match_substring_regex(texts, _NEEDS_QUOTES.pattern)
    if not compute.any(needed).as_py():
        return texts
    quote, empty = pa.scalar('"', pa.large_string()), pa.scalar("", pa.large_string())
    doubled = compute.replace_substring(texts, '"', '""')
    return compute.if_else(needed, compute.binary_join_element_wise(quote, doubled, quote, empty), texts)


def _content(texts: Any) -> bytes:
    """The texts of an array, one after the other."""
    if not len(texts):
        return b""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(texts.buffers()[2])[offsets[0] : offsets[-1]].tobytes()


# ------------------------------------------------------------------------------------------------- without Arrow
def by_cell(columns: Mapping[str, Any]) -> bytes:
    """As `lines`, where pyarrow is not installed."""
    texts = [[_text(cell) for cell in _plain(column)] for column in columns.values()]
    return "".join(",".join(row) + "\n" for row in zip(*texts, strict=True)).encode()


def _plain(column: Any) -> Sequence[Any]:
    if not isinstance(column, np.ndarray):
        return column
    # The digits of a float32 are those that give the float32 back.
    return [float(str(cell)) for cell in column] if column.dtype == np.float32 else column.tolist()


def _text(cell: Any) -> str:
    if isinstance(cell, float):
        return number_text(cell)
    if isinstance(cell, bool):
        return str(cell).lower()
    return _quoted(cell) if isinstance(cell, str) else str(cell)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def number_text(number: float) -> str:
    """The shortest digits that give the number back, with an exponent where Arrow writes one."""
    text = repr(number)
    if "n" in text:  # nan, inf
        return text
    sign, text = ("-", text[1:]) if text[0] == "-" else ("", text)
    mantissa, _, power = text.partition("e")
    whole, _, part = mantissa.partition(".")
    part = "" if part == "0" else part
    digits = (whole + part).lstrip("0")
    if not digits:
        return f"{sign}0"
    point = (
        len(whole) + int(power or 0) - (len(whole + part) - len(digits))
    )  # digits before the decimal point
    return sign + _placed(digits.rstrip("0"), point)


_DIGITS_AT_MOST = 10  # before the point; with more there is an exponent
_ZEROS_AT_MOST = 5  # after the point


def _placed(digits: str, point: int) -> str:
    if -_ZEROS_AT_MOST <= point <= 0:
        return "0." + "0" * -point + digits
    if 0 < point <= _DIGITS_AT_MOST:
        return digits.ljust(point, "0") if len(digits) <= point else f"{digits[:point]}.{digits[point:]}"
    exponent = point - 1
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{'+' if exponent > 0 else '-'}{abs(exponent)}"

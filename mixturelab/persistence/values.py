"""What a header's JSON can hold: values on their way in, and text that is read back without trusting it."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mixturelab.exceptions import ArgumentError, ModelFileError

# A header of 100,000 named features is 2 MB. JSON grows in memory (`[],` of three bytes is an object of 64), so that
# both the text and the number of values in it are bounded before it is parsed: see tests/persistence/test_memory.py.
MAX_BYTES = 4 << 20
MAX_VALUES = 250_000
# Nothing that we write is deeper than a table in the provenance; recursion of any kind ends far beyond.
MAX_DEPTH = 32

# JSON has no infinities; before the first iteration the lower bound is one.
INFINITIES = {"inf": math.inf, "-inf": -math.inf}


# ------------------------------------------------------------------------------------------------------- in
def storable(value: Any) -> Any:
    """The value as JSON can hold it: NaN and infinities become null, an array a nested list.

    What has no such form (a generator, a function) becomes a string in angle brackets that says what it was.
    """
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if hasattr(value, "detach") or isinstance(value, np.ndarray):
        return storable(_host(value).tolist())
    return f"<{type(value).__name__}>"


def require_form(name: str, value: Any) -> None:
    """Raise an ArgumentError that names the argument, if JSON cannot hold the value, or not whole."""
    level = [value]
    for _ in range(MAX_DEPTH - 2):  # it stands in the provenance, which stands in the header
        level = [part for entry in level for part in _parts(name, entry)]
        if not level:
            return
    raise ArgumentError(f"{name} is nested deeper than {MAX_DEPTH - 2} levels, or holds itself")


def _parts(name: str, value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, (list, tuple)):
        return list(value)
    if hasattr(value, "detach") or isinstance(value, np.ndarray):
        return [_host(value).tolist()]
    if had_no_form(storable(value)) and not isinstance(value, str):
        raise ArgumentError(
            f"{name} holds a {type(value).__name__}; wanted numbers, text, True, False or None, or lists or dicts "
            "of these (str(...) makes text of a date or a path)"
        )
    return []


def had_no_form(value: Any) -> bool:
    """Whether this stands for a value that JSON cannot hold."""
    return isinstance(value, str) and value.startswith("<")


def _host(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


_CONVERSIONS: list[tuple[Any, Callable[[Any], Any]]] = [
    ((bool, np.bool_), bool),
    ((int, np.integer), int),
    ((float, np.floating), lambda value: float(value) if math.isfinite(value) else None),
    ((str, type(None)), lambda value: value),
    (dict, lambda value: {str(key): storable(entry) for key, entry in value.items()}),
    ((list, tuple), lambda value: [storable(entry) for entry in value]),
]


def from_real(value: float) -> float | str | None:
    """A number as JSON can hold it: an infinity as a word, a NaN as null."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return None if math.isnan(value) else value


def to_real(stored: float | str | None) -> float:
    """The number that was stored so."""
    if stored is None:
        return math.nan
    return INFINITIES[stored] if isinstance(stored, str) else float(stored)


def text(header: dict[str, Any]) -> str:
    """The header as JSON: equal headers give equal text."""
    return json.dumps(header, sort_keys=True, ensure_ascii=False, allow_nan=False)


# ------------------------------------------------------------------------------------------------------ out
def parse(raw: bytes | str) -> dict[str, Any]:
    """The JSON object that this text is.

    Raises
    ------
    ModelFileError
        If it is none, has a key twice, a number that is not finite, text that is not Unicode, or is too large or deep.
    """
    if _n_values(raw) > MAX_VALUES:
        raise ModelFileError(f"has a header of more than {MAX_VALUES:,} values: not a header that we read")
    try:
        value = json.loads(raw, object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite)
    except ModelFileError:  # which is a ValueError too
        raise
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ModelFileError("has a damaged header: it is not JSON") from None
    if not isinstance(value, dict):
        raise ModelFileError("has a damaged header: it is not a JSON object")
    require_plain(value)
    return value


def _n_values(raw: bytes | str) -> int:
    """At most as many values are there: each follows a comma or an opening bracket."""
    if isinstance(raw, bytes):
        return raw.count(b",") + raw.count(b"[") + raw.count(b"{")
    return raw.count(",") + raw.count("[") + raw.count("{")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two equal keys programs disagree which counts: what one has checked another would not use.
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ModelFileError(f"has a damaged header: the key {twice[:40]!a} is there twice")
    return found


def _finite(written: str) -> float:
    # Python's reader takes NaN, Infinity and 1e999, which are no JSON or no number.
    value = float(written)
    if not math.isfinite(value):
        raise ValueError(f"{written} is not a finite number")
    return value


def require_plain(header: dict[str, Any]) -> None:
    """Raise if it is nested too deep for what recurses, or holds half a character.

    Raises
    ------
    ModelFileError
    """
    level: list[Any] = [header]
    for _ in range(MAX_DEPTH):
        level = [entry for value in level for entry in _inside(value)]
        if not level:
            return
    raise ModelFileError(f"has a damaged header: it is nested deeper than {MAX_DEPTH} levels")


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, str) and not value.isascii():
        _require_unicode(value)
    return value if isinstance(value, list) else ()


def _require_unicode(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ModelFileError("has a damaged header: it holds text that is not Unicode") from None

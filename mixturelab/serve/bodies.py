"""Rows out of a JSON body, by position or by name; what is wrong with one is said with its row and feature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mixturelab.serve.refusal import Feature, Refusal

__all__ = ["RowReader", "parse", "read_sample", "too_many_rows"]

Floats = NDArray[np.float64]
# Rows that are turned into an array between two chances for other threads to run.
_PART = 4096
# Shorter bodies cannot hold much.
_SHORT = 1 << 16
_NUMBERS = frozenset((int, float))


class RowReader:
    """``{"rows": [[…], …]}`` or ``{"rows": [{"name": …}, …]}`` as an array in the order of the model's features.

    Parameters
    ----------
    names : sequence of str or None
        The model's features; None if it knows them by position alone.
    n_features : int
    max_rows : int
    """

    def __init__(self, names: Sequence[str] | None, n_features: int, max_rows: int) -> None:
        self.names, self.n_features, self.max_rows = names, n_features, max_rows
        # What brackets and braces can be at most: rows, the two around them, and those in names.
        named = sum(name.count("[") + name.count("{") for name in names or ())
        self._most_opened = 2 + self.max_rows * (1 + named)
        # itemgetter of one name gives a number, not a tuple
        self._pick = itemgetter(*names) if names is not None and n_features > 1 else None
        self._colons_a_row = n_features + sum(name.count(":") for name in names or ())

    def __call__(self, body: bytes) -> Floats:
        """The rows of a body, [N, D].

        Raises
        ------
        Refusal
            400 for broken JSON, 413 for too many rows, 422 for values that cannot be scored.
        """
        if len(body) > _SHORT:
            self._refuse_too_much(body)
        rows = self._rows(parse(body))
        by_name = type(rows[0]) is dict
        out = np.empty((len(rows), self.n_features))
        for start in range(0, len(rows), _PART):
            part = rows[start : start + _PART]
            self._fill(out[start : start + _PART], part, start, by_name)
        # As many colons as keys: none is there twice. (JSON allows that, and readers differ in which they take.)
        keys = 1 + (len(rows) * self._colons_a_row if by_name else 0)
        # But a colon in a name may be written as an escape.
        if body.count(b":") != keys or (by_name and b"\\u003" in body):
            _refuse_repeated_keys(body)
        return out

    def feature(self, position: int) -> Feature:
        """What a feature is called."""
        return position if self.names is None else self.names[position]

    def _refuse_too_much(self, body: bytes) -> None:
        """Count before reading: ``[],[],…`` would take twenty times its bytes."""
        opened = body.count(b"[") + body.count(b"{")
        numbers = self.max_rows * self.n_features
        if opened > self._most_opened or body.count(b",") > numbers:
            raise Refusal(
                413,
                f"more than {self.max_rows:,} rows of {self.n_features} numbers; as a table there may be more",
            )

    def _rows(self, content: Any) -> list[Any]:
        if type(content) is not dict or "rows" not in content:
            raise Refusal(422, 'the body is not of the form {"rows": [...]}')
        if len(content) > 1:
            other = next(key for key in content if key != "rows")
            raise Refusal(422, f'the body has the key {_show(other)}; wanted {{"rows": [...]}} alone')
        rows = content["rows"]
        if type(rows) is not list:
            raise Refusal(422, f"rows is {_kind(rows)}; wanted a list of rows")
        if not rows:
            raise Refusal(422, "rows is empty; wanted at least one row")
        if len(rows) > self.max_rows:
            raise too_many_rows(len(rows), self.max_rows)
        return rows

    def _fill(self, out: Floats, rows: list[Any], start: int, by_name: bool) -> None:
        kind = dict if by_name else list
        good = set(map(type, rows)) == {kind} and set(map(len, rows)) == {self.n_features}
        if good and by_name:
            rows, good = self._in_order(rows)
        if not good or not set(map(type, chain.from_iterable(rows))) <= _NUMBERS:
            self._refuse(rows, start, by_name)
        out[:] = rows

    def _in_order(self, rows: list[Any]) -> tuple[list[Any], bool]:
        if self.names is None:
            return rows, False
        try:
            if self._pick is not None:
                return list(map(self._pick, rows)), True
            return [(row[self.names[0]],) for row in rows], True
        except KeyError:
            return rows, False

    def _refuse(self, rows: list[Any], start: int, by_name: bool) -> None:
        for number, row in enumerate(rows, start):
            if type(row) is dict and by_name:
                self._refuse_named(row, number)
            else:
                self._refuse_positional(row, number, by_name)

    def _refuse_named(self, row: dict[str, Any], number: int) -> None:
        if self.names is None:
            raise Refusal(
                422,
                f"row {number} is by name, and the model knows no names; wanted {self.n_features} numbers in a list",
                number,
            )
        wanted = set(self.names)
        for name in row:
            if name not in wanted:
                raise Refusal(
                    422, f"row {number} has a feature {_show(name)}, which the model has not", number, name
                )
        for name in self.names:
            if name not in row:
                raise Refusal(422, f"row {number} has no feature {_show(name)}", number, name)
            _require_number(row[name], number, name)

    def _refuse_positional(self, row: Any, number: int, by_name: bool) -> None:
        if by_name and type(row) is list:
            raise Refusal(
                422, f"row {number} is by position, and row 0 by name; wanted one of the two", number
            )
        if type(row) is dict:
            raise Refusal(
                422, f"row {number} is by name, and row 0 by position; wanted one of the two", number
            )
        if type(row) not in (list, tuple):  # a tuple: by name, and put into order already
            raise Refusal(
                422, f"row {number} is {_kind(row)}; wanted a list of numbers, or numbers by name", number
            )
        if len(row) != self.n_features:
            raise Refusal(
                422, f"row {number} has {len(row)} numbers; the model has {self.n_features} features", number
            )
        for position, value in enumerate(row):
            _require_number(value, number, self.feature(position))


def too_many_rows(rows: int, limit: int) -> Refusal:
    """What a request with too many rows is told."""
    return Refusal(413, f"{rows:,} rows; at most {limit:,} a request")


def _require_number(value: Any, row: int, feature: Feature) -> None:
    if type(value) not in _NUMBERS:
        raise Refusal(
            422, f"row {row}, feature {_show(feature)}: {_kind(value)}; wanted a number", row, feature
        )


def _show(name: Any) -> str:
    text = repr(name)
    return text if len(text) <= 80 else text[:77] + "..."


_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value)) or f"the number {value}"


# ----------------------------------------------------------------------------------------------------- /sample
def read_sample(body: bytes, max_samples: int) -> tuple[int, int | None]:
    """How many rows a body ``{"n": 5, "seed": 0}`` asks for, and the seed or None.

    Raises
    ------
    Refusal
    """
    if len(body) > _SHORT:
        raise Refusal(413, f"the body is longer than {_SHORT:,} bytes")
    content = parse(body)
    if type(content) is not dict or not {"n"} <= set(content) <= {"n", "seed"}:
        raise Refusal(422, 'the body is not of the form {"n": 5} or {"n": 5, "seed": 0}')
    if body.count(b":") != len(content):
        _refuse_repeated_keys(body)
    n, seed = content["n"], content.get("seed")
    drawn = _whole(n, "n", 1, max_samples)
    return drawn, None if seed is None else _whole(seed, "seed", 0, 2**32 - 1)


def _whole(value: Any, name: str, least: int, most: int) -> int:
    # To JSON, 5.0 is a whole number.
    if type(value) not in _NUMBERS or value != value // 1 or not least <= value <= most:
        raise Refusal(422, f"{name} is {_kind(value)}; wanted a whole number from {least:,} to {most:,}")
    return int(value)


# ------------------------------------------------------------------------------------------------------- JSON
def parse(body: bytes) -> Any:
    """The content of a JSON body; NaN and Infinity, which are not JSON, are let through to be refused by their place.

    Raises
    ------
    Refusal
        400.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    if body.startswith(b"\xef\xbb\xbf"):
        raise Refusal(400, "the body begins with a byte order mark; wanted JSON in UTF-8 without one")
    try:
        return json.loads(body.decode(), parse_int=_integer)
    except (ValueError, RecursionError):
        raise Refusal(400, f"the body is not JSON: {reason}") from None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits)  # of the longest integers Python makes none


def _refuse_repeated_keys(body: bytes) -> None:
    def once(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refusal(422, f"the key {_show(key)} is there twice in one object", feature=key)
            seen.add(key)

    try:
        json.loads(body.decode(), object_pairs_hook=once, parse_int=_integer)
    except RecursionError:
        raise Refusal(422, "the body is nested too deeply") from None

"""The limits of the service: what a request may ask for, how long it may take, and who may ask."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from mixturelab.exceptions import ArgumentError

__all__ = ["Settings"]

MIB = 1 << 20
# Numbers in one answer, or in the rows that were read for it: 256 MiB in float64.
MAX_NUMBERS = 1 << 25
# Numbers of one JSON body: each takes many times its bytes while it is read. Tables may hold more.
MAX_JSON_NUMBERS = 1 << 22


@dataclass(frozen=True)
class Settings:
    """What the service allows.

    Attributes
    ----------
    max_rows : int
        Rows of one request; as JSON at most 4,194,304 numbers.
    max_bytes : int
        Bytes of one request's body, before and after it is unpacked.
    max_samples : int
        Rows that ``/sample`` draws at once.
    seconds : float
        What the answer to one request may take, the wait for a free worker included.
    receive_seconds : float
        What a client may take to send a request, and to take its answer.
    workers : int
        Requests with many rows that are computed at once; those with few do not wait for them.
    waiting : int
        Requests that may wait for a worker; one more is told to come back.
    max_connections : int
        Open connections.
    token : str or None
        What a client must show as ``Authorization: Bearer …``; None asks for nothing.
    hosts : tuple of str or None
        The names under which the service may be addressed (the ``Host`` header), without ports; None for any.
    log_requests : bool
        Whether each request makes a line in the log.

    Raises
    ------
    ArgumentError
        Naming the setting, its value and what was wanted.
    """

    max_rows: int = 500_000
    max_bytes: int = 64 * MIB
    max_samples: int = 100_000
    seconds: float = 30.0
    receive_seconds: float = 30.0
    workers: int = max(1, min(4, os.cpu_count() or 1))
    waiting: int = 16
    max_connections: int = 512
    token: str | None = None
    hosts: tuple[str, ...] | None = None
    log_requests: bool = True

    def __post_init__(self) -> None:
        for name in ("max_rows", "max_bytes", "max_samples", "workers", "max_connections"):
            _require(self, name, lambda value: value >= 1, "1 or more")
        _require(self, "waiting", lambda value: value >= 0, "0 or more")
        for name in ("seconds", "receive_seconds"):
            _require(self, name, lambda value: 0 < value < float("inf"), "a time above 0")
        if self.token is not None and not _is_token(self.token):
            # Its value is a secret: the message does not show it.
            raise ArgumentError("token has to be printable ASCII without spaces, at least 8 characters long")

    def __repr__(self) -> str:
        shown = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name != "token")
        return f"Settings({', '.join(shown)}, token={'None' if self.token is None else '<secret>'})"

    def rows(self, n_features: int, n_components: int) -> int:
        """Rows of one request for a model of this size: `max_rows`, or as many as fit into memory."""
        return max(1, min(self.max_rows, MAX_NUMBERS // max(n_features, n_components)))

    def json_rows(self, n_features: int, n_components: int) -> int:
        """Rows of one JSON request: fewer than in a table, where the model has many features."""
        return max(1, min(self.rows(n_features, n_components), MAX_JSON_NUMBERS // n_features))

    def samples(self, n_features: int) -> int:
        """Rows of one answer of ``/sample`` for a model with so many features."""
        return max(1, min(self.max_samples, MAX_NUMBERS // n_features))


def _require(settings: Settings, name: str, holds: Callable[[Any], bool], wanted: str) -> None:
    value = getattr(settings, name)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not holds(value):
        raise ArgumentError(f"{name} is {value!r}; wanted {wanted}")


def _is_token(token: str) -> bool:
    return len(token) >= 8 and token.isascii() and token.isprintable() and " " not in token

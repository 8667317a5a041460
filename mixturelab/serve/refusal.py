"""A request that is refused: the status, and a sentence that says why and where."""

from __future__ import annotations

from typing import Any

import orjson

__all__ = ["ClientGoneError", "Refusal", "error_body"]

Feature = str | int | None
_LONGEST = 1000


class Refusal(Exception):
    """Raised wherever a request turns out to be one that is not answered.

    Parameters
    ----------
    status : int
        4xx, or 503.
    message : str
        One sentence for the client. It may name values of the request, so it is never logged.
    row : int or None
        The row at fault, from 0.
    feature : str or int or None
        The feature at fault: its name, or its position from 0 where the model has no names.
    headers : dict
        Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        row: int | None = None,
        feature: Feature = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.row, self.feature = status, message, row, feature
        self.headers = headers or {}

    def body(self) -> bytes:
        """The answer's body."""
        return error_body(self.message, self.row, self.feature)


class ClientGoneError(Exception):
    """The client left before its request was whole."""


def error_body(message: str, row: int | None = None, feature: Feature = None) -> bytes:
    """What every error answers."""
    return _json({"error": {"message": _sayable(message), "row": row, "feature": _sayable(feature)}})


def _sayable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # Names are a client's, and may be as long as its body.
    shown = value if len(value) <= _LONGEST else value[: _LONGEST - 3] + "..."
    # Lone surrogates, which JSON text may hold, have no form in UTF-8.
    return shown.encode(errors="replace").decode()


def _json(content: Any) -> bytes:
    return orjson.dumps(content)

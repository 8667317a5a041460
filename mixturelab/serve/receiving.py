"""The body of a request: whole within its limits of bytes and time, or refused; and what all of them hold together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mixturelab.serve.refusal import ClientGoneError, Refusal
from mixturelab.serve.settings import Settings

__all__ = ["Headers", "Receiver", "headers_of"]

Headers = dict[bytes, bytes]
# Bodies that are held at once, as multiples of the longest one.
_BODIES_AT_ONCE = 4


def headers_of(scope: Any) -> Headers:
    """A request's headers by their lower-case names; of one that is there twice, the last."""
    return dict(scope["headers"])


class Receiver:
    """Reads bodies, and knows how many bytes are held.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._most, self._seconds = settings.max_bytes, settings.receive_seconds
        self._room = self._room_for_answers = _BODIES_AT_ONCE * settings.max_bytes
        self._longest_answer = self._room_for_answers // 2

    async def body(self, receive: Any, headers: Headers) -> bytes:
        """The whole body.

        Raises
        ------
        Refusal
            408 if it comes too slowly, 413 if it is too long, 415 if it is compressed, 503 if too much is held.
        ClientGoneError
        """
        self._check(headers)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._whole(receive)
        except TimeoutError:
            message = f"the body did not arrive within {self._seconds:g} seconds"
            raise Refusal(408, message, headers={"connection": "close"}) from None

    def _check(self, headers: Headers) -> None:
        length = headers.get(b"content-length")
        if length is not None and length.isdigit() and int(length[:20]) > self._most:
            raise self._too_long()
        coding = headers.get(b"content-encoding", b"identity").strip().lower()
        if coding not in (b"identity", b""):
            raise Refusal(415, "the body is compressed; wanted it plain (no Content-Encoding)")

    async def _whole(self, receive: Any) -> bytes:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            if len(message["body"]) > self._most:
                raise self._too_long()
            return message["body"]
        return await self._in_parts(receive, message)

    async def _in_parts(self, receive: Any, message: Any) -> bytes:
        parts, length = [], 0
        while True:
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part = message.get("body", b"")
            length += len(part)
            if length > self._most:
                raise self._too_long()
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()

    def _too_long(self) -> Refusal:
        return Refusal(413, f"the body is longer than {self._most:,} bytes")

    @contextmanager
    def room(self, headers: Headers) -> Iterator[None]:
        """Take room for a body as long as it says it is (or as long as it may be) until it has been answered.

        Raises
        ------
        Refusal
            503 if other bodies leave none.
        """
        said = headers.get(b"content-length", b"")
        size = min(self._most, int(said[:20])) if said.isdigit() else self._most
        if size > self._room:
            raise Refusal(503, "too much is being sent at once; come back soon", headers={"retry-after": "1"})
        self._room -= size
        try:
            yield
        finally:
            self._room += size

    @contextmanager
    def answer(self, size: int) -> Iterator[None]:
        """Take room for an answer until its client has taken it. (The longest count as half of all the room.)

        Raises
        ------
        Refusal
            503 if others, which have not been taken, leave none.
        """
        size = min(size, self._longest_answer)
        if size > self._room_for_answers:
            raise Refusal(
                503, "too much is being answered at once; come back soon", headers={"retry-after": "1"}
            )
        self._room_for_answers -= size
        try:
            yield
        finally:
            self._room_for_answers += size

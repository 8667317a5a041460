"""uvicorn's HTTP protocol with an end to patience: requests that do not arrive, and answers that are not taken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mixturelab.serve.refusal import error_body

__all__ = ["PatientProtocol", "close_the_slow"]

MAX_HEADER_BYTES = 64 * 1024
# Connections beyond the limit that are told so; those beyond these are closed without a word.
_TOLD = 128


class PatientProtocol(HttpToolsProtocol):
    """Knows since when it has been waiting for the rest of a request, and how long the headers are."""

    waiting_since: float | None = None
    # What was left to send when it last became less, and when that was.
    unsent: tuple[int, float] = (0, 0.0)
    _header_bytes: int | None = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Looked at here: uvicorn would answer in plain text.
        self._most_connections, self.limit_concurrency = self.limit_concurrency, None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.waiting_since = self.loop.time()
        if self._is_beyond(_TOLD):  # files that can be open are few
            transport.abort()

    def _is_beyond(self, more: int = 0) -> bool:
        return self._most_connections is not None and len(self.connections) > self._most_connections + more

    def data_received(self, data: bytes) -> None:
        """Take bytes, as long as the headers do not become too long."""
        if self._header_bytes is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._header_bytes is not None and self._header_bytes > MAX_HEADER_BYTES:
            self.end(
                b"431 Request Header Fields Too Large",
                f"the headers are longer than {MAX_HEADER_BYTES:,} bytes",
            )

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request."""
        super().on_message_begin()
        if self.waiting_since is None:
            self.waiting_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; not the trailers after a body, which could change what has been looked at already."""
        if self._header_bytes is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Count no more bytes: what follows is a body, which has its own limit."""
        self._header_bytes = None
        if self._is_beyond():
            self.end(b"503 Service Unavailable", "too many connections at once; come back soon")
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, unless its request has been refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no more: the request is whole."""
        self.waiting_since, self._header_bytes = None, 0
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Say that this is no HTTP, in the form that all errors have."""
        self.end(b"400 Bad Request", "the request is not HTTP that is read here")

    def end(self, status: bytes, message: str) -> None:
        """Say why, unless an answer has begun, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = error_body(message)
            head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(head % (status, len(body)) + body)
        self.transport.close()


async def close_the_slow(connections: Iterable[Any], seconds: float) -> None:
    """Look at all connections, again and again, and close those that wait for their client for too long.

    One look at all of them costs less than a timer for each.
    """
    while True:
        await asyncio.sleep(min(1.0, seconds / 4))
        now = asyncio.get_running_loop().time()
        for connection in list(connections):
            if isinstance(connection, PatientProtocol):
                _look_at(connection, now, seconds)


def _look_at(connection: PatientProtocol, now: float, seconds: float) -> None:
    # A little more than the application waits for a body: its answer says more.
    if connection.waiting_since is not None and now - connection.waiting_since > seconds + 1:
        connection.end(b"408 Request Timeout", f"the request did not arrive within {seconds:g} seconds")
    left, since = connection.transport.get_write_buffer_size(), connection.unsent[1]
    if left == 0 or left < connection.unsent[0] or connection.unsent[0] == 0:
        connection.unsent = left, now
    elif now - since > seconds:
        connection.transport.abort()

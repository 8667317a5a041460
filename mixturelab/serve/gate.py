"""What every request passes: who may ask, headers of every answer, errors as JSON, the log and the counters."""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mixturelab.serve.refusal import ClientGoneError, Refusal, error_body
from mixturelab.serve.settings import Settings
from mixturelab.serve.state import State

__all__ = ["LONG", "OPEN", "Gate", "send_reply"]

Headers = list[tuple[bytes, bytes]]

# Shorter answers are left to the server's buffers.
LONG = 1 << 16

# Without a token: what orchestrators ask. (The page, which holds nothing of the model, is open too.)
OPEN = frozenset({"/health", "/ready"})
_EVERY_ANSWER: Headers = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
_CLIENT_GONE = 499  # as proxies log it; nobody gets it


async def send_reply(
    send: Any,
    status: int,
    body: bytes | memoryview,
    media_type: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send a whole answer, and wait until most of a long one has been taken."""
    length = str(len(body)).encode()
    head = [(b"content-type", media_type), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    is_long = len(body) > LONG
    await send({"type": "http.response.body", "body": body, "more_body": is_long})
    if is_long:
        await send({"type": "http.response.body", "body": b""})  # the server lets this one wait


class Gate:
    """The outermost middleware, in plain ASGI.

    Parameters
    ----------
    app : ASGI application
        What answers all that `direct` does not.
    direct : mapping of str to ASGI application
        What a POST to an address is handed to at once: a router would take as long as the answer.
    settings : Settings
    state : State
    endpoints : collection of str
        The addresses that are logged and counted by their name.
    pages : collection of str
        The addresses that need no token, beside `OPEN`.
    """

    def __init__(
        self,
        app: Any,
        direct: Mapping[str, Any],
        settings: Settings,
        state: State,
        endpoints: Collection[str],
        pages: Collection[str],
    ) -> None:
        self._app, self._state, self._metrics, self._log = app, state, state.metrics, state.log
        self._direct = direct
        self._endpoints, self._pages = frozenset(endpoints), frozenset(pages)
        self._open = OPEN | self._pages
        self._token = None if settings.token is None else f"Bearer {settings.token}".encode()
        self._hosts = None if settings.hosts is None else frozenset(name.lower() for name in settings.hosts)
        self._log_requests = settings.log_requests

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        began = time.perf_counter()
        exchange = Exchange(send)
        scope["mixturelab"] = exchange
        self._metrics.in_progress += 1
        try:
            self._admit(scope)
            app = self._direct.get(scope["path"]) if scope["method"] == "POST" else None
            await (app or self._app)(scope, receive, exchange)
        except Refusal as refusal:
            await exchange.refuse(refusal)
        except ClientGoneError:
            exchange.status = _CLIENT_GONE
        except asyncio.CancelledError:  # the time to finish requests is over
            self._state.was_cut_off = True
            await exchange.refuse(Refusal(503, "the service is shutting down"))
        except Exception as error:
            await self._failed(error, exchange)
        finally:
            self._metrics.in_progress -= 1
            self._record(scope, exchange, time.perf_counter() - began)

    async def _other(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1003})
        else:
            await self._app(scope, receive, send)

    def _admit(self, scope: Any) -> None:
        if self._hosts is None and self._token is None:
            return
        headers = dict(scope["headers"])
        if len(headers) < len(scope["headers"]):
            _refuse_two_of_one(scope["headers"])
        # Else a web page elsewhere, whose name is made to lead here, could ask a service on this computer.
        # (No browser leaves the name out; health checks in HTTP/1.0 do.)
        is_unnamed = scope["http_version"] == "1.0" and b"host" not in headers
        if self._hosts is not None and not is_unnamed and _host(headers.get(b"host", b"")) not in self._hosts:
            raise Refusal(421, "the service does not go by the name that the Host header says")
        if self._token is not None and scope["path"] not in self._open:
            self._require_token(headers.get(b"authorization", b""))

    def _require_token(self, shown: bytes) -> None:
        assert self._token is not None
        # In a time that does not tell how much of it was right. The scheme's name may be in any case.
        scheme, _, rest = shown.partition(b" ")
        if not hmac.compare_digest(scheme.lower().capitalize() + b" " + rest.strip(), self._token):
            message = "no token, or a wrong one; wanted the header Authorization: Bearer TOKEN"
            raise Refusal(401, message, headers={"www-authenticate": "Bearer"})

    async def _failed(self, error: Exception, exchange: Exchange) -> None:
        reference = secrets.token_hex(4)
        self._log.error("failed", error, reference=reference)
        message = f"something went wrong in the service; its log has it under {reference}"
        await exchange.answer(500, error_body(message))

    def _record(self, scope: Any, exchange: Exchange, seconds: float) -> None:
        path = scope["path"]
        endpoint = path if path in self._endpoints else "page" if path in self._pages else "other"
        self._metrics.count(endpoint, exchange.status, seconds, exchange.rows)
        if self._log_requests:
            self._log(
                "request",
                method=scope["method"] if scope["method"] in _METHODS else "other",
                endpoint=endpoint,
                status=exchange.status,
                rows=exchange.rows,
                bytes_in=exchange.bytes_in,
                milliseconds=round(1e3 * seconds, 3),
            )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Exchange:
    """One request's way back: passes messages on, adds headers, and knows what was said.

    Parameters
    ----------
    send : callable
        The server's.
    """

    __slots__ = ("_send", "bytes_in", "rows", "started", "status")

    def __init__(self, send: Any) -> None:
        self._send = send
        self.status, self.rows, self.bytes_in, self.started = 500, 0, 0, False

    async def __call__(self, message: Any) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            message = {**message, "headers": [*message.get("headers", ()), *_EVERY_ANSWER]}
        await self._send(message)

    async def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Say something went wrong, unless an answer has begun."""
        self.status = status
        if not self.started:
            more = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
            await send_reply(self, status, body, b"application/json", more)

    async def refuse(self, refusal: Refusal) -> None:
        """Say why a request is not answered."""
        await self.answer(refusal.status, refusal.body(), refusal.headers)


_HOST = re.compile(r"(\[[0-9a-f:.%]*\]|[^][:@/]*)(:[0-9]*)?")


def _host(header: bytes) -> str:
    """``localhost:8000`` → ``localhost``, ``[::1]:8000`` → ``[::1]``; "" for what has another form."""
    found = _HOST.fullmatch(header.decode("latin-1").strip().lower())
    return found[1] if found else ""


def _refuse_two_of_one(headers: Headers) -> None:
    # Of two, a proxy in front may have looked at the other one.
    names = [name for name, _ in headers]
    for name in (b"host", b"authorization"):
        if names.count(name) > 1:
            raise Refusal(400, f"the header {name.decode()} is there twice")

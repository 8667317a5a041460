"""The service's log: one JSON object a line, without rows, tokens or anything else that a client sent."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from types import TracebackType
from typing import Any, TextIO

import orjson

__all__ = ["JsonLog", "LogHandler"]

# Lines that may wait to be written. Where nobody reads them, the oldest are lost, and the service goes on.
_WAITING = 20_000
_EVERY = 0.2  # seconds between two writes


class JsonLog:
    """Lines are written by a thread of the log's own, many at once: no request waits for a disk or a pipe.

    Parameters
    ----------
    stream : text file or None
        None writes nothing.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lines: deque[bytes] = deque(maxlen=_WAITING)
        self._lost = 0
        self._wake, self._writing = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._second = 0, ""

    def __call__(self, event: str, **entries: Any) -> None:
        """Add a line."""
        if self._stream is None:
            return
        self._lost += len(self._lines) == _WAITING
        self._lines.append(orjson.dumps({"time": self._now(), "event": event, **entries}, default=str))
        if not self._wake.is_set():
            self._start()

    def error(self, event: str, error: BaseException, **entries: Any) -> None:
        """Add a line on an unexpected error: its type and where it was, not its words, which may hold data."""
        self(event, error=type(error).__name__, where=_frames(error.__traceback__), **entries)

    def flush(self) -> None:
        """Write what waits."""
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._lost:
                lines.append(
                    orjson.dumps({"time": self._now(), "event": "log lines lost", "lines": self._lost})
                )
                self._lost = 0
            if lines and self._stream is not None:
                self._write(b"\n".join(lines).decode() + "\n")

    def close(self) -> None:
        """Write what waits, and let the thread end."""
        self._closed = True
        self._wake.set()
        self.flush()

    def _now(self) -> str:
        seconds = time.time()
        second, text = self._second
        if second != int(seconds):  # kept: to write a date takes longer than all the rest of a line
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
            self._second = int(seconds), text
        return f"{text}.{int(seconds % 1 * 1000):03d}Z"

    def _start(self) -> None:
        self._wake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="mixturelab-log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait()
            time.sleep(_EVERY)
            self._wake.clear()
            self.flush()

    def _write(self, text: str) -> None:
        assert self._stream is not None
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # a full disk, or a pipe that was closed: no reason to stop serving
            self._stream = None


class LogHandler(logging.Handler):
    """What uvicorn has to say, as lines of a `JsonLog`.

    Parameters
    ----------
    log : JsonLog
    """

    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record."""
        entries = {"level": record.levelname.lower(), "message": _first_words(record.getMessage())}
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            self._log("server", **entries)
        else:
            self._log.error("server", error, **entries)


def _first_words(message: str) -> str:
    lines = message.strip().splitlines() or [""]
    # A traceback as text: its last line begins with the error's type, and goes on with words that may hold data.
    return lines[-1].partition(":")[0] if lines[0].startswith("Traceback") else lines[0]


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-8:]]

"""Parquet bodies as Arrow streams, by way of processes that may die of them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import struct
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

__all__ = ["ParquetReaders"]

_SCRIPT = Path(__file__).with_name("parquet_child.py")


class ParquetReaders:
    """Processes that read Parquet: started when they are needed, used again, replaced when they die.

    Parameters
    ----------
    seconds : float
        What reading one file may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._idle: queue.LifoQueue[subprocess.Popen[bytes]] = queue.LifoQueue()
        self._all: set[subprocess.Popen[bytes]] = set()
        self._finalizer = weakref.finalize(self, _end_all, self._all)

    def read(
        self, body: bytes, rows: int, size: int, columns: list[str] | None, width: int
    ) -> tuple[dict[str, Any], bytes]:
        """What `parquet_child.convert` returns, or ``{"kind": "damaged"}``.

        Parameters
        ----------
        body : bytes
        rows, size : int
            How many rows and unpacked bytes there may be.
        columns : list of str or None
            None for all.
        width : int
            How many columns there have to be.
        """
        process = self._take()
        timer = threading.Timer(self._seconds, process.kill)
        timer.start()
        try:
            answer = _ask(process, body, {"rows": rows, "bytes": size, "columns": columns, "width": width})
        except (OSError, ValueError, struct.error):  # it died of the file, or took too long
            self._forget(process)
            return {"kind": "damaged"}, b""
        finally:
            timer.cancel()
        self._idle.put(process)
        return answer

    def close(self) -> None:
        """End them all."""
        self._finalizer()

    def _take(self) -> subprocess.Popen[bytes]:
        with contextlib.suppress(queue.Empty):
            while True:
                process = self._idle.get_nowait()
                if process.poll() is None:
                    return process
                self._forget(process)
        return self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Signals for the service are not for it: the service ends it when its last request is answered.
            start_new_session=os.name != "nt",
        )
        self._all.add(process)
        return process

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        self._all.discard(process)
        _end(process)


def _end_all(processes: set[subprocess.Popen[bytes]]) -> None:
    while processes:
        _end(processes.pop())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError, ValueError):
            if pipe is not None:
                pipe.close()
    process.wait()


def _ask(
    process: subprocess.Popen[bytes], body: bytes, wanted: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    about = json.dumps(wanted).encode()
    process.stdin.write(struct.pack("<qq", len(about), len(body)) + about)
    process.stdin.write(body)
    process.stdin.flush()
    said, length = struct.unpack("<qq", process.stdout.read(16))
    answer, stream = json.loads(process.stdout.read(said)), process.stdout.read(length)
    if len(stream) < length:
        raise ValueError("cut short")
    return answer, stream

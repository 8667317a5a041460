"""Ctrl-C between whole steps: the first asks for a stop, the second interrupts hard."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["StopRequest", "stop_request"]


@dataclass
class StopRequest:
    """Whether Ctrl-C has been pressed."""

    made: bool = False


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C into a flag to be looked at between steps.

    KeyboardInterrupt comes between any two lines: it would leave half an optimiser step behind. Signals
    belong to the main thread; in any other this changes nothing. The handler that was there is put back.
    """
    request = StopRequest()
    before = signal.getsignal(signal.SIGINT)
    # A handler that was not set from Python is None, and could not be put back.
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield request
        return

    def ask(*_: Any) -> None:
        request.made = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, ask)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)

"""Ctrl-C between whole steps: the first asks for a stop, the second interrupts hard. torchrun's SIGTERM only asks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["StopRequest", "stop_request"]


@dataclass
class StopRequest:
    """Whether Ctrl-C has been pressed, or another signal asked for a stop."""

    made: bool = False


@contextmanager
def stop_request(also: Sequence[signal.Signals] = ()) -> Iterator[StopRequest]:
    """Turn the first Ctrl-C into a flag to be looked at between steps.

    KeyboardInterrupt comes between any two lines: it would leave half an optimiser step behind. Signals
    belong to the main thread; in any other this changes nothing. The handlers that were there are put back.

    Parameters
    ----------
    also : sequence of signal.Signals
        Others that ask for a stop, however often they come: torchrun passes on what it gets, and a queue may send
        the same to both.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *also)}
    # A handler that was not set from Python is None, and could not be put back.
    if threading.current_thread() is not threading.main_thread() or None in before.values():
        yield request
        return

    def ask(number: int, _: Any) -> None:
        request.made = True
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

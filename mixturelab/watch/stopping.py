"""An interrupt as a wish: the first asks a loop to end between two steps, a later one ends it at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["StopWish", "interrupts_as_wishes"]

# Two clicks in a row are one wish.
_PATIENCE = 2.0


@dataclass
class StopWish:
    """Whether somebody wants the loop to end."""

    made: bool = False
    made_at: float = 0.0


@contextmanager
def interrupts_as_wishes(clock: Callable[[], float] = time.monotonic) -> Iterator[StopWish]:
    """Within the block an interrupt (Ctrl-C, the notebook's stop button) is noted, and nothing is torn apart.

    KeyboardInterrupt comes between any two lines, also in the middle of an optimiser step. Here only an interrupt that
    comes more than two seconds after the first raises it: for a step that hangs. Signals belong to the main thread; in
    any other this changes nothing. The handler that was there is put back.
    """
    wish = StopWish()
    before = signal.getsignal(signal.SIGINT)
    # A handler that was not set from Python is None, and could not be put back.
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield wish
        return

    def note(number: int, frame: FrameType | None) -> None:
        if wish.made and clock() - wish.made_at > _PATIENCE:
            signal.default_int_handler(number, frame)
        if not wish.made:
            wish.made, wish.made_at = True, clock()

    signal.signal(signal.SIGINT, note)
    try:
        yield wish
    finally:
        # A generator may be closed late, when somebody else has set another handler, or by another thread.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, before)

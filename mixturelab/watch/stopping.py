"""An interrupt as a wish: the first asks a loop to end between two steps, a later one ends it at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

__all__ = ["StopWish", "interrupts_as_wishes"]


@dataclass
class StopWish:
    """Whether somebody wants the loop to end, and when the first interrupt came."""

    made: bool = False
    interrupted: float | None = None


@contextmanager
def interrupts_as_wishes(
    patience: float = 2.0, also: Sequence[signal.Signals] = (), clock: Callable[[], float] = time.monotonic
) -> Iterator[StopWish]:
    """Within the block an interrupt (Ctrl-C, the notebook's stop button) is noted, and nothing is torn apart.

    KeyboardInterrupt comes between any two lines, also in the middle of an optimiser step. Here only a second interrupt
    raises it: for a step that hangs. Signals belong to the main thread; in any other this changes nothing. The handlers
    that were there are put back.

    Parameters
    ----------
    patience : float
        Seconds in which interrupts are one wish, as two clicks in a row.
    also : sequence of signal.Signals
        Others that are wishes, however often they come: torchrun passes on what it gets, and a queue may send the same
        to both.
    clock : callable
        The time in seconds.
    """
    wish = StopWish()

    def note(number: int, frame: FrameType | None) -> None:
        wish.made = True
        if number != signal.SIGINT:
            return
        if wish.interrupted is None:
            wish.interrupted = clock()
        elif clock() - wish.interrupted >= patience:
            signal.default_int_handler(number, frame)

    with _handled_by(note, (signal.SIGINT, *also)):
        yield wish


@contextmanager
def _handled_by(
    note: Callable[[int, FrameType | None], None], numbers: Sequence[signal.Signals]
) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in numbers}
    # A handler that was not set from Python is None, and could not be put back.
    if threading.current_thread() is not threading.main_thread() or None in before.values():
        yield
        return
    for number in numbers:
        signal.signal(number, note)
    try:
        yield
    finally:
        # A generator may be closed late, when somebody else has set another handler, or by another thread.
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if signal.getsignal(number) is note:
                    signal.signal(number, handler)

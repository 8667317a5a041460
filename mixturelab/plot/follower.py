"""A thread that looks into a run's folder and hands what is new to a monitor, until either has ended."""

import os
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from mixturelab.watch.follow import RunReader
from mixturelab.watch.reading import Reading
from mixturelab.watch.words import seconds_words

if TYPE_CHECKING:
    from mixturelab.plot.monitor import LiveMonitor

__all__ = ["Follower"]

_EVERY = 1.0  # seconds between two looks


class Follower:
    """Looks when told to, and once it is started by itself.

    Parameters
    ----------
    monitor : LiveMonitor
        Is not kept alive.
    folder : path
    """

    def __init__(self, monitor: "LiveMonitor", folder: str | os.PathLike[str]):
        self.reader = RunReader(folder)
        self._monitor = weakref.ref(monitor)
        self._shown: object = None
        self._ended, self._one_at_a_time = threading.Event(), threading.Lock()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Look every second from now on."""
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name="mixturelab monitor", daemon=True)
            self.thread.start()

    def stop(self) -> None:
        """Look no more; returns when the last look is over."""
        self._ended.set()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(timeout=10)

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            if not self.look():
                break

    def look(self) -> bool:
        """Read, and show what is new; whether there is any use in looking again."""
        monitor = self._monitor()
        if monitor is None:
            return False
        with self._one_at_a_time:
            reading = self.reader.poll()
            if (seen := self._seen(reading)) != self._shown:
                self._shown = seen
                monitor.show(self.reader.record, self.reader.view, reading)
        return reading.state != "finished"

    def _seen(self, reading: Reading) -> object:
        """All that a picture shows of it: seconds count only where they are told."""
        silence = seconds_words(reading.silent_for) if reading.state == "silent" else ""
        still = replace(reading, silent_for=0.0, steps_per_second=0.0)
        return repr(still), silence, id(self.reader.view)

"""Where requests with many rows are computed: a few threads, a short queue, and a limit of time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

from mixturelab.serve.parquet import ParquetReaders
from mixturelab.serve.refusal import Refusal
from mixturelab.serve.settings import Settings

__all__ = ["Deadline", "Workers"]

Result = TypeVar("Result")


class Deadline:
    """A moment after which nobody waits for the result any more.

    Parameters
    ----------
    seconds : float
        From now.
    stopped : Event, optional
        Set when nobody waits for anything any more.
    """

    def __init__(self, seconds: float, stopped: threading.Event | None = None) -> None:
        self.seconds = seconds
        self._end, self._stopped = time.monotonic() + seconds, stopped or threading.Event()

    def check(self) -> None:
        """Raise if it has passed: work does this between its parts.

        Raises
        ------
        Refusal
            503.
        """
        if self._stopped.is_set() or time.monotonic() > self._end:
            raise self.passed()

    def passed(self) -> Refusal:
        """What the client is told."""
        return Refusal(
            503, f"the answer took longer than {self.seconds:g} seconds; ask for fewer rows at once"
        )


class Workers:
    """A pool of threads with a queue that has an end.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    parquet : ParquetReaders
        The processes that read Parquet for the threads.
    """

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.seconds
        self._free = settings.workers + settings.waiting
        self._stopped = threading.Event()
        self.parquet = ParquetReaders(settings.seconds)
        # One thread of torch's each: requests, not parts of them, share the cores.
        self._pool = ThreadPoolExecutor(settings.workers, "mixturelab-serve", torch.set_num_threads, (1,))

    async def run(self, work: Callable[[Deadline], Result]) -> Result:
        """The result of some work, done in a thread.

        Raises
        ------
        Refusal
            503 if the queue is full or the time has passed; besides these, what the work raises.
        """
        if self._free == 0:
            raise Refusal(
                503, "too many requests with many rows at once; come back soon", headers={"retry-after": "1"}
            )
        self._free -= 1
        deadline = Deadline(self._seconds, self._stopped)
        task = asyncio.get_running_loop().run_in_executor(self._pool, _checked, work, deadline)
        task.add_done_callback(self._release)
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._seconds)
        except TimeoutError:
            task.add_done_callback(_ignore)
            raise deadline.passed() from None

    def _release(self, _: object) -> None:
        self._free += 1

    def close(self) -> None:
        """Let the threads end at the next part of their work; what waits in the queue is not begun."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.parquet.close()


def _checked(work: Callable[[Deadline], Result], deadline: Deadline) -> Result:
    deadline.check()  # it may have waited too long already
    return work(deadline)


def _ignore(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # nobody waits for it: to read it is to say that it may be lost

"""Stages that work at the same time: an iterator runs ahead in a thread of its own, and several work on its items."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

T = TypeVar("T")
U = TypeVar("U")
_END = object()


def ahead(items: Iterable[T], most: int = 2) -> Generator[T, None, None]:
    """Yield what the iterable yields, made in another thread that runs at most so many items ahead.

    An error of the iterable is raised here, after the items before it. Close the generator to end the thread.

    Parameters
    ----------
    items : iterable
        Used by the other thread alone.
    most : int
        Items that wait; so much memory is used, and no more.
    """
    waiting: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(most)
    stop = threading.Event()
    # A daemon: one that waits for standard input must not keep the program from ending.
    thread = threading.Thread(target=_work, args=(items, waiting, stop), daemon=True)
    thread.start()
    try:
        yield from _received(waiting)
    finally:
        stop.set()
        _drain(waiting)
        thread.join(timeout=10)


def each(function: Callable[[T], U], items: Iterable[T], workers: int) -> Generator[U, None, None]:
    """Yield what the function makes of each item, in order: so many threads work, and one more makes the items.

    Each of them computes with one thread of torch: two that wait for each other take longer than one.
    """
    with ThreadPoolExecutor(workers, "mixturelab-score", _compute_alone) as pool:
        futures = ahead((pool.submit(function, item) for item in items), workers)
        try:
            with contextlib.closing(futures):
                for future in futures:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _compute_alone() -> None:
    """One thread of torch for this thread; for those to come as many as before, which only a thread can say."""
    others = torch.get_num_threads()
    torch.set_num_threads(1)
    say = threading.Thread(target=torch.set_num_threads, args=(others,))
    say.start()
    say.join()


def _work(items: Iterable[T], waiting: queue.Queue[Any], stop: threading.Event) -> None:
    iterator = iter(items)
    try:
        for item in iterator:
            if not _put(waiting, (item, None), stop):
                break
        else:
            _put(waiting, (_END, None), stop)
    except BaseException as error:
        _put(waiting, (_END, error), stop)
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


def _put(waiting: queue.Queue[Any], item: Any, stop: threading.Event) -> bool:
    """Whether there was room before the end was wanted."""
    while not stop.is_set():
        try:
            waiting.put(item, timeout=0.1)
            return True
        except queue.Full:
            continue
    return False


def _received(waiting: queue.Queue[Any]) -> Iterator[Any]:
    while True:
        item, error = waiting.get()
        if error is not None:
            raise error
        if item is _END:
            return
        yield item


def _drain(waiting: queue.Queue[Any]) -> None:
    while not waiting.empty():
        waiting.get_nowait()

"""Run a learner's code safely: errors become sentences with their line, and nothing runs for ever."""

from __future__ import annotations

import contextlib
import ctypes
import io
import linecache
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any

import numpy as np

__all__ = ["Attempt", "attempt"]


class _TimeUp(BaseException):
    """The time limit struck. Not an Exception: a learner's `except Exception` must not swallow it."""


@dataclass(frozen=True)
class Attempt:
    """What a call gave: a value, or the problem that kept it from giving one."""

    value: Any = None
    problem: str | None = None
    unwritten: bool = False


def attempt(call: Callable[[], Any], owner: Any, seconds: float) -> Attempt:
    """Call, with warnings and prints held back, and never raise.

    Parameters
    ----------
    call : callable without arguments
        Runs the learner's function.
    owner : object
        That function: its file tells which line of a traceback is the learner's.
    seconds : float
        The time limit.
    """
    try:
        with _quiet(), time_limit(seconds):
            return Attempt(value=call())
    except _TimeUp:
        return Attempt(
            problem=f"it was still running after {seconds:g} seconds: does a loop in it never end?"
        )
    except KeyboardInterrupt:
        return Attempt(problem="it was stopped before it had finished.")
    except NotImplementedError:
        return Attempt(unwritten=True)
    except BaseException as error:
        if "ellipsis" in str(error).lower():
            return Attempt(unwritten=True)
        return Attempt(problem=_sentence(error, owner))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def _sentence(error: BaseException, owner: Any) -> str:
    """The error's type and message, and the learner's line that it came from."""
    message = re.sub(r"0x[0-9a-fA-F]+", "0x…", str(error)).strip().split("\n")[0][:200]
    what = f"it stopped with `{type(error).__name__}`" + (f": {message}" if message else "")
    where = _learner_line(error.__traceback__, owner)
    return f"{what}\n{where}" if where else what


def _learner_line(traceback: TracebackType | None, owner: Any) -> str:
    filename = getattr(getattr(owner, "__code__", None), "co_filename", None)
    found = ""
    while traceback is not None:
        frame, line = traceback.tb_frame, traceback.tb_lineno
        if filename is not None and frame.f_code.co_filename == filename:
            source = linecache.getline(filename, line, frame.f_globals).strip()
            found = f"in line {line}" + (f": `{source}`" if source else "")
        traceback = traceback.tb_next
    return found


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise in this thread after that time.

    By the system's alarm clock where there is one and this is the main thread (it also ends a sleep);
    elsewhere, on Windows or in a thread, by asking the interpreter, which ends any loop written in Python.
    """
    has_alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    with _alarm(seconds) if has_alarm else _asynchronous(seconds):
        yield


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def strike(signum: int, frame: FrameType | None) -> None:
        raise _TimeUp

    started = time.monotonic()
    before = signal.signal(signal.SIGALRM, strike)
    # It strikes again and again, because a learner's bare `except:` may swallow it once.
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if delay:  # somebody else's alarm was set: it goes on
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - started), 1e-3), interval)


@contextlib.contextmanager
def _asynchronous(seconds: float) -> Iterator[None]:
    thread, over, lock = ctypes.c_ulong(threading.get_ident()), threading.Event(), threading.Lock()

    def strike() -> None:
        wait = seconds
        while not over.wait(wait):
            with lock:
                if not over.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(_TimeUp))
            wait = 0.1

    watch = threading.Thread(target=strike, daemon=True)
    watch.start()
    try:
        yield
    finally:
        while not over.is_set():
            with contextlib.suppress(_TimeUp), lock:  # it may strike while we are putting the clock away
                over.set()
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)  # one on its way is called back
        watch.join()

"""Run a learner's code safely: errors become sentences with their line, and nothing runs for ever."""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import functools
import inspect
import io
import linecache
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType, TracebackType
from typing import Any, TextIO

import numpy as np

__all__ = ["Attempt", "attempt", "run_limited"]

_LONGEST_MESSAGE, _LONGEST_LINE = 200, 120
_AGAIN = 0.1  # seconds between one strike of the clock and the next: a bare `except:` may swallow the first


class _TimeUp(BaseException):
    """The time limit struck. Not an Exception: a learner's `except Exception` must not swallow it."""


class _NoInputError(Exception):
    """The learner's function asked a question, and nobody is there to answer."""


@dataclass(frozen=True)
class Attempt:
    """What a call gave: a value, or the problem that kept it from giving one."""

    value: Any = None
    problem: str | None = None
    unwritten: bool = False


def attempt(call: Callable[[], Any], owner: Any, seconds: float) -> Attempt:
    """Call, with warnings, prints and plots held back, and never raise.

    Parameters
    ----------
    call : callable without arguments
        Runs the learner's function.
    owner : object
        That function: its file tells which line of a traceback is the learner's.
    seconds : float
        The time limit.
    """
    told = sys.stdout  # a message about a call that nothing can end must get past what is held back
    try:
        with _quiet():
            return Attempt(value=_settled(run_limited(call, seconds, told)))
    except _TimeUp:
        return Attempt(
            problem=f"it was still running after {seconds:g} seconds: does a loop in it never end?"
        )
    except KeyboardInterrupt:
        return Attempt(problem="it was stopped before it had finished.")
    except NotImplementedError:
        return Attempt(unwritten=True)
    except _NoInputError:
        return Attempt(problem="it asks for `input()`: take what it needs from its arguments.")
    except BaseException as error:
        if "ellipsis" in _text(error).lower():
            return Attempt(unwritten=True)
        return Attempt(problem=_sentence(error, owner))


def _settled(value: Any) -> Any:
    """The value; an `async def`'s is put away, or Python complains later that nobody awaited it."""
    if inspect.iscoroutine(value):
        value.close()
    return value


# ------------------------------------------------------------------------------------------ what is held back
class _Nowhere(io.TextIOBase):
    """Takes what is printed and keeps none of it: an endless loop may print for seconds."""

    def write(self, text: str) -> int:
        return len(text)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(_Nowhere()),
        contextlib.redirect_stderr(_Nowhere()),
        _nobody_asked(),
        _nothing_displayed(),
        _no_figure_left(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _nobody_asked() -> Iterator[None]:
    def refuse(prompt: object = "") -> str:
        raise _NoInputError

    before, builtins.input = builtins.input, refuse
    try:
        yield
    finally:
        builtins.input = before


@contextlib.contextmanager
def _nothing_displayed() -> Iterator[None]:
    """What `display` and `plt.show` would put under the cell goes nowhere; without IPython there is no cell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        yield
        return
    from IPython.core.displaypub import CapturingDisplayPublisher

    before, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    try:
        yield
    finally:
        shell.display_pub = before


@contextlib.contextmanager
def _no_figure_left() -> Iterator[None]:
    """Figures that were opened meanwhile are closed: the notebook would show them all under the cell."""
    before = _open_figures()
    try:
        yield
    finally:
        for number in set(_open_figures()) - set(before):
            sys.modules["matplotlib.pyplot"].close(number)


def _open_figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")  # if nobody has imported it, no figure is open
    return pyplot.get_fignums() if pyplot is not None else []


# -------------------------------------------------------------------------------------------- what went wrong
def _sentence(error: BaseException, owner: Any) -> str:
    """The error's type and message, and the learner's line that it came from."""
    message = re.sub(r"0x[0-9a-fA-F]+", "0x…", _text(error)).strip().split("\n")[0][:_LONGEST_MESSAGE]
    what = f"it stopped with `{type(error).__name__}`" + (f": {message}" if message else "")
    if "could not be broadcast" in message:
        what += "\nTwo shapes do not fit: after a sum or mean along an axis, is `keepdims=True` or `[:, None]` missing?"
    where = _learner_line(error.__traceback__, owner)
    return f"{what}\n{where}" if where else what


def _text(error: BaseException) -> str:
    """What the error says; an error of the learner's own may fail to say it."""
    try:
        return str(error)[: 10 * _LONGEST_MESSAGE]
    except Exception:
        return ""


def _learner_line(traceback: TracebackType | None, owner: Any) -> str:
    code = _code(owner)
    found = ""
    while traceback is not None:
        frame, line = traceback.tb_frame, traceback.tb_lineno
        if code is not None and frame.f_code.co_filename == code.co_filename:
            source = linecache.getline(code.co_filename, line, frame.f_globals).strip()[:_LONGEST_LINE]
            found = f"in line {line}" + (f": `{source}`" if source else "")
        traceback = traceback.tb_next
    return found


def _code(owner: Any) -> CodeType | None:
    """The learner's code in a function, a method, a partial, a decorated function or a callable object."""
    with contextlib.suppress(Exception):  # an answer may be any object, with any behaviour
        while isinstance(owner, functools.partial):
            owner = owner.func
        owner = inspect.unwrap(getattr(owner, "pyfunc", owner))  # pyfunc: of np.vectorize
        found = getattr(owner, "__code__", None) or getattr(type(owner).__call__, "__code__", None)
        return found if isinstance(found, CodeType) else None
    return None


# ----------------------------------------------------------------------------------------------- the time limit
def run_limited(call: Callable[[], Any], seconds: float, told: TextIO | None = None) -> Any:
    """Call; a `_TimeUp` is raised in the call when the time is over.

    By the system's alarm clock where there is one and this is the main thread (it also ends a sleep);
    elsewhere, on Windows or in a thread, by asking the interpreter, which ends any loop written in Python.
    What that cannot end either is said on `told`.
    """
    has_alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    with _alarm(seconds) if has_alarm else _asynchronous(seconds, told):
        return _inside(call)


def _inside(call: Callable[[], Any]) -> Any:
    """The call. While this is not among the running functions, the clock does not strike."""
    return call()


def _is_inside(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is _inside.__code__:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def strike(signum: int, frame: FrameType | None) -> None:
        if _is_inside(frame):  # else the clock is just being put away, and nothing may come between
            raise _TimeUp

    started = time.monotonic()
    before = signal.signal(signal.SIGALRM, strike)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)
        if delay:  # somebody else's alarm was set: it goes on
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - started), 1e-3), interval)


@contextlib.contextmanager
def _asynchronous(seconds: float, told: TextIO | None) -> Iterator[None]:
    clock = _Clock(threading.get_ident(), seconds, told)
    with contextlib.suppress(RuntimeError):  # a browser's Python starts no threads: then there is no limit
        clock.start()
    try:
        yield
    finally:
        clock.put_away()


class _Clock(threading.Thread):
    """Strikes in another thread, by asking the interpreter: between two steps of Python code, not within one."""

    def __init__(self, target: int, seconds: float, told: TextIO | None):
        super().__init__(daemon=True)
        self._target, self._seconds, self._told = target, seconds, told
        self._over, self._lock = threading.Event(), threading.Lock()

    def run(self) -> None:
        wait, strikes = self._seconds, 0
        while not self._over.wait(wait):
            with self._lock:
                if not self._over.is_set() and _is_inside(sys._current_frames().get(self._target)):
                    self._raise(ctypes.py_object(_TimeUp))
            wait, strikes = _AGAIN, strikes + 1
            if strikes == 10:
                self._tell()

    def put_away(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(_TimeUp), self._lock:  # one that is on its way may still strike here
                self._over.set()
                self._raise(None)  # and if it does not, it is called back
        if self.ident is not None:
            self.join()

    def _raise(self, error: Any) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._target), error)

    def _tell(self) -> None:
        if self._told is not None:
            self._told.write(
                f"Still running after {self._seconds:g} seconds, and not to be ended from here: "
                "interrupt the kernel (■ in the toolbar), or restart it.\n"
            )
            self._told.flush()

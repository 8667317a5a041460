"""A run folder followed from outside: its tables and its view, read on at each look, on any file system."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixturelab.exceptions import ModelFileError
from mixturelab.stream.writers import DIAGNOSTICS, MIXTURE
from mixturelab.watch.reading import Reading, State, reading_of
from mixturelab.watch.record import DIAGNOSTIC_NAMES, MIXTURE_NAMES, Record, number
from mixturelab.watch.tail import Tail
from mixturelab.watch.view import VIEW, View, decode

__all__ = ["LOSSES", "RunReader", "is_run"]

LOSSES, CONFIG, METRICS = "losses.csv", "config.yaml", "metrics.json"
_OF_A_RUN = (CONFIG, LOSSES, MIXTURE, DIAGNOSTICS, VIEW)
_SILENCE = 30.0  # seconds without news, at least, before a run is called silent
_STEPS_OF_SILENCE = 20  # and so many of its steps: losses come ten at a time
_WINDOW = 30.0  # seconds over which the speed is measured


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds any file of a run."""
    return any((Path(folder) / name).exists() for name in _OF_A_RUN)


@dataclass
class _Part:
    """A table, and the curves that come from it."""

    tail: Tail
    names: Sequence[str]


class RunReader:
    """Follows the folder of a run that another process trains, without a lock and without writing anything.

    The folder need not be there yet; the run may be resumed, moved back, or begun anew meanwhile. On a network file
    system that shows new rows late, the run seems late and nothing worse.

    Parameters
    ----------
    folder : path
    clock, wall : callable
        Give seconds: one that never goes back, and the time of day, with which the age of files is judged once, at the
        first look.

    Attributes
    ----------
    record : Record
        All curves so far.
    view : View or None
        The last view of the embeddings.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(folder)
        self.record = Record()
        self.view: View | None = None
        tables = {LOSSES: ("loss",), MIXTURE: MIXTURE_NAMES, DIAGNOSTICS: DIAGNOSTIC_NAMES}
        self._parts = [_Part(Tail(self.folder / name), names) for name, names in tables.items()]
        self._clock, self._wall = clock, wall
        self._view_bytes = b""
        self._view_problem: str | None = None
        self._last_news: float | None = None
        self._seen: deque[tuple[float, int]] = deque()

    def poll(self) -> Reading:
        """Read what is new, and say what is known now."""
        now, before = self._clock(), self.record.step
        has_news = bool([part for part in self._parts if self._read(part)])
        has_news = self._read_view() or has_news
        if has_news:
            self._last_news = now if self._last_news is not None else now - self._age()
        self._measure(now, before)
        silent_for = 0.0 if self._last_news is None else now - self._last_news
        speed = self._speed()
        state = self._state(silent_for, speed)
        return reading_of(self.record, state, silent_for, self._n_steps, speed, self._problems())

    # -------------------------------------------------------------------------------------------- reading
    def _read(self, part: _Part) -> bool:
        news = part.tail.read()
        if news.is_anew:
            self.record.forget(part.names)
        for row in news.rows:
            step = number(row.get("step"))
            if math.isfinite(step):
                self.record.add(int(step), row)
        return bool(news)

    def _read_view(self) -> bool:
        """Its bytes are compared: it is small, and its time may be late."""
        try:
            content = (self.folder / VIEW).read_bytes()
        except OSError:
            return False
        if content == self._view_bytes:
            return False
        self._view_bytes, self._view_problem = content, None
        try:
            self.view = decode(content)
        except ModelFileError as error:
            self._view_problem = str(error)
        return True

    def _age(self) -> float:
        """Seconds since any of the files was changed, by its own time: a guess, for the first look only."""
        names = (LOSSES, MIXTURE, DIAGNOSTICS, VIEW)
        times = [found for name in names if (found := _modified(self.folder / name)) is not None]
        return max(0.0, self._wall() - max(times)) if times else 0.0

    def _problems(self) -> tuple[str, ...]:
        found = [f"{part.tail.path.name}: {part.tail.problem}" for part in self._parts if part.tail.problem]
        return (*found, *filter(None, [self._view_problem]))

    # -------------------------------------------------------------------------------------------- judging
    @property
    def _n_steps(self) -> int | None:
        return None if self.view is None or self.view.n_steps <= 0 else self.view.n_steps

    def _measure(self, now: float, before: int) -> None:
        """Keep when which step was seen; a run that went back begins anew."""
        if self.record.step < before:
            self._seen.clear()
        if self.record.step >= 0 and (self.record.step != before or not self._seen):
            self._seen.append((now, self.record.step))
        while len(self._seen) > 2 and now - self._seen[1][0] > _WINDOW:
            self._seen.popleft()

    def _speed(self) -> float:
        """Steps a second while this reader looked on, or else as the run itself has measured it."""
        if len(self._seen) > 1:
            (first_time, first_step), (last_time, last_step) = self._seen[0], self._seen[-1]
            return (last_step - first_step) / max(last_time - first_time, 1e-9)
        return math.nan if self.view is None else self.view.steps_per_second

    def _state(self, silent_for: float, speed: float) -> State:
        if self.record.step < 0 and self.view is None:
            return "waiting"
        if (self.folder / METRICS).exists() or self._ended("finished") or self._has_made_all():
            return "finished"
        if self._ended("interrupted"):
            return "interrupted"
        slow = _STEPS_OF_SILENCE / speed if speed > 0 else 0.0
        return "silent" if silent_for > max(_SILENCE, slow) else "training"

    def _has_made_all(self) -> bool:
        """All steps are done; what is worked out at a run's end may take minutes more."""
        return self._n_steps is not None and self.record.step + 1 >= self._n_steps

    def _ended(self, status: str) -> bool:
        """Whether the run said so itself, and has made no step since."""
        return self.view is not None and self.view.status == status and self.record.step <= self.view.step


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None

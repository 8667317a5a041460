"""`progress("01")`: which exercises of a notebook are done. Kept on this computer alone, and deletable."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixturelab.exercises import progress_file
from mixturelab.exercises.exercise import Exercise
from mixturelab.exercises.registry import all_exercises
from mixturelab.exercises.result import box, marked

__all__ = ["NotebookProgress", "ProgressReport", "Tracker", "progress", "report_on"]

_KEPT = "Kept on this computer only: `progress.path` says where, `progress.forget()` deletes it."
_COLOUR = "#0072b2"  # as a correct answer's: 4.5:1 on white, 3:1 on black


@dataclass(frozen=True)
class NotebookProgress:
    """How far one notebook is.

    Attributes
    ----------
    notebook : str
        Its number, as "01".
    exercises : tuple of (name, title, done)
        All of its exercises in order.
    """

    notebook: str
    exercises: tuple[tuple[str, str, bool], ...]

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(done for _, _, done in self.exercises)

    @property
    def open(self) -> tuple[str, ...]:
        """The names of those that are not."""
        return tuple(name for name, _, done in self.exercises if not done)

    def _head(self) -> str:
        return f"Notebook {self.notebook}: {self.done} of {len(self.exercises)} exercises done"

    def _lines(self) -> list[tuple[str, str]]:
        """A sign, and the words that say the same, for each exercise."""
        return [
            ("✓", f"done  {name} {title}") if done else ("○", f"open  {name} {title}")
            for name, title, done in self.exercises
        ]


@dataclass(frozen=True)
class ProgressReport:
    """Which exercises are done; shown by the notebook.

    Attributes
    ----------
    notebooks : tuple of NotebookProgress
        One, or all there are.
    note : str
        What else there is to say; code stands between backticks.
    """

    notebooks: tuple[NotebookProgress, ...]
    note: str = _KEPT

    @property
    def done(self) -> int:
        """How many exercises are done."""
        return sum(one.done for one in self.notebooks)

    @property
    def total(self) -> int:
        """How many exercises there are."""
        return sum(len(one.exercises) for one in self.notebooks)

    def __repr__(self) -> str:
        return "\n".join([self._head(), *(f"  {sign} {words}" for sign, words in self._lines()), self.note])

    def _repr_html_(self) -> str:
        # A screen reader is given the words alone.
        items = "".join(
            f'<li><span aria-hidden="true">{sign} </span>{html.escape(words)}</li>'
            for sign, words in self._lines()
        )
        listed = f'<ul style="list-style: none; padding-left: 0; margin: 0.3em 0">{items}</ul>'
        return box(_COLOUR, self._head(), f"{listed if items else ''}<small>{marked(self.note)}</small>")

    def _head(self) -> str:
        if not self.notebooks:
            return "No such notebook"
        if len(self.notebooks) == 1:
            return self.notebooks[0]._head()
        return f"All notebooks: {self.done} of {self.total} exercises done"

    def _lines(self) -> list[tuple[str, str]]:
        if len(self.notebooks) == 1:
            return self.notebooks[0]._lines()
        return [
            ("○", f"{one._head()}; open: {', '.join(one.open)}") if one.open else ("✓", one._head())
            for one in self.notebooks
        ]


def report_on(
    done: Iterable[str], exercises: Mapping[str, Exercise], notebook: Any = None, trouble: str = ""
) -> ProgressReport:
    """The report on one notebook, or on all of them; unknown ones are said, not raised.

    Parameters
    ----------
    done : iterable of str
        Names of exercises. Those that do not exist here are left out.
    exercises : mapping from name to Exercise
        All there are.
    notebook : str or int, optional
        Its number, as "01". Default: all.
    trouble : str
        What kept the done ones from being read or written.
    """
    done, numbers = frozenset(done), list(dict.fromkeys(name.split(".")[0] for name in exercises))
    if notebook is not None:
        asked = _number(notebook)
        if asked not in numbers:
            return ProgressReport((), f"There are notebooks {', '.join(numbers)}.")
        numbers = [asked]
    note = f"{_KEPT} This time {trouble}." if trouble else _KEPT
    return ProgressReport(tuple(_one(number, done, exercises) for number in numbers), note)


def _one(number: str, done: frozenset[str], exercises: Mapping[str, Exercise]) -> NotebookProgress:
    mine = {name: exercise for name, exercise in exercises.items() if name.split(".")[0] == number}
    return NotebookProgress(number, tuple((name, one.title, name in done) for name, one in mine.items()))


def _number(notebook: Any) -> str:
    """As "01", also of 1, "1", "01.3" and "01_responsibilities"."""
    number = str(notebook).split("_")[0].split(".")[0].strip()[:20]
    return number.zfill(2) if number else ""


class Tracker:
    """Remembers which exercises are done: `progress("01")` for one notebook, `progress()` for all.

    What cannot be written into the file is remembered until the kernel ends.
    """

    def __init__(self) -> None:
        self._unwritten: dict[Path | None, frozenset[str]] = {}

    def __call__(self, notebook: Any = None) -> ProgressReport:
        """How many exercises are done, and which are open.

        Parameters
        ----------
        notebook : str, optional
            Its number, as "01". Default: all notebooks.

        Returns
        -------
        ProgressReport
            Shown by the notebook. Nothing is raised.
        """
        path = self.path
        kept = self._unwritten.get(path, frozenset())
        if path is None:
            return report_on(kept, all_exercises(), notebook)
        # What a full disk once refused is offered again.
        record = self._write(path, kept) if kept else progress_file.read(path)
        return report_on(record.done | kept, all_exercises(), notebook, record.trouble)

    @property
    def path(self) -> Path | None:
        """The file, whether it is there yet or not; None if only this kernel's memory is used."""
        return progress_file.here()

    def record(self, name: str) -> None:
        """An exercise is done. Nothing is raised, and nothing said if it cannot be written."""
        path = self.path
        names = self._unwritten.get(path, frozenset()) | {name}
        self._unwritten[path] = names
        if path is not None:
            self._write(path, names)

    def forget(self) -> ProgressReport:
        """Delete the file, and begin anew."""
        path = self.path
        self._unwritten.pop(path, None)
        trouble = "" if path is None else progress_file.forget(path)
        done = progress_file.read(path).done if trouble and path is not None else ()
        return report_on(done, all_exercises(), trouble=trouble)

    def __repr__(self) -> str:
        return 'progress("01") shows one notebook, progress() all of them'

    def _write(self, path: Path, names: frozenset[str]) -> progress_file.Record:
        record = progress_file.add(path, names)
        if not record.trouble:
            self._unwritten.pop(path, None)
        return record


progress = Tracker()

"""A CSV that grows by one row a step, survives a kill and a full disk, and can be tailed by another process."""

import csv
import io
import numbers
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixturelab import files
from mixturelab.exceptions import ArgumentError, StreamWarning
from mixturelab.stream.history import History

__all__ = ["KEYS", "Table"]

KEYS = ("step", "epoch")


class Table(History):
    """One CSV: ``step,epoch`` and named columns, a newline ends each row, numbers have nine digits.

    Nothing is changed before `mend`, and no file is made before the first row. A row is one write of whole bytes
    and is not synced: a reader sees it at once, a killed process loses at most the row it was writing.

    Parameters
    ----------
    path : path
    names : sequence of str
        The columns after ``step,epoch``.
    constants : mapping from str to int
        Those of them that have the same value in every row.
    words : bool
        Whether a column may hold anything but numbers.

    Raises
    ------
    ArgumentError
        If the file is there and has another header, or other constants.
    OSError
        If it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        constants: Mapping[str, int] | None = None,
        words: bool = False,
    ) -> None:
        self.path = path
        self._names = (*KEYS, *names)
        self._constants = dict(constants or {})
        self._varying = tuple(name for name in names if name not in self._constants)
        self._words = words
        self._header = _line(self._names)
        self._size = -1  # not looked at yet
        self._file = files.Growing(path)
        self._kinds: tuple[type, ...] = ()
        self._template: str | None = None
        self._read()

    def mend(self) -> None:
        """Cut off a torn last line; set a file aside that is damaged elsewhere, and go on from its whole rows."""
        files.remove_leftovers(self.path)
        content = self._read()
        if content.damaged_line is not None:
            self._set_aside(content)
        elif content.excess:
            os.truncate(self.path, content.size)
        self.last, self._size = content.last, content.size

    def row(self, step: int, epoch: int, values: Mapping[str, Any]) -> bytes:
        """The line of a step, from values by column; what has no column is left out.

        Raises
        ------
        ArgumentError
            If a column has no value, or one that is no number.
        """
        if (line := self._quick_line(step, epoch, values)) is not None:
            return line
        known = {**values, "step": step, "epoch": epoch, **self._constants}
        if missing := [name for name in self._names if name not in known]:
            raise ArgumentError(
                f"{self.path.name} gets no value for {missing[0]!r}; wanted {', '.join(self._names)}"
            )
        return _line([_text(name, known[name], self._words) for name in self._names])

    def _quick_line(self, step: int, epoch: int, values: Mapping[str, Any]) -> bytes | None:
        """The line at once where all are plain numbers or words without commas: nearly always."""
        given = (step, epoch, *map(values.get, self._varying))
        kinds = tuple(map(type, given))
        if kinds != self._kinds:
            self._kinds, self._template = kinds, self._template_for(kinds)
        if self._template is None:
            return None
        line = self._template % given
        return (
            f"{line}\n".encode() if line.isprintable() and _needs_no_quotes(line, len(self._names)) else None
        )

    def _template_for(self, kinds: tuple[type, ...]) -> str | None:
        """What `_text` makes of plain values, for all of them at once; None if some are of another kind."""
        formats = {float: "%.9g", int: "%d"} | ({str: "%s"} if self._words else {})
        if not formats.keys() >= set(kinds):
            return None
        fields = dict(zip((*KEYS, *self._varying), map(formats.__getitem__, kinds), strict=True))
        return ",".join(fields.get(name) or str(self._constants[name]) for name in self._names)

    def write(self, step: int, row: bytes) -> None:
        """Add a step's line, after room has been made for it.

        Raises
        ------
        OSError
            If the file cannot be written; the rows that are in it stay whole.
        """
        is_next = self._size > 0 and self.is_before(step)  # nearly always
        if not is_next or (size := self._file.append_at(row, self._size)) is None:
            self._file.release()
            if files.size(self.path) != self._size:
                self._look_again()
            self.make_room(step)
            size = files.append(self.path, row if self._size else self._header + row)
        self._size, self.last = size, step

    def close(self) -> None:
        """Close the file; a later `write` opens it again."""
        self._file.release()

    def _look_again(self) -> None:
        """A failed write, or somebody else, left the file other than it was."""
        try:
            self.mend()
        except ArgumentError as error:
            raise OSError(str(error)) from error

    def _remove_from(self, step: int) -> int | None:
        rows = {kept: row for kept, row in self._read().rows.items() if kept < step}
        content = self._header + b"".join(rows.values())
        files.write_atomically(self.path, content)
        self._size = len(content)
        return max(rows, default=None)

    # ------------------------------------------------------------------------------------------------ reading
    def _read(self) -> "_Content":
        try:
            found = self.path.read_bytes()
        except FileNotFoundError:
            found = b""
        if self._header.startswith(found) and found != self._header:
            return _Content({}, 0, len(found), None)  # nothing, or a header that was not written to its end
        if not found.startswith(self._header):
            raise ArgumentError(self._other_header(found))
        return self._judged(found[len(self._header) :].split(b"\n"))

    def _judged(self, lines: list[bytes]) -> "_Content":
        """Which rows are whole. A file ends with a newline: its last piece is empty, or torn."""
        *lines, torn = lines
        rows: dict[int, bytes] = {}
        spoilt = []
        last = -1
        for number, line in enumerate(lines, start=2):
            step = self._step_of(line)
            if step is None or step <= last:
                spoilt.append(number)
            else:
                rows[step] = line + b"\n"
                last = step
        ended = spoilt == [len(lines) + 1]  # a torn line that somebody ended
        excess = len(torn) + (len(lines[-1]) + 1 if ended else 0)
        size = len(self._header) + sum(map(len, rows.values()))
        return _Content(rows, size, excess, spoilt[0] if spoilt and not ended else None)

    def _step_of(self, line: bytes) -> int | None:
        """The step of a whole row; None for anything else."""
        try:
            fields = next(csv.reader([line.decode()], strict=True))
        except (UnicodeDecodeError, StopIteration, csv.Error):
            return None
        whole = dict(zip(self._names, fields, strict=False))
        if len(fields) != len(self._names) or not self._is_sound(whole):
            return None
        self._check_constants(whole)
        return int(whole["step"])

    def _is_sound(self, row: Mapping[str, str]) -> bool:
        if not all(row[name].isascii() and row[name].isdecimal() for name in (*KEYS, *self._constants)):
            return False
        return all(map(str.isprintable, row.values())) if self._words else all(map(_is_number, row.values()))

    def _check_constants(self, row: Mapping[str, str]) -> None:
        for name, value in self._constants.items():
            if int(row[name]) != value:
                raise ArgumentError(
                    f"{name} is {value}, but {self.path} holds rows of {name} = {row[name]}; "
                    f"wanted the same {name}, or another folder"
                )

    def _other_header(self, found: bytes) -> str:
        theirs = found.split(b"\n", 1)[0].decode(errors="replace")[:200]
        return f"{self.path} has the header {theirs!r}; wanted {self._header.decode().strip()!r}, or another folder"

    def _set_aside(self, content: "_Content") -> None:
        aside = files.set_aside(self.path, keep=True)
        files.write_atomically(self.path, self._header + b"".join(content.rows.values()))
        warnings.warn(
            f"{self.path} is damaged in line {content.damaged_line}: it is now {aside.name}, "
            f"and {self.path.name} goes on from the {len(content.rows)} rows that are whole",
            StreamWarning,
            stacklevel=4,
        )


@dataclass(frozen=True)
class _Content:
    """A CSV as found: its whole rows by step, their size with the header, and what else is there."""

    rows: dict[int, bytes]
    size: int
    excess: int
    damaged_line: int | None

    @property
    def last(self) -> int | None:
        return max(self.rows, default=None)


def _line(fields: Sequence[str]) -> bytes:
    line = ",".join(fields)
    if _needs_no_quotes(line, len(fields)):
        return f"{line}\n".encode()
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(fields)
    return buffer.getvalue().encode()


def _needs_no_quotes(line: str, n_fields: int) -> bool:
    return line.count(",") < n_fields and '"' not in line and n_fields > 1


def _text(name: str, value: Any, words: bool) -> str:
    """Integers whole, other numbers with nine digits (enough for any float32), words on one line."""
    if type(value) is float:
        return format(value, ".9g")
    if isinstance(value, str) and words:
        return "".join(letter if letter.isprintable() else " " for letter in value)
    if isinstance(value, numbers.Integral):
        return str(int(value))
    number: Any = None if isinstance(value, str) else value  # not float("1_0")
    try:
        return format(float(number), ".9g")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(f"{name} is {value!r}; wanted a number") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

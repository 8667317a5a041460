"""A CSV that another process writes, read on from where it was left, by its size and its content."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["News", "Tail"]

# So many of the bytes read last are looked at again, to see that the file is still the one that was read.
_MEMORY = 4096


@dataclass(frozen=True)
class News:
    """What a look at a table found.

    Attributes
    ----------
    rows : tuple of dict from str to str
        New whole rows, cells by column.
    is_anew : bool
        The rows are those of the whole table, and what was read before no longer counts: the file was replaced, cut
        back or removed.
    """

    rows: tuple[dict[str, str], ...] = ()
    is_anew: bool = False

    def __bool__(self) -> bool:
        return bool(self.rows) or self.is_anew


class Tail:
    """The rows of a growing CSV, each once.

    A torn last line waits for its end. A file that a resumed run has cut back is read from its beginning again. Times
    are not asked: on a network file system they come late. The file need not be there yet.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    problem : str or None
        Why the file could not be read at the last look.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.problem: str | None = None
        self._forget()

    def _forget(self) -> None:
        self._names: list[str] = []
        self._offset, self._memory = 0, b""
        self._identity: tuple[int, int] | None = None

    def read(self) -> News:
        """The rows that are new since the last look. A file that cannot be read now has none."""
        self.problem = None
        try:
            return self._read()
        except FileNotFoundError:
            was_there = self._offset > 0
            self._forget()
            return News(is_anew=was_there)
        except OSError as error:
            self.problem = error.strerror or str(error)
            return News()

    def _read(self) -> News:
        # Opened anew each time: then a network file system asks its server how long the file is.
        with self.path.open("rb") as file:
            found = os.fstat(file.fileno())
            identity = (found.st_dev, found.st_ino)
            content = self._after_memory(file) if identity == self._identity else None
            is_anew = content is None and self._offset > 0
            if content is None:
                self._forget()
                file.seek(0)
                content = file.read()
        self._identity = identity
        return News(tuple(self._whole_rows(content)), is_anew)

    def _after_memory(self, file: object) -> bytes | None:
        """What follows the bytes that were read last; None if they are no longer there."""
        file.seek(self._offset - len(self._memory))  # type: ignore[attr-defined]
        content: bytes = file.read()  # type: ignore[attr-defined]
        return content[len(self._memory) :] if content.startswith(self._memory) else None

    def _whole_rows(self, content: bytes) -> Iterator[dict[str, str]]:
        # A length may arrive before the bytes it counts: until then they read as zeros.
        known = content.partition(b"\0")[0]
        whole = known[: known.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._memory = (self._memory + whole)[-_MEMORY:]
        for line in whole.decode(errors="replace").splitlines():
            fields = next(csv.reader([line]), [])
            if not self._names:
                self._names = fields
            elif len(fields) == len(self._names):
                yield dict(zip(self._names, fields, strict=True))

"""What a job wants of its input: the model's features, the columns to keep, and how many rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.scoring.columns import listed

# Numbers of a chunk, and its rows: enough for the work to outweigh what is done once a chunk, and no more.
_NUMBERS = 2**22
_ROWS = 2**16


@dataclass(frozen=True)
class Request:
    """What is read.

    Attributes
    ----------
    names : tuple of str or None
        The columns that are the model's features, in its order; None for a model without names.
    n_features : int
    keep : tuple of str, or "all"
        Columns that go to the output as they are.
    written : tuple of str
        Names of the columns that the output has beside these.
    chunk_rows : int or None
        Rows of a chunk. Default: by their width.
    tile : int
        Rows that the model takes at once.
    n_components : int
    """

    names: tuple[str, ...] | None
    n_features: int
    keep: tuple[str, ...] | Literal["all"] = ()
    written: tuple[str, ...] = ()
    chunk_rows: int | None = None
    tile: int = 4096
    n_components: int = 1

    def rows_of(self, width: int) -> int:
        """Rows of a chunk where so many cells of a row are read: whole tiles, unless something else is asked for."""
        if self.chunk_rows is not None:
            return self.chunk_rows
        tiles = min(_ROWS, _NUMBERS // (width + self.n_components)) // self.tile
        return max(1, tiles) * self.tile


def kept_places(available: Sequence[str], request: Request) -> tuple[tuple[str, int], ...]:
    """The columns to keep: their names, and where they stand.

    Raises
    ------
    DataError
        If one is not there, or its name is not its own in the output.
    """
    names = tuple(available) if request.keep == "all" else tuple(request.keep)
    counts = Counter(available)
    for name in names:
        if not counts[name]:
            raise DataError(f"no column {name!r} to keep; the columns are {listed(available)}")
        if counts[name] > 1:
            raise DataError(
                f"column {name!r} is there {counts[name]} times; to be kept it must be there once"
            )
        if name in request.written:
            raise DataError(
                f"column {name!r} cannot be kept: the scores have a column of this name; rename it or leave it out"
            )
    return tuple((name, available.index(name)) for name in names)


def check_keep(keep: Sequence[str]) -> None:
    """Raise an ArgumentError for a name that is there twice."""
    if twice := [name for name, times in Counter(keep).items() if times > 1]:
        raise ArgumentError(f"keep names {twice[0]!r} more than once; wanted each column once")

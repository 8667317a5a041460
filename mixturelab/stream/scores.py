"""Responsibilities of every logged step: one file that grows at a constant cost a step, or one file a step.

``scores="append"``: a step is one record at the end of ``mixture_scores.log`` (see `score_records`). On `close`, and
whenever the log has grown to three times ``mixture_scores.pt``, both are folded into a new ``mixture_scores.pt``, which
is synced and renamed before the log is removed. Each fold but that on `close` writes four times what the one before
wrote, so that these together write at most 4/3 of the history, and `close` once the whole of it: a constant cost a
step, while a rewrite at each step would be quadratic.
``torch.load("mixture_scores.pt", weights_only=True)`` gives a list of ``{"step": int, "epoch": int, "R": Tensor}``.

A process killed between the renaming and the removal leaves entries in both files, which are one entry by their
step. A reader reads the log before the ``.pt``: an entry that is folded meanwhile is in both, never in none.

``scores="per_step"``: ``mixture_scores/step_000123.pt`` is such a dict.
"""

import errno
import io
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from mixturelab import files
from mixturelab.exceptions import StreamWarning
from mixturelab.stream import score_records as records
from mixturelab.stream.history import History
from mixturelab.stream.score_reading import (
    FOLDED,
    FOLDER,
    LOG,
    Damaged,
    in_order,
    load_list,
    read_log,
    shards,
)
from mixturelab.stream.score_records import Entry

__all__ = ["ScoreFile", "ScoreFolder"]

# The first fold; a smaller history is only folded on close.
_FIRST_FOLD_BYTES = 4 << 20
_GROWTH = 3


# ------------------------------------------------------------------------------------------------ all in one
class ScoreFile(History):
    """The scores of all steps in one file, and in a log of what is not in it yet.

    Nothing is changed before `mend`. Between two folds nothing but sizes is held in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._folded, self._log = folder / FOLDED, folder / LOG
        self._sizes = (-1, -1)  # not looked at yet
        self._fold_at = 0

    def mend(self) -> None:
        """Cut off a torn record, set a damaged file aside, keep all that is whole."""
        for path in (self._folded, self._log):
            files.remove_leftovers(path)
        steps = {e["step"] for e in self._read_folded()} | set(self._mend_log())
        self.last = max(steps, default=None)
        self._look()
        self._fold_at = 0

    def write(self, step: int, epoch: int, responsibilities: Tensor | None) -> None:
        """Add an entry, after room has been made for its step; with None only make room.

        Raises
        ------
        OSError
            Nothing that is stored is lost. If a fold failed, the entry itself is stored.
        """
        if responsibilities is None and self.is_before(step):
            return
        if self._sizes != (files.size(self._folded), files.size(self._log)):
            self.mend()
        self.make_room(step)
        if responsibilities is None:
            return
        size = files.append(self._log, records.encode(records.entry(step, epoch, responsibilities)))
        self._sizes = self._sizes[0], size
        self.last = step
        if size >= max(_FIRST_FOLD_BYTES, _GROWTH * self._sizes[0], self._fold_at):
            self._fold_at = 2 * size  # where to try again, should this fail
            self._fold()

    def close(self) -> None:
        """Fold what is in the log.

        Raises
        ------
        OSError
            Then the log stays as it is.
        """
        if self._log.exists():
            self._fold()

    def _fold(self) -> None:
        try:
            entries = in_order(self._read_folded(), records.decode_all(read_log(self._log)))
            if entries:
                _save_all(entries, self._folded)
        except (MemoryError, RuntimeError) as error:  # torch's word for it is RuntimeError
            raise OSError(
                errno.ENOMEM, f"the scores cannot be gathered: {error}", str(self._folded)
            ) from error
        self._log.unlink(missing_ok=True)
        self._look()
        self._fold_at = 0

    def _remove_from(self, step: int) -> int | None:
        """The log first: killed in between, it leaves no gap before an entry that is to go."""
        log = read_log(self._log)
        early = [r for r in records.scan(log).records if r.step < step]
        self._replace_log(log, early)
        folded = self._read_folded()
        kept = [e for e in folded if e["step"] < step]
        if len(kept) < len(folded):
            _save_all(kept, self._folded) if kept else self._folded.unlink()
        self._look()
        return max([*(r.step for r in early), *(e["step"] for e in kept)], default=None)

    def _look(self) -> None:
        self._sizes = files.size(self._folded), files.size(self._log)

    def _read_folded(self) -> list[Entry]:
        try:
            return load_list(self._folded)
        except FileNotFoundError:
            return []
        except Damaged as error:
            aside = files.set_aside(self._folded)
            warnings.warn(f"{self._folded} {error}: it is now {aside.name}", StreamWarning, stacklevel=5)
            return []

    def _mend_log(self) -> list[int]:
        log = read_log(self._log)
        found = records.scan(log)
        if found.damaged_at is not None:
            aside = files.set_aside(self._log, keep=True)
            self._replace_log(log, found.records)
            warnings.warn(
                f"{self._log} is damaged at byte {found.damaged_at}: it is now {aside.name}, and the "
                f"{len(found.records)} entries that are whole were kept",
                StreamWarning,
                stacklevel=5,
            )
        elif found.is_torn:
            os.truncate(self._log, found.size)  # needs no room, unlike a rewriting
        return [record.step for record in found.records]

    def _replace_log(self, log: bytes, kept: Iterable[records.Record]) -> None:
        content = b"".join(log[record.start : record.stop] for record in kept)
        if content and len(content) < len(log):
            files.write_atomically(self._log, content)
        elif not content:
            self._log.unlink(missing_ok=True)


def _save_all(entries: list[Entry], path: Path) -> None:
    # With keys that are one object each, equal entries give equal bytes, wherever they were read from.
    entries = [{"step": e["step"], "epoch": e["epoch"], "R": e["R"]} for e in entries]
    with files.replacing(path) as file:
        torch.save(entries, file)


# ------------------------------------------------------------------------------------------------ one a step
class ScoreFolder(History):
    """A file a step, each of them whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def mend(self) -> None:
        """Remove what a killed process had begun; the files themselves are not read."""
        files.remove_leftovers(self._folder / "*")
        self.last = max(shards(self._folder), default=None)

    def write(self, step: int, epoch: int, responsibilities: Tensor | None) -> None:
        """Write a step's file, after room has been made for it; with None only make room.

        Raises
        ------
        OSError
        """
        self.make_room(step)
        if responsibilities is None:
            return
        self._folder.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        torch.save(records.entry(step, epoch, responsibilities), buffer)
        files.write_atomically(self._folder / f"step_{step:06d}.pt", buffer.getvalue())
        self.last = step

    def _remove_from(self, step: int) -> int | None:
        """The last one first: killed in between, it leaves no gap."""
        found = shards(self._folder)
        for late in sorted((s for s in found if s >= step), reverse=True):
            found[late].unlink(missing_ok=True)
        return max((s for s in found if s < step), default=None)

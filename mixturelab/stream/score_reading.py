"""Reading scores back, whatever state a run was left in; nothing here changes a file."""

import errno
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from mixturelab.exceptions import ArgumentError, StreamWarning
from mixturelab.stream import score_records as records
from mixturelab.stream.score_records import Entry

__all__ = ["FOLDED", "FOLDER", "LOG", "Damaged", "in_order", "load_list", "read_log", "read_scores", "shards"]

FOLDED = "mixture_scores.pt"
LOG = "mixture_scores.log"
FOLDER = "mixture_scores"

_SHARD = re.compile(r"step_(\d{6,})\.pt")


class Damaged(ValueError):
    """A file of scores is not one."""


def read_scores(folder: str | os.PathLike[str]) -> list[Entry]:
    """All scores of a run folder, in the order of their steps, whatever state it was left in; changes nothing.

    May be called while another process writes, and after it was killed.

    Parameters
    ----------
    folder : path

    Returns
    -------
    list of dict
        ``{"step": int, "epoch": int, "R": Tensor [N, K]}``, on the CPU.

    Raises
    ------
    ArgumentError
        If there is no such folder.

    Warns
    -----
    StreamWarning
        If a file is damaged: what is whole in it is returned.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArgumentError(f"folder is {str(folder)!r}, which is not one; wanted the folder of a run")
    log = _whole_entries(folder / LOG)
    folded = _or_warn(lambda: load_list(folder / FOLDED), folder / FOLDED)
    one_a_step = [e for path in shards(folder / FOLDER).values() for e in _shard(path)]
    return in_order(folded, log, one_a_step)


def _whole_entries(path: Path) -> list[Entry]:
    log = read_log(path)
    found = records.scan(log)
    if found.damaged_at is not None:
        warnings.warn(
            f"{path} is damaged at byte {found.damaged_at}; the rest was read", StreamWarning, stacklevel=3
        )
    return records.decode_all(log)


def _shard(path: Path) -> list[Entry]:
    return _or_warn(lambda: [_checked_entry(_load(path))], path)


def _or_warn(read: Callable[[], list[Entry]], path: Path) -> list[Entry]:
    try:
        return read()
    except FileNotFoundError:
        return []
    except Damaged as error:
        warnings.warn(f"{path} {error}; it was left out", StreamWarning, stacklevel=4)
        return []


def load_list(path: Path) -> list[Entry]:
    """The entries that were folded into one file.

    Raises
    ------
    Damaged
        If the file is not what was written.
    OSError
        If it cannot be read.
    """
    content = _load(path)
    if not isinstance(content, list):
        raise Damaged(f"holds a {type(content).__name__}; wanted a list")
    return [_checked_entry(item) for item in content]


def _checked_entry(item: Any) -> Entry:
    is_entry = isinstance(item, dict) and isinstance(item.get("R"), Tensor)
    if not is_entry or not all(isinstance(item.get(key), int) for key in ("step", "epoch")):
        raise Damaged("holds something that is no entry of scores")
    return item


def _load(path: Path) -> Any:
    """What torch saved, every byte compared with its checksum; a pickle that would run code is damaged, too."""
    with path.open("rb") as file:
        try:
            _check_sums(file)
            return torch.load(file, weights_only=True)
        except Exception as error:
            if _is_of_the_machine(error):
                raise
            raise Damaged("is damaged") from error


def _is_of_the_machine(error: Exception) -> bool:
    """Whether the disk or the memory failed, and not the file; a nonsensical offset in it is EINVAL."""
    is_memory = isinstance(error, MemoryError) or "can't allocate memory" in str(error)
    return is_memory or getattr(error, "errno", errno.EINVAL) != errno.EINVAL


def _check_sums(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as archive:
        if archive.testzip() is not None:
            raise zipfile.BadZipFile
    file.seek(0)


def read_log(path: Path) -> bytes:
    """The log's bytes; none where there is no log."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def shards(folder: Path) -> dict[int, Path]:
    """The files of one step each, by step."""
    names = os.listdir(folder) if folder.is_dir() else []
    return {int(match[1]): folder / name for name in names if (match := _SHARD.fullmatch(name))}


def in_order(*histories: Iterable[Entry]) -> list[Entry]:
    """One entry a step; where two histories have it, the first one's."""
    by_step = {entry["step"]: entry for history in reversed(histories) for entry in history}
    return [by_step[step] for step in sorted(by_step)]

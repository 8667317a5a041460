"""The small local file of exercises done: where it lies, what is in it, and how two kernels share it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mixturelab import files

__all__ = ["VARIABLE", "Record", "add", "forget", "location", "read"]

VARIABLE = "MIXTURELAB_PROGRESS"
_FORMAT, _VERSION = "mixturelab progress", 1
_ABOUT = "Exercises done in mixturelab's notebooks. Delete this file to begin anew."
_PATIENCE, _STALE = 15.0, 10.0  # seconds to wait for another kernel's lock; its age when it was left behind


class NotOursError(Exception):
    """The file is damaged, or is something else: it can be set aside."""


class NewerError(Exception):
    """The file was written by a newer version: it is read, and never written."""


@dataclass(frozen=True)
class Record:
    """Names of exercises done, and what kept the file from being read or written ("" if nothing did)."""

    done: frozenset[str] = frozenset()
    trouble: str = ""


# ------------------------------------------------------------------------------------------------ pure parts
def location(environment: Mapping[str, str], platform: str, home: Path | None) -> Path | None:
    """Where the file lies: as MIXTURELAB_PROGRESS says ("off": nowhere), else in the user's data folder."""
    asked = environment.get(VARIABLE, "").strip()
    if asked:
        return None if asked.lower() == "off" else Path(asked)
    return _data_folder(environment, platform, home) / "mixturelab" / "progress.json" if home else None


def _data_folder(environment: Mapping[str, str], platform: str, home: Path) -> Path:
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if platform == "darwin":
        return home / "Library" / "Application Support"
    folder = Path(environment.get("XDG_DATA_HOME", ""))
    return folder if folder.is_absolute() else home / ".local" / "share"


def _parse(content: bytes) -> tuple[frozenset[str], int]:
    """The names in a file, and its version."""
    try:
        kept = json.loads(content)
        names, version = kept["done"], kept["version"]
        ours = kept["format"] == _FORMAT and isinstance(names, list) and type(version) is int
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotOursError from error
    if not ours or not all(isinstance(name, str) for name in names):
        raise NotOursError
    return frozenset(names), version


def _spelled(names: Iterable[str]) -> bytes:
    kept = {"about": _ABOUT, "format": _FORMAT, "version": _VERSION, "done": sorted(names)}
    return (json.dumps(kept, indent=1) + "\n").encode()


# ------------------------------------------------------------------------------------------------- the edge
def here() -> Path | None:
    """Where this machine's file lies; None if none is kept."""
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home: nothing is kept unless a path is given
        home = None
    return location(os.environ, sys.platform, home)


def read(path: Path) -> Record:
    """What the file holds. A file that is not there is empty; nothing is raised."""
    try:
        return Record(_parse(path.read_bytes())[0])
    except FileNotFoundError:
        return Record()
    except NotOursError:
        return Record(trouble="the file of exercises done was damaged: a new one is begun")
    except (OSError, ValueError) as error:  # ValueError: the path holds what no path can
        return Record(trouble=f"the file of exercises done cannot be read ({_reason(error)})")


def add(path: Path, names: Iterable[str]) -> Record:
    """Add names to the file, which other kernels may be adding to as well; nothing is raised.

    A damaged file is set aside under another name. What could not be written is in the trouble.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            return Record(_merge(path, frozenset(names)))
    except NewerError:
        trouble = "the file of exercises done belongs to a newer mixturelab, and is left as it is"
    except (OSError, ValueError) as error:
        trouble = f"the file of exercises done cannot be written ({_reason(error)})"
    return Record(read(path).done, trouble)


def forget(path: Path) -> str:
    """Delete the file; what kept it from being deleted, "" if nothing did."""
    try:
        path.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        return f"the file of exercises done cannot be deleted ({_reason(error)})"
    return ""


def _merge(path: Path, names: frozenset[str]) -> frozenset[str]:
    try:
        there, version = _parse(path.read_bytes())
    except FileNotFoundError:
        there, version = frozenset(), _VERSION
    except NotOursError:
        files.set_aside(path)
        there, version = frozenset(), _VERSION
    if names <= there:
        return there
    if version > _VERSION:
        raise NewerError
    files.write_atomically(path, _spelled(there | names))
    return there | names


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Between reading and writing, no other kernel writes. One that was killed meanwhile is not waited for."""
    lock = path.with_name(f".{path.name}.lock")
    deadline = time.monotonic() + _PATIENCE
    while not _taken(lock):
        if time.monotonic() > deadline:  # go on without: at worst the other kernel's last name is lost
            yield
            return
        time.sleep(0.01)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink(missing_ok=True)


def _taken(lock: Path) -> bool:
    with contextlib.suppress(OSError):
        if time.time() - lock.stat().st_mtime > _STALE:
            lock.unlink(missing_ok=True)
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__

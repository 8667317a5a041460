"""Files that are there whole or not at all, that grow by whole records, and that are set aside when damaged."""

import contextlib
import os
import secrets
import shutil
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "Growing",
    "append",
    "remove_leftovers",
    "replacing",
    "set_aside",
    "size",
    "sync_folder",
    "write_all_atomically",
    "write_atomically",
]


# ---------------------------------------------------------------------------------------------- whole or not
def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write beside the file, then rename: a reader sees the old file or the new one, never a half.

    Parameters
    ----------
    path : path
        Its folder must exist.
    content : bytes

    Returns
    -------
    Path

    Raises
    ------
    OSError
        If the folder cannot be written or is full; nothing is left behind, and an older file stays as it was.
    """
    path = Path(path)
    return _write_and_rename(path.parent, {path.name: content})[0]


def write_all_atomically(folder: str | os.PathLike[str], contents: Mapping[str, bytes]) -> list[Path]:
    """Write several files of one folder, which is made if need be: all beside their names first, then rename.

    Parameters
    ----------
    folder : path
    contents : mapping from file name to bytes

    Returns
    -------
    list of Path

    Raises
    ------
    OSError
        If a file cannot be written; then none has been renamed, and nothing is left beside them.
    """
    folder = Path(folder)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _write_and_rename(folder, contents)
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write into, which takes its name when the block ends well and is gone when it does not.

    For what is too long to hold in memory as bytes; else as `write_atomically`. The new name is on the disk, too,
    when the block has ended: what it replaces may then be removed.

    Parameters
    ----------
    path : path
        Its folder must exist.

    Raises
    ------
    OSError
    """
    path = Path(path)
    part = _beside(path)
    try:
        with part.open("xb") as file:
            yield file
            _flush(file)
        _rename({part: path})
        sync_folder(path.parent)
    finally:
        _remove(part)


def _write_and_rename(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    parts = {_beside(folder / name): folder / name for name in contents}
    try:
        for part, content in zip(parts, contents.values(), strict=True):
            _write(part, content)
        _rename(parts)
    finally:
        for part in parts:
            _remove(part)
    return list(parts.values())


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)


def _rename(parts: Mapping[Path, Path]) -> None:
    for path in parts.values():
        if path.is_dir():
            raise IsADirectoryError(21, "is a folder; wanted to write a file there", str(path))
    for part, path in parts.items():
        os.replace(part, path)


def _write(path: Path, content: bytes) -> None:
    # Not tempfile: its files are private (0600), and would stay so under their final name.
    with path.open("xb") as file:
        file.write(content)
        _flush(file)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())  # the bytes before the name: a power cut must not leave an empty file


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Bring the names in a folder to the disk, on systems that can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what killed processes had begun to write beside a file."""
    path = Path(path)
    for part in path.parent.glob(f".{path.name}.*.part"):
        _remove(part)


# -------------------------------------------------------------------------------------------------- growing
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def append(path: str | os.PathLike[str], record: bytes) -> int:
    """Add a record to the end of a file, which is made if need be: the whole record or, on an error, none of it.

    A killed process may leave the beginning of a record, and nothing worse.

    Parameters
    ----------
    path : path
        Its folder must exist.
    record : bytes

    Returns
    -------
    int
        The size of the file in bytes.

    Raises
    ------
    OSError
    """
    with _opened(path) as descriptor:
        return _append(descriptor, record, os.fstat(descriptor).st_size)


class Growing:
    """A file that stays open while it grows: opening it anew for each record takes longer than writing the record.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._descriptor: int | None = None
        self._identity = (0, 0)

    def append_at(self, record: bytes, expected: int) -> int | None:
        """As `append`, if the file is there and has the size that is expected; else None, and nothing is written.

        Raises
        ------
        OSError
        """
        try:
            found = os.stat(self._path)  # by its name: it may have been removed or replaced
            if found.st_size != expected:
                return None
            return _append(self._open(found), record, expected)
        except FileNotFoundError:
            return None

    def _open(self, found: os.stat_result) -> int:
        identity = found.st_dev, found.st_ino
        if self._descriptor is None or identity != self._identity:
            self.release()
            descriptor = os.open(self._path, _APPEND & ~os.O_CREAT)
            self._descriptor, self._identity = descriptor, identity
            self._finalizer = weakref.finalize(self, os.close, descriptor)
        return self._descriptor

    def release(self) -> None:
        """Close it until the next record: some systems do not replace a file that is open."""
        if self._descriptor is not None:
            self._descriptor = None
            self._finalizer()

    def __reduce__(self) -> tuple[type["Growing"], tuple[str]]:
        return Growing, (self._path,)  # a copy opens its own


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[int]:
    descriptor = os.open(path, _APPEND, 0o666)  # not a file object: this runs at every step of a training
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _append(descriptor: int, record: bytes, start: int) -> int:
    try:
        _write_whole(descriptor, record)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, start)
        raise
    return start + len(record)


def _write_whole(descriptor: int, record: bytes) -> None:
    """A full disk takes a part of a record, says how much, and fails at the next attempt."""
    rest = memoryview(record)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def size(path: str | os.PathLike[str]) -> int:
    """Bytes in a file; 0 where there is none.

    Raises
    ------
    OSError
    """
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


# -------------------------------------------------------------------------------------------------- damaged
def set_aside(path: str | os.PathLike[str], keep: bool = False) -> Path:
    """Rename a damaged file to ``NAME.damaged-1``, or the next number that is free.

    Parameters
    ----------
    path : path
    keep : bool
        Leave the file under its own name as well, to be replaced by what could be read of it.

    Returns
    -------
    Path
        Where it is now.

    Raises
    ------
    OSError
    """
    path = Path(path)
    aside = _free_name(path)
    if not keep:
        os.rename(path, aside)
    else:
        _second_name(path, aside)
    return aside


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _second_name(path: Path, aside: Path) -> None:
    try:
        os.link(path, aside)
    except OSError:  # a file system without links
        shutil.copyfile(path, aside)

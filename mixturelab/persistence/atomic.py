"""Files that are there whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path


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


def _write_and_rename(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    parts = {folder / f".{name}.{secrets.token_hex(4)}.part": folder / name for name in contents}
    try:
        for part, content in zip(parts, contents.values(), strict=True):
            _write(part, content)
        _rename(parts)
    finally:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    return list(parts.values())


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
        file.flush()
        os.fsync(file.fileno())  # the bytes before the name: a power cut must not leave an empty file

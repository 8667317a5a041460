"""Where the scores go: a file that appears when it is whole, with a journal to go on from after a kill; or a stream."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.files import append, sync_folder
from mixturelab.scoring import bad_rows
from mixturelab.scoring.chunk import Position

_GATHERED = 2**22  # bytes


@dataclass(frozen=True)
class State:
    """What is done.

    Attributes
    ----------
    position : Position
        Of the input.
    written, bad : int
        Rows with scores, and rows without.
    total : float
        The sum of the log densities.
    """

    position: Position = field(default_factory=Position)
    written: int = 0
    bad: int = 0
    total: float = 0.0


class FileOutput:
    """The output beside its name, what is said of bad rows, and the journal.

    Parameters
    ----------
    path : path
    bad_path : path or None
        Where the bad rows go; it is made once there is one.

    Raises
    ------
    DataError
        If it cannot be written.
    ArgumentError
        If another process is writing it.
    """

    def __init__(self, path: Path, bad_path: Path | None) -> None:
        self.path, self.bad_path = path, bad_path
        # What a link leads to is replaced, not the link.
        self._target, self._bad_target = _real(path), None if bad_path is None else _real(bad_path)
        self._part, self._journal = _hidden(self._target, "part"), _hidden(self._target, "journal")
        self._bad_part = None if self._bad_target is None else _hidden(self._bad_target, "part")
        self._file: BinaryIO | None = None
        self._begun = 0  # so many bytes are on their way to the disk
        self._bad_file: BinaryIO | None = None
        with _writing(path):
            self._lock = _locked(self._journal, path)

    # ------------------------------------------------------------------------------------------ begin, go on
    def leftover(self) -> dict[str, Any] | None:
        """What the journal of an interrupted job says, if there is one: how it began, and how far it came."""
        try:
            lines = self._journal.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return None
        records = list(_whole(lines))
        if not records or "fingerprint" not in records[0]:
            return None
        return {"fingerprint": records[0]["fingerprint"], "records": records[1:]}

    def begin(self, fingerprint: dict[str, Any]) -> None:
        """Start anew."""
        with _writing(self.path):
            self._remove_parts()
            os.truncate(self._journal, 0)
            append(self._journal, _line({"fingerprint": fingerprint}))
            self._file = self._part.open("w+b")

    def go_on(self, record: dict[str, Any]) -> None:
        """Take up the files as they were when this was noted, and drop what came after it."""
        with _writing(self.path):
            self._file = _cut(self._part, record["size"])
            if self._bad_part is not None and record["bad_size"]:
                self._bad_file = _cut(self._bad_part, record["bad_size"])
            elif self._bad_part is not None:
                self._bad_part.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------ write
    def write(self, data: bytes | memoryview) -> None:
        """Add to the output."""
        assert self._file is not None
        with _writing(self.path):
            self._file.write(data)
            self._begin_writing_back()

    @contextlib.contextmanager
    def place(self) -> Iterator[str]:
        """The file that is written, for another writer to add to."""
        assert self._file is not None
        with _writing(self.path):
            self._file.flush()
            yield str(self._part)
            self._file.seek(0, os.SEEK_END)
            self._begin_writing_back()

    def _begin_writing_back(self) -> None:
        """Let the system bring to the disk what has gathered: the end need not wait for all of it."""
        assert self._file is not None
        begun, end = self._begun, self._file.tell()
        if end - begun >= _GATHERED and hasattr(os, "posix_fadvise"):
            self._file.flush()
            # What is dirty is not dropped but written; what has been written and is read soon stays.
            with contextlib.suppress(OSError):  # advice that a file system does not take is no fault
                os.posix_fadvise(self._file.fileno(), begun, end - begun, os.POSIX_FADV_DONTNEED)
            self._begun = end

    def write_bad(self, data: bytes) -> None:
        """Add to what is said of bad rows."""
        assert self._bad_part is not None
        assert self.bad_path is not None
        with _writing(self.bad_path):
            if self._bad_file is None:
                self._bad_file = self._bad_part.open("w+b")
                self._bad_file.write(bad_rows.header())
            self._bad_file.write(data)

    def note(self, state: State, note: Any, finished: bool = False) -> None:
        """Bring all to the disk, then write down how far it is."""
        assert self._file is not None
        with _writing(self.path):
            sizes = [_synced(file) for file in (self._file, self._bad_file)]
            record = {
                "position": state.position.as_dict(), "written": state.written, "bad": state.bad,
                "total": state.total, "size": sizes[0], "bad_size": sizes[1], "note": note, "finished": finished,
            }  # fmt: skip
            append(self._journal, _line(record))
            os.fsync(self._lock)

    # ------------------------------------------------------------------------------------------ end
    def correct(self, data: bytes) -> None:
        """Replace the first bytes."""
        assert self._file is not None
        with _writing(self.path):
            self._file.seek(0)
            self._file.write(data)
            self._file.seek(0, os.SEEK_END)

    def finish(self, has_bad_rows: bool) -> None:
        """Give the files their names. What is half done by a kill can be done again."""
        self._close_files()
        with _writing(self.path):
            if self._bad_target is not None and self._bad_part is not None:
                _give_name(self._bad_part, self._bad_target)
                if not has_bad_rows:  # an earlier job's
                    self._bad_target.unlink(missing_ok=True)
            _give_name(self._part, self._target)
            sync_folder(self._target.parent)
        self.discard()

    def discard(self) -> None:
        """Leave nothing to go on from."""
        self._close_files()
        self._remove_parts()
        self._journal.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave it as it is."""
        self._close_files()
        with contextlib.suppress(OSError):
            if not os.fstat(self._lock).st_size:  # nothing was begun
                self._journal.unlink()
        os.close(self._lock)

    def _remove_parts(self) -> None:
        for part in (self._part, self._bad_part):
            if part is not None:
                part.unlink(missing_ok=True)

    def _close_files(self) -> None:
        for file in (self._file, self._bad_file):
            if file is not None:
                with contextlib.suppress(OSError):  # a full disk: it was said when it was written
                    file.close()
        self._file = self._bad_file = None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _hidden(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}")


def _give_name(part: Path, path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(21, "is a folder; wanted to write a file there", str(path))
    if part.exists():
        os.replace(part, path)


def _cut(path: Path, size: int) -> BinaryIO:
    """Open it to go on after so many bytes."""
    file = path.open("r+b")
    if os.fstat(file.fileno()).st_size < size:
        file.close()
        raise DataError(f"{path} is shorter than its journal says; run without --resume to start anew")
    file.truncate(size)
    file.seek(size)
    return file


def _synced(file: BinaryIO | None) -> int:
    if file is None:
        return 0
    file.flush()
    os.fsync(file.fileno())
    return file.tell()


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _whole(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """Records up to the first that a power cut has spoilt."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror or error}") from None


class CannotWrite(DataError):
    """The disk is full or is gone: what has been noted can be gone on from."""


def _locked(journal: Path, path: Path) -> int:
    """Hold the journal for this process alone, where the system can; a kill lets go of it."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; wanted to write a file there")
    descriptor = os.open(journal, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        import fcntl
    except ImportError:
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise ArgumentError(f"another process is writing {path}; wait for it, or write elsewhere") from None
    return descriptor


class StreamOutput:
    """Standard output, or a file that is none on a disk, such as a pipe: written to as the scores come."""

    def __init__(self, stream: BinaryIO, name: str, bad_path: Path | None) -> None:
        self._stream, self._name, self._bad_path = stream, name, bad_path
        self._bad_file: BinaryIO | None = None

    def write(self, data: bytes | memoryview) -> None:
        """Pass it on."""
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise DataError(f"{self._name} cannot be written: {error.strerror or error}") from None

    def write_bad(self, data: bytes) -> None:
        """Add to what is said of bad rows."""
        assert self._bad_path is not None
        with _writing(self._bad_path):
            if self._bad_file is None:
                self._bad_file = self._bad_path.open("wb")
                self._bad_file.write(bad_rows.header())
            self._bad_file.write(data)

    def close(self) -> None:
        """Close what was opened here."""
        if self._bad_file is not None:
            self._bad_file.close()

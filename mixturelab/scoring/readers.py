"""The input of a job: a file, a folder of files in sorted order, or standard input; chunk after chunk."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.scoring.chunk import Chunk, Columns, Position
from mixturelab.scoring.csv_reader import CsvReader
from mixturelab.scoring.request import Request
from mixturelab.scoring.streams import COMPRESSED, TextStream, open_text
from mixturelab.scoring.table_readers import ArrowReader, IpcSource, NpyReader, ParquetSource

STANDARD = "-"
FORMATS = ("csv", "parquet", "npy", "arrow")
_ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".npy": "npy",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip


class Reader(Protocol):
    """One file that is being read."""

    nothing: Columns  # the columns to keep, without rows

    @property
    def features(self) -> tuple[str, ...] | None:
        """The names of the columns that are the model's features; None if they have none."""

    def chunks(self, start: Position) -> Iterator[Chunk]:
        """The chunks from a position on."""

    def close(self) -> None:
        """Close the file."""


class Input:
    """All files of the input.

    Parameters
    ----------
    source : path or "-"
        A file, a folder, or standard input.
    format : str or None
        One of `FORMATS`. Default: what the ending says, and CSV where it says nothing.
    stdin : binary file, optional
        Instead of standard input.

    Raises
    ------
    ArgumentError, DataError
        If it does not exist, or a folder holds other files than tables of one kind.
    """

    def __init__(
        self, source: str | os.PathLike[str], format: str | None = None, stdin: BinaryIO | None = None
    ) -> None:
        if format is not None and format not in FORMATS:
            raise ArgumentError(f"input_format is {format!r}; wanted one of {', '.join(FORMATS)}")
        self.is_standard = str(source) == STANDARD
        self._stdin = stdin
        self.files: list[Path] = [] if self.is_standard else _files(Path(source))
        self._kind = format or ("csv" if self.is_standard else _kind(self.files, Path(source)))

    @property
    def has_names(self) -> bool:
        """Whether its columns have names."""
        return self._kind != "npy"

    @property
    def labels(self) -> list[str]:
        """What the files are called in messages."""
        return ["standard input"] if self.is_standard else [str(path) for path in self.files]

    @cached_property
    def _sizes(self) -> list[int]:
        return [path.stat().st_size for path in self.files]

    def fingerprint(self) -> list[list[Any]]:
        """Name, size and time of change of each file."""
        found = [(str(path.absolute()), path.stat()) for path in self.files]
        return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in found]

    def opened(self, request: Request) -> Opened:
        """Look at the beginning of every file.

        Raises
        ------
        DataError
            If one cannot be read or has not the columns that are wanted.
        """
        return Opened(self, request)

    def reader(self, number: int, request: Request) -> Reader:
        """Open a file; errors name it."""
        with _named(self.labels[number]):
            return self._reader(number, request)

    def _reader(self, number: int, request: Request) -> Reader:
        label = self.labels[number]
        if self.is_standard:
            return _standard_reader(self._stdin or sys.stdin.buffer, self._kind, label, request)
        path = self.files[number]
        if self._kind == "csv":
            stream = open_text(path)
            return _or_closed(stream, lambda: CsvReader(stream, label, request))
        if self._kind == "npy":
            return NpyReader(path, label, request)
        _require_pyarrow()
        source = ParquetSource(path) if self._kind == "parquet" else IpcSource(path)
        return _or_closed(source, lambda: ArrowReader(source, label, request))

    def overall(self, chunk: Chunk) -> float | None:
        """How much of all files is done with a chunk."""
        total = sum(self._sizes)
        if chunk.fraction is None or not total:
            return None
        before, size = sum(self._sizes[: chunk.end.file]), self._sizes[chunk.end.file]
        return min(1.0, (before + chunk.fraction * size) / total)


class Opened:
    """The input, once it is known which columns are kept: the first file decides for all.

    Attributes
    ----------
    nothing : mapping of str to column
        The columns to keep, without rows.
    features : tuple of str or None
        The first file's columns that are the model's features; None if its columns have no names.
    """

    def __init__(self, source: Input, request: Request) -> None:
        self._source = source
        self._first: Reader | None = source.reader(0, request)
        self.nothing, self.features = self._first.nothing, self._first.features
        self._request = replace(request, keep=tuple(self.nothing))
        try:
            for number in range(1, len(source.files)):
                source.reader(number, self._request).close()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close what was opened."""
        if self._first is not None:
            self._first.close()

    def chunks(self, start: Position) -> Iterator[Chunk]:
        """All chunks from a position on."""
        for number in range(start.file, len(self._source.labels)):
            with contextlib.closing(self._reader(number)) as reader, _named(self._source.labels[number]):
                for chunk in reader.chunks(start):
                    yield chunk
                    start = chunk.end
            start = start.next_file()

    def _reader(self, number: int) -> Reader:
        reader, self._first = self._first, None
        if number == 0 and reader is not None:
            return reader
        if reader is not None:
            reader.close()
        return self._source.reader(number, self._request)


def _or_closed(file: Any, make: Callable[[], Reader]) -> Reader:
    try:
        return make()
    except BaseException:
        file.close()
        raise


def _files(source: Path) -> list[Path]:
    if source.is_dir():
        return _of_folder(source)
    if not source.exists():
        raise DataError(f"{source} does not exist")
    return [source]


def _of_folder(folder: Path) -> list[Path]:
    """Its files in sorted order; what begins with a dot or an underscore is no data (as elsewhere)."""
    found = sorted(
        (path for path in folder.iterdir() if path.name[0] not in "._"), key=lambda path: path.name
    )
    if not found:
        raise DataError(f"{folder} is a folder without files; wanted CSV, Parquet, Arrow or .npy files")
    for path in found:
        if path.is_dir():
            raise DataError(f"{folder} holds the folder {path.name}; wanted files alone")
        if _ending(path) not in _ENDINGS:
            raise DataError(
                f"{folder} holds {path.name}, which is no CSV, Parquet, Arrow or .npy file; move it away"
            )
    return found


def _ending(path: Path) -> str:
    ending = path.suffix.lower()
    return Path(path.stem).suffix.lower() if ending in COMPRESSED else ending


def _kind(files: list[Path], source: Path) -> str:
    kinds = {_ENDINGS.get(_ending(path), "csv"): path.name for path in reversed(files)}
    if len(kinds) > 1:
        raise DataError(f"{source} holds files of more than one kind: {' and '.join(sorted(kinds.values()))}")
    return next(iter(kinds))


def _standard_reader(stdin: BinaryIO, kind: str, label: str, request: Request) -> Reader:
    if kind == "csv":
        return CsvReader(TextStream(stdin), label, request)
    if kind == "arrow":
        _require_pyarrow()
        return ArrowReader(IpcSource(stdin), label, request)
    # Their ends have to be read first.
    with tempfile.NamedTemporaryFile(suffix=f".{kind}") as copy:
        shutil.copyfileobj(stdin, copy)
        copy.flush()
        if kind == "npy":
            return NpyReader(Path(copy.name), label, request)  # mapped: it outlives its name
        _require_pyarrow()
        return ArrowReader(ParquetSource(open(copy.name, "rb")), label, request)


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise DataError("Parquet and Arrow need pyarrow: pip install 'mixturelab[parquet]'") from None


class _named:
    """Errors inside become a DataError that names the file."""

    def __init__(self, label: str) -> None:
        self._label = label

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, DataError):
            raise DataError(f"{self._label}: {error}") from None
        if isinstance(error, OSError | EOFError | zlib.error) or type(error).__module__.startswith("pyarrow"):
            said = getattr(error, "strerror", None) or error
            raise DataError(f"{self._label} cannot be read: {said}") from None

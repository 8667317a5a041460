"""Score a table longer than memory: read, score and write at the same time, and go on after a kill."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.persistence import load
from mixturelab.scoring import bad_rows
from mixturelab.scoring.ahead import ahead
from mixturelab.scoring.chunk import Chunk, Columns, Position, pick
from mixturelab.scoring.encoders import ArrowEncoder, CsvEncoder, Encoder, NpyEncoder, ParquetEncoder
from mixturelab.scoring.output import CannotWrite, FileOutput, State, StreamOutput
from mixturelab.scoring.readers import STANDARD, Input, Opened
from mixturelab.scoring.request import Request, check_keep
from mixturelab.scoring.scorer import Scorer, Scores

_ENDINGS = {".csv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet", ".npy": "npy"}
FORMATS = ("csv", "parquet", "npy", "arrow")
BAD_ROWS = ("side", "stop")
_PACKAGES = ("mixturelab", "torch", "numpy", "pyarrow")
Words = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What to score, and how.

    Attributes
    ----------
    model : path
    source : path or "-"
        A CSV, Parquet, Arrow or .npy file, a folder of such files of one kind, or standard input.
    out : path or "-"
        By its ending .csv, .parquet or .npy; "-" is standard output.
    format : str or None
        The output's format, csv, parquet, npy or arrow, if its ending does not say it. Default: CSV.
    input_format : str or None
        The input's format, if its ending does not say it. Default: CSV.
    keep : tuple of str, or "all"
        Columns of the input that go to the output.
    only : tuple of str or None
        The columns of the output beside these: row, component, log_density, uncertainty, responsibilities, or one of
        these like responsibility_0. Default: all.
    columns : tuple of str or None
        The input's columns that are the model's features, in its order. Default: those of the same names.
    bad_rows : "side", "stop" or None
        Rows without scores are described in a file beside the output, or end the job. Default: the first if there is
        a place for it.
    bad_out : path or None
        That file. Default: the output's name with .bad.csv at its end.
    resume : bool
        Go on with what an interrupted job left, if there is anything.
    chunk_rows : int or None
        Rows at a time. Default: by their width.
    trust : bool
        Open a joblib model, which can run any code.
    note_every : float
        Seconds between two notes of how far it is.
    """

    model: str | os.PathLike[str]
    source: str | os.PathLike[str]
    out: str | os.PathLike[str] = STANDARD
    format: str | None = None
    input_format: str | None = None
    keep: tuple[str, ...] | Literal["all"] = ()
    only: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    bad_rows: str | None = None
    bad_out: str | os.PathLike[str] | None = None
    resume: bool = False
    chunk_rows: int | None = None
    trust: bool = False
    note_every: float = 2.0

    def __post_init__(self) -> None:
        if self.bad_rows not in (None, *BAD_ROWS):
            raise ArgumentError(f"bad_rows is {self.bad_rows!r}; wanted side or stop")
        if self.chunk_rows is not None and self.chunk_rows < 1:
            raise ArgumentError(f"chunk_rows is {self.chunk_rows}; wanted 1 or more")
        if self.keep != "all":
            check_keep(self.keep)
        if self.format is not None and self.format not in FORMATS:
            raise ArgumentError(f"format is {self.format!r}; wanted one of {', '.join(FORMATS)}")


@dataclass(frozen=True)
class Progress:
    """How far a job is: rows with scores, rows without, and how much of the input is done, if that is known."""

    written: int
    bad: int
    fraction: float | None


@dataclass(frozen=True)
class Summary:
    """What a job has done.

    Attributes
    ----------
    written, bad : int
        Rows with scores, and rows without.
    mean_log_density : float
        Of the rows with scores, in nats; NaN if there are none.
    out, bad_out : Path or None
        The files; None for standard output, and where no row was bad.
    """

    written: int
    bad: int
    mean_log_density: float
    out: Path | None
    bad_out: Path | None


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a sentence on how to go on."""


def run(
    job: Job,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_note: Words = lambda words: None,
    stdin: BinaryIO | None = None,
    stdout: BinaryIO | None = None,
) -> Summary:
    """Score a table.

    Parameters
    ----------
    job : Job
    on_progress : callable
        Called after every chunk.
    on_note : callable
        Called with a sentence on what a user should know, such as that a job goes on.
    stdin, stdout : binary files, optional
        Instead of the standard ones.

    Raises
    ------
    ArgumentError, DataError, ModelFileError
        One line each. Nothing has been written if the cause could be seen before.
    BrokenPipeError
        If nobody reads standard output any more.
    Interrupted
        By Ctrl-C, with a sentence on how to go on.
    """
    return _Run(job, on_progress, on_note, stdin, stdout).run()


class _Run:
    def __init__(
        self,
        job: Job,
        on_progress: Callable[[Progress], None],
        on_note: Words,
        stdin: BinaryIO | None,
        stdout: BinaryIO | None,
    ) -> None:
        self._job, self._on_progress, self._on_note = job, on_progress, on_note
        self._format = _format(job)
        self._to_file = str(job.out) != STANDARD and _is_plain_file(Path(job.out))
        self._stdout = stdout
        self._input = Input(job.source, job.input_format, stdin)
        self._bad_path = self._place_of_bad_rows()
        self._check_places()
        model = load(job.model, trust=job.trust)
        self._scorer = Scorer(model)
        self._names = _chosen(job.only, self._scorer.n_components)
        self._state = State()

    # ------------------------------------------------------------------------------------------ what is asked for
    def _place_of_bad_rows(self) -> Path | None:
        job = self._job
        if job.bad_rows == "stop":
            if job.bad_out is not None:
                raise ArgumentError(
                    "bad_out names a file for bad rows, and bad_rows says to stop at the first"
                )
            return None
        if job.bad_out is not None:
            return Path(job.bad_out)
        if self._to_file:
            return Path(job.out).with_name(f"{Path(job.out).name}.bad.csv")
        if job.bad_rows == "side":
            raise ArgumentError(
                "bad_rows is side, and there is no file beside standard output; name one with bad_out"
            )
        return None

    def _check_places(self) -> None:
        """Nothing that is read is written to."""
        if self._job.resume and (self._input.is_standard or not self._to_file):
            raise ArgumentError(
                "resume needs files: standard input and output cannot be taken up where they were left"
            )
        written = {
            "the output": Path(self._job.out) if self._to_file else None,
            "the bad rows' file": self._bad_path,
        }
        read = [*self._input.files, Path(self._job.model)]
        for what, path in written.items():
            if path is not None and any(_same(path, other) for other in read):
                raise ArgumentError(f"{what} would replace {path}, which is read")
            if (
                path is not None
                and Path(self._job.source).is_dir()
                and _same(path.parent, Path(self._job.source))
            ):
                raise ArgumentError(f"{what}, {path}, would lie in the folder that is read")
        if self._to_file and self._bad_path is not None and _same(self._bad_path, Path(self._job.out)):
            raise ArgumentError(f"the bad rows' file is the output, {self._bad_path}; wanted another name")

    def _request(self) -> Request:
        scorer, names = self._scorer, self._job.columns or self._scorer.feature_names
        if self._job.columns is not None and len(self._job.columns) != scorer.n_features:
            raise ArgumentError(
                f"columns names {len(self._job.columns)}; the model has {scorer.n_features} features"
            )
        return Request(
            names, scorer.n_features, self._job.keep, tuple(self._names), self._job.chunk_rows, scorer.tile,
            scorer.n_components,
        )  # fmt: skip

    def _fingerprint(self) -> dict[str, Any]:
        """What must be the same for a job to be gone on with."""
        job = replace(self._job, resume=False, trust=False, note_every=0, source="", model="", out="")
        return {
            "the model file": hashlib.sha256(Path(self._job.model).read_bytes()).hexdigest(),
            "the input": self._input.fingerprint(),
            "an option": {name: str(value) for name, value in vars(job).items()} | {"format": self._format},
            "an installed package": {name: _version(name) for name in _PACKAGES},
            "the number of threads": torch.get_num_threads(),
        }

    # ------------------------------------------------------------------------------------------ the run
    def run(self) -> Summary:
        opened = self._input.opened(self._request())
        nothing = self._columns(opened.nothing, self._scorer.at(np.empty((0, self._scorer.n_features)), 0), 0)
        return self._into_file(opened, nothing) if self._to_file else self._into_stream(opened, nothing)

    def _into_stream(self, opened: Opened, nothing: Columns) -> Summary:
        name = "standard output" if str(self._job.out) == STANDARD else str(self._job.out)
        with contextlib.ExitStack() as open_files:
            stream = self._stdout or sys.stdout.buffer
            if str(self._job.out) != STANDARD:
                stream = open_files.enter_context(open(self._job.out, "wb", buffering=0))
            output = open_files.enter_context(contextlib.closing(StreamOutput(stream, name, self._bad_path)))
            encoder = _encoder(self._format)
            waiting = encoder.begin(nothing)  # until the first rows are known to have scores
            for data in self._encoded(opened, encoder, output):
                output.write(waiting + data)
                waiting = b""
            output.write(waiting + encoder.end())
        return self._summary(None)

    def _into_file(self, opened: Opened, nothing: Columns) -> Summary:
        output = FileOutput(Path(self._job.out), self._bad_path)
        try:
            return self._into_open_file(output, opened, nothing)
        finally:
            output.close()

    def _into_open_file(self, output: FileOutput, opened: Opened, nothing: Columns) -> Summary:
        encoder = _encoder(self._format)
        if not self._go_on(output, encoder, nothing):
            return self._finished(output)
        try:
            self._all(output, encoder, opened)
        except KeyboardInterrupt:
            raise Interrupted(self._how_to_go_on("interrupted")) from None
        except CannotWrite as error:
            raise CannotWrite(f"{error}; {self._how_to_go_on('stopped')}") from None
        except Exception:
            output.discard()
            raise
        return self._finished(output)

    def _all(self, output: FileOutput, encoder: Encoder, opened: Opened) -> None:
        noted = time.monotonic()
        for data in self._encoded(opened, encoder, output):
            output.write(data)
            if encoder.is_whole and time.monotonic() - noted >= self._job.note_every:
                output.note(self._state, encoder.note())
                noted = time.monotonic()
                self._noted = self._state
        output.write(encoder.end())
        if (first := encoder.corrected()) is not None:
            output.correct(first)
        output.note(self._state, None, finished=True)

    _noted = State()

    def _finished(self, output: FileOutput) -> Summary:
        output.finish(has_bad_rows=self._state.bad > 0)
        return self._summary(output.path)

    def _go_on(self, output: FileOutput, encoder: Encoder, nothing: Columns) -> bool:
        """Begin, or take up what is there; false if there is nothing left to do."""
        found, fingerprint = output.leftover(), self._fingerprint()
        if self._job.resume and found:
            _expect_unchanged(found["fingerprint"], fingerprint)
        if not self._job.resume or not found or not found["records"]:
            self._say_of_leftovers(found)
            output.begin(fingerprint)
            output.write(encoder.begin(nothing))
            return True
        record = found["records"][-1]
        self._state = self._noted = State(
            Position(**record["position"]), record["written"], record["bad"], record["total"]
        )
        if not record["finished"]:
            output.go_on(record)
            encoder.go_on([one["note"] for one in found["records"]], record["size"], nothing)
            self._on_note(f"going on after row {self._state.position.row:,}")
        return not record["finished"]

    def _say_of_leftovers(self, found: dict[str, Any] | None) -> None:
        if found and not self._job.resume:
            records = found["records"]
            row = Position(**records[-1]["position"]).row if records else 0
            self._on_note(
                f"an interrupted job had come to row {row:,} of {self._job.out}; starting anew (--resume goes on)"
            )
        elif self._job.resume:
            self._on_note("nothing to go on from; starting at the first row")

    def _how_to_go_on(self, what: str) -> str:
        return f"{what} after row {self._noted.position.row:,}; the same command with --resume goes on from there"

    # ------------------------------------------------------------------------------------------ row by row
    def _encoded(
        self, opened: Opened, encoder: Encoder, output: FileOutput | StreamOutput
    ) -> Iterator[bytes]:
        """The output's bytes, chunk by chunk; the state is that after them."""
        chunks = ahead(opened.chunks(self._state.position))
        scored = ahead((chunk, self._scorer.at(chunk.x, chunk.start.row)) for chunk in chunks)
        with contextlib.closing(chunks), contextlib.closing(scored):
            for chunk, scores in scored:
                good = bad_rows.usable(chunk, scores)
                n_bad = self._put_aside(chunk, good, output)
                columns = self._columns(chunk.kept, scores, chunk.start.row)
                if n_bad:
                    columns = {name: pick(column, good) for name, column in columns.items()}
                data = encoder.add(columns)
                total = self._state.total + float(scores.log_density[good].sum())
                written = self._state.written + len(chunk) - n_bad
                self._state = State(chunk.end, written, self._state.bad + n_bad, total)
                yield data
                self._on_progress(Progress(written, self._state.bad, self._input.overall(chunk)))

    def _put_aside(self, chunk: Chunk, good: np.ndarray, output: FileOutput | StreamOutput) -> int:
        if good.all():
            return 0
        lines = []
        for number, fault in bad_rows.faults(chunk, good):
            if self._bad_path is None:
                hint = "" if self._job.bad_rows else " (--bad-out FILE puts such rows aside)"
                raise DataError(f"{bad_rows.error(chunk, number, fault)}{hint}")
            lines.append(bad_rows.record(chunk, number, fault))
        output.write_bad(b"".join(lines))
        return len(lines)

    def _columns(self, kept: Columns, scores: Scores, first: int) -> Columns:
        """The output's columns, by name: rows count from 1, components from 0."""
        n_rows, by_component = len(scores.log_density), np.ascontiguousarray(scores.responsibilities.T)
        known: dict[str, Callable[[], Any]] = {
            "row": lambda: np.arange(first + 1, first + n_rows + 1),
            "component": lambda: scores.component,
            "log_density": lambda: scores.log_density,
            "uncertainty": lambda: scores.uncertainty,
        } | {f"responsibility_{k}": lambda k=k: by_component[k] for k in range(len(by_component))}
        before = {"row": known["row"]()} if "row" in self._names else {}
        return before | dict(kept) | {name: known[name]() for name in self._names if name != "row"}

    def _summary(self, out: Path | None) -> Summary:
        state = self._state
        mean = state.total / state.written if state.written else float("nan")
        return Summary(state.written, state.bad, mean, out, self._bad_path if state.bad else None)


# ------------------------------------------------------------------------------------------------ small things
def _format(job: Job) -> str:
    ending = Path(job.out).suffix.lower()
    found = job.format or ("csv" if str(job.out) == STANDARD else _ENDINGS.get(ending))
    is_plain = str(job.out) != STANDARD and _is_plain_file(Path(job.out))
    if found is None and is_plain:
        raise ArgumentError(f"out ends in {ending!r}; wanted .csv, .parquet or .npy, or a format beside it")
    if found == "arrow" and is_plain:
        raise ArgumentError("an Arrow stream is for pipes: out must be -; wanted .csv, .parquet or .npy")
    if found == "npy" and not is_plain:
        raise ArgumentError(
            "a .npy file begins with its number of rows, so it cannot go to a pipe; name a file"
        )
    if found in ("parquet", "arrow") and importlib.util.find_spec("pyarrow") is None:
        raise DataError("Parquet and Arrow need pyarrow: pip install 'mixturelab[parquet]'")
    return found or "csv"


def _encoder(format: str) -> Encoder:
    if format == "parquet":
        return ParquetEncoder()
    if format == "npy":
        return NpyEncoder()
    return ArrowEncoder() if format == "arrow" else CsvEncoder()


def _is_plain_file(path: Path) -> bool:
    """Or none yet: a pipe or a device cannot be replaced by a file."""
    try:
        return stat.S_ISREG(path.stat().st_mode) or path.is_dir()
    except OSError:
        return True


def _same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or os.path.samefile(one, other)
    except OSError:
        return False


def _chosen(only: tuple[str, ...] | None, n_components: int) -> list[str]:
    """The names of the output's own columns, in its order."""
    responsibilities = [f"responsibility_{k}" for k in range(n_components)]
    known = ["row", "component", "log_density", "uncertainty", *responsibilities]
    if only is None:
        return known
    for name in only:
        if name not in known and name != "responsibilities":
            wanted = (
                "row, component, log_density, uncertainty, responsibilities or responsibility_0 and so on"
            )
            raise ArgumentError(f"only names {name!r}; wanted {wanted}")
    chosen = {*only, *(responsibilities if "responsibilities" in only else [])}
    if not chosen:
        raise ArgumentError("only names no column; wanted one or more")
    return [name for name in known if name in chosen]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _expect_unchanged(before: dict[str, Any], now: dict[str, Any]) -> None:
    for what, value in now.items():
        if before.get(what) != value:
            raise ArgumentError(
                f"cannot go on: {what} has changed since the job was interrupted; without --resume it starts anew"
            )

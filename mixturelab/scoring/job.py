"""Score a table longer than memory: read, score and write at the same time, and go on after a kill."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.scoring import bad_rows
from mixturelab.scoring.ahead import each
from mixturelab.scoring.chunk import Chunk, Columns, Floats, Position, pick
from mixturelab.scoring.columns import listed
from mixturelab.scoring.encoders import ArrowEncoder, CsvEncoder, Encoder, NpyEncoder
from mixturelab.scoring.output import CannotWrite, FileOutput, State, StreamOutput
from mixturelab.scoring.parquet_encoder import ParquetEncoder, Place
from mixturelab.scoring.plan import Job, Plan
from mixturelab.scoring.readers import STANDARD, Opened

Words = Callable[[str], None]


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
    return _Run(Plan(job, stdin), on_progress, on_note, stdout).run()


class _Run:
    def __init__(
        self, plan: Plan, on_progress: Callable[[Progress], None], on_note: Words, stdout: BinaryIO | None
    ) -> None:
        self._plan, self._job = plan, plan.job
        self._on_progress, self._on_note, self._stdout = on_progress, on_note, stdout
        self._scorer = plan.scorer
        self._state = self._noted = State()

    # ------------------------------------------------------------------------------------------ the run
    def run(self) -> Summary:
        with contextlib.closing(self._plan.input.opened(self._plan.request())) as opened:
            none = self._scorer.at(np.empty((0, self._scorer.n_features)), 0)
            nothing = self._plan.columns(opened.nothing, none, 0)
            self._say_of_places(opened)
            return (
                self._into_file(opened, nothing) if self._plan.to_file else self._into_stream(opened, nothing)
            )

    def _say_of_places(self, opened: Opened) -> None:
        """A model that was fitted to an array cannot know whether these are its features."""
        if opened.features is not None and self._plan.request().names is None:
            self._on_note(
                f"the model has no feature names: its features are the columns {listed(opened.features)}, in this "
                "order (--columns chooses)"
            )

    def _into_stream(self, opened: Opened, nothing: Columns) -> Summary:
        name = "standard output" if str(self._job.out) == STANDARD else str(self._job.out)
        with contextlib.ExitStack() as open_files:
            stream = self._stdout or sys.stdout.buffer
            if str(self._job.out) != STANDARD:
                stream = open_files.enter_context(open(self._job.out, "wb", buffering=0))
            output = open_files.enter_context(
                contextlib.closing(StreamOutput(stream, name, self._plan.bad_path))
            )
            encoder = _encoder(self._plan.format)
            waiting = encoder.begin(nothing)  # until the first rows are known to have scores
            for data in self._encoded(opened, encoder, output):
                output.write(waiting + bytes(data) if waiting else data)
                waiting = b""
            output.write(waiting + encoder.end())
        return self._summary(None)

    def _into_file(self, opened: Opened, nothing: Columns) -> Summary:
        output = FileOutput(Path(self._job.out), self._plan.bad_path)
        try:
            return self._into_open_file(output, opened, nothing)
        finally:
            output.close()

    def _into_open_file(self, output: FileOutput, opened: Opened, nothing: Columns) -> Summary:
        encoder = _encoder(self._plan.format, output.place)
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

    def _finished(self, output: FileOutput) -> Summary:
        output.finish(has_bad_rows=self._state.bad > 0)
        return self._summary(output.path)

    def _go_on(self, output: FileOutput, encoder: Encoder, nothing: Columns) -> bool:
        """Begin, or take up what is there; false if there is nothing left to do."""
        found, fingerprint = output.leftover(), self._plan.fingerprint()
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
    ) -> Iterator[bytes | memoryview]:
        """The output's bytes, chunk by chunk; the state is that after them."""
        scored = each(self._scored, opened.chunks(self._state.position), torch.get_num_threads())
        with contextlib.closing(scored):
            for chunk, log_density, good, columns in scored:
                n_bad = self._put_aside(chunk, good, output)
                if n_bad:
                    columns = {name: pick(column, good) for name, column in columns.items()}
                    log_density = log_density[good]
                data = encoder.add(columns)
                total = self._state.total + float(log_density.sum())
                written = self._state.written + len(chunk) - n_bad
                self._state = State(chunk.end, written, self._state.bad + n_bad, total)
                yield data
                self._on_progress(Progress(written, self._state.bad, self._plan.input.overall(chunk)))

    def _scored(self, chunk: Chunk) -> tuple[Chunk, Floats, NDArray[np.bool_], Columns]:
        """A chunk, its log densities, which rows have any, and its columns of the output."""
        scores = self._scorer.at(chunk.x, chunk.start.row)
        columns = self._plan.columns(chunk.kept, scores, chunk.start.row)
        return chunk, scores.log_density, bad_rows.usable(chunk, scores), columns

    def _put_aside(self, chunk: Chunk, good: np.ndarray, output: FileOutput | StreamOutput) -> int:
        if good.all():
            return 0
        lines = []
        for number, fault in bad_rows.faults(chunk, good):
            if self._plan.bad_path is None:
                hint = "" if self._job.bad_rows else " (--bad-out FILE puts such rows aside)"
                raise DataError(f"{bad_rows.error(chunk, number, fault)}{hint}")
            lines.append(bad_rows.record(chunk, number, fault))
        output.write_bad(b"".join(lines))
        return len(lines)

    def _summary(self, out: Path | None) -> Summary:
        state = self._state
        mean = state.total / state.written if state.written else float("nan")
        return Summary(state.written, state.bad, mean, out, self._plan.bad_path if state.bad else None)


def _encoder(format: str, place: Place | None = None) -> Encoder:
    if format == "parquet":
        return ParquetEncoder(place=place)
    if format == "npy":
        return NpyEncoder()
    return ArrowEncoder() if format == "arrow" else CsvEncoder()


def _expect_unchanged(before: dict[str, Any], now: dict[str, Any]) -> None:
    for what, value in now.items():
        if before.get(what) != value:
            raise ArgumentError(
                f"cannot go on: {what} has changed since the job was interrupted; without --resume it starts anew"
            )

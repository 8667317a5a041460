"""What a job is asked to do, and what that comes to: formats, places, columns; checked before anything is written."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.persistence import load
from mixturelab.scoring.chunk import Columns
from mixturelab.scoring.readers import STANDARD, Input
from mixturelab.scoring.request import Request, check_keep
from mixturelab.scoring.scorer import Scorer, Scores

_ENDINGS = {".csv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet", ".npy": "npy"}
FORMATS = ("csv", "parquet", "npy", "arrow")
BAD_ROWS = ("side", "stop")
_PACKAGES = ("mixturelab", "torch", "numpy", "pyarrow")


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
        The output's format, csv, parquet, npy or arrow (for pipes alone), if its ending does not say it. Default: CSV
        on standard output and pipes; a file of another ending needs it.
    input_format : str or None
        The input's format, if its ending does not say it. Default: CSV.
    keep : tuple of str, or "all"
        Columns of the input that go to the output.
    only : tuple of str or None
        The columns of the output beside these: row, component, log_density, uncertainty, responsibilities, or one of
        these like responsibility_0. Default: all.
    columns : tuple of str or None
        The input's columns that are the model's features, in its order; not for .npy files, whose columns have no
        names. Default: those of the same names.
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


class Plan:
    """What a job comes to, once the model has been read: checked, before anything is written.

    Attributes
    ----------
    format : str
    to_file : bool
        Whether the output is a file that takes its name when it is whole.
    input : Input
    bad_path : Path or None
        Where bad rows go; None if the first ends the job.
    scorer : Scorer
    names : list of str
        The output's columns beside those that are kept.

    Raises
    ------
    ArgumentError, DataError, ModelFileError
    """

    def __init__(self, job: Job, stdin: BinaryIO | None = None) -> None:
        self.job = job
        self.format = _format(job)
        self.to_file = str(job.out) != STANDARD and _is_plain_file(Path(job.out))
        self.input = Input(job.source, job.input_format, stdin)
        self.bad_path = self._place_of_bad_rows()
        self._check_places()
        self.scorer = Scorer(load(job.model, trust=job.trust))
        self.names = _chosen(job.only, self.scorer.n_components)

    def _place_of_bad_rows(self) -> Path | None:
        job = self.job
        if job.bad_rows == "stop":
            if job.bad_out is not None:
                raise ArgumentError(
                    "bad_out names a file for bad rows, and bad_rows says to stop at the first"
                )
            return None
        if job.bad_out is not None:
            return Path(job.bad_out)
        if self.to_file:
            return Path(job.out).with_name(f"{Path(job.out).name}.bad.csv")
        if job.bad_rows == "side":
            raise ArgumentError(
                "bad_rows is side, and there is no file beside standard output; name one with bad_out"
            )
        return None

    def _check_places(self) -> None:
        """Nothing that is read is written to."""
        if self.job.resume and (self.input.is_standard or not self.to_file):
            raise ArgumentError(
                "resume needs files: standard input and output cannot be taken up where they were left"
            )
        written = {
            "the output": Path(self.job.out) if self.to_file else None,
            "the bad rows' file": self.bad_path,
        }
        read = [*self.input.files, Path(self.job.model)]
        for what, path in written.items():
            if path is not None and not path.parent.is_dir():
                raise DataError(f"{path} cannot be written: there is no folder {path.parent}; make it first")
            if path is not None and any(_same(path, other) for other in read):
                raise ArgumentError(f"{what} would replace {path}, which is read")
            if (
                path is not None
                and Path(self.job.source).is_dir()
                and _same(path.parent, Path(self.job.source))
            ):
                raise ArgumentError(f"{what}, {path}, would lie in the folder that is read")
        if self.to_file and self.bad_path is not None and _same(self.bad_path, Path(self.job.out)):
            raise ArgumentError(f"the bad rows' file is the output, {self.bad_path}; wanted another name")

    def request(self) -> Request:
        """What is read of the input."""
        scorer, names = self.scorer, self.job.columns or self.scorer.feature_names
        if self.job.columns is not None and not self.input.has_names:
            raise ArgumentError(
                "columns is given, but those of a .npy file have no names; wanted CSV, Parquet or Arrow"
            )
        if self.job.columns is not None and len(set(self.job.columns)) < len(self.job.columns):
            raise ArgumentError(f"columns names one twice: {', '.join(self.job.columns)}; wanted each once")
        if self.job.columns is not None and len(self.job.columns) != scorer.n_features:
            raise ArgumentError(
                f"columns names {len(self.job.columns)}; the model has {scorer.n_features} features"
            )
        return Request(
            names, scorer.n_features, self.job.keep, tuple(self.names), self.job.chunk_rows, scorer.tile,
            scorer.n_components,
        )  # fmt: skip

    def fingerprint(self) -> dict[str, Any]:
        """What must be the same for a job to be gone on with."""
        job = replace(self.job, resume=False, trust=False, note_every=0, source="", model="", out="")
        return {
            "the model file": hashlib.sha256(Path(self.job.model).read_bytes()).hexdigest(),
            "the input": self.input.fingerprint(),
            "an option": {name: str(value) for name, value in vars(job).items()} | {"format": self.format},
            "an installed package": {name: _version(name) for name in _PACKAGES},
        }

    def columns(self, kept: Columns, scores: Scores, first: int) -> Columns:
        """The output's columns, by name: rows count from 1, components from 0."""
        n_rows, by_component = len(scores.log_density), np.ascontiguousarray(scores.responsibilities.T)
        known: dict[str, Callable[[], Any]] = {
            "row": lambda: np.arange(first + 1, first + n_rows + 1),
            "component": lambda: scores.component,
            "log_density": lambda: scores.log_density,
            "uncertainty": lambda: scores.uncertainty,
        } | {f"responsibility_{k}": lambda k=k: by_component[k] for k in range(len(by_component))}
        before = {"row": known["row"]()} if "row" in self.names else {}
        return before | dict(kept) | {name: known[name]() for name in self.names if name != "row"}


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

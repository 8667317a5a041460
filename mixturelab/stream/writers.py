"""What a run folder holds of a mixture: two tables and the scores, from numbers and arrays; it knows no mixture."""

import operator
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from torch import Tensor

from mixturelab.exceptions import ArgumentError
from mixturelab.stream.history import History
from mixturelab.stream.score_reading import read_scores
from mixturelab.stream.scores import ScoreFile, ScoreFolder
from mixturelab.stream.tables import KEYS, Table

__all__ = ["COLUMNS", "DIAGNOSTICS", "MIXTURE", "RunFiles", "read_scores"]

MIXTURE = "mixture.csv"
DIAGNOSTICS = "mixture_diagnostics.csv"
COLUMNS = ("K", "pi_min", "pi_max", "trace_B", "opnorm_B")


class RunFiles:
    """The files of one run: ``mixture.csv``, ``mixture_diagnostics.csv`` and, if wanted, the scores.

    To be used by one process at a time. The folder is made and existing files are checked and mended at once; no
    new file is made before the first `write`. Writing a step first removes every row and entry of this step and of
    later ones, whichever options wrote them: a run that is resumed leaves the files of one that was never
    interrupted.

    Parameters
    ----------
    folder : path
    n_components : int
        K.
    diagnostics : sequence of str
        The columns of ``mixture_diagnostics.csv`` after ``step,epoch``.
    scores : {None, "append", "per_step"}
        ``mixture_scores.pt``, or ``mixture_scores/step_000123.pt`` for each step.

    Raises
    ------
    ArgumentError
        If the folder cannot be made or written, or holds a CSV with another header or another K.

    Warns
    -----
    StreamWarning
        If a file is damaged; it is renamed (``mixture.csv.damaged-1``), and what is whole in it is kept.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        n_components: int,
        *,
        diagnostics: Sequence[str],
        scores: Literal["append", "per_step"] | None = None,
    ) -> None:
        _check_options(diagnostics, scores)
        self.folder = Path(folder)
        self._scores = scores
        try:
            _check_folder(self.folder)
            self._mixture = Table(self.folder / MIXTURE, COLUMNS, {"K": n_components})
            self._diagnostics = Table(self.folder / DIAGNOSTICS, diagnostics, words=True)
            self._score_file, self._score_folder = ScoreFile(self.folder), ScoreFolder(self.folder)
            for history in self._histories:
                history.mend()
        except OSError as error:
            raise ArgumentError(f"{error.filename or folder} cannot be written: {_reason(error)}") from error

    @property
    def _histories(self) -> tuple[History, ...]:
        return self._mixture, self._diagnostics, self._score_file, self._score_folder

    def write(
        self,
        step: int,
        epoch: int,
        row: Mapping[str, float],
        diagnostics: Mapping[str, float | int | str],
        scores: Tensor | None = None,
    ) -> None:
        """Write one step into every file; an error in one does not keep the others from being written.

        Parameters
        ----------
        step, epoch : int
            Not negative.
        row, diagnostics : mapping
            Values by column; K need not be given, and what has no column is left out.
        scores : Tensor [N, K], optional
            Stored with its own type, if this run stores scores.

        Raises
        ------
        ArgumentError
            If step or epoch is no integer ≥ 0, or a column has no value; nothing was written.
        OSError
            The first error of the file system. All files are whole, and the next step can be written.
        """
        step, epoch = _whole_number("step", step), _whole_number("epoch", epoch)
        rows = [self._mixture.row(step, epoch, row), self._diagnostics.row(step, epoch, diagnostics)]
        append, shard = (scores if self._scores == mode else None for mode in ("append", "per_step"))
        _attempt_all(
            lambda: self._mixture.write(step, rows[0]),
            lambda: self._diagnostics.write(step, rows[1]),
            lambda: self._score_file.write(step, epoch, append),
            lambda: self._score_folder.write(step, epoch, shard),
        )

    def close(self) -> None:
        """Gather the scores into ``mixture_scores.pt``. May be called again; a later `write` goes on.

        Raises
        ------
        OSError
            If there is no room for it; then nothing is lost, and `read_scores` reads them as they are.
        """
        for table in (self._mixture, self._diagnostics):
            table.close()
        self._score_file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _attempt_all(*attempts: Callable[[], None]) -> None:
    errors = []
    for attempt in attempts:
        try:
            attempt()
        except OSError as error:
            errors.append(error)
    if errors:
        raise errors[0]


# ----------------------------------------------------------------------------------------------------- checks
def _check_options(diagnostics: Iterable[str], scores: Any) -> None:
    if scores not in (None, "append", "per_step"):
        raise ArgumentError(f"scores is {scores!r}; wanted None, 'append' or 'per_step'")
    names = [*KEYS, *diagnostics]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ArgumentError(
            f"diagnostics has {twice[0]!r} twice (step and epoch are always there); wanted it once"
        )


def _check_folder(folder: Path) -> None:
    """That it can be made and that files can be made in it; the trial file has no name, or is gone at once."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, folder / MIXTURE, folder / DIAGNOSTICS):
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "no permission to write", str(path))
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(error.errno, _reason(error), str(folder)) from error  # not the trial file's name


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _whole_number(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except (TypeError, RuntimeError):
        number = -1
    if number < 0:
        raise ArgumentError(f"{name} is {value!r}; wanted an integer ≥ 0")
    return number

"""The folder of a run: its settings, losses, checkpoint, numbers and pictures. `MixtureStats` adds its own files."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mixturelab.exceptions import ArgumentError, DataError, StreamWarning
from mixturelab.files import remove_leftovers, write_atomically
from mixturelab.simclr.checkpoint import check_agreement, encode, fingerprint, read_checkpoint
from mixturelab.simclr.config import RunConfig, load_config
from mixturelab.simclr.data import ImageSet
from mixturelab.simclr.trainer import Trainer
from mixturelab.stream.tables import Table
from mixturelab.stream.writers import DIAGNOSTICS, MIXTURE

__all__ = ["CHECKPOINT", "CONFIG", "LOSSES", "METRICS", "RunFolder"]

CONFIG = "config.yaml"
CHECKPOINT = "checkpoint.pt"
LOSSES = "losses.csv"
METRICS = "metrics.json"

_OF_A_RUN = (CONFIG, CHECKPOINT, LOSSES, MIXTURE, DIAGNOSTICS)


class RunFolder:
    """Where a run is written. Once it trains, a file that cannot be written costs a warning, not the run.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    missing : dict
        Name of each file that is not there or not whole, and why.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.missing: dict[str, str] = {}
        self._warned: set[str] = set()

    # ---------------------------------------------------------------------------------------- before a run
    def check_free(self) -> None:
        """Raise if there is a run already: nothing is ever overwritten.

        Raises
        ------
        ArgumentError
        """
        found = [name for name in _OF_A_RUN if (self.path / name).exists()]
        if found:
            raise ArgumentError(
                f"{self.path} already holds a run ({', '.join(found)}): go on with it (--resume, or resume=True), "
                "choose another folder, or delete it"
            )

    def check_resumable(self, config: RunConfig, data: ImageSet) -> dict[str, Any] | None:
        """The state to go on from; None if the run was cut off before its first checkpoint.

        Raises
        ------
        ArgumentError
            There is no run, or one with other settings; the message names the key and both values.
        DataError, ModelFileError
            The run saw other images; a file cannot be read.
        """
        if not (self.path / CONFIG).exists():
            raise ArgumentError(f"{self.path} holds no run to resume: there is no {CONFIG} in it")
        check_agreement(config, load_config(self.path / CONFIG), self.path)
        if not (self.path / CHECKPOINT).exists():
            return None
        stored = read_checkpoint(self.path / CHECKPOINT)
        check_agreement(config, RunConfig.from_yaml(stored["config"]), self.path)
        if stored["data"] != fingerprint(data):
            raise DataError(
                f"data: {data.name!r} are not the images that the run in {self.path} has seen so far"
            )
        return stored["state"]

    def start(self, trainer: Trainer) -> None:
        """Make the folder and write the settings: the only file that has to succeed.

        What a killed process had half written is removed, and, of a run that is resumed, losses after the checkpoint:
        those steps are made again.

        Raises
        ------
        ArgumentError
            If the folder cannot be written, or its losses.csv is not one.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.path / "*")  # a checkpoint that was cut off is as large as a whole one
            write_atomically(self.path / CONFIG, trainer.config.to_yaml().encode())
            self._losses = Table(self.path / LOSSES, ("loss", "learning_rate"))
            self._losses.mend()
            self._losses.make_room(trainer.step)
        except OSError as error:
            raise ArgumentError(f"{self.path} cannot be written: {error.strerror or error}") from None

    # ---------------------------------------------------------------------------------------- during a run
    def log(self, trainer: Trainer) -> None:
        """Bring losses.csv up to date, with what an earlier failure left out."""
        self._try(LOSSES, lambda: self._write_losses(trainer))

    def _write_losses(self, trainer: Trainer) -> None:
        first = 0 if self._losses.last is None else self._losses.last + 1
        for step in range(first, trainer.step):
            values = {"loss": trainer.losses[step], "learning_rate": trainer.learning_rates[step]}
            epoch = step // trainer.batches.per_epoch
            self._losses.write(step, self._losses.row(step, epoch, values))

    def save(self, trainer: Trainer) -> None:
        """Write the checkpoint, and the losses up to it."""
        self.log(trainer)
        self.write(CHECKPOINT, lambda: encode(trainer))

    def write(self, name: str, content: Callable[[], bytes]) -> None:
        """Write one file, whole or not at all; a failure is noted, with one warning for each file."""
        self._try(name, lambda: write_atomically(self.path / name, content()))

    def _try(self, name: str, work: Callable[[], Any]) -> None:
        try:
            work()
        except OSError as error:
            self._note(name, error.strerror or str(error))
        else:
            self.missing.pop(name, None)

    def _note(self, name: str, reason: str) -> None:
        self.missing[name] = reason
        if name not in self._warned:
            self._warned.add(name)
            words = f"{self.path / name} cannot be written: {reason}; the run goes on, and tries again"
            warnings.warn(words, StreamWarning, stacklevel=2)

    # ----------------------------------------------------------------------------------------- after a run
    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self.path / name).exists()

    def rows(self) -> list[dict[str, Any]]:
        """What the mixture has logged, as `MixtureStats` gives it to `on_row`: both tables side by side."""
        tables = [_read(self.path / name) for name in (MIXTURE, DIAGNOSTICS)]
        steps = sorted({step for table in tables for step in table})
        return [tables[0].get(step, {}) | tables[1].get(step, {}) for step in steps]


def _read(path: Path) -> dict[int, dict[str, Any]]:
    """The rows of a table by their step; none where there is no file."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]
    return {row["step"]: row for row in rows}


def _value(text: str) -> Any:
    """A cell as the number it is, or else as its words."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

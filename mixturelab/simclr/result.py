"""What a run ended with, and its numbers and pictures."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mixturelab.persistence.header import storable, versions
from mixturelab.simclr.config import RunConfig
from mixturelab.simclr.data import ImageSet
from mixturelab.simclr.encoder import SimCLRNet
from mixturelab.simclr.evaluate import Evaluation, embed, evaluate, evaluate_raw
from mixturelab.simclr.folder import METRICS, RunFolder
from mixturelab.simclr.trainer import Trainer
from mixturelab.stream.mixture_stats import MixtureStats
from mixturelab.stream.writers import MIXTURE

__all__ = ["RunResult", "Status", "write_results"]

_DPI = 110

Status = Literal["finished", "interrupted", "stopped"]


@dataclass(frozen=True, eq=False)
class RunResult:
    """What `train` gives back.

    Attributes
    ----------
    status : {"finished", "interrupted", "stopped"}
        All steps done, Ctrl-C, or the callback said "stop".
    trainer : Trainer
        The run itself; it can be iterated further.
    resumed_at : int or None
        The step that the run was taken up at.
    folder : RunFolder or None
        Where it was written; None in a process that is not the main one.
    """

    status: Status
    trainer: Trainer = field(repr=False)
    resumed_at: int | None = None
    folder: RunFolder | None = None

    @property
    def missing(self) -> dict[str, str]:
        """Name of each file that could not be written, and why."""
        return {} if self.folder is None else self.folder.missing

    @property
    def was_finished(self) -> bool:
        """Whether there was nothing left to do when the run was resumed."""
        return self.resumed_at == self.trainer.n_steps

    @property
    def config(self) -> RunConfig:
        """The settings."""
        return self.trainer.config

    @property
    def data(self) -> ImageSet:
        """The images."""
        return self.trainer.data

    @property
    def network(self) -> SimCLRNet:
        """The trained network."""
        return self.trainer.network

    @property
    def estimator(self) -> MixtureStats:
        """The mixture of its embeddings."""
        return self.trainer.estimator

    @property
    def step(self) -> int:
        """Steps done."""
        return self.trainer.step

    @property
    def losses(self) -> NDArray[np.float64]:
        """The loss of each step."""
        return np.array(self.trainer.losses[:])

    @property
    def history(self) -> list[dict[str, Any]]:
        """The logged rows of the mixture; `pandas.DataFrame(result.history)` is a table of them."""
        return self.trainer.history

    def embeddings(self) -> Tensor:
        """All images as z, normalised, without augmentation, on the CPU: [N, projection]."""
        return functional.normalize(embed(self.network, self.data.images)[1], dim=1)

    def evaluate(self, seed: int = 0) -> Evaluation:
        """What z is worth, by the labels.

        Raises
        ------
        DataError
            If the data have none.
        """
        return evaluate(self.network, self.data, seed)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What the run ended with: loss, mixture, alarms, and what z is worth beside the raw pixels."""
        return _metrics(self)


# -------------------------------------------------------------------------------------------- numbers, pictures
def write_results(result: RunResult, folder: RunFolder) -> None:
    """The numbers and pictures of a finished run, as metrics.json and PNG files."""
    lost = int(result.estimator.summary().get("write_errors", 0))
    if lost:
        folder.missing[MIXTURE] = f"{lost} rows could not be written when they were due"
    for name, draw in _pictures(result).items():
        folder.write(name, draw)
    folder.write(METRICS, lambda: _json(result.metrics))


def _metrics(result: RunResult) -> dict[str, Any]:
    data, trainer = result.data, result.trainer
    judged = data.labels is not None and _is_finite(result)
    enabled = result.estimator.enabled
    return {
        "data": {
            "name": data.name,
            "source": data.source,
            "licence": data.licence,
            "images": list(data.images.shape),
        },
        "steps": result.step,
        "epochs": result.config.epochs,
        "loss": trainer.losses[-1],
        "mixture": result.estimator.summary() if enabled else None,
        "alarms": [alarm.name for alarm in result.estimator.alarms()] if enabled else None,
        "z": asdict(result.evaluate()) if judged else None,
        "raw_pixels": asdict(evaluate_raw(data)) if data.labels is not None else None,
        "versions": versions(),
    }


def _is_finite(result: RunResult) -> bool:
    """A run that diverged has embeddings that can be neither judged nor drawn."""
    return bool(torch.isfinite(result.embeddings()).all())


def _json(value: Any) -> bytes:
    return (json.dumps(storable(value), indent=2, ensure_ascii=False) + "\n").encode()


def _pictures(result: RunResult) -> dict[str, Callable[[], bytes]]:
    """PNG files; none where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return {}
    from mixturelab import plot

    pictures = {"training.png": lambda: plot.png(draw_training(result), dpi=_DPI)}
    if result.estimator.compute() and _is_finite(result):
        pictures["embeddings.png"] = lambda: plot.png(draw_embeddings(result), dpi=_DPI)
    return pictures


def draw_training(result: RunResult) -> Any:
    """Loss and mixture over the steps."""
    from mixturelab import plot

    switch = result.config.negatives_until
    marks = {switch: "negatives removed"} if switch is not None and switch < result.step else {}
    return plot.training_curves(result.losses, result.history, marks=marks)


def draw_embeddings(result: RunResult) -> Any:
    """All images as z, without augmentation, and the mixture."""
    from mixturelab import plot

    title = (
        f"{len(result.data.images):,} images of {result.data.name}, and the mixture of their augmented views"
    )
    mixture, labels = result.estimator.compute(), result.data.labels
    return plot.embedding_map(result.embeddings(), mixture, labels=labels, title=title)

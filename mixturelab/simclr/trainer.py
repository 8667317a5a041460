"""The training loop of SimCLR: two random views of a batch, one loss, one step; the loss shows z to the mixture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixturelab.simclr.augment import views
from mixturelab.simclr.batches import Batches
from mixturelab.simclr.checks import check_run
from mixturelab.simclr.config import RunConfig
from mixturelab.simclr.data import ImageSet, load_images
from mixturelab.simclr.encoder import SimCLRNet
from mixturelab.simclr.losses import Losses
from mixturelab.simclr.ntxent import alignment, nt_xent
from mixturelab.stream import active_mixture
from mixturelab.stream.mixture_stats import MixtureStats

__all__ = ["Step", "Trainer"]

Row = Mapping[str, Any]


class Trainer:
    """One SimCLR run: iterate over it, and every round is one whole optimiser step.

    ``for step in Trainer(config): ...`` may be left with `break` and taken up again. Nothing is written unless
    `log_dir` is given; `train` adds the run folder, checkpoints and Ctrl-C.

    Parameters
    ----------
    config : RunConfig
    data : ImageSet, optional
        Default: what `config.data` names.
    log_dir : path, optional
        Where the mixture's CSV files go.
    on_row : callable, optional
        Gets each logged row of the mixture.

    Attributes
    ----------
    network, optimizer, scheduler, estimator
        What is being trained, and the `MixtureStats` that watches it.
    step, n_steps : int
        Whole steps done, and wanted.
    losses : Losses
        One number a step.
    learning_rates : list of float
        That each step was made with.
    history : list of dict
        The logged rows of the mixture.

    Raises
    ------
    ArgumentError, DataError
        If device, data and settings do not go together.
    """

    def __init__(
        self,
        config: RunConfig,
        data: ImageSet | None = None,
        *,
        log_dir: str | os.PathLike[str] | None = None,
        on_row: Callable[[Row], Any] | None = None,
    ) -> None:
        self.config, self.data = config, load_images(config.data) if data is None else data
        check_run(config, self.data)
        self.device = torch.device(config.device)
        self.images, self.augmentation = self.data.images.to(self.device), config.strengths
        # Components found by k-means need no labels, and may be fewer than the classes.
        self.labels = _labels(self.data, self.device) if config.runtime.mixture.needs_labels else None
        seeds = _seeds(config.seed)
        self.batches = Batches(
            len(self.images), config.batch_size, torch.Generator().manual_seed(seeds[0]), self.device
        )
        self.randomness = torch.Generator(self.device).manual_seed(seeds[1])  # of the views
        self.n_steps = config.epochs * self.batches.per_epoch
        self.step = 0
        self.network = _network(config, self.images, seeds[2]).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=self.n_steps)
        self.losses, self.learning_rates = Losses(), list[float]()
        self.history: list[dict[str, Any]] = []
        self._on_row = on_row
        self.estimator = MixtureStats.from_settings(
            config.runtime.mixture, log_dir=log_dir, on_row=self._keep_row
        )

    def __iter__(self) -> Iterator[Step]:
        with _threads(self.config.threads):
            while self.step < self.n_steps:
                yield self.advance()

    def __len__(self) -> int:
        return self.n_steps - self.step

    # ------------------------------------------------------------------------------------------- one step
    def advance(self) -> Step:
        """Make one optimiser step."""
        rows = next(self.batches)
        labels = None if self.labels is None else self.labels[rows]
        z1, z2 = self._two_views(self.images[rows])
        with active_mixture(self.estimator):
            loss = self._loss(z1, z2, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return self._finish_step(loss)

    def _two_views(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Two random views of each image as z; one pass, so that batch normalisation sees both."""
        both = torch.cat([views(images, self.augmentation, self.randomness) for _ in range(2)])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            _, z = self.network(both)
        z1, z2 = z.chunk(2)
        return z1, z2

    def _loss(self, z1: Tensor, z2: Tensor, labels: Tensor | None) -> Tensor:
        if self.has_negatives:
            return nt_xent(z1, z2, self.config.temperature, labels)
        return alignment(z1, z2, labels)

    @property
    def has_negatives(self) -> bool:
        """Whether the next step's loss pushes different images apart."""
        return self.config.negatives_until is None or self.step < self.config.negatives_until

    @property
    def epoch(self) -> int:
        """That of the next step, from 0."""
        return self.step // self.batches.per_epoch

    def _finish_step(self, loss: Tensor) -> Step:
        """Write down what the step was, and count it."""
        self.losses.append(loss)
        self.learning_rates.append(float(self.scheduler.get_last_lr()[0]))
        self.scheduler.step()
        self.estimator.log_step(step=self.step, epoch=self.epoch)
        done = Step(self.step, self.epoch, self.learning_rates[-1], self)
        self.step += 1
        return done

    def _keep_row(self, row: Row) -> None:
        self.history.append(dict(row))
        if self._on_row is not None:
            self._on_row(row)

    # ------------------------------------------------------------------------------------ stop and go on
    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on, as tensors and plain values."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "mixture": self.estimator.state_dict(),
            "batches": self.batches.state_dict(),
            "randomness": self.randomness.get_state(),
            "losses": torch.tensor(self.losses[:], dtype=torch.float64),
            "learning_rates": torch.tensor(self.learning_rates, dtype=torch.float64),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another of the same settings stood."""
        for name in ("network", "optimizer", "scheduler", "batches"):
            getattr(self, name).load_state_dict(state[name])
        self.estimator.load_state_dict(state["mixture"])
        self.randomness.set_state(state["randomness"])
        self.losses = Losses(state["losses"].tolist())
        self.learning_rates = state["learning_rates"].tolist()
        self.step = state["step"]


@dataclass(frozen=True)
class Step:
    """A step that has been made.

    Attributes
    ----------
    number, epoch : int
        From 0.
    learning_rate : float
        That it was made with.
    trainer : Trainer
        The run, with its network, its losses so far and its mixture.
    """

    number: int
    epoch: int
    learning_rate: float
    trainer: Trainer = field(repr=False)

    @property
    def loss(self) -> float:
        """Its loss; on a GPU, asking waits for the step."""
        return self.trainer.losses[self.number]

    @property
    def row(self) -> dict[str, Any] | None:
        """The mixture's row of this step, if one was logged."""
        history = self.trainer.history
        return history[-1] if history and history[-1]["step"] == self.number else None


def _seeds(seed: int) -> list[int]:
    """Three that have nothing to do with one another."""
    return [int(word) for word in np.random.SeedSequence(seed).generate_state(3)]


def _network(config: RunConfig, images: Tensor, seed: int) -> SimCLRNet:
    # Layers draw their first weights from torch's global generator: it is put back as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SimCLRNet(images.shape[1], min(images.shape[2:]), **config.network.model_dump())


def _labels(data: ImageSet, device: torch.device) -> Tensor | None:
    return None if data.labels is None else data.labels.to(device)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads of torch on the CPU, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

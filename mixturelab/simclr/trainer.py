"""The training loop of SimCLR: two random views of a batch, one loss, one step; the loss shows z to the mixture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mixturelab.simclr.augment import views
from mixturelab.simclr.batch_norm import share_moments
from mixturelab.simclr.batches import Batches
from mixturelab.simclr.checks import check_run
from mixturelab.simclr.config import RunConfig
from mixturelab.simclr.data import ImageSet, load_images
from mixturelab.simclr.encoder import SimCLRNet
from mixturelab.simclr.losses import Losses
from mixturelab.simclr.ntxent import alignment, nt_xent
from mixturelab.simclr.processes import Processes, exchange_errors, together
from mixturelab.stream import active_mixture
from mixturelab.stream.mixture_stats import MixtureStats

__all__ = ["Step", "Trainer"]

Row = Mapping[str, Any]


class Trainer:
    """One SimCLR run: iterate over it, and every round is one whole optimiser step.

    ``for step in Trainer(config): ...`` may be left with `break` and taken up again. Nothing is written unless
    `log_dir` is given; `train` adds the run folder, checkpoints and Ctrl-C.

    In a process group (torchrun) all processes make each step together: the batch is that of one process, each takes
    its part of the images, and loss, gradients, weights and the mixture are those of the whole batch, in all of them.
    Each draws the random numbers of the whole batch's views, which costs next to nothing, and moves the pixels of its
    own images; so an image has the same views whoever has it. Each must make every step. The mixture is always that
    of the whole batch (`cross_rank`); the main process alone logs its rows.

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
        The logged rows of the mixture; empty in a process that is not the main one.
    processes : Processes or None
        Those that make the steps together; None for one alone.

    Raises
    ------
    ArgumentError, DataError
        If device, data and settings do not go together.
    RankError
        From a step: another process is gone, or did not answer in time.
    """

    def __init__(
        self,
        config: RunConfig,
        data: ImageSet | None = None,
        *,
        log_dir: str | os.PathLike[str] | None = None,
        on_row: Callable[[Row], Any] | None = None,
    ) -> None:
        self.config, self.processes = config, Processes.found()
        self._on_row = on_row
        together(self.processes, lambda: self._set_up(data, log_dir))
        self._network = _over_all(self.network, self.processes)

    def _set_up(self, data: ImageSet | None, log_dir: str | os.PathLike[str] | None) -> None:
        """All that this process needs no other for."""
        config, processes = self.config, self.processes
        self.data = load_images(config.data) if data is None else data
        check_run(config, self.data, processes)
        self.device = torch.device(config.device) if processes is None else processes.device(config.device)
        if processes is not None and self.device.type == "cuda":
            torch.cuda.set_device(self.device)  # where exchanges that name no device happen
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
        settings = config.runtime.mixture
        if processes is not None:
            settings = settings.model_copy(update={"cross_rank": True})
        is_main = processes is None or processes.is_main
        self.estimator = MixtureStats.from_settings(
            settings, log_dir=log_dir, is_main=is_main, on_row=self._keep_row
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
        with exchange_errors():
            loss = self._gradients(next(self.batches))
        self.optimizer.step()
        return self._finish_step(loss)

    def _gradients(self, batch: Tensor) -> Tensor:
        """The loss of a batch [N] of row numbers, and its gradients at the weights."""
        own = slice(None) if self.processes is None else self.processes.part(len(batch))
        rows = batch[own]
        labels = None if self.labels is None else self.labels[rows]
        z1, z2 = self._two_views(self.images[rows], (own.start or 0, len(batch)))
        with active_mixture(self.estimator):
            loss = self._loss(z1, z2, labels)
        self.optimizer.zero_grad()
        loss.backward()
        return loss

    def _two_views(self, images: Tensor, among: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Two random views of each image as z; one pass, so that batch normalisation sees both."""
        both = torch.cat([views(images, self.augmentation, self.randomness, among) for _ in range(2)])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            _, z = self._network(both)
        z1, z2 = z.chunk(2)
        return z1, z2

    def _loss(self, z1: Tensor, z2: Tensor, labels: Tensor | None) -> Tensor:
        if self.has_negatives:
            return nt_xent(z1, z2, self.config.temperature, labels, self.processes)
        return alignment(z1, z2, labels, self.processes)

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


def _over_all(network: SimCLRNet, processes: Processes | None) -> nn.Module:
    """The network as a step calls it: with several processes, the gradients at its weights are averaged over them.

    The state of the normalisation needs no exchange of its own: every process computes it from the same numbers.
    """
    if processes is None:
        return network
    share_moments(network, processes)
    known = signature(DistributedDataParallel).parameters
    # The older name warns from torch 2.13 on.
    option = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {option: False}
    with exchange_errors():
        return DistributedDataParallel(network, **options)


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

"""Milliseconds of each signal of an embedding, and of the training step it belongs to, taking turns."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from em_iteration import machine
from simclr_watch import OF_EMBEDDINGS, neighbours, split
from torch import Tensor

from mixturelab import MixtureStats
from mixturelab.files import write_atomically
from mixturelab.simclr import RunConfig, Trainer, load_images

ROUNDS, QUICK_ROUNDS = 75, 25  # of spectra every 25 steps, a whole number of times
WARM_UP = 5
NEVER = 10**9

Costs = dict[str, float]


class Shown:
    """Stands where `Trainer` has its estimator, and only keeps what it is shown."""

    z = torch.empty(0)

    def update(self, embeddings: Tensor, labels: Tensor | None = None) -> None:
        """What a loss calls, through `feed`."""
        self.z = embeddings.detach()

    def log_step(self, step: int, epoch: int) -> None:
        """Nothing to log."""


def measure(rounds: int) -> Costs:
    """Medians in milliseconds; of spectra every 25 steps the mean, since the median would not see them.

    Each signal is found once a round, right after a training step of its own, made without any mixture: found one
    after another, all but the first would have the embeddings in the cache.
    """
    data, held_out = split(load_images("digits"))
    trainer = Trainer(RunConfig(), data)
    shown = trainer.estimator = Shown()
    timed = _signals(trainer, shown)
    timed["knn"] = lambda: neighbours(trainer.network, data, held_out)
    taken = _take_turns(trainer.advance, timed, rounds)
    means = {"default": statistics.mean(taken.pop("default"))}
    return means | {name: statistics.median(times) for name, times in taken.items()}


def _signals(trainer: Trainer, shown: Shown) -> dict[str, Callable[[], object]]:
    every = {"mixture": NEVER, "spectrum": 1, "default": 25}
    found = {name: _mixture(trainer, shown, steps) for name, steps in every.items()}
    return found | {name: lambda signal=signal: signal(shown.z) for name, signal in OF_EMBEDDINGS.items()}


def _mixture(trainer: Trainer, shown: Shown, diagnostics_every: int) -> Callable[[], object]:
    estimator = MixtureStats(10, enabled=True, diagnostics_every=diagnostics_every)

    def look() -> None:
        estimator.update(shown.z)
        estimator.log_step(trainer.step)

    return look


def _take_turns(
    step: Callable[[], object], timed: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in ("step", *timed)}
    for number in range(-WARM_UP, rounds):
        for name, work in timed.items():
            times = {"step": _milliseconds(step), name: _milliseconds(work)}
            for what, milliseconds in times.items() if number >= 0 else ():
                taken[what].append(milliseconds)
    return taken


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - began)


# ------------------------------------------------------------------------------------------------- files
def save_costs(costs: Costs, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    found = {"milliseconds": costs, "machine": machine()}
    write_atomically(cache / "costs.json", (json.dumps(found, indent=2) + "\n").encode())


def load_costs(cache: Path) -> tuple[Costs, str] | None:
    """The times and what they were taken on; None if they were not taken yet."""
    file = cache / "costs.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    return found["milliseconds"], found["machine"]

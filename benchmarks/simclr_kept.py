"""Runs that are kept: which there are to make, where they lie, and whether they would begin just so today."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from simclr_watch import HELD_OUT, Record, record

from mixturelab.files import write_atomically
from mixturelab.simclr import EXPERIMENTS, RunConfig, experiment, load_images

STEPS = {"digits": 420, "mnist": 380}  # 60 and 20 epochs of all images
SEEDS = {"digits": 5, "mnist": 3}
HEALTHY = 2  # times as many healthy runs where others are compared with them
ROUNDING = 1e-3
QUICK_STEPS, QUICK_SEEDS = 210, 3


@dataclass(frozen=True)
class Job:
    """A run to be made or to be found: an experiment on a data set, from a seed, on all images or four fifths."""

    data: str
    experiment: str
    seed: int
    hold_out: bool
    steps: int

    @property
    def name(self) -> str:
        """As its file is called."""
        part = "four_fifths" if self.hold_out else "all"
        return f"{self.data}-{part}-{self.steps}-{self.experiment}-{self.seed}"

    def config(self, n_images: int) -> RunConfig:
        """Its settings: whole epochs, as many as make its steps."""
        base = RunConfig(data=self.data, seed=self.seed)
        shown = n_images - round(HELD_OUT * n_images) if self.hold_out else n_images
        return experiment(
            self.experiment, base.changed(epochs=round(self.steps / (shown // base.batch_size)))
        )

    def make(self, steps: int | None = None) -> Record:
        """Train it, or its first steps alone."""
        data = load_images(self.data)
        return record(self.config(len(data)), data, self.hold_out, steps)


def jobs(quick: bool = False, seeds: int = SEEDS["digits"]) -> list[Job]:
    """On all digits, on four fifths of them, and on a second data set; quick: fewer, shorter, without the second."""
    if quick:
        return _jobs("digits", QUICK_SEEDS, QUICK_STEPS) + _jobs(
            "digits", QUICK_SEEDS, QUICK_STEPS, hold_out=True
        )
    n_second = min(seeds, SEEDS["mnist"])
    return [
        *_jobs("digits", seeds, STEPS["digits"]),
        *_jobs("digits", seeds, STEPS["digits"], hold_out=True),
        *_jobs("mnist", n_second, STEPS["mnist"]),
    ]


def _jobs(data: str, seeds: int, steps: int, hold_out: bool = False) -> list[Job]:
    n_seeds = {"healthy": HEALTHY * seeds} if hold_out else {}
    return [
        Job(data, name, seed, hold_out, steps)
        for name in EXPERIMENTS
        for seed in range(n_seeds.get(name, seeds))
    ]


# ------------------------------------------------------------------------------------------------- files
def path(job: Job, cache: Path) -> Path:
    return cache / f"{job.name}.npz"


def save(job: Job, cache: Path, found: Record) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    np.savez_compressed(file, **found)
    write_atomically(path(job, cache), file.getvalue())


def load(job: Job, cache: Path) -> Record:
    with np.load(path(job, cache), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def is_current(job: Job, cache: Path) -> bool:
    """Whether the run is there, of today's settings, and its first steps, made again, are the same."""
    if not path(job, cache).exists():
        return False
    old, new = load(job, cache), job.make(steps=3)
    return all(name in old and _begins_with(old[name], new[name], exactly="loss" in name) for name in new)


def _begins_with(old: np.ndarray, new: np.ndarray, exactly: bool) -> bool:
    """The training has to be the same to the last bit; what is said of it may be rounded in another way."""
    start = old[: len(new)] if new.ndim else old
    if new.dtype.kind != "f" or exactly:
        return np.array_equal(start, new)
    return np.allclose(start, new, rtol=ROUNDING, atol=0, equal_nan=True)


class Runs:
    """The kept runs: series by data set, experiment and seed."""

    def __init__(self, wanted: list[Job], cache: Path) -> None:
        missing = [job.name for job in wanted if not path(job, cache).exists()]
        if missing:
            raise SystemExit(
                f"{len(missing)} runs are not in {cache}, first {missing[0]}: `collect` makes them"
            )
        self._records = {job: load(job, cache) for job in wanted}

    def series(
        self, name: str, experiment: str, data: str = "digits", hold_out: bool = False
    ) -> dict[int, np.ndarray]:
        """One series of every seed."""
        sought = (data, experiment, hold_out)
        return {
            job.seed: found[name]
            for job, found in self._records.items()
            if (job.data, job.experiment, job.hold_out) == sought
        }

    @property
    def data(self) -> list[str]:
        """The data sets that alarms were watched on."""
        return list(dict.fromkeys(job.data for job in self._records))

    def length(self, data: str, hold_out: bool) -> int:
        """Steps of each run."""
        return len(next(iter(self.series("signal/loss", "healthy", data, hold_out).values())))

    def about(self, data: str, hold_out: bool) -> str:
        """How many runs, how long, on what."""
        seeds = {len(self.series("signal/loss", name, data, hold_out)) for name in EXPERIMENTS}
        part = "four fifths" if hold_out else "all"
        images = f"{part} of its {len(load_images(data)):,} images"
        return f"{data}, {min(seeds)} seeds, {self.length(data, hold_out)} steps on {images}"

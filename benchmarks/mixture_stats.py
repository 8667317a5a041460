"""What MixtureStats costs: its share of a training step, against a loop over component masks, disabled, and on disk.

Both sides of every ratio run in one process and take turns; the table has medians. Run it on a quiet machine:

    python benchmarks/mixture_stats.py [--rounds 300] [--out FILE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from em_iteration import machine
from torch import Tensor

from mixturelab import MixtureStats
from mixturelab.simclr.config import load_config
from mixturelab.simclr.trainer import Step, Trainer

SIZES = [(512, 32, 10), (512, 128, 8), (512, 512, 8)]
DECAY = 0.95
Moments = tuple[Tensor, Tensor, Tensor]
CONFIG = Path(__file__).parent.parent / "configs" / "simclr_digits.yaml"


# ------------------------------------------------------------------------------- the loop to compare with


def class_moments(x: Tensor, labels: Tensor, k: int) -> Moments:
    """Counts, means and covariances of the classes, by a loop over their masks."""
    counts, means, covariances = [], [], []
    for component in range(k):
        rows = x[labels == component]
        mean = rows.mean(0)
        centred = rows - mean
        counts.append(len(rows))
        means.append(mean)
        covariances.append(centred.T @ centred / len(rows))
    return torch.tensor(counts, dtype=x.dtype), torch.stack(means), torch.stack(covariances)


def between(counts: Tensor, means: Tensor) -> Tensor:
    """B = Σ π(μ − μ̄)(μ − μ̄)ᵀ."""
    pi = counts / counts.sum()
    centred = means - pi @ means
    return (pi[:, None] * centred).T @ centred


def lloyd(x: Tensor, centroids: Tensor, iterations: int = 2) -> Tensor:
    """Two assignments, with the centroids moved between them."""
    for left in range(iterations - 1, -1, -1):
        labels = torch.cdist(x, centroids).argmin(1)
        if left:
            centroids = torch.stack([x[labels == k].mean(0) for k in range(len(centroids))])
    return labels


def merged(old: Moments, new: Moments) -> Moments:
    """The decayed statistics, component by component (Chan's merge)."""
    mass = DECAY * old[0] + (1 - DECAY) * new[0]
    share = (1 - DECAY) * new[0] / mass
    shift = new[1] - old[1]
    means = old[1] + share[:, None] * shift
    covariances = torch.stack(
        [
            (1 - f) * a + f * b + f * (1 - f) * torch.outer(d, d)
            for f, a, b, d in zip(share, old[2], new[2], shift, strict=True)
        ]
    )
    return mass, means, covariances


class Loop:
    """The whole update as one would write it first: judge rows, assign, loop over masks, merge, B."""

    def __init__(self, x: Tensor, k: int, eigenvalues: bool) -> None:
        self.state = class_moments(x, lloyd(x, x[:k]), k)
        self.eigenvalues = eigenvalues

    def update(self, x: Tensor) -> Tensor:
        """One batch."""
        x = x[torch.isfinite(x).all(1)]
        self.state = merged(self.state, class_moments(x, lloyd(x, self.state[1]), len(self.state[0])))
        if self.eigenvalues:
            torch.linalg.eigvalsh(self.state[2])
        return between(*self.state[:2])


# --------------------------------------------------------------------------------------------- measuring


def medians(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each, taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 5):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            if number >= 5:
                seconds[name].append(time.perf_counter() - began)
    return {name: 1e3 * statistics.median(values) for name, values in seconds.items()}


def batch(n: int, d: int, k: int) -> tuple[Tensor, Tensor]:
    """Groups that overlap a little, and their labels; every one has rows."""
    generator = torch.Generator().manual_seed(n + d + k)
    labels = torch.arange(n) % k
    centres = torch.randn(k, d, generator=generator)
    return torch.randn(n, d, generator=generator) + 2 * centres[labels], labels


def against_loops(n: int, d: int, k: int, rounds: int) -> list[str]:
    """The whole update, its covariances folded when they are needed or read each time; and the classes of one batch."""
    x, labels = batch(n, d, k)
    ours = MixtureStats(K=k, enabled=True, ema_decay=DECAY)
    classes = MixtureStats(K=k, enabled=True, mode="per_batch", assigner="label_supervised")
    loop, with_eigenvalues = Loop(x, k, eigenvalues=False), Loop(x, k, eigenvalues=True)

    def class_loop() -> Tensor:
        moments = class_moments(x, labels, k)
        return between(*moments[:2])

    def class_loop_eigenvalues() -> Tensor:
        moments = class_moments(x, labels, k)
        torch.linalg.eigvalsh(moments[2])
        return between(*moments[:2])

    def supervised() -> object:
        snapshot = classes.update(x, labels=labels)
        return snapshot["B"], snapshot["Sigma"]

    def whole_read() -> object:
        snapshot = ours.update(x)
        return snapshot["B"], snapshot["Sigma"]

    others = {"loop": lambda: loop.update(x), "eig": lambda: with_eigenvalues.update(x)}
    whole = medians({"ours": lambda: ours.update(x)["B"], **others}, rounds)
    read = medians({"ours": whole_read, **others}, rounds)
    single = medians({"ours": supervised, "loop": class_loop, "eig": class_loop_eigenvalues}, rounds)
    return [
        _row("k-means, decayed", n, d, k, whole),
        _row("the same, Σ read each time", n, d, k, read),
        _row("classes of one batch, Σ read each time", n, d, k, single),
    ]


def _row(job: str, n: int, d: int, k: int, found: dict[str, float]) -> str:
    ours, loop, eig = found["ours"], found["loop"], found["eig"]
    return f"| {job} | {n}, {d}, {k} | {ours:.3g} | {loop:.3g} ({loop / ours:.2f}×) | {eig:.3g} ({eig / ours:.1f}×) |"


def share_of_a_step(steps: int) -> str:
    """What update and log_step take of the digits run's training step, measured within it."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(load_config(CONFIG), log_dir=folder)
        spent = _timed_calls(trainer.estimator, ("update", "log_step"))
        shares, whole, inside = [], [], []
        for number, _ in enumerate(_timed_rounds(trainer, whole)):
            inside.append(sum(spent))
            spent.clear()
            shares.append(inside[-1] / whole[-1])
            if number >= steps:
                break
    keep = slice(20, None)
    return (
        f"update and log_step: {1e3 * statistics.median(inside[keep]):.2f} ms of a training step of "
        f"{1e3 * statistics.median(whole[keep]):.1f} ms: median {statistics.median(shares[keep]):.2%}, "
        f"all steps together {sum(inside[keep]) / sum(whole[keep]):.2%} (eigenvalues every 25 steps included)"
    )


def _timed_calls(estimator: MixtureStats, names: tuple[str, ...]) -> list[float]:
    """Wrap these methods so that each call's seconds are appended to the list that is returned."""
    spent: list[float] = []

    def timed(method: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            began = time.perf_counter()
            try:
                return method(*args, **options)
            finally:
                spent.append(time.perf_counter() - began)

        return call

    for name in names:
        setattr(estimator, name, timed(getattr(estimator, name)))
    return spent


def _timed_rounds(trainer: Trainer, whole: list[float]) -> Iterator[Step]:
    steps = iter(trainer)
    while True:
        began = time.perf_counter()
        step = next(steps, None)
        if step is None:
            return
        whole.append(time.perf_counter() - began)
        yield step


def disabled() -> str:
    """A disabled call, in microseconds."""
    estimator, x, calls = MixtureStats(), torch.randn(512, 32), 100_000
    began = time.perf_counter()
    for step in range(calls):
        estimator.log_step(step=step, epoch=0, stats=estimator.update(x))
    return f"disabled: update and log_step take {1e6 * (time.perf_counter() - began) / calls:.2f} µs together"


def scores(steps: int = 2000) -> str:
    """What storing the scores adds to log_step, early and late in a run of `append`."""
    x = batch(512, 32, 8)[0]
    with tempfile.TemporaryDirectory() as folder:
        estimator = MixtureStats(K=8, enabled=True, store_scores=True, log_dir=folder)
        seconds = []
        for step in range(steps):
            estimator.update(x)
            began = time.perf_counter()
            estimator.log_step(step=step)
            seconds.append(time.perf_counter() - began)
        estimator.close()
    early, late = (1e3 * statistics.median(seconds[end - 20 : end]) for end in (40, steps))
    mean_early, mean = 1e3 * statistics.mean(seconds[:20]), 1e3 * statistics.mean(seconds)
    return (
        f"scores, append, 512 × 8: log_step {early:.3f} ms (median) around step 20, {late:.3f} ms around step {steps}; "
        f"folding the log included, {mean_early:.3f} ms a step over the first 20 and {mean:.3f} ms over all {steps}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--steps", type=int, default=200, help="training steps to measure the share of")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [f"What MixtureStats costs on one CPU thread. {machine()}.", ""]
    lines += [
        "| job | N, D, K | mixturelab, ms | loop over masks: ms (times ours) | the same with eigvalsh of each Σ |"
    ]
    lines += ["|---|---|---|---|---|"]
    for size in SIZES:
        lines += against_loops(*size, options.rounds)
    lines += ["", *(f"- {line}" for line in (share_of_a_step(options.steps), disabled(), scores()))]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()

"""What statistics over several processes cost: sums exchanged by MixtureStats, against gathering all rows first.

Both ways run in the same processes and take turns; the table has medians of the first process's times. Run it on a
quiet machine with a core for each process:

    python benchmarks/ranks.py [--processes 2] [--rounds 100] [--out FILE]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from em_iteration import machine
from torch import Tensor, distributed

from mixturelab import MixtureStats

K = 8
SIZES = [(n, d) for d in (32, 128, 512) for n in (64, 512, 4096)]


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes."""
    parts = [torch.empty_like(rows) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, rows)
    return torch.cat(parts)


def measure(n: int, d: int, rounds: int) -> tuple[float, float]:
    """Median milliseconds of an update: by sums, and by gathering the rows."""
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(distributed.get_rank()))
    by_sums, by_rows = MixtureStats(K=K, enabled=True, cross_rank=True), MixtureStats(K=K, enabled=True)
    sides = (lambda: by_sums.update(x), lambda: by_rows.update(gathered(x)))
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 5):
        for side, kept in zip(sides, seconds, strict=True):
            distributed.barrier()
            began = time.perf_counter()
            side()
            if number >= 5:
                kept.append(time.perf_counter() - began)
    return 1e3 * statistics.median(seconds[0]), 1e3 * statistics.median(seconds[1])


def row(n: int, d: int, size: int, sums: float, rows: float) -> str:
    """A line of the table. Each Lloyd iteration but the last sends K(1 + D), the fold K(1 + D) and K·D²."""
    numbers = 2 * K * (1 + d) + K * d * d + size * (d + 3)
    return (
        f"| {n}, {d} | {4 * numbers / 1024:.0f} | {4 * n * d * size / 1024:.0f} | {sums:.2f} | {rows:.2f} "
        f"({rows / sums:.2f}×) |"
    )


def work(rank: int, size: int, rendezvous: str, rounds: int) -> None:
    """One process; the first prints the table's lines."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=size)
    for n, d in SIZES:
        sums, rows = measure(n, d, rounds)
        if rank == 0:
            print(row(n, d, size, sums, rows), flush=True)
    distributed.destroy_process_group()


def table(size: int, rounds: int) -> str:
    """Start the processes, and gather what the first has printed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--rounds", str(rounds), "--worker"]
        running = [
            subprocess.Popen(
                [*command, str(rank), str(size), f"{folder}/rendezvous"], stdout=subprocess.PIPE, text=True
            )
            for rank in range(size)
        ]
        lines = [process.communicate()[0] for process in running]
    assert not any(process.returncode for process in running)
    return (
        f"An update of MixtureStats (k-means, decayed, K = {K}) over {size} processes, gloo on one machine. "
        f"{machine()}.\n\n"
        "| rows each, D | sums sent, KiB | rows sent, KiB | by sums, ms | rows gathered first, ms (times ours) |"
        f"\n|---|---|---|---|---|\n{lines[0]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        rank, size, rendezvous = options.worker
        work(int(rank), int(size), rendezvous, options.rounds)
        return
    text = table(options.processes, options.rounds)
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()

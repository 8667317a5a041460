"""Time of one EM iteration against scikit-learn (and tgmm, gmmx where they are installed), side by side.

Everybody starts from the same parameters, makes the same number of iterations on the same rows, and must end at the
same log-likelihood (1e-9 relative in float64). They take turns in one process; an iteration's time is the difference
between a long fit and a short one, so that checking and starting cost nobody anything; the table has medians of the
rounds. Run it on a quiet machine:

    python benchmarks/em_iteration.py [--quick] [--families full tied diag spherical] [--peers scikit-learn tgmm gmmx]
                                      [--dtype float32] [--rounds 5] [--out FILE]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import peers
import sklearn
import torch

import mixturelab

PROMISED = [(100_000, 2, 5), (100_000, 8, 8), (100_000, 16, 16)]
GRID = [(100_000 if d <= 16 else 20_000, d, k) for d in (2, 8, 16, 64, 128) for k in (3, 16)]
SMALL = [(272, 2, 3)]  # Old Faithful's size: nothing but overhead
SHORT = 2  # iterations of the short fit


def rows(n: int, d: int, k: int) -> np.ndarray:
    """Overlapping groups, so that no component is empty and no fit converges at once."""
    rng = np.random.default_rng(n + d + k)
    return rng.normal(size=(n, d)) + 2 * rng.normal(size=(k, d))[rng.integers(0, k, n)]


def start(x: np.ndarray, k: int, family: str) -> dict[str, np.ndarray]:
    """The same weights, means and precisions for everybody: K rows, and the spread of all."""
    variance = x.var(axis=0)
    precisions = {
        "full": np.stack([np.diag(1 / variance)] * k),
        "tied": np.diag(1 / variance),
        "diag": np.stack([1 / variance] * k),
        "spherical": np.full(k, 1 / variance.mean()),
    }[family]
    chosen = np.random.default_rng(0).choice(len(x), k, replace=False)
    return {"weights_init": np.full(k, 1 / k), "means_init": x[chosen], "precisions_init": precisions}


def compare(
    n: int, d: int, k: int, family: str, rounds: int, dtype: str, only: list[str]
) -> dict[str, tuple[float, float]]:
    """For each side: its median time an iteration, and how far its log-likelihood ends from ours."""
    x = rows(n, d, k)
    sides = {
        name: s for name, s in peers.sides(k, family, start(x, k, family), dtype).items() if name in only
    }
    # Iterations of the long fit beyond those of the short one: enough to dwarf what checking and starting vary by.
    extra = 400 if n < 1000 else 40 if n * d * k < 13_000_000 else 12
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    ends: dict[str, peers.Parameters] = {}
    for _ in range(rounds):
        for name, side in sides.items():
            short, _ = timed(side, SHORT, x)
            long, ends[name] = timed(side, SHORT + extra, x)
            seconds[name].append((long - short) / extra)
    scores = {
        name: float(mixturelab.log_density(x, *_float64(end), family).mean()) for name, end in ends.items()
    }
    ours = scores["mixturelab"]
    return {name: (statistics.median(seconds[name]), abs(scores[name] / ours - 1)) for name in sides}


def timed(side: peers.Side, iterations: int, x: np.ndarray) -> tuple[float, peers.Parameters]:
    """Seconds of a fit of so many iterations, and the parameters it ends with."""
    run = side(iterations, x)
    time.sleep(0.05)  # another side's threads spin for a moment after their last product
    began = time.perf_counter()
    end = run()
    return time.perf_counter() - began, end


def _float64(parameters: peers.Parameters) -> list[np.ndarray]:
    weights, means, covariances = (np.asarray(value, dtype=np.float64) for value in parameters)
    return [weights / weights.sum(), means, covariances]


def machine() -> str:
    """One line on what ran this."""
    return (
        f"{cpu_name()}, {torch.get_num_threads()} threads; {platform.system()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, scikit-learn {sklearn.__version__}, NumPy {np.__version__}, "
        f"mixturelab {mixturelab.__version__}"
    )


def cpu_name() -> str:
    """The processors' number and name where the system tells them."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()


def table(
    cases: list[tuple[int, int, int]], families: list[str], rounds: int, dtype: str, only: list[str]
) -> list[str]:
    """Markdown, a line a case; also shown as it is made."""
    lines = [
        "| family | N | D | K | mixturelab, ms | others: ms (times ours; relative gap of the log-likelihood) |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for family, (n, d, k) in [(family, case) for family in families for case in cases]:
        found = compare(n, d, k, family, rounds, dtype, only)
        ours, _ = found.pop("mixturelab")
        others = [f"{name}: {1e3 * s:.3g} ({s / ours:.1f}×; {gap:.0e})" for name, (s, gap) in found.items()]
        lines.append(f"| {family} | {n:,} | {d} | {k} | {1e3 * ours:.3g} | {', '.join(others)} |")
        print(lines[-1], flush=True)
        gap = found.get("scikit-learn", (0, 0))[1]
        if gap > (1e-9 if dtype == "float64" else 1e-5):
            raise SystemExit(f"not the same fit: log-likelihoods differ by {gap:.1e}")
    return lines


def main() -> None:
    """Parse the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the three promised cases, three rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64", help="of our side")
    parser.add_argument("--families", nargs="+", default=["full"])
    parser.add_argument("--peers", nargs="*", default=["scikit-learn"], help="also tgmm, gmmx, if installed")
    parser.add_argument("--out", type=Path, help="also write the table here")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # none of these few iterations is meant to converge
    cases = PROMISED if given.quick else list(dict.fromkeys(PROMISED + GRID + SMALL))
    head = [
        f"One EM iteration, ours in {given.dtype}, the others in float64 (gmmx takes float32 alone). {machine()}.",
        "",
    ]
    print("\n".join(head))
    only = ["mixturelab", *given.peers]
    lines = head + table(cases, given.families, 3 if given.quick else given.rounds, given.dtype, only)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

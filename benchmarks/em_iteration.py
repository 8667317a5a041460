"""Time of one EM iteration against scikit-learn (and tgmm, gmmx where they are installed), side by side.

Both sides start from the same parameters, make the same number of iterations on the same rows, and must end at the same
log-likelihood (1e-9 relative in float64). They take turns in one process; an iteration's time is the difference
between a long fit and a short one, so that checking and starting cost nobody anything; the table has medians of
the rounds. Run it on a quiet machine: `python benchmarks/em_iteration.py [--quick] [--dtype float32] [--out FILE]`.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Theirs

import mixturelab
from mixturelab import GaussianMixture as Ours

PROMISED = [(100_000, 2, 5), (100_000, 8, 8), (100_000, 16, 16)]
GRID = [(100_000 if d <= 16 else 20_000, d, k) for d in (2, 8, 16, 64, 128) for k in (3, 16)]
EXTRA = 8  # iterations of the long fit beyond those of the short one
SHORT = 2


def rows(n: int, d: int, k: int) -> np.ndarray:
    """Overlapping groups, so that no component is empty and no fit converges at once."""
    rng = np.random.default_rng(n + d + k)
    return (rng.normal(size=(n, d)) + 2 * rng.normal(size=(k, d))[rng.integers(0, k, n)]).astype(np.float64)


def start(x: np.ndarray, k: int, family: str) -> dict[str, Any]:
    """The same weights, means and precisions for everybody: K rows, and the spread of all."""
    variance = x.var(axis=0)
    d = x.shape[1]
    precisions = {
        "full": np.stack([np.diag(1 / variance)] * k),
        "tied": np.diag(1 / variance),
        "diag": np.stack([1 / variance] * k),
        "spherical": np.full(k, 1 / variance.mean()),
    }[family]
    assert precisions.shape[-1] in (d, k)
    chosen = np.random.default_rng(0).choice(len(x), k, replace=False)
    return {"weights_init": np.full(k, 1 / k), "means_init": x[chosen], "precisions_init": precisions}


def timed(make: Callable[[int], Any], x: np.ndarray, iterations: int) -> tuple[float, float]:
    """Seconds of a fit of so many iterations, and the log-likelihood of its last E-step."""
    model = make(iterations)
    time.sleep(0.05)  # the other side's threads spin for a moment after their last product
    began = time.perf_counter()
    model.fit(x)
    return time.perf_counter() - began, float(model.lower_bound_)


def compare(n: int, d: int, k: int, family: str, rounds: int, dtype: str) -> dict[str, Any]:
    """Medians over the rounds of both sides' time an iteration, and how far apart they end."""
    x = rows(n, d, k)
    settings = {"covariance_type": family, "tol": 0.0, **start(x, k, family)}
    sides: dict[str, Callable[[int], Any]] = {
        "theirs": lambda m: Theirs(k, max_iter=m, **settings),
        "ours": lambda m: Ours(k, max_iter=m, dtype=dtype, **settings),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    bounds: dict[str, float] = {}
    for _ in range(rounds):
        for side, make in sides.items():
            short, _ = timed(make, x, SHORT)
            long, bounds[side] = timed(make, x, SHORT + EXTRA)
            seconds[side].append((long - short) / EXTRA)
    theirs, ours = (statistics.median(seconds[side]) for side in ("theirs", "ours"))
    gap = abs(bounds["ours"] - bounds["theirs"]) / abs(bounds["theirs"])
    limit = 1e-9 if dtype == "float64" else 1e-5
    assert gap < limit, f"log-likelihoods differ by {gap:.1e}"
    return {"theirs": theirs, "ours": ours, "ratio": theirs / ours, "gap": gap}


def machine() -> str:
    """One line on what ran this."""
    threads = torch.get_num_threads()
    return (
        f"{platform.processor() or platform.machine()}, {cpu_name()}, {threads} threads; Python "
        f"{platform.python_version()}, torch {torch.__version__}, scikit-learn {sklearn.__version__}, "
        f"NumPy {np.__version__}, mixturelab {mixturelab.__version__}"
    )


def cpu_name() -> str:
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.platform()


def table(cases: list[tuple[int, int, int]], families: list[str], rounds: int, dtype: str) -> list[str]:
    """Markdown, a line a case; also shown as it is made."""
    lines = [
        "| family | N | D | K | scikit-learn, ms | mixturelab, ms | times faster | relative gap of log-likelihood |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for family in families:
        for n, d, k in cases:
            r = compare(n, d, k, family, rounds, dtype)
            line = (
                f"| {family} | {n:,} | {d} | {k} | {1e3 * r['theirs']:.1f} | {1e3 * r['ours']:.1f} "
                f"| {r['ratio']:.1f} | {r['gap']:.0e} |"
            )
            print(line, flush=True)
            lines.append(line)
    return lines


def main() -> None:
    """Parse the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the three promised cases, three rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64", help="of our side")
    parser.add_argument("--families", nargs="+", default=["full"])
    parser.add_argument("--out", type=Path, help="also write the table here")
    given = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    cases = PROMISED if given.quick else list(dict.fromkeys(PROMISED + GRID))
    head = [f"EM iteration, ours in {given.dtype}, scikit-learn in float64. {machine()}", ""]
    print("\n".join(head))
    lines = head + table(cases, given.families, 3 if given.quick else given.rounds, given.dtype)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""Time of one iteration of variational Bayes against scikit-learn's BayesianGaussianMixture, side by side.

Both start from the same posterior, make the same number of iterations on the same rows, and must end at the same
posterior (means to 1e-6 of their spread). They take turns in one process; an iteration's time is the difference between
a long fit and a short one, so that checking and starting cost nobody anything; the table has medians of the rounds. Run
it on a quiet machine:

    python benchmarks/bayes_iteration.py [--quick] [--families full tied diag spherical] [--dtype float32] [--rounds 5]
                                         [--kind dirichlet_process] [--out FILE]
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from em_iteration import GRID, PROMISED, SHORT, SMALL, machine, rows
from sklearn.mixture import BayesianGaussianMixture as Theirs

from mixturelab.bayes import BayesianGaussianMixture as Ours

POSTERIOR = (
    "weight_concentration_",
    "mean_precision_",
    "means_",
    "degrees_of_freedom_",
    "covariances_",
    "precisions_cholesky_",
    "weights_",
    "precisions_",
)


def start(x: np.ndarray, k: int, family: str, kind: str) -> Ours:
    """A posterior to start from: one M-step from responsibilities that lean towards the nearest of K rows."""
    chosen = x[np.random.default_rng(0).choice(len(x), k, replace=False)]
    squares = (x**2).sum(1)[:, None] - 2 * x @ chosen.T + (chosen**2).sum(1)
    gamma = np.exp(-0.5 * (squares - squares.min(1, keepdims=True)) / x.var(0).sum())
    gamma /= gamma.sum(1, keepdims=True)
    settings = {"covariance_type": family, "weight_concentration_prior_type": kind, "max_iter": 0}
    return Ours(k, init_params=gamma, **settings).fit(x)


def going_on(cls: Any, begin: Ours, iterations: int, **settings: Any) -> Any:
    """A model of either library that goes on from the posterior for so many iterations."""
    names = ("n_components", "covariance_type", "weight_concentration_prior_type")
    model = cls(
        **{name: getattr(begin, name) for name in names},
        max_iter=iterations,
        tol=0.0,
        warm_start=True,
        **settings,
    )
    for name in POSTERIOR:
        setattr(model, name, getattr(begin, name))
    model.converged_, model.lower_bound_, model.n_features_in_ = False, -np.inf, begin.means_.shape[1]
    return model


def compare(
    n: int, d: int, k: int, family: str, kind: str, rounds: int, dtype: str
) -> tuple[float, float, float]:
    """Median times of an iteration, ours and theirs, and how far the means end apart."""
    x = rows(n, d, k)
    begin = start(x, k, family, kind)
    sides = {
        "ours": lambda m: going_on(Ours, begin, m, dtype=dtype),
        "theirs": lambda m: going_on(Theirs, begin, m),
    }
    extra = 400 if n < 1000 else 20 if n * d * k < 13_000_000 else 6
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    ends = {}
    for _ in range(rounds):
        for name, side in sides.items():
            short, _ = timed(side(SHORT), x)
            long, ends[name] = timed(side(SHORT + extra), x)
            seconds[name].append((long - short) / extra)
    gap = np.abs((ends["ours"].means_ - ends["theirs"].means_) / x.std(0)).max()
    return statistics.median(seconds["ours"]), statistics.median(seconds["theirs"]), float(gap)


def timed(model: Any, x: np.ndarray) -> tuple[float, Any]:
    """Seconds of the fit, and the model."""
    time.sleep(0.05)  # another side's threads spin for a moment after their last product
    began = time.perf_counter()
    model.fit(x)
    return time.perf_counter() - began, model


def table(cases: list[tuple[int, int, int]], given: argparse.Namespace) -> list[str]:
    """Markdown, a line a case; also shown as it is made."""
    lines = [
        "| family | N | D | K | mixturelab, ms | scikit-learn, ms | times ours | means apart, sd |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for family, (n, d, k) in [(family, case) for family in given.families for case in cases]:
        ours, theirs, gap = compare(n, d, k, family, given.kind, given.rounds, given.dtype)
        times = f"{1e3 * ours:.3g} | {1e3 * theirs:.3g} | {theirs / ours:.1f}×"
        lines.append(f"| {family} | {n:,} | {d} | {k} | {times} | {gap:.0e} |")
        print(lines[-1], flush=True)
        if gap > (1e-6 if given.dtype == "float64" else 1e-2):
            raise SystemExit(f"not the same posterior: means differ by {gap:.1e} standard deviations")
    return lines


def main() -> None:
    """Parse the arguments, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the three promised cases and the small one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64", help="of our side")
    parser.add_argument("--families", nargs="+", default=["full"])
    parser.add_argument(
        "--kind", choices=["dirichlet_process", "dirichlet_distribution"], default="dirichlet_process"
    )
    parser.add_argument("--out", type=Path, help="also write the table here")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # none of these few iterations is meant to converge
    cases = PROMISED + SMALL if given.quick else list(dict.fromkeys(PROMISED + GRID + SMALL))
    head = [f"One iteration of variational Bayes, ours in {given.dtype}, theirs in float64. {machine()}.", ""]
    print("\n".join(head))
    lines = head + table(cases, given)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

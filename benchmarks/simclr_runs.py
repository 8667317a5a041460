"""What SimCLR learns here, when alarms go off, and which signal shows a failure first: three tables over seeds.

Runs are made once and kept; the tables are made of what is kept. What watches a run does not depend on time, so only
`costs` wants a quiet machine (under a minute); its columns join the third table once they are there.

    python benchmarks/simclr_runs.py collect [--quick] [--seeds 5] [--cache artifacts/simclr] [--fresh]
    python benchmarks/simclr_runs.py costs   [--quick] [--cache artifacts/simclr]
    python benchmarks/simclr_runs.py tables  [--quick] [--seeds 5] [--cache artifacts/simclr] [--out benchmarks/results]

A kept run is used again if its settings are today's and its first steps, made again, have the same losses to the last
bit and the same signals but for rounding. A change that shows only later (of the alarms, say) needs --fresh.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import simclr_costs
import simclr_kept as kept
import simclr_tables as tables
import torch
from em_iteration import machine

from mixturelab.files import write_atomically


def collect(given: argparse.Namespace) -> None:
    """Make the runs that are not there yet, one after another."""
    wanted = kept.jobs(given.quick, given.seeds)
    for number, job in enumerate(wanted, 1):
        began = time.perf_counter()
        if not given.fresh and kept.is_current(job, given.cache):
            took = "kept"
        else:
            kept.save(job, given.cache, job.make())
            took = f"{time.perf_counter() - began:.0f} s"
        print(f"[{number}/{len(wanted)}] {job.name}: {took}", flush=True)


def costs(given: argparse.Namespace) -> None:
    """Time each signal beside a training step."""
    found = simclr_costs.measure(simclr_costs.QUICK_ROUNDS if given.quick else simclr_costs.ROUNDS)
    simclr_costs.save_costs(found, given.cache)
    for name, milliseconds in found.items():
        print(f"{name}: {milliseconds:.3f} ms, {milliseconds / found['step']:.1%} of a step", flush=True)


def write_tables(given: argparse.Namespace) -> None:
    """Print the tables, and write them if there is a folder for them."""
    runs = kept.Runs(kept.jobs(given.quick, given.seeds), given.cache)
    timed = simclr_costs.load_costs(given.cache)
    made = {
        "simclr_learning": tables.learning(runs),
        "simclr_alarms": tables.alarms(runs),
        "simclr_lead_times": [*tables.lead_times(runs, timed), "", *tables.the_loss(runs)],
    }
    for name, lines in made.items():
        text = "\n".join([*lines, "", f"{machine()}."]) + "\n"
        print(text, flush=True)
        if given.out is not None:
            given.out.mkdir(parents=True, exist_ok=True)
            write_atomically(given.out / f"{name}.md", text.encode())


def main() -> None:
    """Parse the arguments, run."""
    what = {"collect": collect, "costs": costs, "tables": write_tables}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=what)
    parser.add_argument("--quick", action="store_true", help="three seeds, half the steps, the digits alone")
    parser.add_argument("--seeds", type=int, default=kept.SEEDS["digits"], help="of the digits")
    parser.add_argument("--cache", type=Path, default=Path("artifacts/simclr"), help="where runs are kept")
    parser.add_argument("--fresh", action="store_true", help="make all runs again")
    parser.add_argument("--out", type=Path, help="also write the tables into this folder")
    given = parser.parse_args()
    torch.set_num_threads(1)
    what[given.what](given)


if __name__ == "__main__":
    main()

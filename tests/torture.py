"""Kill writers and whole runs again and again: ``python tests/torture.py [KILLS] [SEED]``; in the tests a few of each.

Two fifths of the kills hit a writer that appends its scores, two fifths one that writes a file a step, one fifth a
whole SimCLR run. What is checked after each stands in ``stream/killed_writer.py`` and ``simclr/killed_run.py``.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
AT_ONCE = 50  # kills of one process; each of these begins a folder of its own


def writer_kills(folder: Path, kills: int, seed: int, mode: str) -> str:
    """Kill a writer of rows and scores; what it found, in words."""
    steps, halves = _run("stream/killed_writer.py", folder / "run", kills, seed, mode)
    return f"{mode}: {kills} kills, {steps} steps whole, {halves} half-written files cleared away"


def run_kills(folder: Path, kills: int, seed: int) -> str:
    """Kill a whole SimCLR run; what it found, in words."""
    killed, ended, halves = _run("simclr/killed_run.py", folder, kills, seed)
    return f"SimCLR: {killed} kills, {ended} runs to their end, {halves} half-written files cleared away"


def _run(script: str, *arguments: object) -> list[str]:
    paths = os.pathsep.join([str(HERE), str(HERE / "stream"), *sys.path[1:]])
    done = subprocess.run(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script} {arguments}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
    return done.stdout.split()


def main(kills: int = 1000, seed: int = 0) -> None:
    """All of them, with a line for each fifty."""
    began, number = time.monotonic(), 0
    for share, work in ((2, "append"), (2, "per_step"), (1, "run")):
        left = kills * share // 5
        while left > 0:
            some, number = min(left, AT_ONCE), number + 1
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                told = (
                    run_kills(folder, some, seed + number)
                    if work == "run"
                    else writer_kills(folder, some, seed + number, work)
                )
            print(f"{time.monotonic() - began:6.0f} s  {told}", flush=True)
            left -= some
    print(f"survived {kills} kills")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

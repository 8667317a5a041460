"""A SimCLR run that is killed again and again: ``python killed_run.py FOLDER KILLS SEED``.

Each round forks a child that begins the run, or goes on with what is left of it, and is killed at a random moment.
After every kill each table is, to the byte, the beginning of the one that an unbroken run leaves, and the checkpoint
can be read. A run that reaches its end must leave the files of the unbroken one; then the next begins. The last line
printed is the number of kills, of runs that reached their end, and of kills that left a half-written file behind.
"""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from small_runs import small_config, small_data

from mixturelab.simclr import result as results
from mixturelab.simclr.checkpoint import read_checkpoint
from mixturelab.simclr.run import train

TABLES = ("losses.csv", "mixture.csv", "mixture_diagnostics.csv")
SCORES = {"runtime": {"mixture": {"store_scores": True}}}


def run(folder: Path) -> None:
    """Begin, or go on with, a run of ten steps; its numbers and pictures at the end are another test's."""
    results._pictures, results._metrics = (lambda done: {}), (lambda done: {"steps": done.step})
    resume = (folder / "config.yaml").exists()
    train(small_config(**SCORES, checkpoint_every=3), folder, data=small_data(), resume=resume)


def forked(work: Callable[[], None]) -> int:
    """A child that does this and ends."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def ended(child: int) -> bool:
    """Whether a child was done before it was killed; one that failed by itself is an error."""
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the run failed by itself"
    return not os.WIFSIGNALED(status)


def check(folder: Path, whole: Path) -> None:
    """What a kill has left: beginnings of tables, and a checkpoint that can be read or none."""
    for name in TABLES:
        if (folder / name).exists():
            left = (folder / name).read_bytes()
            assert (whole / name).read_bytes().startswith(left), f"{name} is no beginning: {left!r}"
    if (folder / "checkpoint.pt").exists():
        read_checkpoint(folder / "checkpoint.pt")
    assert not list(folder.glob("*.damaged-*")), "something was set aside"


def compare(folder: Path, whole: Path) -> None:
    """A run that reached its end: the files of the unbroken one."""
    found, wanted = ({path.name for path in place.iterdir()} for place in (folder, whole))
    assert found == wanted, f"other files: {sorted(found ^ wanted)}, found {sorted(found)}"
    for name in ("config.yaml", "mixture_scores.pt", *TABLES):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def main(place: Path, kills: int, seed: int) -> None:
    """Kill until it has been done so often."""
    rng, whole, folder = random.Random(seed), place / "whole", place / "run"
    began = time.monotonic()
    assert ended(forked(lambda: run(whole)))
    length = time.monotonic() - began
    killed = finished = halves = 0
    while killed < kills:
        child = forked(lambda: run(folder))
        time.sleep(1.1 * length * rng.random())
        os.kill(child, signal.SIGKILL)
        is_done = ended(child)
        if folder.exists():
            halves += not is_done and bool(list(folder.rglob("*.part")))
            check(folder, whole)
        killed += not is_done
        if is_done:
            finished += 1
            compare(folder, whole)
            shutil.rmtree(folder)
    child = forked(lambda: run(folder))
    assert ended(child)
    compare(folder, whole)
    print(killed, finished + 1, halves)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

"""A writer of run files that is killed again and again: ``python killed_writer.py FOLDER ROUNDS SEED MODE``.

Each round forks a child that opens the folder, goes back a few steps as a resumed run does, and writes until it is
killed at a random moment. Then what the child had finished must be there: every step once, in order, with its values.
The last line printed is the number of entries, and in how many rounds a half-written file was left behind.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from disk import contents

from mixturelab.stream import scores
from mixturelab.stream.writers import DIAGNOSTICS, MIXTURE, RunFiles, read_scores

K = 3
scores._FIRST_FOLD_BYTES = 3000  # every dozen steps: kills must hit folds, too


def responsibilities(step: int) -> torch.Tensor:
    """One step's scores, of a size and values that tell the step."""
    return torch.arange(4 * K, dtype=torch.float32).reshape(4, K) + step


def write_steps(files: RunFiles, steps) -> None:
    """Rows and scores that depend on the step alone."""
    for step in steps:
        row = {"pi_min": step / 7, "pi_max": 1 - step / 7, "trace_B": step**0.5, "opnorm_B": float("nan")}
        files.write(step, step // 10, row, {"note": f"step {step}"}, responsibilities(step))
        os.write(report, b"%d\n" % step)


def live(folder: Path, mode: str, start: int) -> None:
    """The child: resume, and go on for ever."""
    files = RunFiles(folder, K, diagnostics=["note"], scores=mode)
    os.write(report, b"opened\n")
    steps = iter(range(start, 10**9))
    while True:
        write_steps(files, [next(steps) for _ in range(40)])
        files.close()


def kill_once(folder: Path, mode: str, start: int, wait: float) -> list[int]:
    """Fork, wait, kill; the steps that the child said it had finished."""
    global report
    listen, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            live(folder, mode, start)
        finally:
            os._exit(1)
    os.close(report)
    os.read(listen, len(b"opened\n"))
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), "the writer ended by itself"
    with os.fdopen(listen, "rb") as pipe:
        return [int(line) for line in pipe.read().split(b"\n")[:-1]]


def check(folder: Path, least: int) -> int:
    """How many steps are there; all of them up to one another, and not fewer than had been finished."""
    held = contents(folder)
    entries = read_scores(folder)
    assert contents(folder) == held, "reading changed a file"
    steps = [entry["step"] for entry in entries]
    assert steps == list(range(len(steps))), f"a gap or an entry twice: {steps}"
    assert least <= len(steps), f"{least} steps were finished, {len(steps)} are there"
    for entry in entries:
        assert entry["epoch"] == entry["step"] // 10
        assert torch.equal(entry["R"], responsibilities(entry["step"])), entry["step"]
    for name in (MIXTURE, DIAGNOSTICS):
        lines = (folder / name).read_bytes().split(b"\n")[1:-1] if (folder / name).exists() else []
        assert [int(line.split(b",")[0]) for line in lines] == list(range(len(lines))), (name, lines)
        assert len(lines) >= least, (name, len(lines), least)
    return len(steps)


def main(folder: Path, rounds: int, seed: int, mode: str) -> None:
    """Kill, check, and at the end compare with a run that was never killed."""
    rng = random.Random(seed)
    halves = sure = count = 0
    for _ in range(rounds):
        start = max(0, sure - rng.randrange(30))
        finished = kill_once(folder, mode, start, wait=0.06 * rng.random())
        # A child that finished no step may have removed, here and there, those that it was about to write again.
        sure = finished[-1] + 1 if finished else start
        count = check(folder, sure)
        halves += len(list(folder.rglob("*.part")))
    global report
    report = os.open(os.devnull, os.O_WRONLY)
    for other, first in ((folder, max(0, sure - 5)), (folder.with_name("whole"), 0)):
        with RunFiles(other, K, diagnostics=["note"], scores=mode) as files:
            write_steps(files, range(first, count + 5))
    assert contents(folder) == contents(folder.with_name("whole")), "not the files of an uninterrupted run"
    print(count, halves)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])

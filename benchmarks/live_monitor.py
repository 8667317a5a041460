"""What the live monitor costs: the same training with it and without, in turns, in a notebook's kernel.

Everything that a kernel does for a displayed monitor is counted: views of the embeddings, frames, and their way to the
page. The table has medians; run it on a quiet machine:

    python benchmarks/live_monitor.py [--turns 10] [--steps 100] [--out benchmarks/results/live_monitor.md]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import torch
from em_iteration import machine
from IPython.display import display
from jupyter_client.manager import start_new_kernel

from mixturelab.plot.monitor import LiveMonitor
from mixturelab.simclr.config import load_config
from mixturelab.simclr.trainer import Step, Trainer

HERE = Path(__file__).parent
CONFIG = HERE.parent / "configs" / "simclr_digits.yaml"
ALLOWED = 0.05


class Stopwatch:
    """A clock that stands still while the other side has its turn: no frame is due because of that."""

    def __init__(self) -> None:
        self.shown, self._since = 0.0, 0.0

    def __call__(self) -> float:
        """Seconds of this side's turns."""
        return self.shown + (time.perf_counter() - self._since if self._since else 0.0)

    def start(self) -> None:
        """Go on."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Stand still."""
        self.shown, self._since = self(), 0.0


def timed(steps: Iterator[Step], count: int) -> tuple[float, float]:
    """Seconds that so many steps take, and seconds of computing in them, which other programs do not change."""
    began = time.perf_counter(), time.process_time()
    for _ in islice(steps, count):
        pass
    return time.perf_counter() - began[0], time.process_time() - began[1]


def measure(turns: int, count: int) -> dict[str, Any]:
    """Turns of so many steps each, alone and watched, of one training; to be run in a kernel.

    One training and not two: where their weights lie in memory makes more of a difference than the monitor.
    """
    torch.set_num_threads(1)
    clock, frames, views = Stopwatch(), [], []
    trainer = Trainer(load_config(CONFIG).changed(epochs=10_000))
    monitor = LiveMonitor(trainer, "benchmark", n_steps=20 + 2 * turns * count + 1, clock=clock)
    _time_frames(monitor, clock, frames, views)
    display(monitor)
    steps = iter(trainer)
    sides = {"alone": steps, "watched": monitor.track(steps)}
    seconds: dict[str, list[tuple[float, float]]] = {"alone": [], "watched": []}
    timed(steps, 20)  # what is imported and allocated once
    for turn in range(turns):
        for name in ("alone", "watched") if turn % 2 else ("watched", "alone"):
            if name == "watched":
                clock.start()
            seconds[name].append(timed(sides[name], count))
            if name == "watched":
                clock.stop()
    return {**seconds, "frames": frames, "views": views}


def _time_frames(monitor: LiveMonitor, clock: Stopwatch, frames: list, views: list) -> None:
    """Note when each frame began and how long it took, and the same of the views."""
    draw, look = monitor._draw_if_due, monitor._look

    def timed_draw() -> bool:
        began, was = clock(), time.perf_counter()
        if drawn := draw():
            frames.append((began, time.perf_counter() - was))
        return drawn

    def timed_look(**options: Any) -> None:
        was, before = time.perf_counter(), monitor.view
        look(**options)
        if monitor.view is not before:
            views.append(time.perf_counter() - was)

    monitor._draw_if_due, monitor._look = timed_draw, timed_look  # type: ignore[method-assign]


def in_a_kernel(turns: int, count: int) -> dict[str, Any]:
    """The measurement as a notebook makes it."""
    code = "import json, live_monitor\n"
    code += f"print('found', json.dumps(live_monitor.measure({turns}, {count})))"
    manager, client = start_new_kernel(cwd=str(HERE))
    said: list[str] = []
    try:
        reply = client.execute_interactive(
            code, timeout=3600, output_hook=lambda message: said.append(message["content"].get("text", ""))
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if reply["content"]["status"] != "ok":
        raise RuntimeError(reply["content"]["evalue"])
    return json.loads("".join(said).split("found ", 1)[1])


def _ratio(seconds: dict[str, list[float]]) -> float:
    """The median over pairs of turns."""
    return statistics.median(w / a for a, w in zip(seconds["alone"], seconds["watched"], strict=True))


def _total(seconds: dict[str, list[float]]) -> float:
    """Of all turns together."""
    return sum(seconds["watched"]) / sum(seconds["alone"])


def table(found: dict[str, Any], count: int) -> list[str]:
    """The measurement as Markdown."""
    wall, computing = (
        {name: [turn[which] for turn in found[name]] for name in ("alone", "watched")} for which in (0, 1)
    )
    alone, watched = (1e3 * statistics.median(wall[name]) / count for name in ("alone", "watched"))
    ratio, total, computed = _ratio(wall), _total(wall), _total(computing)
    costs, starts = [1e3 * cost for _, cost in found["frames"]], [start for start, _ in found["frames"]]
    gaps, views = [b - a for a, b in pairwise(starts)], [1e3 * cost for cost in found["views"]]
    verdict = "yes" if total <= 1 + ALLOWED else "NO"
    many = f"{len(found['alone'])} turns of {count} steps each, {len(costs)} frames"
    return [
        "| | median | all together or extreme |",
        "|---|---|---|",
        f"| a step alone | {alone:.1f} ms | {sum(wall['alone']):.1f} s |",
        f"| a step watched | {watched:.1f} ms | {sum(wall['watched']):.1f} s |",
        f"| **watched / alone** | {ratio:.3f} | **{total:.3f}** |",
        f"| the same in processor time | {_ratio(computing):.3f} | {computed:.3f} |",
        f"| a frame, with its view if it has one | {statistics.median(costs):.0f} ms | slowest {max(costs):.0f} ms |",
        f"| a view of 450 embeddings | {statistics.median(views):.0f} ms | slowest {max(views):.0f} ms |",
        f"| from frame to frame | {statistics.median(gaps):.2f} s | longest {max(gaps):.2f} s |",
        "",
        f"{many}. At most {ALLOWED:.0%} slower: {verdict}.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100, help="of each turn")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = [f"What the live monitor costs, on one CPU thread. {machine()}.", ""]
    lines += table(in_a_kernel(options.turns, options.steps), options.steps)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()

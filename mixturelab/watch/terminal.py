"""`mixturelab watch`: a run's numbers in a terminal, until it is finished or somebody presses Ctrl-C."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mixturelab.exceptions import ArgumentError
from mixturelab.stream.diagnostics import COLLAPSED_SHARE, FEW_DIRECTIONS, ONE_DIRECTION
from mixturelab.watch.follow import RunReader, is_run
from mixturelab.watch.reading import Reading
from mixturelab.watch.words import seconds_words

__all__ = ["HEALTHY", "UNWELL", "check_folder", "line", "render", "watch"]

HEALTHY, UNWELL = 0, 1

# Name, words, the limit of an alarm, and on which side of it the alarm lies.
_ROWS: tuple[tuple[str, str, float | None, str], ...] = (
    ("loss", "loss", None, ""),
    ("pi_min", "least weight π", None, ""),
    ("pi_max", "largest weight π", None, ""),
    ("batch_spread", "spread of a batch", COLLAPSED_SHARE, "under"),
    ("trace_B", "trace_B", None, ""),
    ("opnorm_B", "opnorm_B", None, ""),
    ("ratio", "opnorm_B / trace_B", ONE_DIRECTION, "over"),
    ("effective_rank", "effective rank", FEW_DIRECTIONS, "under"),
)
_LOOKS = {"finished": "green", "silent": "bold red", "interrupted": "yellow", "waiting": "dim"}


def watch(
    folder: Path,
    *,
    once: bool = False,
    wait: bool = False,
    every: float = 1.0,
    console: Console | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Show a run's numbers until it has ended.

    In a terminal they stand still and change; into a pipe goes one line for each change.

    Parameters
    ----------
    folder : Path
    once : bool
        Show them once.
    wait : bool
        Wait for a folder or a run that is not there yet.
    every : float
        Seconds between two looks.
    console : Console, optional
        Default: standard output.
    sleep : callable
        Waits so many seconds.

    Returns
    -------
    int
        0 if all is well; 1 if an alarm is on, the loss is not finite, or the run is silent.

    Raises
    ------
    ArgumentError
        If there is no such folder or it holds no run, unless it is to be waited for.
    """
    if not wait:
        check_folder(folder)
    console = Console(file=sys.stdout, highlight=False) if console is None else console
    reader = RunReader(folder)
    if once and not wait:
        reading = reader.poll()
        console.print(render(folder, reading))
    elif console.is_terminal and not once:
        reading = _live(reader, console, every, sleep)
    else:
        reading = _lines(reader, console, every, sleep, once)
    return HEALTHY if reading.is_healthy else UNWELL


def check_folder(folder: Path) -> None:
    """Raise if there is no run to be watched.

    Raises
    ------
    ArgumentError
    """
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"{folder} is no folder; wanted the folder of a run, such as artifacts/run")
    if not folder.exists():
        raise ArgumentError(
            f"{folder} is not there (yet?); wanted the folder of a run, or --wait to wait for it"
        )
    if not is_run(folder):
        raise ArgumentError(
            f"{folder} holds no run: there is no config.yaml, losses.csv or mixture.csv in it; wanted the folder that "
            "`mixturelab simclr --out` or MixtureStats(log_dir=...) writes, or --wait to wait for a run in it"
        )


# ---------------------------------------------------------------------------------------------- going on
def _live(reader: RunReader, console: Console, every: float, sleep: Callable[[float], None]) -> Reading:
    reading = reader.poll()
    with Live(render(reader.folder, reading), console=console, auto_refresh=False) as live:
        try:
            while reading.state != "finished":
                sleep(every)
                reading = reader.poll()
                live.update(render(reader.folder, reading), refresh=True)
        except KeyboardInterrupt:
            pass  # the wish to look elsewhere; the run goes on
    return reading


def _lines(
    reader: RunReader, console: Console, every: float, sleep: Callable[[float], None], once: bool
) -> Reading:
    """A line whenever something has changed; with `once` the whole, as soon as there is a step."""
    said = ""
    try:
        while True:
            reading = reader.poll()
            if once and reading.state != "waiting":
                console.print(render(reader.folder, reading))
                return reading
            if not once and (now := line(reading)) != said:
                said = now
                console.print(said, soft_wrap=True)
            if reading.state == "finished":
                return reading
            sleep(every)
    except KeyboardInterrupt:
        return reading


# ------------------------------------------------------------------------------------- numbers to words
def render(folder: Path, reading: Reading) -> RenderableType:
    """The numbers as a table, and below it the alarms in words."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, words, limit, side in _ROWS:
        value = getattr(reading, name)
        is_beyond = limit is not None and (value < limit if side == "under" else value > limit)
        mark = f"! {side} {limit:g}" if is_beyond else ""
        table.add_row(Text(words), Text(_number(value)), Text(mark), style="bold red" if is_beyond else "")
    table.columns[1].justify = "right"
    alarms = [Text(f"! {words}", style="bold red") for words in reading.words]
    calm = [Text("✓ no alarm", style="green")] if reading.step >= 0 else []
    problems = [Text(f"? {words}", style="yellow") for words in reading.problems]
    title = Text(_headline(reading), style=_LOOKS.get(reading.state, ""))
    return Panel(
        Group(title, Text(), table, Text(), *(alarms or calm), *problems),
        title=Text(_short(str(folder))),
        expand=False,
    )


def _short(path: str, most: int = 60) -> str:
    """The end of a path, which tells runs apart, where all of it is too long for a title."""
    return path if len(path) <= most else "…" + path[1 - most :]


def line(reading: Reading) -> str:
    """The same in one line."""
    numbers = [
        f"{name} {_number(value)}" for name, *_ in _ROWS if math.isfinite(value := getattr(reading, name))
    ]
    alarms = [f"! {words}" for words in reading.words] or (["no alarm"] if reading.step >= 0 else [])
    problems = [f"? {words}" for words in reading.problems]
    return " · ".join([_headline(reading, brief=True), *numbers, *alarms, *problems])


def _headline(reading: Reading, brief: bool = False) -> str:
    if reading.state == "waiting":
        return "waiting for the first step"
    of = "" if reading.n_steps is None else f" of {reading.n_steps}"
    # Steps are numbered from 0.
    parts = [_state_words(reading, brief), f"{reading.step + 1}{of} steps done"]
    if reading.epoch >= 0:
        parts.append(f"epoch {reading.epoch}")
    if not brief and reading.state == "training" and math.isfinite(reading.steps_per_second):
        parts.append(f"{reading.steps_per_second:.3g} steps/s")
    return ", ".join(parts)


def _state_words(reading: Reading, brief: bool) -> str:
    if reading.state == "silent":
        return "silent" if brief else f"silent for {seconds_words(reading.silent_for)}"
    return "interrupted, can be resumed" if reading.state == "interrupted" else reading.state


def _number(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.4g}"

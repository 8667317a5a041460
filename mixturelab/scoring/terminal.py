"""The `score` command: a job with its progress and its words on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mixturelab.scoring.job import Interrupted, Progress, Summary, run
from mixturelab.scoring.plan import Job
from mixturelab.scoring.readers import STANDARD

# What a shell says of a program that nobody listened to any more.
BROKEN_PIPE = 141


def score(job: Job, say: Callable[[str], None], warn: Callable[[str], None], quiet: bool = False) -> int:
    """Run a job.

    Parameters
    ----------
    job : Job
    say, warn : callable
        Take the summary, and what else there is to know.
    quiet : bool
        No progress, and no words but errors.

    Returns
    -------
    int
        The exit code: 0, 1 if no row could be scored though there were rows, 130 after Ctrl-C, 141 after a broken
        pipe.

    Raises
    ------
    ArgumentError, DataError, ModelFileError
        One line each.
    """
    note = (lambda words: None) if quiet else warn
    try:
        with _progress(not quiet and sys.stderr.isatty()) as show:
            summary = run(job, show, note)
    except Interrupted as error:
        warn(str(error))
        return 130
    except BrokenPipeError:
        _forget_standard_output()
        return BROKEN_PIPE
    _tell(job, summary, (lambda words: None) if quiet else say, note)
    return 1 if summary.bad and not summary.written else 0


def _tell(job: Job, summary: Summary, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
    if summary.bad_out is not None:
        rows = "1 row has" if summary.bad == 1 else f"{summary.bad:,} rows have"
        warn(f"{rows} no scores; {summary.bad_out} says why")
    if str(job.out) != STANDARD:
        mean = f", mean log density {_number(summary.mean_log_density)} nats" if summary.written else ""
        say(f"{summary.written:,} {_rows(summary.written)} scored{mean}; written to {job.out}")


def _number(mean: float) -> str:
    """Four places, but not three hundred digits where a row lies far out."""
    return f"{mean:.4f}" if abs(mean) < 1e9 else f"{mean:.4g}"


def _rows(number: int) -> str:
    return "row" if number == 1 else "rows"


def _forget_standard_output() -> None:
    """Python flushes it at its end, and would complain then."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _progress(wanted: bool) -> Iterator[Callable[[Progress], None]]:
    if not wanted:
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scoring", total=None)

        def show(progress: Progress) -> None:
            bad = f", {progress.bad:,} bad" if progress.bad else ""
            total = None if progress.fraction is None else 1.0
            words = f"{progress.written:,} rows{bad}"
            bar.update(task, description=words, completed=progress.fraction or 0, total=total)

        yield show

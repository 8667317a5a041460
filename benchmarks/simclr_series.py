"""From recorded SimCLR runs to tables: when a signal leaves what healthy runs show, when alarms are on. No training."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]

RUNNING = 5  # evaluations that a signal has to stay outside for


@dataclass(frozen=True)
class Showing:
    """A signal has left the healthy range: from this step on, upwards (+1) or downwards (−1); and where it ends.

    At the end it is outside (+1, −1) if its last evaluations all are, on one side; 0 if it came back.
    """

    step: int
    direction: int
    end: int


@dataclass(frozen=True)
class Range:
    """What healthy runs showed at each step, widened; NaN where the signal was not looked at."""

    low: Series
    high: Series


def healthy_range(runs: Sequence[Series]) -> Range:
    """Smallest to largest value at each step, widened at both ends by this width.

    By the median width over the steps where that is larger: a few runs may agree by chance. Nothing here is tuned.
    """
    stacked = np.stack(runs)
    low, high = stacked.min(axis=0), stacked.max(axis=0)
    width = high - low
    margin = np.maximum(width, np.nanmedian(width))
    return Range(low - margin, high + margin)


def first_showing(values: Series, healthy: Range, start: int = 0, running: int = RUNNING) -> Showing | None:
    """The first step, counted from `start`, from which the signal is outside for `running` evaluations in a row.

    A step without an evaluation (NaN in the range) is passed over; NaN elsewhere is a value without meaning, inside.
    """
    steps = np.flatnonzero(np.isfinite(healthy.low))
    steps = steps[steps >= start]
    side = (values > healthy.high).astype(int)[steps] - (values < healthy.low).astype(int)[steps]
    end = int(side[-1]) if len(set(side[-running:])) == 1 else 0
    for i in range(len(steps) - running + 1):
        if side[i : i + running].all():
            return Showing(int(steps[i]) - start, int(side[i]), end)
    return None


def first_on(alarm: NDArray[np.bool_], start: int = 0) -> int | None:
    """The step at which an alarm is on first, counted from `start`: below 0 if it was on before."""
    return int(alarm.argmax()) - start if alarm.any() else None


# ------------------------------------------------------------------------------------------------- cells
def steps_cell(steps: Iterable[int | None]) -> str:
    """Median and range of those that are there, how many if not all: `12 (9–15), 4 of 5 runs`, or `never`."""
    steps = list(steps)
    found = [step for step in steps if step is not None]
    if not found:
        return "never"
    middle, low, high = statistics.median(found), min(found), max(found)
    text = f"{middle:.0f}" if low == high else f"{middle:.0f} ({low}–{high})"
    return text if len(found) == len(steps) else f"{text}, {len(found)} of {len(steps)} runs"


def showing_cell(showings: Sequence[Showing | None]) -> str:
    """The same, with the way the signal went, and how many runs it leaves outside at the end."""
    found = [showing for showing in showings if showing is not None]
    if not found:
        return "never"
    first = steps_cell(None if showing is None else showing.step for showing in showings)
    ends = [showing.end for showing in found if showing.end]
    return f"{first}{_arrow(showing.direction for showing in found)}; {len(ends)} of {len(showings)}{_arrow(ends)}"


def _arrow(ways: Iterable[int]) -> str:
    return {(): "", (1,): " ↑", (-1,): " ↓"}.get(tuple(set(ways)), " ↕")


def spread_cell(values: Sequence[float]) -> str:
    """Mean, standard deviation (1/(n − 1)) and range: `0.830 ± 0.020 (0.810–0.850)`."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return f"{mean:.3f} ± {deviation:.3f} ({min(values):.3f}–{max(values):.3f})"


def alarm_cell(runs: Sequence[NDArray[np.bool_]], start: int = 0) -> str:
    """When the alarm was on first, and in how many runs it is still on at the end."""
    firsts = [first_on(run, start) for run in runs]
    if not any(run.any() for run in runs):
        return "never"
    still = sum(bool(run[-1]) for run in runs)
    return f"{steps_cell(firsts)}; on at the end: {still} of {len(runs)}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


# ----------------------------------------------------------------------------------------- lead times
def showings(failing: dict[int, Series], healthy: dict[int, Series], start: int = 0) -> list[Showing | None]:
    """For the run of each seed: when it leaves the range of the healthy runs of all other seeds."""
    return [first_showing(run, _others(healthy, seed), start) for seed, run in failing.items()]


def _others(healthy: dict[int, Series], seed: int) -> Range:
    return healthy_range([run for other, run in healthy.items() if other != seed])


def at_steps(runs: Sequence[Series], steps: Sequence[int], form: Callable[[float], str]) -> list[str]:
    """The median over runs at some steps, or at the last one before that was looked at."""
    middle = np.median(np.stack(runs), axis=0)
    looked_at = np.flatnonzero(np.isfinite(middle))
    return [form(float(middle[looked_at[looked_at <= step][-1]])) for step in steps]

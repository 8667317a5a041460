"""The numbers of a run by step, however they come: from its tables, or from the process that trains."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIXTURE_NAMES", "NAMES", "Record", "thinned"]

Array = NDArray[np.float64]

MIXTURE_NAMES = ("pi_min", "pi_max", "trace_B", "opnorm_B", "ratio")
DIAGNOSTIC_NAMES = ("effective_rank", "batch_spread")
NAMES = ("loss", *MIXTURE_NAMES, *DIAGNOSTIC_NAMES)


class Record:
    """Curves and alarms, from the first step to the last.

    Attributes
    ----------
    step, epoch : int
        The last that anything is known of; −1 before the first.
    alarms : dict from str to (int, int)
        Name of each alarm that was ever on: the first and the last step of it.
    alarms_now : tuple of str
        Those that are on.
    lost_at : int or None
        The first step whose loss is NaN or infinite.
    """

    def __init__(self) -> None:
        self._steps = {name: array("d") for name in NAMES}
        self._values = {name: array("d") for name in NAMES}
        self.step = self.epoch = -1
        self.alarms: dict[str, tuple[int, int]] = {}
        self.alarms_now: tuple[str, ...] = ()
        self.lost_at: int | None = None

    def add(self, step: int, row: Mapping[str, Any]) -> None:
        """Take what is known of a step; numbers of this step and of later ones that are there give way.

        Parameters
        ----------
        step : int
        row : mapping
            Any of ``loss``, ``pi_min``, ``pi_max``, ``trace_B``, ``opnorm_B``, ``effective_rank``, ``batch_spread``,
            ``alarms`` (names between semicolons) and ``epoch``, as numbers or text; others are not looked at.
        """
        known = {name: number(row[name]) for name in NAMES if name in row}
        if "trace_B" in known and "opnorm_B" in known:
            known["ratio"] = known["opnorm_B"] / known["trace_B"] if known["trace_B"] > 0 else math.nan
        for name, value in known.items():
            self._append(name, step, value)
        self.step, self.epoch = (
            max(self.step, step),
            max(self.epoch, int(number(row.get("epoch", self.epoch)))),
        )
        if "loss" in known:
            self._judge_loss(step, known["loss"])
        if "alarms" in row:
            self._keep_alarms(step, str(row["alarms"]))

    def _append(self, name: str, step: int, value: float) -> None:
        steps, values = self._steps[name], self._values[name]
        while steps and steps[-1] >= step:
            steps.pop()
            values.pop()
        if math.isfinite(value):
            steps.append(step)
            values.append(value)

    def _judge_loss(self, step: int, loss: float) -> None:
        if self.lost_at is not None and step <= self.lost_at:
            self.lost_at = None
        if not math.isfinite(loss) and self.lost_at is None:
            self.lost_at = step

    def _keep_alarms(self, step: int, names: str) -> None:
        self.alarms_now = tuple(filter(None, names.split(";")))
        for name in self.alarms_now:
            self.alarms[name] = (self.alarms.get(name, (step,))[0], step)

    def forget(self, names: Iterable[str] = NAMES) -> None:
        """Drop some curves: their table will be read again."""
        for name in names:
            self._steps[name], self._values[name] = array("d"), array("d")
            if name == "loss":
                self.lost_at = None
            if name in DIAGNOSTIC_NAMES:
                self.alarms, self.alarms_now = {}, ()
        self.step = max((int(steps[-1]) for steps in self._steps.values() if steps), default=-1)
        self.epoch = -1

    def curve(self, name: str) -> tuple[Array, Array]:
        """Steps and values of a number, where it is known and finite."""
        return np.array(self._steps[name]), np.array(self._values[name])

    def last(self, name: str) -> float:
        """The last known value; NaN if there is none."""
        values = self._values[name]
        return values[-1] if values else math.nan


def number(value: Any) -> float:
    """A cell as a number; NaN for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def thinned(steps: Array, values: Array, most: int) -> tuple[Array, Array]:
    """A curve of at most so many points that looks the same: the least and the largest of each stretch, in order."""
    if len(steps) <= most:
        return steps, values
    stretches = np.array_split(np.arange(len(steps)), most // 2)
    kept = sorted(
        {index for part in stretches for index in (part[values[part].argmin()], part[values[part].argmax()])}
    )
    return steps[kept], values[kept]

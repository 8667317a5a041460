"""What is known of a run at one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mixturelab.watch.record import Record
from mixturelab.watch.words import alarm_words

__all__ = ["Reading", "State", "reading_of"]

State = Literal["waiting", "training", "silent", "interrupted", "finished"]


@dataclass(frozen=True)
class Reading:
    """A run's last numbers; NaN where nothing is known.

    Attributes
    ----------
    state : {"waiting", "training", "silent", "interrupted", "finished"}
        No step yet; going on; nothing new for longer than its steps explain; ended before its last step; done.
    silent_for : float
        Seconds since anything new came.
    step, epoch : int
        The last, from 0; −1 before the first.
    n_steps : int or None
        How many there will be, where that is known.
    steps_per_second : float
    loss, pi_min, pi_max, trace_B, opnorm_B, ratio, effective_rank, batch_spread : float
        ``ratio`` is opnorm_B / trace_B. The effective rank is worked out now and then only: the last one known.
    alarms : tuple of str
        Names of those that are on.
    words : tuple of str
        A sentence for each, and for a loss that is not finite.
    problems : tuple of str
        What cannot be read, and why.
    """

    state: State
    silent_for: float
    step: int
    epoch: int
    n_steps: int | None
    steps_per_second: float
    loss: float
    pi_min: float
    pi_max: float
    trace_B: float
    opnorm_B: float
    ratio: float
    effective_rank: float
    batch_spread: float
    alarms: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """No alarm, a finite loss, and not silent."""
        return not self.words and self.state != "silent"


def reading_of(
    record: Record,
    state: State,
    silent_for: float = 0.0,
    n_steps: int | None = None,
    steps_per_second: float = math.nan,
    problems: tuple[str, ...] = (),
) -> Reading:
    """The last numbers of a record, with what is known of the run."""
    return Reading(
        state=state,
        silent_for=silent_for,
        step=record.step,
        epoch=record.epoch,
        n_steps=n_steps,
        steps_per_second=steps_per_second,
        loss=math.nan if record.lost_at is not None else record.last("loss"),
        pi_min=record.last("pi_min"),
        pi_max=record.last("pi_max"),
        trace_B=record.last("trace_B"),
        opnorm_B=record.last("opnorm_B"),
        ratio=record.last("ratio"),
        effective_rank=record.last("effective_rank"),
        batch_spread=record.last("batch_spread"),
        alarms=record.alarms_now,
        words=alarm_words(record),
        problems=problems,
    )

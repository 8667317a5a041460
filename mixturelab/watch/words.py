"""Alarms and states of a run as sentences."""

from __future__ import annotations

import math

from mixturelab.stream.diagnostics import COLLAPSED_SHARE, FEW_DIRECTIONS, NO_STRUCTURE, ONE_DIRECTION
from mixturelab.watch.record import Record

__all__ = ["alarm_words", "seconds_words", "spoken"]

_MEANINGS = {
    "complete_collapse": f"the embeddings fall to one point: a batch's spread is under {COLLAPSED_SHARE:.0%}",
    "low_rank_collapse": (
        f"the embeddings fall into few directions: opnorm_B / trace_B is over {ONE_DIRECTION:g} "
        f"and the effective rank under {FEW_DIRECTIONS:g}"
    ),
    "no_class_structure": f"the classes explain less than {NO_STRUCTURE:.0%} of the embeddings' variance",
}


def spoken(name: str) -> str:
    """An alarm's name as people say it."""
    return name.replace("low_rank", "low-rank").replace("_", " ")


def alarm_words(record: Record) -> tuple[str, ...]:
    """A sentence for each alarm that is on now; the loss that is no number any more is the first."""
    lost = f"loss: not a finite number since step {record.lost_at}"
    found = () if record.lost_at is None else (lost,)
    return found + tuple(_sentence(name, record) for name in record.alarms_now)


def _sentence(name: str, record: Record) -> str:
    first = record.alarms.get(name, (record.step, record.step))[0]
    meaning = _MEANINGS.get(name)
    return f"{spoken(name)} since step {first}" + (f": {meaning}" if meaning else "")


def seconds_words(seconds: float) -> str:
    """A duration as people say it: 45 s, 3 min, 2 h, 5 days."""
    if not math.isfinite(seconds):
        return "an unknown time"
    for length, unit in ((86400 * 2, "days"), (7200, "h"), (120, "min")):
        if seconds >= length:
            return f"{int(seconds / {'days': 86400, 'h': 3600, 'min': 60}[unit])} {unit}"
    return f"{int(seconds)} s"

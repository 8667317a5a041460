"""What is seen of a run, in words that hold for every run of its kind: no number that differs between machines."""

import html
import math

from mixturelab.plot import palette
from mixturelab.plot.geometry import Array
from mixturelab.plot.labels import listed
from mixturelab.plot.live import PANELS, Panel
from mixturelab.watch.reading import Reading
from mixturelab.watch.record import NAMES, Record
from mixturelab.watch.view import View
from mixturelab.watch.words import seconds_words, spoken

__all__ = ["alarm_html", "alternative", "folder_words", "headline", "moves", "reading_words"]

_SPOKEN = {
    "pi_max": "the largest weight",
    "batch_spread": "the spread of a batch",
    "ratio": "opnorm_B / trace_B",
    "effective_rank": "the effective rank",
    "loss": "the loss",
}


def headline(name: str, record: Record, n_steps: int | None, state: str = "") -> str:
    """What stands above the picture."""
    if record.step < 0:
        return f"{name}: {state or 'ready'}"
    of = "" if n_steps is None else f" of {n_steps}"
    told = f", {state}" if state else ""
    return f"{name}: {record.step + 1}{of} steps{told}, {_alarms(record, with_steps=True)}"


def _alarms(record: Record, with_steps: bool) -> str:
    spans = dict(record.alarms)
    if record.lost_at is not None:
        spans = {"loss not finite": (record.lost_at, record.step), **spans}
    names = [
        spoken(name) + (f" from step {first} on" if with_steps else "") for name, (first, _) in spans.items()
    ]
    return f"alarm: {listed(names)}" if names else "no alarm"


def reading_words(record: Record) -> str:
    """The last known number of each curve."""
    known = {name: record.last(name) for name in NAMES if len(record.curve(name)[0])}
    return " · ".join(f"{name} {value:.3f}".replace("-", "−") for name, value in known.items())


def alternative(name: str, record: Record, view: View | None) -> str:
    """What is seen: the course of each curve, whether there is a map, and the alarms."""
    if record.step < 0:
        return f"Six empty panels and an empty map that wait for the run “{name}”."
    parts = [_course(panel, record) for panel in PANELS]
    shown = "" if view is None else _map_words(view)
    return (
        f"Six curves over the steps of the run “{name}”: {'; '.join(filter(None, parts))}. "
        f"{shown}{_alarms(record, with_steps=False).capitalize()}."
    )


def _map_words(view: View) -> str:
    if not len(view.weights):
        return "Beside them a map of embeddings in their two widest directions. "
    return (
        "Beside them a map of embeddings in the two directions in which the components' means differ most, "
        "each in the mixed colours of its responsibilities, with an ellipse around most of each component. "
    )


def _course(panel: Panel, record: Record) -> str:
    name = panel.names[-1]
    values = record.curve(name)[1]
    if not len(values):
        return ""
    side = ""
    if panel.limit is not None:
        side = f" and ends {'above' if values[-1] > panel.limit else 'below'} its limit"
    return f"{_SPOKEN.get(name, name)} {moves(values)}{side}"


def moves(values: Array) -> str:
    """The shape of a curve in a few words; what is less than a quarter of its range does not count."""
    first, last, low, high = values[0], values[-1], values.min(), values.max()
    quarter = max(0.25 * (high - low), 0.02 * max(abs(low), abs(high)))
    if high - max(first, last) > quarter:
        return "rises and falls again"
    if min(first, last) - low > quarter:
        return "falls and rises again"
    if abs(last - first) <= quarter:
        return "stays much the same"
    return "rises" if last > first else "falls"


def alarm_html(found: tuple[str, ...], is_known: bool) -> str:
    """The alarms that are on, a line each, for a page."""
    if not found:
        return "no alarm" if is_known else ""
    lines = "".join(f"<div>⚠ {html.escape(words)}</div>" for words in found)
    return f'<div role="status" style="color:{palette.ALARM};font-weight:bold;line-height:1.4">{lines}</div>'


def folder_words(reading: Reading) -> str:
    """What only those who look from outside have to be told."""
    found = []
    if reading.state == "silent":
        found.append(f"nothing new for {seconds_words(reading.silent_for)}")
    elif reading.state == "training" and math.isfinite(reading.steps_per_second):
        found.append(f"{reading.steps_per_second:.3g} steps/s")
    return " · ".join([*found, *reading.problems])

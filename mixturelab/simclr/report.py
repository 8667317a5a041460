"""The short report at the end of a run, as plain text that any terminal can show."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from mixturelab.simclr.result import RunResult

__all__ = ["report"]

_LABEL, _WIDTH = 13, 100
_JUDGED = {
    "kmeans_ari": "k-means ARI",
    "one_shot": "one-shot",
    "perturbed_knn": "perturbed kNN",
    "knn": "kNN",
}


def report(result: RunResult) -> str:
    """How far the run came, what it found, and what was written and what was not."""
    lines = _entry("run", [_run_words(result)])
    if result.status == "finished" and not result.was_finished:
        lines += _finished(result)
    if result.folder is not None:
        names = sorted(path.name for path in result.folder.path.iterdir() if not path.name.startswith("."))
        lines += _entry("written", [f"{result.folder.path}: {', '.join(names)}"])
    lines += _entry("not written", [f"{name}: {why}" for name, why in result.missing.items()])
    return "\n".join(lines)


def _run_words(result: RunResult) -> str:
    steps = f"{result.step} of {result.trainer.n_steps} steps"
    of = f"SimCLR on {result.data.name}"
    if result.was_finished:
        return f"{of}: {steps}; the run was finished already, nothing was left to do"
    since = f", resumed at step {result.resumed_at}" if result.resumed_at else ""
    return f"{of}: {result.status} after {steps} ({result.config.epochs} epochs){since}"


def _finished(result: RunResult) -> list[str]:
    found = result.metrics
    lines = _entry("loss", [_number(found["loss"])])
    for label, key in (("z", "z"), ("raw pixels", "raw_pixels")):
        lines += _entry(label, _judged_words(found[key]))
    if result.estimator.enabled:
        lines += _entry("mixture", [_mixture_words(found["mixture"] or {})])
        lines += _entry("alarms", _alarm_words(result))
    return lines


def _judged_words(scores: Mapping[str, Any] | None) -> Iterable[str]:
    if scores:
        yield ", ".join(f"{words} {_number(scores[key])}" for key, words in _JUDGED.items())


def _mixture_words(summary: Mapping[str, Any]) -> str:
    trace, opnorm = summary.get("trace_B"), summary.get("opnorm_B")
    ratio = opnorm / trace if trace and opnorm is not None else None
    return (
        f"trace_B {_number(trace)}, opnorm_B/trace_B {_number(ratio)}, "
        f"effective rank {_number(summary.get('effective_rank'), 1)}"
    )


def _alarm_words(result: RunResult) -> list[str]:
    return [f"{alarm.name}: {alarm.message}" for alarm in result.estimator.alarms()] or ["none"]


def _number(value: float | None, digits: int = 3) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _entry(label: str, sentences: Iterable[str]) -> list[str]:
    """A label, and beside it each sentence on lines of its own."""
    lines = [line for sentence in sentences for line in textwrap.wrap(sentence, _WIDTH - _LABEL)]
    labels = [label] + [""] * len(lines)
    return [f"{name:<{_LABEL}}{line}".rstrip() for name, line in zip(labels, lines, strict=False)]

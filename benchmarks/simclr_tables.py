"""The three tables of the kept SimCLR runs, as markdown: learning, alarms, lead times with what the loss says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import simclr_series as series
from simclr_costs import Costs
from simclr_kept import Runs
from simclr_watch import ALARMS, KNN_EVERY, WATCHERS

from mixturelab.simclr import EXPERIMENTS, Evaluation, evaluate_raw, load_images
from mixturelab.stream.diagnostics import (
    COLLAPSED_SHARE,
    FEW_DIRECTIONS,
    NO_STRUCTURE,
    ONE_DIRECTION,
    WARM_UP,
)

FIGURES = tuple(field.name for field in fields(Evaluation))
WANTED = {"kmeans_ari": "≥ 0.80", "one_shot": "≥ 0.80", "perturbed_knn": "≥ 0.85", "knn": "–"}
BROKEN = tuple(name for name in EXPERIMENTS if name != "healthy")
SWITCH: int = EXPERIMENTS["complete_collapse"]["negatives_until"]
START = {"complete_collapse": SWITCH}  # where steps are counted from, if not from 0

SIGNALS = {  # series: what it is called, and what is timed for it
    "clusters_trace_B": ("tr B, k-means", "mixture"),
    "clusters_ratio": ("‖B‖/tr B, k-means", "mixture"),
    "classes_trace_B": ("tr B, labels", "mixture"),
    "classes_ratio": ("‖B‖/tr B, labels", "mixture"),
    "classes_r_squared": ("R² = tr B/tr T, labels", "mixture"),
    "classes_nc1": ("NC1, labels", "spectrum"),
    "effective_rank": ("effective rank of the EMA", "spectrum"),
    "spread": ("tr T/E‖x‖² of the batch", "mixture"),
    "rank_me": ("RankMe", "rank_me"),
    "embedding_std": ("standard deviation of normalised z", "embedding_std"),
    "uniformity": ("uniformity", "uniformity"),
    "loss": ("loss as trained", "nothing"),
    "nt_xent": ("NT-Xent at the healthy τ", "nt_xent"),
    "alignment": ("alignment (minus the mean cosine of two views)", "alignment"),
    "knn_h": ("kNN of h, held-out images", "knn"),
    "knn_z": ("kNN of z, held-out images", "knn"),
}

ALARMING = {  # series of what an alarm looks at: what it is called, and which end is worse
    "spread": (f"tr T/E‖x‖² of the batch, least (complete collapse: < {COLLAPSED_SHARE})", np.nanmin),
    "clusters_ratio": (
        f"‖B‖/tr B, k-means, most (low-rank collapse: > {ONE_DIRECTION} and the next)",
        np.nanmax,
    ),
    "effective_rank": (
        f"effective rank of the EMA, least (low-rank collapse: < {FEW_DIRECTIONS:.0f})",
        np.nanmin,
    ),
    "classes_r_squared": (f"R² = tr B/tr T, labels, least (no class structure: < {NO_STRUCTURE})", np.nanmin),
}


def words(name: str) -> str:
    return name.replace("_", " ")


# ---------------------------------------------------------------------------------------------- learning
def learning(runs: Runs) -> list[str]:
    """Figures of z and of h at the end, beside the pixels."""
    raw = evaluate_raw(load_images("digits"))
    rows = [
        ["raw pixels", *(f"{getattr(raw, figure):.3f}" for figure in FIGURES)],
        ["wanted of healthy z (mean)", *(WANTED[figure] for figure in FIGURES)],
    ]
    for name in EXPERIMENTS:
        for layer in ("z", "h"):
            ends = np.stack([*runs.series(f"final/{layer}", name).values()])
            rows.append(
                [f"{layer}, {words(name)}", *(series.spread_cell(column.tolist()) for column in ends.T)]
            )
    return [
        f"What embeddings are worth at the end ({runs.about('digits', False)}): mean ± standard deviation over seeds "
        "(range). The pixels are the same for every seed.",
        "",
        *series.markdown(["", "k-means ARI", "one-shot accuracy", "perturbed kNN", "kNN"], rows),
    ]


# ------------------------------------------------------------------------------------------------ alarms
def alarms(runs: Runs) -> list[str]:
    """When each alarm is on first, for every way to make components."""
    lines = [
        "The step from which an alarm is on: median over seeds (range). In the complete collapse, negatives are "
        f"removed at step {SWITCH}, and steps are counted from there (below 0: a false alarm). No alarm can be on "
        f"before {WARM_UP} updates; only labels can tell of missing class structure. All options of `MixtureStats` but "
        "K and the assigner are the default ones.",
    ]
    for data in runs.data:
        rows = [
            [words(name), watcher, *alarm_cells(runs, data, name, watcher)]
            for name in EXPERIMENTS
            for watcher in WATCHERS
        ]
        table = series.markdown(["run", "components", *map(words, ALARMS)], rows)
        lines += ["", f"{runs.about(data, False)}:", "", *table]
    return [*lines, "", *nearest(runs)]


def alarm_cells(runs: Runs, data: str, name: str, watcher: str) -> list[str]:
    cells = []
    for alarm in ALARMS:
        found = runs.series(f"alarm/{watcher}/{alarm}", name, data)
        is_possible = watcher == "labels" or alarm != "no_class_structure"
        cells.append(series.alarm_cell([*found.values()], START.get(name, 0)) if is_possible else "–")
    return cells


def nearest(runs: Runs) -> list[str]:
    """How far from an alarm healthy runs keep."""
    rows = [[title, *nearest_cells(runs, name, worst)] for name, (title, worst) in ALARMING.items()]
    head = [f"healthy runs, after {WARM_UP} updates", *runs.data]
    about = "How near the healthy runs above come to an alarm: the worst value of any seed and step."
    return [about, "", *series.markdown(head, rows)]


def nearest_cells(runs: Runs, name: str, worst: Callable[[Any], Any]) -> list[str]:
    found = [[*runs.series(f"signal/{name}", "healthy", data).values()] for data in runs.data]
    return [f"{worst([worst(run[WARM_UP:]) for run in each]):.2f}" for each in found]


# -------------------------------------------------------------------------------------------- lead times
def lead_times(runs: Runs, costs: tuple[Costs, str] | None) -> list[str]:
    """When each signal first shows each failure, how often it takes a healthy run for one, and what it costs."""
    head = ["signal", *map(words, BROKEN), "healthy runs taken for failing"]
    rows = [[title, *lead_cells(runs, name)] for name, (title, _) in SIGNALS.items()]
    rows += [alarm_row(runs, watcher) for watcher in ("k-means, K = 10", "labels")]
    lines = how_it_was_judged(runs)
    if costs is not None:
        milliseconds, machine = costs
        head += ["ms", "of a training step"]
        timed = [*(key for _, key in SIGNALS.values()), "default", "default"]
        rows = [row + cost_cells(milliseconds, key) for row, key in zip(rows, timed, strict=True)]
        lines += ["", how_it_was_timed(milliseconds, machine)]
    return [*lines, "", *series.markdown(head, rows)]


def lead_cells(runs: Runs, signal: str) -> list[str]:
    """A cell for each failure, and one for false ones."""
    found = {name: runs.series(f"signal/{signal}", name, hold_out=True) for name in EXPERIMENTS}
    healthy = found["healthy"]
    cells = [
        "another function"
        if is_another_loss(signal, name)
        else series.showing_cell(series.showings(found[name], healthy, START.get(name, 0)))
        for name in BROKEN
    ]
    false = [one.step for one in series.showings(healthy, healthy) if one is not None]
    first = f" (first at step {min(false)})" if false else ""
    return [*cells, f"{len(false)} of {len(healthy)}{first}"]


def is_another_loss(signal: str, name: str) -> bool:
    """Another temperature, or no negatives: a healthy loss has nothing to do with it."""
    return signal == "loss" and not {"temperature", "negatives_until"}.isdisjoint(EXPERIMENTS[name])


def alarm_row(runs: Runs, watcher: str) -> list[str]:
    """When the first alarm of any kind is on; alarms know nothing of healthy runs."""
    cells = []
    for name in (*BROKEN, "healthy"):
        kinds = [runs.series(f"alarm/{watcher}/{alarm}", name, hold_out=True).values() for alarm in ALARMS]
        of_any_kind = [np.logical_or.reduce(run) for run in zip(*kinds, strict=True)]
        cells.append(series.steps_cell([series.first_on(run, START.get(name, 0)) for run in of_any_kind]))
    return [f"any alarm of `MixtureStats`, {watcher}", *cells]


def how_it_was_judged(runs: Runs) -> list[str]:
    others = len(runs.series("signal/loss", "healthy", hold_out=True)) - 1
    return [
        f"When each signal first shows a failure ({runs.about('digits', True)}): median over seeds (range), in steps "
        f"from the start, or from the removal of the negatives (step {SWITCH}) in the complete collapse; ↑ above, ↓ "
        "below what is healthy. After the semicolon the runs that are still outside at the end.",
        "",
        f"A signal shows a failure at the first step from which it stays, {series.RUNNING} evaluations in a row, "
        f"outside the range of the {others} healthy runs of other seeds at that step. The range is widened at both "
        "ends by its own width there, or by its median width over all steps where that is larger. The same "
        "is asked of each healthy run: the fifth column is what the rule gets wrong. kNN is evaluated every "
        f"{KNN_EVERY} steps, on the fifth of the images that is held out; all else at every step, on the batch as the "
        f"loss sees it, both views. Alarms compare with no healthy run, and wait for {WARM_UP} updates.",
    ]


def how_it_was_timed(costs: Costs, machine: str) -> str:
    return (
        f"ms: median of one evaluation, taken in turns on the embeddings of one run, whose training step takes "
        f"{costs['step']:.1f} ms. `MixtureStats` (K = 10) gives all its signals at once: {costs['mixture']:.2f} ms for "
        f"`update` and `log_step` without spectra, {costs['spectrum']:.2f} ms with; by default spectra are found every "
        f"25 steps, {costs['default']:.2f} ms in the mean. kNN of h and of z take one pass over all images. {machine}."
    )


def cost_cells(costs: Costs, timed: str) -> list[str]:
    """Milliseconds of one evaluation, and its share of a training step."""
    each = 0.0 if timed == "nothing" else costs[timed]
    return [f"{each:.2f}", f"{each / costs['step']:.1%}"]


# ---------------------------------------------------------------------------------------------- the loss
SAID = {
    "loss": ("loss as trained", "{:.2f}"),
    "nt_xent": ("NT-Xent at the healthy τ", "{:.2f}"),
    "spread": ("tr T/E‖x‖² of the batch", "{:.2f}"),
    "knn_h": ("kNN of h, held-out images", "{:.3f}"),
    "knn_z": ("kNN of z, held-out images", "{:.3f}"),
}


def the_loss(runs: Runs) -> list[str]:
    """What the loss says, beside what happens."""
    last = runs.length("digits", True) - 1
    steps = sorted({0, 50, SWITCH - 1, SWITCH, SWITCH + 10, SWITCH + 50, last})
    rows = [
        [words(name), title, *said(runs, name, signal, steps, form)]
        for name in EXPERIMENTS
        for signal, (title, form) in SAID.items()
    ]
    return [
        "Does the loss betray it? Medians over seeds. From the removal of the negatives on, the loss is another "
        "function (minus the mean cosine of two views, −1 at best), and so it is at τ = 50 from the start (near "
        "log 511 = 6.24 whatever z is): its level says nothing beside a healthy run's. All a trainer sees is "
        "whether it falls. kNN is that of the last evaluation.",
        "",
        *series.markdown(["run", "", *(f"step {step}" for step in steps)], rows),
    ]


def said(runs: Runs, name: str, signal: str, steps: list[int], form: str) -> list[str]:
    found = runs.series(f"signal/{signal}", name, hold_out=True)
    return series.at_steps([*found.values()], steps, form.format)

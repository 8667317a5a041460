"""What is read of a streaming mixture when it is logged: one copy to the host, then numbers."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mixturelab.model.assigned import assign_rows
from mixturelab.model.forms import DENSE, Form
from mixturelab.stream import diagnostics
from mixturelab.stream.diagnostics import Host, to_host
from mixturelab.stream.state import COUNTS, Last, State

_MIXTURE = ("trace_W", "r_squared", "stable_rank", "effective_rank", "nc1")
_BATCH = ("trace_B", "opnorm_B", *_MIXTURE)

# The columns of mixture_diagnostics.csv after step and epoch.
COLUMNS = (
    *_MIXTURE, "entropy_pi", "valid_components", "drift", *(f"batch_{name}" for name in _BATCH),
    "batch_adjusted_r_squared", "batch_spread", *COUNTS, "collapsed_for", "write_errors", "alarms",
)  # fmt: skip

# What is not asked for.
_UNKNOWN = {"effective_rank": math.nan, "nc1": math.nan}
_NO_BATCH = dict.fromkeys(
    (*(f"batch_{name}" for name in _BATCH), "batch_adjusted_r_squared", "batch_spread"), math.nan
)


def collect(
    state: State, form: Form, last: Last | None, *, spectrum: bool, batch: bool, host: Host | None
) -> dict[str, Any]:
    """Everything the numbers need, on the host: by one copy, whatever was asked for.

    Parameters
    ----------
    state : State
    form : Form
    last : Last or None
        The last batch, if it is still there.
    spectrum : bool
        Whether eigenvalues of the total covariance are wanted.
    batch : bool
        Whether the batch's own mixture is.
    host : Host or None
        Who looks at the tensors where they are; None where that would be a wait.
    """
    parts: dict[str, Tensor | float] = dict(
        mass=state.mass, mean=state.mean, previous=state.previous, seen=state.seen,
        traces=state.traces, counts=state.counts,
        collapsed_for=state.collapsed_for,
    )  # fmt: skip
    if spectrum and form is DENSE:
        parts["within"] = diagnostics.within(state.mass, state.covariance.value)
    if last is not None:
        parts |= {"batch_all": last.batch.total, "batch_energy": last.batch.energy}
        parts |= {"batch_mass": last.mass, "batch_mean": last.mean} if batch else {}
        parts |= _of_rows(last) if batch and spectrum else {}
    return to_host(parts, host)


def _of_rows(last: Last) -> dict[str, Tensor]:
    rows = assign_rows(last.batch.x, last.index, len(last.mass))
    found = diagnostics.batch_spectrum(last.batch.x, rows)
    return {f"batch_{name}": value for name, value in found.items()}


def numbers(host: Mapping[str, Any], dtype: torch.dtype) -> dict[str, float]:
    """The summary's numbers; those that were not asked for, or have no meaning now, are NaN."""
    pi = diagnostics.mixing_shares(host["mass"])
    return {
        "pi_min": min(pi),
        "pi_max": max(pi),
        **_mixture(pi, host, dtype),
        "entropy_pi": diagnostics.entropy(pi),
        "valid_components": float(sum(host["seen"])),
        **_batch(host, dtype),
        **dict(zip(COUNTS, map(float, host["counts"]), strict=True)),
        "collapsed_for": float(host["collapsed_for"]),
    }


def _mixture(pi: list[float], host: Mapping[str, Any], dtype: torch.dtype) -> dict[str, float]:
    mean, trace_w = host["mean"], sum(map(operator.mul, pi, host["traces"]))
    roots, offsets, centre = diagnostics.between(pi, mean)
    gram, trace_b = offsets @ offsets.T, diagnostics.square(offsets)
    found = diagnostics.mixture_numbers(gram, trace_b, trace_w, diagnostics.square(centre), dtype)
    if math.isnan(found["r_squared"]):
        return {**found, **_UNKNOWN, "drift": math.nan}
    moved = (mean - host["previous"]) * roots
    found["drift"] = math.sqrt(diagnostics.square(moved) / (trace_b + trace_w))
    if "within" not in host:
        return {**found, **_UNKNOWN}
    within = host["within"]
    rank = diagnostics.effective_rank(within + offsets.T @ offsets)
    nc1 = diagnostics.neural_collapse(gram, offsets @ within @ offsets.T, dtype)
    return {**found, "effective_rank": rank, "nc1": nc1}


def _batch(host: Mapping[str, Any], dtype: torch.dtype) -> dict[str, float]:
    if "batch_all" not in host:
        return _NO_BATCH
    total, energy = float(host["batch_all"]), float(host["batch_energy"])
    spread = {"batch_spread": total / energy if energy > 0 else math.nan}
    if "batch_mass" not in host:
        return {**_NO_BATCH, **spread}
    found = _batch_mixture(host, total, energy, dtype)
    return {**_NO_BATCH, **spread, **{f"batch_{name}": value for name, value in found.items()}}


def _batch_mixture(
    host: Mapping[str, Any], total: float, energy: float, dtype: torch.dtype
) -> dict[str, float]:
    mass = host["batch_mass"]
    _, offsets, _ = diagnostics.between(diagnostics.mixing_shares(mass), host["batch_mean"])
    gram, trace_b = offsets @ offsets.T, diagnostics.square(offsets)
    trace_w = max(total - trace_b, 0.0)
    found = diagnostics.mixture_numbers(gram, trace_b, trace_w, energy - total, dtype)
    found["adjusted_r_squared"] = diagnostics.adjusted_r_squared(found["r_squared"], mass)
    if "batch_total" in host and math.isfinite(found["r_squared"]):
        found["effective_rank"] = diagnostics.effective_rank(host["batch_total"])
        own = host["batch_offsets"]  # where several processes hold the batch, of this one's rows
        found["nc1"] = diagnostics.neural_collapse(own @ own.T, host["batch_between_within"], dtype)
    return found

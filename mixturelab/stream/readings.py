"""What is read of a streaming mixture when it is logged: one copy to the host, then numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mixturelab.model.assigned import assign_rows
from mixturelab.model.forms import DENSE, Form
from mixturelab.stream import diagnostics
from mixturelab.stream.diagnostics import Array, to_host
from mixturelab.stream.snapshot import mixing_weights, scaled_offsets
from mixturelab.stream.state import COUNTS, Last, State

_MIXTURE = ("trace_W", "r_squared", "stable_rank", "effective_rank", "nc1")
_BATCH = ("trace_B", "opnorm_B", *_MIXTURE)

# The columns of mixture_diagnostics.csv after step and epoch.
COLUMNS = (
    *_MIXTURE, "entropy_pi", "valid_components", "drift", *(f"batch_{name}" for name in _BATCH),
    "batch_adjusted_r_squared", "batch_spread", *COUNTS, "collapsed_for", "write_errors", "alarms",
)  # fmt: skip


def collect(
    state: State, form: Form, last: Last | None, *, spectrum: bool, batch: bool, direct: bool
) -> dict[str, Array]:
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
    direct : bool
        Whether the host can look at the tensors where they are.
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
    return to_host(parts, direct)


def _of_rows(last: Last) -> dict[str, Tensor]:
    rows = assign_rows(last.batch.x, last.index, len(last.mass))
    found = diagnostics.batch_spectrum(last.batch.x, rows)
    return {f"batch_{name}": value for name, value in found.items()}


def numbers(host: Mapping[str, Array], dtype: torch.dtype) -> dict[str, float]:
    """The summary's numbers; those that were not asked for, or have no meaning now, are NaN."""
    pi = mixing_weights(host["mass"])
    shares = pi.tolist()  # a few numbers are quicker in Python than as an array
    found: dict[str, float] = {"pi_min": min(shares), "pi_max": max(shares)}
    found |= _mixture(pi, host, dtype)
    found |= {"entropy_pi": diagnostics.entropy(shares), "valid_components": float(host["seen"].sum())}
    moved, total = host["mean"] - host["previous"], found["trace_B"] + found["trace_W"]
    known = not math.isnan(found["r_squared"])
    found["drift"] = math.sqrt((pi @ (moved * moved)).sum() / total) if known else math.nan
    found |= {f"batch_{name}": value for name, value in _batch(host, dtype).items()}
    found |= dict(zip(COUNTS, host["counts"].tolist(), strict=True))
    return found | {"collapsed_for": float(host["collapsed_for"])}


def _mixture(pi: Array, host: Mapping[str, Array], dtype: torch.dtype) -> dict[str, float]:
    mean, trace_w = host["mean"], float(pi @ host["traces"])
    offsets, centre = scaled_offsets(pi, mean), pi @ mean
    gram = offsets @ offsets.T
    found = diagnostics.mixture_numbers(gram, trace_w, float(centre @ centre), dtype)
    if "within" not in host or math.isnan(found["r_squared"]):
        return found | {"effective_rank": math.nan, "nc1": math.nan}
    within = host["within"]
    rank = diagnostics.effective_rank(within + offsets.T @ offsets)
    nc1 = diagnostics.neural_collapse(gram, offsets @ within @ offsets.T, dtype)
    return found | {"effective_rank": rank, "nc1": nc1}


def _batch(host: Mapping[str, Array], dtype: torch.dtype) -> dict[str, float]:
    found = dict.fromkeys((*_BATCH, "spread", "adjusted_r_squared"), math.nan)
    if "batch_all" in host:
        total, energy = float(host["batch_all"]), float(host["batch_energy"])
        found["spread"] = total / energy if energy > 0 else math.nan
        if "batch_mass" in host:
            found |= _batch_mixture(host, total, energy, dtype)
    return found


def _batch_mixture(
    host: Mapping[str, Array], total: float, energy: float, dtype: torch.dtype
) -> dict[str, float]:
    mass = host["batch_mass"]
    gram = diagnostics.gram_of(mixing_weights(mass), host["batch_mean"])
    trace_w = max(total - float(gram.trace()), 0.0)
    found = diagnostics.mixture_numbers(gram, trace_w, energy - total, dtype)
    found["adjusted_r_squared"] = diagnostics.adjusted_r_squared(found["r_squared"], mass)
    if "batch_total" in host and math.isfinite(found["r_squared"]):
        found["effective_rank"] = diagnostics.effective_rank(host["batch_total"])
        found["nc1"] = diagnostics.neural_collapse(gram, host["batch_between_within"], dtype)
    return found

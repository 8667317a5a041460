"""What is read of a streaming mixture when it is logged: one copy to the host, then numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mixturelab.model.assigned import assign_rows
from mixturelab.model.forms import DENSE, Form
from mixturelab.stream import diagnostics
from mixturelab.stream.diagnostics import Array, to_host
from mixturelab.stream.state import COUNTS, Last, State

_MIXTURE = ("trace_W", "r_squared", "stable_rank", "effective_rank", "nc1")
_BATCH = ("trace_B", "opnorm_B", *_MIXTURE, "spread")

# The columns of mixture_diagnostics.csv after step and epoch.
COLUMNS = (
    *_MIXTURE, "entropy_pi", "valid_components", "drift", *(f"batch_{name}" for name in _BATCH),
    *COUNTS, "collapsed_for", "write_errors", "alarms",
)  # fmt: skip
SPECTRAL = ("effective_rank", "nc1", "batch_effective_rank", "batch_nc1")


def collect(state: State, form: Form, last: Last | None, spectrum: bool) -> dict[str, Array]:
    """Everything the numbers need, on the host by one copy; what the spectrum needs only if that is wanted."""
    parts = _of_stream(state, form)
    if spectrum and form is DENSE:
        found = diagnostics.spectrum_parts(state.mass, state.mean, state.covariance)
        parts |= {f"stream_{name}": value for name, value in found.items()}
    if last is not None:
        parts |= {f"batch_{name}": value for name, value in _of_batch(last, spectrum).items()}
    return to_host(parts)


def _of_batch(last: Last, spectrum: bool) -> dict[str, Tensor]:
    parts = diagnostics.between(last.mass, last.mean)
    parts |= {"all": last.batch.total, "energy": last.batch.energy}
    return parts | _of_rows(last) if spectrum else parts


def _of_stream(state: State, form: Form) -> dict[str, Tensor]:
    found = diagnostics.between(state.mass, state.mean)
    parts = {f"stream_{name}": value for name, value in found.items()}
    parts["trace_W"] = diagnostics.within_trace(found["pi"], state.covariance, form)
    moved = (state.mean - state.previous).square().sum(1)
    parts |= {"seen": state.seen, "drift": (found["pi"] @ moved).sqrt()}
    return parts | {"collapsed_for": state.collapsed_for, "counts": state.counts}


def _of_rows(last: Last) -> dict[str, Tensor]:
    rows = assign_rows(last.batch.x, last.index, len(last.mass))
    return diagnostics.batch_spectrum_parts(last.batch.x, rows)


def numbers(host: dict[str, Array], n_components: int, dtype: torch.dtype) -> dict[str, float]:
    """The summary's numbers; those that were not asked for, or have no meaning now, are NaN."""
    pi, gram, trace_w = host["stream_pi"], host["stream_gram"], float(host["trace_W"])
    energy = float(host["stream_centre"]) + float(gram.trace()) + trace_w
    found: dict[str, float] = {"pi_min": float(pi.min()), "pi_max": float(pi.max())}
    found |= diagnostics.mixture_numbers(gram, trace_w, energy, dtype)
    found |= _spectral(host, "stream", gram, n_components, dtype, math.isfinite(found["r_squared"]))
    found |= {"entropy_pi": diagnostics.entropy(pi), "valid_components": float(host["seen"].sum())}
    total = found["trace_B"] + found["trace_W"]
    known = math.isfinite(found["r_squared"])
    found["drift"] = float(host["drift"]) / math.sqrt(total) if known else math.nan
    found |= {f"batch_{name}": value for name, value in _batch_numbers(host, n_components, dtype).items()}
    found["collapsed_for"] = float(host["collapsed_for"])
    return found | {name: float(count) for name, count in zip(COUNTS, host["counts"], strict=True)}


def _batch_numbers(host: dict[str, Array], n_components: int, dtype: torch.dtype) -> dict[str, float]:
    if "batch_pi" not in host:
        return dict.fromkeys(_BATCH, math.nan)
    gram = host["batch_gram"]
    total, energy = float(host["batch_all"]), float(host["batch_energy"])
    found = diagnostics.mixture_numbers(gram, max(total - float(gram.trace()), 0.0), energy, dtype)
    found |= _spectral(host, "batch", gram, n_components, dtype, math.isfinite(found["r_squared"]))
    found["spread"] = total / energy if energy > 0 else math.nan
    return found


def _spectral(
    host: dict[str, Array], of: str, gram: Array, n_components: int, dtype: torch.dtype, known: bool
) -> dict[str, float]:
    if not known or f"{of}_total" not in host:
        return {"effective_rank": math.nan, "nc1": math.nan}
    inner = host[f"{of}_between_within"]
    return {
        "effective_rank": diagnostics.effective_rank(host[f"{of}_total"]),
        "nc1": diagnostics.neural_collapse(gram, inner, n_components, dtype),
    }

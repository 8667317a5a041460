"""Statistics into numbers: what a mixture of embeddings tells of the network. No input, no output, no device waits.

Everything that needs a device is collected first and copied to the host at once; the numbers are made there, in
float64. Eigenvalues are of K×K matrices, but for the effective rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixturelab.model.assigned import AssignedRows
from mixturelab.model.forms import Form
from mixturelab.stream.snapshot import mixing_weights, scaled_offsets

Array = NDArray[np.float64]


def to_host(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """All tensors as float64 arrays, by one copy."""
    parts = list(tensors.values())
    exact = torch.float32 if parts[0].device.type == "mps" else torch.float64
    flat = torch.cat([part.flatten() if part.dtype is exact else part.flatten().to(exact) for part in parts])
    values, found, start = flat.cpu().numpy().astype(np.float64, copy=False), {}, 0
    for name, part in tensors.items():
        found[name] = values[start : start + part.numel()].reshape(part.shape)
        start += part.numel()
    return found


# ------------------------------------------------------------------------------------- on the device


def between(mass: Tensor, mean: Tensor) -> dict[str, Tensor]:
    """π, and the K×K Gram matrix G = MMᵀ of M = √π(μ − μ̄), which has B's eigenvalues; and E‖x‖²'s part ‖μ̄‖²."""
    pi = mixing_weights(mass)
    offsets = scaled_offsets(pi, mean)
    return {"pi": pi, "gram": offsets @ offsets.mT, "centre": (pi @ mean).square().sum()}


def within_trace(pi: Tensor, covariance: Tensor, form: Form) -> Tensor:
    """The trace of Σ_W = Σ π_k Σ_k."""
    return pi @ form.traces(covariance, len(pi))


def spectrum_parts(mass: Tensor, mean: Tensor, covariance: Tensor) -> dict[str, Tensor]:
    """The total covariance Σ_W + B, and MΣ_WMᵀ, from which tr(Σ_W B⁺) follows."""
    pi = mixing_weights(mass)
    offsets = scaled_offsets(pi, mean)
    within = torch.tensordot(pi, covariance, dims=1)
    return {"total": within + offsets.mT @ offsets, "between_within": offsets @ within @ offsets.mT}


def batch_spectrum_parts(x: Tensor, rows: AssignedRows) -> dict[str, Tensor]:
    """The same of one batch, from its rows; the total as the smaller of XᵀX and XXᵀ, over the rows' number."""
    live = rows.weights.sum(0)[:, None]
    count = live.sum().clamp(min=1)
    kept = (x - (live * x).sum(0) / count) * live
    total = (kept.mT @ kept if x.shape[1] <= len(x) else kept @ kept.mT) / count
    offsets = scaled_offsets(mixing_weights(rows.mass), rows.mean)
    projected = (rows.residual * live) @ offsets.mT  # [N, K]
    return {"total": total, "between_within": projected.mT @ projected / count}


# --------------------------------------------------------------------------------------- on the host


def mixture_numbers(gram: Array, trace_w: float, energy: float, dtype: torch.dtype) -> dict[str, float]:
    """What needs no eigenvalues but the K×K Gram's: traces, norms and their ratios.

    Ratios are NaN where the total trace is rounding, measured by E‖x‖².
    """
    trace_b = float(np.trace(gram))
    opnorm = largest_eigenvalue(gram)
    total = trace_b + trace_w
    is_there = total > torch.finfo(dtype).eps * energy
    return {
        "trace_B": trace_b,
        "opnorm_B": opnorm,
        "trace_W": trace_w,
        "r_squared": trace_b / total if is_there else math.nan,
        "stable_rank": trace_b / opnorm if is_there and opnorm > 0 else math.nan,
    }


def largest_eigenvalue(gram: Array) -> float:
    """The operator norm of B from its Gram matrix; NaN where that is not finite."""
    return max(float(np.linalg.eigvalsh(gram)[-1]), 0.0) if np.isfinite(gram).all() else math.nan


def effective_rank(total: Array) -> float:
    """Exponential of the entropy of the normalised eigenvalues: 1 for a line, D for a sphere.

    References
    ----------
    Roy and Vetterli (2007), The effective rank: a measure of effective dimensionality.
    """
    if not np.isfinite(total).all() or np.trace(total) <= 0:
        return math.nan
    share = np.clip(np.linalg.eigvalsh(total), 0, None)
    share = share[share > 0] / share.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def neural_collapse(gram: Array, between_within: Array, n_components: int, dtype: torch.dtype) -> float:
    """NC1 = tr(Σ_W B⁺)/K, by the K×K matrices: with G = UΛUᵀ, tr(Σ_W B⁺) = tr(Λ⁻²Uᵀ(MΣ_WMᵀ)U).

    Directions in which B is rounding are left out of the pseudo-inverse.

    References
    ----------
    Papyan, Han and Donoho (2020), Prevalence of neural collapse during the terminal phase of deep learning training.
    """
    if not (np.isfinite(gram).all() and np.isfinite(between_within).all()):
        return math.nan
    values, vectors = np.linalg.eigh(gram)
    kept = values > len(gram) * torch.finfo(dtype).eps * max(values[-1], 0.0)
    if not kept.any():
        return math.nan
    inner = np.einsum("ki,kl,li->i", vectors[:, kept], between_within, vectors[:, kept])
    return float((inner / values[kept] ** 2).sum() / n_components)


def entropy(pi: Array) -> float:
    """−Σ π log π in nats."""
    live = pi[pi > 0]
    return float(-(live * np.log(live)).sum())


# -------------------------------------------------------------------------------------------- alarms


@dataclass(frozen=True)
class Alarm:
    """Something is wrong with the representation now.

    Attributes
    ----------
    name : {"complete_collapse", "low_rank_collapse", "no_class_structure"}
    message : str
        What was seen, and what it means.
    """

    name: str
    message: str


# After so many updates a network has left its random start, whose embeddings are crowded too.
WARM_UP = 30
# Complete: less than a tenth of the embeddings' squared length is spread, the rest their common mean.
COLLAPSED_SHARE, COLLAPSED_UPDATES = 0.1, 5
# Low rank: more than half of what lies between the components lies along one direction, and all of it, by
# entropy, in fewer than three. With few components or dimensions that is no news.
ONE_DIRECTION, FEW_DIRECTIONS = 0.5, 3.0
LEAST_K, LEAST_D = 4, 8
# Classes that explain less than a fifth of the variance are not told apart.
NO_STRUCTURE = 0.2


def find_alarms(
    numbers: Mapping[str, float], n_components: int, n_features: int, uses_labels: bool
) -> tuple[Alarm, ...]:
    """The alarms that these numbers raise, none before `WARM_UP` updates."""
    if numbers["updates"] < WARM_UP:
        return ()
    found = [_complete_collapse(numbers), _low_rank_collapse(numbers, n_components, n_features)]
    if uses_labels:
        found.append(_no_class_structure(numbers))
    return tuple(alarm for alarm in found if alarm is not None)


def _complete_collapse(numbers: Mapping[str, float]) -> Alarm | None:
    if numbers["collapsed_for"] < COLLAPSED_UPDATES:
        return None
    return Alarm(
        "complete_collapse",
        f"the embeddings are collapsing to one point: their spread has been under {COLLAPSED_SHARE:.0%} of their mean "
        f"squared length for {int(numbers['collapsed_for'])} updates (now {numbers['batch_spread']:.1%})",
    )


def _low_rank_collapse(numbers: Mapping[str, float], n_components: int, n_features: int) -> Alarm | None:
    if n_components < LEAST_K or n_features < LEAST_D or not numbers["trace_B"] > 0:
        return None
    ratio, rank = numbers["opnorm_B"] / numbers["trace_B"], numbers["alarm_rank"]
    if not (ratio > ONE_DIRECTION and rank < FEW_DIRECTIONS):
        return None
    return Alarm(
        "low_rank_collapse",
        f"the embeddings are collapsing to few dimensions: {ratio:.0%} of the variance between components lies along "
        f"one direction, and the effective rank is {rank:.1f} of {n_features}",
    )


def _no_class_structure(numbers: Mapping[str, float]) -> Alarm | None:
    if not numbers["r_squared"] < NO_STRUCTURE:
        return None
    return Alarm(
        "no_class_structure",
        f"the classes explain only {numbers['r_squared']:.0%} of the embeddings' variance",
    )

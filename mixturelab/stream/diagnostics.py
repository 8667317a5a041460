"""Statistics into numbers: what a mixture of embeddings tells of the network. No input, no output, no device waits.

Masses and means are copied to the host at once; the numbers are made there, in float64. Eigenvalues are of K×K
matrices, but for the effective rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.lapack import dsyev
from torch import Tensor

from mixturelab.model.assigned import AssignedRows
from mixturelab.stream.snapshot import mixing_weights, scaled_offsets

Array = NDArray[np.float64]
_EPS = {dtype: torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)}


class Host:
    """What the host saw of tensors last: one that is still the same object is not looked at again.

    The tensors of a stream's state are replaced, never changed.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Tensor, Any]] = {}

    def look(self, parts: Mapping[str, Tensor | float]) -> dict[str, Any]:
        """The values of all parts, looked at where they are."""
        found, known = {}, {}
        for name, part in parts.items():
            if isinstance(part, Tensor):
                entry = self._known.get(id(part))
                if entry is None or entry[0] is not part:
                    entry = part, _seen(part)
                known[id(part)] = entry
                found[name] = entry[1]
            else:
                found[name] = part
        self._known = known
        return found


def to_host(parts: Mapping[str, Tensor | float], host: Host | None) -> dict[str, Any]:
    """All of them: looked at where they are by the host that can, or brought by one copy.

    Matrices become float64 arrays, vectors lists and single values numbers: of so few, Python is quicker.
    """
    if host is not None:
        return host.look(parts)
    tensors = {name: part for name, part in parts.items() if isinstance(part, Tensor)}
    return {**parts, **_copied(tensors)}


def _seen(part: Tensor) -> Any:
    return (
        part.double().numpy() if part.ndim > 1 else part.tolist()
    )  # NumPy's own conversion takes twice as long


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    device = next(iter(tensors.values())).device
    exact = torch.float32 if device.type == "mps" else torch.float64
    values = torch.cat([part.flatten().to(exact) for part in tensors.values()]).cpu().numpy()
    ends = np.cumsum([part.numel() for part in tensors.values()])
    pieces = np.split(values.astype(np.float64, copy=False), ends[:-1])
    shaped = [piece.reshape(part.shape) for part, piece in zip(tensors.values(), pieces, strict=True)]
    return {
        name: piece if piece.ndim > 1 else piece.tolist() for name, piece in zip(tensors, shaped, strict=True)
    }


# ------------------------------------------------------------------------------------- on the device


def within(mass: Tensor, covariance: Tensor) -> Tensor:
    """Σ_W = Σ π_k Σ_k, [D, D]."""
    return torch.tensordot(mixing_weights(mass), covariance, dims=1)


def batch_spectrum(x: Tensor, rows: AssignedRows) -> dict[str, Tensor]:
    """Of one batch: its total covariance, as the smaller of XᵀX and XXᵀ over the rows' number, M and MΣ_WMᵀ."""
    live = (rows.index < len(rows.mass)).to(x.dtype)[:, None]
    count = live.sum().clamp(min=1)
    kept = (x - (live * x).sum(0) / count) * live
    total = (kept.mT @ kept if x.shape[1] <= x.shape[0] else kept @ kept.mT) / count
    offsets = scaled_offsets(mixing_weights(rows.mass), rows.mean)
    projected = (rows.residual * live) @ offsets.mT  # [N, K]
    return {"total": total, "offsets": offsets, "between_within": projected.mT @ projected / count}


# --------------------------------------------------------------------------------------- on the host


def mixing_shares(mass: Sequence[float]) -> list[float]:
    """π_k = N_k / Σ_j N_j, as `mixing_weights`, of a few numbers."""
    total = sum(mass) or 1.0
    return [count / total for count in mass]


def between(pi: Sequence[float], mean: Array) -> tuple[Array, Array, Array]:
    """√π as a column [K, 1], M = √π(μ − μ̄) [K, D], whose Gram matrix MMᵀ has B's eigenvalues, and μ̄ [D]."""
    first = mean[pi.index(max(pi))]  # about one of the means, as `scaled_offsets`
    shares, offsets = np.array(pi), mean - first
    centre = shares @ offsets
    offsets -= centre
    roots = np.sqrt(shares)[:, None]
    offsets *= roots
    centre += first
    return roots, offsets, centre


def square(rows: Array) -> float:
    """The sum of the squares of all entries."""
    return float(np.vdot(rows, rows))


def mixture_numbers(
    gram: Array, trace_b: float, trace_w: float, centre: float, dtype: torch.dtype
) -> dict[str, float]:
    """What needs no eigenvalues but the K×K Gram's: traces, norms and their ratios; ``centre`` is ‖μ̄‖².

    Ratios are NaN where the total trace is rounding, measured by E‖x‖².
    """
    opnorm = largest_eigenvalue(gram) if math.isfinite(trace_b) else math.nan
    total = trace_b + trace_w
    is_there = total > _EPS[dtype] * (total + centre)
    return {
        "trace_B": trace_b,
        "opnorm_B": opnorm,
        "trace_W": trace_w,
        "r_squared": trace_b / total if is_there else math.nan,
        "stable_rank": trace_b / opnorm if is_there and opnorm > 0 else math.nan,
    }


def largest_eigenvalue(gram: Array) -> float:
    """The operator norm of B from its Gram matrix."""
    values, _, _ = dsyev(gram, compute_v=0)  # numpy's wrapper takes twice the time of so small a matrix
    return max(float(values[-1]), 0.0)


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


def neural_collapse(gram: Array, between_within: Array, dtype: torch.dtype) -> float:
    """NC1 = tr(Σ_W B⁺)/K, by the K×K matrices: with G = UΛUᵀ, tr(Σ_W B⁺) = tr(Λ⁻²Uᵀ(MΣ_WMᵀ)U).

    Directions in which B is rounding are left out of the pseudo-inverse.

    References
    ----------
    Papyan, Han and Donoho (2020), Prevalence of neural collapse during the terminal phase of deep learning training.
    """
    if not (np.isfinite(gram).all() and np.isfinite(between_within).all()):
        return math.nan
    values, vectors = np.linalg.eigh(gram)
    kept = values > len(gram) * _EPS[dtype] * max(values[-1], 0.0)
    if not kept.any():
        return math.nan
    inner = np.einsum("ki,kl,li->i", vectors[:, kept], between_within, vectors[:, kept])
    return float((inner / values[kept] ** 2).sum() / len(gram))


def entropy(pi: Iterable[float]) -> float:
    """−Σ π log π in nats."""
    return -sum(share * math.log(share) for share in pi if share > 0)


def adjusted_r_squared(r_squared: float, mass: Sequence[float]) -> float:
    """The share of a batch's variance that lies between its classes, less what chance puts there.

    1 − (1 − R²)(N − 1)/(N − K): even classes drawn by lot have means that differ. NaN with no more rows than classes.
    """
    rows, classes = sum(mass), sum(count > 0 for count in mass)
    return 1 - (1 - r_squared) * (rows - 1) / (rows - classes) if rows > classes else math.nan


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
# Complete: a tenth at most of the embeddings' squared length is spread, the rest their common mean.
COLLAPSED_SHARE, COLLAPSED_UPDATES = 0.1, 5
# Low rank: more than half of what lies between the components lies along one direction, and all of it, by
# entropy, in fewer than three. With few components or dimensions that is no news.
ONE_DIRECTION, FEW_DIRECTIONS = 0.5, 3.0
LEAST_K, LEAST_D = 4, 8
# Classes that explain less than a fifth of the variance are not told apart. The decayed statistics lag behind a network
# that is just learning them: the last batch must agree.
NO_STRUCTURE = 0.2


def find_alarms(
    numbers: Mapping[str, float], rank: float, n_components: int, n_features: int, uses_labels: bool
) -> tuple[Alarm, ...]:
    """The alarms that these numbers and this effective rank raise, none before `WARM_UP` updates."""
    if numbers["updates"] < WARM_UP:
        return ()
    found = [_complete_collapse(numbers), _low_rank_collapse(numbers, rank, n_components, n_features)]
    if uses_labels and n_components > 1:  # one class explains nothing
        found.append(_no_class_structure(numbers))
    return tuple(alarm for alarm in found if alarm is not None)


def _complete_collapse(numbers: Mapping[str, float]) -> Alarm | None:
    if numbers["collapsed_for"] < COLLAPSED_UPDATES:
        return None
    spread = numbers["batch_spread"]
    now = "now unknown" if math.isnan(spread) else f"now {spread:.1%}"
    return Alarm(
        "complete_collapse",
        f"the embeddings are collapsing to one point: their spread has been under {COLLAPSED_SHARE:.0%} of their mean "
        f"squared length for {int(numbers['collapsed_for'])} updates ({now})",
    )


def _low_rank_collapse(
    numbers: Mapping[str, float], rank: float, n_components: int, n_features: int
) -> Alarm | None:
    if n_components < LEAST_K or n_features < LEAST_D or not numbers["trace_B"] > 0:
        return None
    ratio = numbers["opnorm_B"] / numbers["trace_B"]
    if not (ratio > ONE_DIRECTION and rank < FEW_DIRECTIONS):
        return None
    return Alarm(
        "low_rank_collapse",
        f"the embeddings are collapsing to few dimensions: {ratio:.0%} of the variance between components lies along "
        f"one direction, and the effective rank is {rank:.1f} of {n_features}",
    )


def _no_class_structure(numbers: Mapping[str, float]) -> Alarm | None:
    if not numbers["r_squared"] < NO_STRUCTURE or numbers["batch_adjusted_r_squared"] >= NO_STRUCTURE:
        return None
    return Alarm(
        "no_class_structure",
        f"the classes explain only {numbers['r_squared']:.0%} of the embeddings' variance",
    )

"""Judging what comes in: shapes and labels before any work, rows that cannot be used without looking at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mixturelab.exceptions import ArgumentError

# Squared norms up to this part of the largest float can be summed over any batch without overflow.
_MOST = {dtype: 1e-8 * torch.finfo(dtype).max for dtype in (torch.float32, torch.float64)}


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows that can be used, about their mean.

    Attributes
    ----------
    x : Tensor [N, D]
        Rows minus the centre; what a row that is not live holds means nothing, but is finite.
    centre : Tensor [D]
        The mean of the live rows.
    is_live : Tensor [N] or None
        None where the host has seen that all are.
    dropped : Tensor or None
        How many rows are not finite, or have a squared norm above 1e-8 of the largest float (a norm of 1.8e15 in
        float32); None as above.
    count : Tensor or None
        How many rows are live; None where all are.
    total : Tensor or float
        The trace of the live rows' covariance.
    energy : Tensor or float
        Their mean squared norm, E‖x‖².
    """

    x: Tensor
    centre: Tensor
    is_live: Tensor | None
    dropped: Tensor | None
    count: Tensor | None
    total: Tensor | float
    energy: Tensor | float


def check_embeddings(embeddings: Any, n_features: int | None) -> Tensor:
    """Embeddings as a detached tensor [N, D].

    Raises
    ------
    ArgumentError
        If they are not a tensor of real numbers with two dimensions, or have another D than before.
    """
    if not isinstance(embeddings, Tensor):
        raise ArgumentError(f"embeddings is {type(embeddings).__name__}; wanted a torch tensor [N, D]")
    if embeddings.ndim != 2 or embeddings.shape[1] < 1:
        raise ArgumentError(f"embeddings has shape {tuple(embeddings.shape)}; wanted [N, D]")
    if not embeddings.is_floating_point():
        raise ArgumentError(f"embeddings is of {embeddings.dtype}; wanted floating-point numbers")
    if n_features not in (None, embeddings.shape[1]):
        raise ArgumentError(
            f"embeddings has D = {embeddings.shape[1]}; wanted {n_features}, as in the statistics so far "
            "(reset() forgets them)"
        )
    return embeddings.detach()


def check_labels(
    labels: Any, rows: int, n_components: int, ignore_index: int, validate: bool, device: torch.device
) -> tuple[Int[Tensor, "N"], Int[Tensor, ""] | None]:
    """Labels as component indices, K for a row to leave out; and how many of those there are (None: none).

    The check reads labels that live on another device once. With ``validate`` False nothing is read: a label out of
    range is then left out like ``ignore_index``.

    Raises
    ------
    ArgumentError
        If there are none, their number is not N, or one of them is out of range.
    """
    if labels is None:
        raise ArgumentError("labels is None; wanted a tensor [N] of class labels (the settings ask for them)")
    tensor = labels.detach() if isinstance(labels, Tensor) else _as_tensor(labels)
    if tuple(tensor.shape) != (rows,):
        raise ArgumentError(
            f"labels has shape {tuple(tensor.shape)}; wanted ({rows},), one for each embedding"
        )
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype is torch.bool:
        raise ArgumentError(f"labels is of {tensor.dtype}; wanted integers")
    tensor = tensor.to(torch.int64)
    if validate and device.type == "cpu" and _are_all_classes(tensor, n_components, ignore_index):
        return tensor.clone().to(device), None
    is_class = (tensor >= 0) & (tensor < n_components) & (tensor != ignore_index)
    if validate:
        _check_range(tensor, is_class | (tensor == ignore_index), n_components, ignore_index)
    index = torch.where(is_class, tensor, n_components).to(device, non_blocking=True)
    return index, (index == n_components).sum()


def _as_tensor(labels: Any) -> Tensor:
    try:
        return torch.as_tensor(labels, device="cpu")
    except (TypeError, ValueError, RuntimeError):  # torch has one of them for each thing that is no number
        kind = type(labels).__name__
        raise ArgumentError(
            f"labels is {kind} of something else than whole numbers; wanted a tensor [N]"
        ) from None


def _are_all_classes(labels: Tensor, n_components: int, ignore_index: int) -> bool:
    """The usual case, seen in one reading."""
    if not labels.numel() or 0 <= ignore_index < n_components:
        return False
    low, high = torch.aminmax(labels)
    return bool(low >= 0) and bool(high < n_components)


def _check_range(labels: Tensor, is_good: Tensor, n_components: int, ignore_index: int) -> None:
    if not is_good.all():
        row = int((~is_good).to(torch.int8).argmax())
        raise ArgumentError(
            f"labels[{row}] is {int(labels[row])}; wanted 0 to {n_components - 1}, or {ignore_index} to leave a row out"
        )


def judge(
    embeddings: Float[Tensor, "N D"], dtype: torch.dtype, may_read: bool, out: Tensor | None = None
) -> Batch:
    """Find the rows that can be used, and take them about their mean; with ``may_read`` False, unseen by the host.

    ``out`` is memory [N, D] for the result.
    """
    x, most = embeddings.to(dtype), _MOST[dtype]
    if may_read and (batch := _all_live(x, out)).energy * x.shape[0] <= most:  # NaN is not
        return batch
    is_live = torch.linalg.vecdot(x, x) <= most
    count = is_live.sum()
    weights = is_live.to(dtype)
    kept = torch.where(is_live[:, None], x, 0.0)
    first = kept.index_select(0, weights.argmax()[None])[0]
    centred, centre = _about_mean(kept, first, weights / count.clamp(min=1), out)
    total = (torch.linalg.vecdot(centred, centred) * weights).sum() / count.clamp(min=1)
    energy = total + centre @ centre
    return Batch(centred, centre, is_live, x.shape[0] - count, count, total, energy)


def _all_live(x: Float[Tensor, "N D"], out: Tensor | None) -> Batch:
    """The usual case where the host may look: nothing to leave out, and plain numbers.

    With a row that cannot be used the energy is NaN, infinite or too large.
    """
    centred, centre = _about_mean(x, x[0], None, out)
    total = _square(centred) / x.shape[0]
    return Batch(centred, centre, None, None, None, total, total + _square(centre))


def _about_mean(
    x: Tensor, first: Tensor, weights: Tensor | None, out: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Rows minus their mean, which is found about a row of them: exact for rows that are all equal."""
    residual = torch.sub(x, first, out=out)
    mean = residual.mean(0) if weights is None else weights @ residual
    return residual.sub_(mean), first + mean


def _square(x: Tensor) -> float:
    """The sum of the squares of all entries."""
    flat = x.reshape(-1)
    return torch.dot(flat, flat).item()

"""Matrix helpers that know matrices, not mixture components."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def cholesky(
    matrix: Float[Tensor, "*batch D D"],
) -> tuple[Float[Tensor, "*batch D D"], Bool[Tensor, "*batch"]]:
    """Lower Cholesky factors and, for each matrix, whether it is positive definite (never raises)."""
    factor, info = torch.linalg.cholesky_ex(matrix)
    # One entry that is not finite makes the sum so.
    return factor, (info == 0) & torch.isfinite(factor.sum((-2, -1)))


def inverse_lower(factor: Float[Tensor, "*batch D D"]) -> Float[Tensor, "*batch D D"]:
    """Inverse of lower triangular matrices."""
    unit = identity(factor.shape[-1], factor.dtype, factor.device)
    return torch.linalg.solve_triangular(factor, unit.expand_as(factor), upper=False)


@lru_cache(maxsize=64)
def identity(n: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "D D"]:
    """The identity matrix, made once: not to be written to."""
    with torch.inference_mode(False):  # what is kept must be of use to autograd, too
        return torch.eye(n, dtype=dtype, device=device)


def symmetric(matrix: Float[Tensor, "*batch D D"]) -> Float[Tensor, "*batch D D"]:
    """The symmetric part: rounding leaves a product C S C^T off by a last digit."""
    return (matrix + matrix.mT) / 2


def log_diagonal_sum(factor: Float[Tensor, "*batch D D"]) -> Float[Tensor, "*batch"]:
    """Log-determinant of triangular matrices with a positive diagonal."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def accumulation_dtype(device: torch.device) -> torch.dtype:
    """Sums over many rows are kept in float64 wherever the device has it (Apple's MPS has not)."""
    return torch.float32 if device.type == "mps" else torch.float64


# Above this width one product per component beats a batched one on a CPU: the operands stay in the cache.
_LOOP_WIDTH = 32

# A weight below this share of rounding cannot change a sum of squares, whose terms it goes with: it falls as
# exp(−‖y‖²/2) while the terms grow as ‖y‖².
_NEGLIGIBLE = 1e-6


def is_traced(*operands: Tensor) -> bool:
    """Whether autograd follows an operation on these: then nothing may be written into a buffer."""
    return torch.is_grad_enabled() and any(operand.requires_grad for operand in operands)


def matmul(
    a: Float[Tensor, "K P Q"], b: Float[Tensor, "K Q B"], out: Float[Tensor, "K P B"] | None = None
) -> Float[Tensor, "K P B"]:
    """A product for each component, in the order that is fastest on the device."""
    if _is_batch_quicker(a) or is_traced(a, b):
        return torch.bmm(a, b) if out is None else torch.bmm(a, b, out=out)
    out = a.new_empty(a.shape[0], a.shape[1], b.shape[2]) if out is None else out
    for a_k, b_k, out_k in zip(a, b, out, strict=True):
        torch.mm(a_k, b_k, out=out_k)
    return out


def weighted_gram(weights: Float[Tensor, "K B"], y: Float[Tensor, "K D B"]) -> Float[Tensor, "K D D"]:
    """Σ_n w_kn y_kn y_knᵀ for each component.

    In many dimensions nearly every row belongs to one component alone. On a CPU, where looking is free, the rows
    whose weight is lost in rounding are left out of that component's product.
    """
    if _is_batch_quicker(y):
        return torch.bmm(y * weights[:, None], y.mT)
    return torch.stack([_gram(w_k, y_k) for w_k, y_k in zip(weights, y, strict=True)])


def _gram(weights: Float[Tensor, "B"], y: Float[Tensor, "D B"]) -> Float[Tensor, "D D"]:
    seen = torch.nonzero(weights > _NEGLIGIBLE * torch.finfo(weights.dtype).eps).flatten()
    if 2 * len(seen) < len(weights):  # gathering costs something too
        weights, y = weights[seen], y[:, seen]
    return (y * weights) @ y.mT


def _is_batch_quicker(operand: Float[Tensor, "K P Q"]) -> bool:
    return operand.device.type != "cpu" or operand.shape[1] < _LOOP_WIDTH


# Multiply-adds in one pass below which waking a second thread costs more than it saves (measured: up to 15 times
# more, when another program wants the cores too).
_SMALL_WORK = 10_000_000


@contextmanager
def threads_for(work: int, device: torch.device) -> Iterator[None]:
    """One thread for the block if each of its many passes is small work on the CPU; the setting is put back."""
    before = torch.get_num_threads()
    limit = device.type == "cpu" and before > 1 and work < _SMALL_WORK
    if limit:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if limit:
            torch.set_num_threads(before)

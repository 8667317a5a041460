"""Matrix helpers that know matrices, not mixture components."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def cholesky(
    matrix: Float[Tensor, "*batch D D"],
) -> tuple[Float[Tensor, "*batch D D"], Bool[Tensor, "*batch"]]:
    """Lower Cholesky factors and, for each matrix, whether it is positive definite (never raises)."""
    factor, info = torch.linalg.cholesky_ex(matrix)
    return factor, (info == 0) & torch.isfinite(factor).all(dim=-1).all(dim=-1)


def inverse_lower(factor: Float[Tensor, "*batch D D"]) -> Float[Tensor, "*batch D D"]:
    """Inverse of lower triangular matrices."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)


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


def matmul(a: Float[Tensor, "K P Q"], b: Float[Tensor, "K Q B"]) -> Float[Tensor, "K P B"]:
    """A product for each component, in the order that is fastest on the device."""
    differentiable = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    if a.device.type != "cpu" or a.shape[-1] < _LOOP_WIDTH or differentiable:
        return torch.bmm(a, b)
    out = a.new_empty(a.shape[0], a.shape[1], b.shape[2])
    for a_k, b_k, out_k in zip(a, b, out, strict=True):
        torch.mm(a_k, b_k, out=out_k)
    return out


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

"""Signals of collapse that others have proposed, each of embeddings [N, D] whose rows are normalised first."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from mixturelab.exceptions import DataError

__all__ = ["embedding_std", "rank_me", "uniformity"]

_ROWS = 1024  # distances are held for this many rows at a time


def rank_me(z: Tensor) -> float:
    """How many directions the embeddings use: exp(−Σ p log p), p the singular values divided by their sum.

    From 1 (one direction) to min(N, D), after Garrido et al. 2023 (RankMe). Rows are not centred.

    Parameters
    ----------
    z : Tensor [N, D]
        Embeddings, at least two rows; normalised here.

    Raises
    ------
    DataError
        Another shape, or NaN or infinity.
    """
    values = torch.linalg.svdvals(_unit_rows(z))
    return math.exp(float(torch.special.entr(values / values.sum()).sum()))


def embedding_std(z: Tensor) -> float:
    """Standard deviation of each dimension of the normalised embeddings (1/N), averaged over the dimensions.

    About 1/√D where they fill the sphere evenly, 0 where they are constant.

    Parameters
    ----------
    z : Tensor [N, D]
        Embeddings, at least two rows; normalised here.

    Raises
    ------
    DataError
        Another shape, or NaN or infinity.
    """
    return float(_unit_rows(z).std(dim=0, correction=0).mean())


def uniformity(z: Tensor) -> float:
    """Logarithm of the mean of exp(−2 ‖z_i − z_j‖²) over all pairs i ≠ j of normalised embeddings.

    From 0 (all alike) down, the lower the more even, after Wang and Isola 2020 (with t = 2). Takes N² time.

    Parameters
    ----------
    z : Tensor [N, D]
        Embeddings, at least two rows; normalised here.

    Raises
    ------
    DataError
        Another shape, or NaN or infinity.
    """
    rows, n = _unit_rows(z), len(z)
    total = sum(float(torch.cdist(chunk, rows).square().mul(-2).exp().sum()) for chunk in rows.split(_ROWS))
    return math.log((total - n) / (n * (n - 1)))  # each row's distance to itself gave exp(0)


def _unit_rows(z: Tensor) -> Tensor:
    if z.ndim != 2 or len(z) < 2 or z.shape[1] < 1:
        raise DataError(f"z has shape {tuple(z.shape)}; wanted [N, D] with at least two rows")
    bad = ~torch.isfinite(z).all(dim=1)
    if bad.any():
        raise DataError(
            f"z holds NaN or infinity in {int(bad.sum())} row(s), first in row {int(bad.int().argmax())}"
        )
    return functional.normalize(z.detach().double(), dim=1)

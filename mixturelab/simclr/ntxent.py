"""The loss of SimCLR, and what is left of it without negatives; both show their embeddings to the active mixture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mixturelab.exceptions import ArgumentError
from mixturelab.simclr.processes import Processes
from mixturelab.stream import feed

__all__ = ["alignment", "nt_xent"]


def nt_xent(
    z1: Tensor,
    z2: Tensor,
    temperature: float = 0.2,
    labels: Tensor | None = None,
    processes: Processes | None = None,
) -> Tensor:
    """NT-Xent, the normalised temperature-scaled cross entropy of two views.

    Of all 2N rows, row i has to find its other view j:  ℓ_i = −log [ exp(s_ij / τ) / Σ_{k≠i} exp(s_ik / τ) ]  with the
    cosine s; the loss is the mean of ℓ over the 2N rows (Chen et al. 2020, "A simple framework for contrastive
    learning of visual representations", eq. 1).

    Within `mixturelab.active_mixture(estimator)`, the estimator gets the 2N normalised rows, `z1`'s first.

    Parameters
    ----------
    z1, z2 : Tensor [N, D]
        Projections of two views: row n of both shows the same image. They need not be normalised.
    temperature : float
        τ > 0.
    labels : Tensor [N], optional
        Only for the active mixture; the loss does not use them.
    processes : Processes, optional
        Those that hold the other rows of the batch, as many as they may: each gives its own rows, gets the loss of all
        (so every other image in the batch is a negative), and goes back from it. `DistributedDataParallel` then makes
        of the gradients what one process would have found on the whole batch; see the notes.

    Returns
    -------
    Tensor
        A scalar in nats, float32 also for half precision and under autocast; float64 for float64.

    Raises
    ------
    ArgumentError
        Shapes do not match, or the temperature is not a finite number above 0.
    RankError
        Another process is gone.

    Notes
    -----
    Over W processes, each compares its own rows with all rows: share_r = Σ_{own i} ℓ_i / 2N, and every process holds
    the loss L = Σ_r share_r. Each goes back from its own copy of L, so that together they follow W·L: the gradients
    that meet at the embeddings, summed over the processes, are W·∂L/∂z. `DistributedDataParallel` averages the
    gradients of the weights over the W processes, which takes the W away again. No factor is put in by hand.
    """
    if not 0 < temperature < float("inf"):
        raise ArgumentError(f"temperature is {temperature!r}; wanted a finite number > 0")
    z = _both_normalised(z1, z2, labels)
    with torch.autocast(z.device.type, enabled=False):
        if processes is not None:
            return _nt_xent_of_all(z, temperature, processes)
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
        other_view = torch.arange(len(z), device=z.device).roll(len(z1))
        return functional.cross_entropy(logits, other_view)


def _nt_xent_of_all(z: Tensor, temperature: float, processes: Processes) -> Tensor:
    """The same for own rows z [2n, D] among those of all processes, [2N, D] in the order of one process's batch."""
    sizes = processes.sizes(len(z) // 2)
    n, before, n_own = sum(sizes), sum(sizes[: processes.rank]), sizes[processes.rank]
    pairs = processes.rows_of_all(torch.cat(z.chunk(2), dim=1), sizes)
    everyone = torch.cat(pairs.chunk(2, dim=1))
    first = torch.arange(before, before + n_own, device=z.device)
    row = torch.cat([first, first + n])  # where each own row stands among all
    itself = row[:, None] == torch.arange(2 * n, device=z.device)
    logits = (z @ everyone.T / temperature).masked_fill(itself, -torch.inf)
    share = functional.cross_entropy(logits, row.roll(n_own), reduction="sum") / (2 * n)
    return processes.sum_of_all(share)


def alignment(
    z1: Tensor, z2: Tensor, labels: Tensor | None = None, processes: Processes | None = None
) -> Tensor:
    """Minus the mean cosine of the two views of an image: a loss without negatives, which −1 solves by a constant.

    It shows its embeddings to the active mixture as `nt_xent` does.

    Parameters
    ----------
    z1, z2 : Tensor [N, D]
        Projections of two views.
    labels : Tensor [N], optional
        Only for the active mixture.
    processes : Processes, optional
        Those that hold the other rows of the batch, as for `nt_xent`: each gets the mean over all.

    Returns
    -------
    Tensor
        A scalar in [−1, 1].

    Raises
    ------
    ArgumentError
        Shapes do not match.
    RankError
        Another process is gone.
    """
    first, second = _both_normalised(z1, z2, labels).chunk(2)
    cosines = (first * second).sum(dim=1)
    if processes is None:
        return -cosines.mean()
    return processes.sum_of_all(-cosines.sum() / sum(processes.sizes(len(cosines))))


def _both_normalised(z1: Tensor, z2: Tensor, labels: Tensor | None) -> Tensor:
    """[2N, D]: both views' rows with norm 1, in float32 or better; shown to the active mixture."""
    if z1.ndim != 2 or z1.shape != z2.shape or len(z1) == 0:
        raise ArgumentError(
            f"z1 and z2 have shapes {tuple(z1.shape)} and {tuple(z2.shape)}; wanted [N, D] twice"
        )
    if labels is not None and labels.shape != z1.shape[:1]:
        raise ArgumentError(
            f"labels has shape {tuple(labels.shape)}; wanted ({len(z1)},), one for each image"
        )
    z = torch.cat([z1, z2])
    z = functional.normalize(z if z.dtype == torch.float64 else z.float(), dim=1)
    feed(z, None if labels is None else torch.cat([labels, labels]))
    return z

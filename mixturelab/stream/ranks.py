"""Statistics over several processes: what they tell one another at an update, in the same order whatever their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, distributed

from mixturelab.exceptions import ArgumentError, RankError
from mixturelab.model.assigned import AssignedRows, assign_rows, class_means
from mixturelab.stream.batch import Batch

# Of the rows that centroids begin with, each process brings at most so many for each component.
ROWS_TO_SEED = 8
_KINDS = ("float32 or less", "float64")


class Ranks:
    """The processes of a group. Each method is one exchange, which every process must take part in.

    What comes back is the same to the last bit in all of them. Nothing but `agree` is read by the host.
    """

    def __init__(self) -> None:
        self.size, self.rank = distributed.get_world_size(), distributed.get_rank()
        self._is_nccl = distributed.get_backend() == "nccl"

    @classmethod
    def found(cls) -> Ranks | None:
        """The group that this process is in; None if it is alone."""
        is_there = distributed.is_available() and distributed.is_initialized()
        return cls() if is_there and distributed.get_world_size() > 1 else None

    # ------------------------------------------------------------------------------------------ exchanges
    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes."""
        total = tensor.contiguous().clone()
        _exchange(distributed.all_reduce, total)
        return total

    def gather(self, tensor: Tensor) -> Tensor:
        """What each process has, one after the other, [W, ...]; of the same shape everywhere."""
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        _exchange(distributed.all_gather, parts, tensor.contiguous())
        return torch.stack(parts)

    def first(self, tensor: Tensor) -> Tensor:
        """What the first process has."""
        told = tensor.contiguous().clone()
        _exchange(distributed.broadcast, told, 0)
        return told

    def agree(self, problem: Exception | None, x: Tensor | None) -> list[int]:
        """Whether all processes have a batch that fits; and how many rows each has.

        Raises
        ------
        Exception
            A process's own problem, whatever it is.
        ArgumentError
            On every other one: that there is one, or that the batches differ in kind.
        """
        mine = [0, 0, 0, 0]
        if x is not None and problem is None:
            mine = [1, *x.shape, int(x.dtype is torch.float64)]
        header = torch.tensor(mine, dtype=torch.int64)
        told = self.gather(header.cuda() if self._is_nccl else header).tolist()
        if problem is not None:
            raise problem
        bad = [rank for rank, (is_good, *_) in enumerate(told) if not is_good]
        if bad:
            raise ArgumentError(
                f"embeddings or labels of process {bad[0]} were refused (its own message says why); no state is changed"
            )
        _check_kinds([(features, kind) for _, _, features, kind in told])
        return [rows for _, rows, _, _ in told]

    # ---------------------------------------------------------------------------------------- statistics
    def union(self, batch: Batch) -> Batch:
        """The batch about the mean of all processes' rows, with the totals of all."""
        count, dropped, total = batch.count, batch.dropped, torch.as_tensor(batch.total)
        assert count is not None
        assert dropped is not None
        head = torch.stack([count.to(batch.x.dtype), dropped.to(batch.x.dtype), total])
        told = self.gather(torch.cat([head, batch.centre]))
        counts, totals, centres = told[:, 0], told[:, 2], told[:, 3:]
        share = counts / counts.sum().clamp(min=1)
        # About the mean of one that has rows first: the mean of means far from zero is rounded.
        pivot = centres.index_select(0, counts.argmax()[None])
        centre = (pivot + share @ (centres - pivot)).squeeze(0)
        apart = torch.where((counts > 0)[:, None], (centres - pivot) - share @ (centres - pivot), 0.0)
        moved = apart.select(0, self.rank)
        total = share @ (totals + torch.linalg.vecdot(apart, apart))
        return replace(
            batch, x=batch.x + moved, centre=centre, count=counts.sum(), dropped=told[:, 1].sum().to(dropped.dtype),
            total=total, energy=total + centre @ centre,
        )  # fmt: skip

    def class_means(
        self, x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int
    ) -> tuple[Float[Tensor, "K"], Float[Tensor, "K D"]]:
        """`class_means` of the rows of all processes."""
        mass, mean = class_means(x, index, n_components)
        told = self.sum(torch.cat([mean * mass[:, None], mass[:, None]], dim=1))
        return told[:, -1], told[:, :-1] / told[:, -1:].clamp(min=1)

    def assign_rows(
        self, x: Float[Tensor, "N D"], index: Int[Tensor, "N"], n_components: int, may_read: bool
    ) -> AssignedRows:
        """`assign_rows` of the rows of all processes; each keeps its own residuals."""
        return assign_rows(x, index, n_components, self.class_means, self.sum, may_read)

    def rows_to_seed(
        self, batch: Batch, n_components: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "M D"], Tensor]:
        """Some live rows of each process, in the order of the processes, and which of them are there."""
        x, some = batch.x, ROWS_TO_SEED * n_components
        is_live = torch.ones_like(x[:, 0], dtype=torch.bool) if batch.is_live is None else batch.is_live
        lot = (
            torch.rand(len(x), generator=generator, device=generator.device).to(x, non_blocking=True)
            + is_live
        )
        chosen = lot.topk(min(some, len(x))).indices
        mine = torch.cat([x, is_live[:, None].to(x.dtype)], dim=1).index_select(0, chosen)
        mine = torch.nn.functional.pad(mine, (0, 0, 0, some - len(mine)))
        told = self.gather(mine).flatten(0, 1)
        return told[:, :-1], told[:, -1] > 0

    def all_rows(self, index: Int[Tensor, "N"], sizes: list[int]) -> Int[Tensor, "M"]:
        """The components of all processes' rows, in the order of the processes; ``sizes`` from `agree`."""
        most = max(sizes)
        told = self.gather(torch.nn.functional.pad(index, (0, most - len(index))))
        return torch.cat([rows[:size] for rows, size in zip(told, sizes, strict=True)])


def _check_kinds(kinds: list[tuple[int, int]]) -> None:
    for rank, (features, kind) in enumerate(kinds):
        if (features, kind) != kinds[0]:
            first = kinds[0]
            raise ArgumentError(
                f"embeddings of process {rank} have D = {features} and are {_KINDS[kind]}; wanted D = {first[0]} and "
                f"{_KINDS[first[1]]}, as in process 0"
            )


def _exchange(collective: Callable[..., Any], *arguments: Any) -> None:
    try:
        collective(*arguments)
    except RuntimeError as error:
        raise RankError(
            "cross_rank: a process of the group is gone or did not answer in time; the others cannot go on "
            f"({str(error).splitlines()[0]})"
        ) from error

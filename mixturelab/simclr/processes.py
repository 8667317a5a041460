"""The processes of a run under torchrun: which one this is, its part of a batch, its device, and what all agree on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from mixturelab.exceptions import ArgumentError, MixtureLabError, RankError
from mixturelab.stream.ranks import Ranks

__all__ = ["Processes", "exchange_errors", "from_main", "is_told_everywhere", "together"]

_TOLD = "Every process of the run has raised this."
# What gloo, NCCL and the process group itself say where torch has no class of its own for the error.
_OF_AN_EXCHANGE = ("gloo", "nccl", "process group", "processgroup")

T = TypeVar("T")


class Processes(Ranks):
    """The processes that make every step of a run together.

    Attributes
    ----------
    size, rank : int
        How many there are, and the number of this one.
    local_rank : int
        Its number on its own machine, as torchrun gives it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))

    @classmethod
    def found(cls) -> Processes | None:
        """The group that this process is in; None if it is alone."""
        return None if Ranks.found() is None else cls()

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def part(self, n_rows: int) -> slice:
        """Which rows of a batch are here: one after the other in the order of the processes, as even as can be."""
        return slice(n_rows * self.rank // self.size, n_rows * (self.rank + 1) // self.size)

    def device(self, name: str) -> torch.device:
        """The device of this process: with "cuda", each has the GPU of its number on its machine.

        Raises
        ------
        ArgumentError
            The name is that of one GPU.
        """
        device = torch.device(name)
        if device.type == "cpu":
            return device
        if device.index is not None:
            raise ArgumentError(
                f"device is {name!r}; with {self.size} processes wanted cuda (each takes the GPU of its number) or cpu"
            )
        return torch.device(device.type, self.local_rank)

    # ---------------------------------------------------------------------------- exchanges with gradients
    def sum_of_all(self, tensor: Tensor) -> Tensor:
        """The sum over all processes; gradients go back through it.

        Each process holds the sum and goes back from its own copy. So the gradient of what one process added is
        the sum of the gradients at all copies.
        """
        return _Sum.apply(tensor, self)

    def rows_of_all(self, rows: Tensor, sizes: list[int]) -> Tensor:
        """The rows [n, ...] of all processes, in their order, [Σ sizes, ...]; gradients go back through it.

        A sum in which every process has zeros in the others' places: it knows uneven parts and its gradient by
        itself, and sends twice as much as a gather would.
        """
        before, after = sum(sizes[: self.rank]), sum(sizes[self.rank + 1 :])
        nothing = [0, 0] * (rows.ndim - 1)
        return self.sum_of_all(torch.nn.functional.pad(rows, [*nothing, before, after]))

    # ------------------------------------------------------------------------------- small things, on the host
    def sizes(self, n_rows: int) -> list[int]:
        """How many rows each process has."""
        return [int(number) for number in self.gather(self._told(n_rows)).tolist()]

    def most(self, code: int) -> int:
        """The largest of the numbers that the processes have."""
        return max(self.sizes(code))

    def wait(self) -> None:
        """Go on when all have come so far."""
        self.most(0)

    def _told(self, number: int) -> Tensor:
        """Where the group exchanges numbers of the host: on the CPU, unless it knows GPUs alone."""
        return torch.tensor(number, device="cuda" if distributed.get_backend() == "nccl" else "cpu")


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return processes.sum(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.processes.sum(gradients[0]), None


# ---------------------------------------------------------------------------------------------------- agreement
def from_main(processes: Processes | None, work: Callable[[], T]) -> T:
    """What the main process makes, in all of them; or what it raises.

    Raises
    ------
    MixtureLabError, OSError
        On every process, what `work` raised on the main one.
    """
    if processes is None:
        return work()
    told: list[Any] = [*_attempt(work, processes.is_main)]
    with exchange_errors():
        distributed.broadcast_object_list(told)
    value, problem = told
    if problem is not None:
        raise _noted(problem)
    return value


def together(processes: Processes | None, work: Callable[[], T]) -> T:
    """What each process makes for itself, if none of them fails.

    Raises
    ------
    MixtureLabError, OSError
        On every process, what the first that failed has raised.
    """
    if processes is None:
        return work()
    value, problem = _attempt(work)
    told: list[Any] = [None] * processes.size
    with exchange_errors():
        distributed.all_gather_object(told, problem)
    for rank, found in enumerate(told):
        if found is not None:
            raise _noted(found if rank == 0 else _of(rank, found))
    assert value is not None or problem is None
    return value  # type: ignore[return-value]


def _attempt(work: Callable[[], T], wanted: bool = True) -> tuple[T | None, Exception | None]:
    try:
        return (work() if wanted else None), None
    except (MixtureLabError, OSError) as error:
        return None, error.with_traceback(None)


def _of(rank: int, error: Exception) -> Exception:
    """The error with the number of its process in front."""
    kind = type(error) if isinstance(error, MixtureLabError) else OSError
    return kind(f"process {rank}: {error}")


def _noted(error: Exception) -> Exception:
    error.add_note(_TOLD)
    return error


def is_told_everywhere(error: BaseException) -> bool:
    """Whether every process has raised the same, so that the main one may speak for all."""
    return _TOLD in getattr(error, "__notes__", ())


@contextmanager
def exchange_errors() -> Iterator[None]:
    """What torch raises where an exchange fails, as RankError; anything else stays as it is.

    Raises
    ------
    RankError
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, MixtureLabError) or not _is_of_an_exchange(error):
            raise
        raise RankError(
            "another process of the run is gone or did not answer in time; this one cannot go on "
            f"({str(error).splitlines()[0]})"
        ) from error


def _is_of_an_exchange(error: RuntimeError) -> bool:
    words = str(error).lower()
    return isinstance(error, distributed.DistError) or any(word in words for word in _OF_AN_EXCHANGE)

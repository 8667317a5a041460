"""The loss of every step, left on its device until some are read together: a GPU need not wait each step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import overload

import torch
from torch import Tensor

__all__ = ["Losses"]

# So many are kept on the device at most.
_WAITING = 100


class Losses(Sequence[float]):
    """A sequence of numbers, one a step; reading it fetches those that are still on the device.

    Parameters
    ----------
    values : iterable of float
        Of the steps so far.
    """

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._values = list(values)
        self._waiting: list[Tensor] = []

    def append(self, loss: Tensor) -> None:
        """Keep a step's loss, without reading it."""
        self._waiting.append(loss.detach())
        if len(self._waiting) == _WAITING:
            self._fetch()

    def _fetch(self) -> list[float]:
        if self._waiting:
            self._values += torch.stack(self._waiting).tolist()
            self._waiting = []
        return self._values

    def __len__(self) -> int:
        return len(self._values) + len(self._waiting)

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> list[float]: ...
    def __getitem__(self, index: int | slice) -> float | list[float]:
        return self._fetch()[index]

    def __repr__(self) -> str:
        return f"Losses({self._fetch()!r})"

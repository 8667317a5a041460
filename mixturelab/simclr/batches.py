"""Which images each step sees: all of them in a new random order each epoch, resumable at any step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["Batches"]


class Batches:
    """The row numbers of one batch after another, without end; what is left over at an epoch's end waits.

    Parameters
    ----------
    n_rows, batch_size : int
        At least one batch of rows.
    generator : torch.Generator
        On the CPU.
    device : torch.device
        Where the row numbers are wanted.
    """

    def __init__(
        self, n_rows: int, batch_size: int, generator: torch.Generator, device: torch.device
    ) -> None:
        self.n_rows, self.batch_size = n_rows, batch_size
        self.per_epoch = n_rows // batch_size
        self._generator, self._device = generator, device
        self._batch = 0  # of this epoch, the next to be given
        self._shuffle()

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Tensor:
        if self._batch == self.per_epoch:
            self._batch = 0
            self._shuffle()
        start = self._batch * self.batch_size
        self._batch += 1
        return self._order[start : start + self.batch_size]

    def _shuffle(self) -> None:
        self._before = self._generator.get_state()
        self._order = torch.randperm(self.n_rows, generator=self._generator).to(self._device)

    def state_dict(self) -> dict[str, Any]:
        """The generator as it was before this epoch's shuffle, and the place in the epoch."""
        return {"generator": self._before, "batch": self._batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the other stood."""
        self._generator.set_state(state["generator"])
        self._batch = state["batch"]
        self._shuffle()

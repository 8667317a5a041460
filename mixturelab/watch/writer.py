"""The view of a run, written into its folder now and then while it trains, for other processes to draw."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from torch import distributed

from mixturelab.exceptions import StreamWarning
from mixturelab.files import remove_leftovers
from mixturelab.watch.probe import Probe, Trains
from mixturelab.watch.view import VIEW, Status, View, encode

__all__ = ["Camera", "ViewWriter"]

# At most this much of the time goes into views.
_SHARE = 0.02


class Camera:
    """Takes a view when it is time to: every two seconds, and less often where one takes long.

    Parameters
    ----------
    trainer : Trainer
    every : float
        Seconds between two views, at least.
    clock : callable
        Gives the time in seconds.
    """

    def __init__(
        self, trainer: Trains, every: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.trainer, self.every = trainer, every
        self._probe, self._clock = Probe.of(trainer), clock
        self._due = -math.inf
        self._first_step, self._began = trainer.step, clock()

    def look(self, n_steps: int | None = None, status: Status = "training", now: bool = False) -> View | None:
        """The view, if it is time to or wanted `now`; None otherwise, and where embeddings are not finite."""
        began = self._clock()
        if not now and began < self._due:
            return None
        view = self._probe.view(
            self.trainer.step - 1,
            self.trainer.n_steps if n_steps is None else n_steps,
            status,
            self._speed(began),
        )
        ended = self._clock()
        self._due = began + max(self.every, (ended - began) / _SHARE)
        return view

    def _speed(self, now: float) -> float:
        seconds = now - self._began
        return (self.trainer.step - self._first_step) / seconds if seconds > 0 else math.nan


class ViewWriter:
    """Keeps ``view.safetensors`` in a run's folder up to date: ``train(config, folder, on_step=writer)``.

    As a context it writes the last view when the block ends, with what became of the run. Of several processes the
    first writes. What cannot be written costs one warning, not the run.

    Parameters
    ----------
    folder : path
    every : float
        Seconds between two views, at least; they take at most a fiftieth of the time.
    clock : callable
        Gives the time in seconds.

    Examples
    --------
    >>> with ViewWriter("artifacts/run") as writer:  # doctest: +SKIP
    ...     train(config, "artifacts/run", on_step=writer)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(folder) / VIEW
        self.every, self._clock = every, clock
        self._camera: Camera | None = None
        self._view: View | None = None
        self._has_warned = False

    def __call__(self, step: Any) -> None:
        """Write a view after this step, if it is time to."""
        if not _is_first_process():
            return
        if self._camera is None or self._camera.trainer is not step.trainer:
            self._camera = Camera(step.trainer, self.every, self._clock)
            remove_leftovers(self.path)
        self.write(self._camera.look())

    def write(self, view: View | None) -> None:
        """Write a view that has been taken; None is not written."""
        if view is None:
            return
        self._view = view
        try:
            _replace(self.path, encode(view))
        except OSError as error:
            self._warn(
                f"{self.path} cannot be written: {error.strerror or error}; the run goes on, and tries again"
            )

    def _warn(self, message: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(message, StreamWarning, stacklevel=3)

    def end(self) -> None:
        """Write the last view, with what became of the run: finished, or interrupted before its last step."""
        if self._camera is None:
            return
        trainer = self._camera.trainer
        status: Status = "finished" if trainer.step >= trainer.n_steps else "interrupted"
        view = self._camera.look(status=status, now=True)
        if view is None and self._view is not None:  # no longer finite: the last one that was
            view = replace(self._view, status=status, step=trainer.step - 1)
        self.write(view)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()


def _replace(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one. Not synced to the disk, which can take as long as ten steps."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _is_first_process() -> bool:
    is_one_of_many = distributed.is_available() and distributed.is_initialized()
    return not is_one_of_many or distributed.get_rank() == 0

"""The progress bar of a run: steps, the loss, and what the mixture says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mixturelab.simclr.trainer import Step, Trainer

__all__ = ["progress_bar"]

# Steps between two readings: each waits for the device.
_EVERY = 10
# Logged rows among which the last effective rank is looked for; it is computed less often.
_LOOK_BACK = 50


@contextmanager
def progress_bar(trainer: Trainer, shown: bool) -> Iterator[Callable[[Step], None]]:
    """Give the function that is to be called after each step."""
    if not shown:
        yield lambda step: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=trainer.n_steps, initial=trainer.step, desc="training", unit="step") as bar:

        def update(step: Step) -> None:
            if step.number % _EVERY == 0 or step.number + 1 == trainer.n_steps:
                bar.set_postfix(_numbers(step), refresh=False)
            bar.update()

        yield update


def _numbers(step: Step) -> dict[str, str]:
    """The loss, and of the mixture trace_B, how much of it lies along one direction, and the effective rank."""
    shown = {"loss": f"{step.loss:.3f}"}
    if step.row is not None:
        trace, opnorm = step.row["trace_B"], step.row["opnorm_B"]
        shown |= {"trace_B": f"{trace:.3f}", "op/tr": f"{opnorm / trace if trace > 0 else math.nan:.2f}"}
    ranks = [row["effective_rank"] for row in step.trainer.history[-_LOOK_BACK:]]
    known = [rank for rank in ranks if math.isfinite(rank)]
    return shown | ({"rank": f"{known[-1]:.1f}"} if known else {})

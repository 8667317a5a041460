"""A monitored loop that is interrupted at random moments: ``python interrupted_loop.py INTERRUPTS SEED``.

A thread sends this process SIGINT at a random moment of each round. After each the steps made are whole, gradients are
on, and the same loop goes on. At the end the run is compared, bit for bit, with one that nobody interrupted. What is
printed: interrupts sent, and rounds that were ended by theirs.
"""

import os
import random
import signal
import sys
import threading
import time

import torch
from small_runs import small_config, small_data

from mixturelab.plot.monitor import LiveMonitor
from mixturelab.simclr import Trainer

torch.set_num_threads(1)


def endless():
    return Trainer(small_config(epochs=100_000), small_data())


def is_whole(trainer) -> bool:
    """Every part of a step was made as often as the others."""
    moments = [state["step"].item() for state in trainer.optimizer.state.values()]
    counts = {
        trainer.step,
        len(trainer.losses),
        len(trainer.learning_rates),
        trainer.scheduler.last_epoch,
        *moments,
    }
    return len(counts) == 1 and torch.is_grad_enabled() and trainer.network.training


def main(interrupts: int, seed: int) -> None:
    rng, trainer = random.Random(seed), endless()
    monitor = LiveMonitor(trainer, every=0.0)
    ended = 0
    for number in range(interrupts):
        began = threading.Event()

        delay = 0.1 * rng.random()

        def send(delay=delay, began=began):
            began.wait()
            time.sleep(delay)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=send)
        thread.start()
        for _ in monitor.track():
            began.set()
        thread.join()
        assert is_whole(trainer), f"half a step after interrupt {number}"
        ended += monitor.button.value.count("Stopped between two steps")
    alone = endless()
    while alone.step < trainer.step:
        alone.advance()
    assert alone.losses[:] == trainer.losses[:], "another run"
    for one, other in zip(
        alone.network.state_dict().values(), trainer.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), "other weights"
    print(interrupts, ended)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

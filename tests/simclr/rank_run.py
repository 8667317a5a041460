"""Distributed SimCLR runs: ``python rank_run.py FOLDER SIZE...`` forks the processes of one group after the other.

Each process makes all scenarios in turn and keeps what it found in ``FOLDER/SIZE/RANK.pt``; the last of a group is
killed at the end. How they ended is printed. `test_ranks_simclr` runs the same functions in one process, which needs no
group, for what is to be found.
"""

import contextlib
import io
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from small_runs import mixture, small_config, small_data
from torch import distributed

from mixturelab.cli import app
from mixturelab.exceptions import MixtureLabError
from mixturelab.simclr import result as results
from mixturelab.simclr.config import RunConfig
from mixturelab.simclr.data import ImageSet
from mixturelab.simclr.run import train
from mixturelab.simclr.trainer import Step, Trainer

LABELLED = mixture(assigner="label_supervised")
COLLAPSING = {"negatives_until": 0, "epochs": 8, "learning_rate": 1e-2}  # all z are alike after thirty steps
GRADIENTS = ("nt_xent", "alignment", "nt_xent in float64", "alignment in float64", "bf16")
N_IMAGES = 300  # of which a batch has 256, so that three processes have uneven parts


# ------------------------------------------------------------------------------------------------- one step
def gradients(name: str) -> dict[str, Any]:
    """Loss and gradients of a run's first step, what its normalisation keeps, and the mixture's B."""
    with real_numbers(torch.float64 if "64" in name else torch.float32) as dtype:
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(N_IMAGES, 1, 8, 8, generator=generator, dtype=dtype)
        data = ImageSet(images, torch.arange(N_IMAGES) % 4, "noise")
        config = RunConfig(
            batch_size=256,
            negatives_until=0 if "alignment" in name else None,
            precision="bf16" if name == "bf16" else "float32",
            runtime={"mixture": {"enabled": True, "K": 4, "assigner": "label_supervised"}},
        )
        trainer = Trainer(config, data)
        loss = trainer._gradients(next(trainer.batches))
    weights = {key: weight.grad for key, weight in trainer.network.named_parameters()}
    kept = {key: value for key, value in trainer.network.state_dict().items() if "running" in key}
    return {"loss": loss.detach(), "weights": weights, "kept": kept, "B": trainer.estimator.compute()["B"]}


@contextlib.contextmanager
def real_numbers(dtype: torch.dtype) -> Iterator[torch.dtype]:
    """Layers and random numbers of this type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield dtype
    finally:
        torch.set_default_dtype(before)


# --------------------------------------------------------------------------------------------------- whole runs
def run(folder: Path, data: ImageSet | None = None, **options: Any) -> dict[str, Any]:
    """A run of ten steps, or what is left of it; the weights it ended with, or what it raised."""
    changes = options.pop("changes", {})
    config = small_config(**LABELLED, **changes)
    try:
        done = train(config, folder, data=data or small_data(), **options)
    except (MixtureLabError, KeyError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        "status": done.status,
        "step": done.step,
        "rows": len(done.history),
        "writes": done.folder is not None,
        "weights": dict(done.network.state_dict()),
        "losses": torch.tensor(done.losses),
        "B": done.estimator.compute()["B"],
        "alarms": [alarm.name for alarm in done.estimator.alarms()],
    }


def at(step: int, act: Callable[[], Any], here: bool) -> Callable[[Step], Any]:
    """A callback that does something after a step, in one process."""
    return lambda done: act() if here and done.number == step else None


def fail() -> None:
    """Raise what no one expects."""
    raise KeyError("the picture broke")


def scenarios(rank: int, size: int, folder: Path) -> Iterator[tuple[str, Any]]:
    """All that is tried in one group, in the same order in every process."""
    last = rank == size - 1
    for name in GRADIENTS:
        yield name, gradients(name)
    yield "whole", run(folder / "whole")
    yield "collapse", run(folder / "collapse", changes=COLLAPSING)
    kmeans = small_config(**mixture(assigner="kmeans_online"))
    yield "resumed", train(kmeans, folder / "begun", data=small_data(), resume=True).step
    yield "other data", run(folder / "refused", small_data(seed=int(last)))
    yield "bad data", run(folder / "refused", replace(small_data(), labels=None) if last else None)
    yield "other settings", run(folder / "refused", changes={"epochs": 2 + int(last)})
    yield (
        "too small",
        run(folder / "refused", changes={"batch_size": 2} if size > 2 else {"device": "cuda:0"}),
    )
    yield "taken", run(folder / "whole")
    yield "stop", run(folder / "stop", on_step=at(3, lambda: "stop", last))
    terminate = at(5, lambda: signal.raise_signal(signal.SIGTERM), last)
    yield "SIGTERM", run(folder / "term", on_step=terminate)
    yield "callback", run(folder / "callback", on_step=at(2, fail, last))
    # The last process is gone at once, without a word; step 4 has a checkpoint.
    yield "killed", run(folder / "killed", on_step=at(6, lambda: os.kill(os.getpid(), signal.SIGKILL), last))


# ------------------------------------------------------------------------------------------------ the command
def command(rank: int, size: int, port: int, *arguments: object) -> dict[str, Any]:
    """What the command says, and its exit code, with the environment that torchrun gives it."""
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(said):
        try:
            app(["simclr", *map(str, arguments)])
        except SystemExit as end:
            return {"code": end.code, "said": said.getvalue(), "errors": errors.getvalue()}
    raise AssertionError("it did not end")


def free_port() -> int:
    """One that no one listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def one_process(rank: int, size: int, ports: list[int], folder: Path) -> None:
    """All scenarios, and when the last one ended."""
    results._pictures = lambda done: {}
    found: dict[str, Any] = {
        "bad config": command(rank, size, ports[0], "--config", folder / "nope.yaml"),
        "command": command(
            rank, size, ports[1], "--config", folder.parent / "run.yaml", "--out", folder / "command"
        ),
    }
    results._metrics = lambda done: {"steps": done.step}
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=60),
    )
    for name, value in scenarios(rank, size, folder):
        found[name], found["ended"] = value, time.time()
        torch.save(found, folder / f"{rank}.pt")


def forked(work: Callable[[], None]) -> int:
    """A child that does this and ends: torch is imported once for all."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def group(size: int, folder: Path) -> list[int]:
    """How the processes of a group ended."""
    ports = [free_port() for _ in range(2)]

    def work(rank: int) -> Callable[[], None]:
        return lambda: one_process(rank, size, ports, folder)

    children = [forked(work(rank)) for rank in range(size)]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for number in map(int, sys.argv[2:]):
        print(number, group(number, Path(sys.argv[1]) / str(number)), flush=True)

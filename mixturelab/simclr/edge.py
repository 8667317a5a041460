"""What the command line asks for and is told: torchrun's processes, settings, warnings as lines, how a run ended."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from mixturelab.exceptions import ArgumentError, MixtureLabError, StreamWarning
from mixturelab.simclr.config import RunConfig, load_config
from mixturelab.simclr.experiments import experiment as change
from mixturelab.simclr.folder import CONFIG
from mixturelab.simclr.processes import Processes, exchange_errors, from_main, is_told_everywhere
from mixturelab.simclr.report import report
from mixturelab.simclr.result import RunResult
from mixturelab.simclr.run import train

__all__ = [
    "exit_code",
    "finish",
    "how_to_resume",
    "prepare",
    "processes",
    "report",
    "train",
    "warnings_as_lines",
]

# Beside the artifacts of the other commands.
_OUT = Path("artifacts")
_OF_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

Say = Callable[[str], None]


@contextmanager
def processes(timeout: float, say: Say) -> Iterator[Processes | None]:
    """The group of processes that torchrun has started, while this lasts; None where there is one alone.

    Of what all of them raise the main one speaks. Where one fails by itself, it says so with its number, and the others
    hear of it in their next exchange.

    Parameters
    ----------
    timeout : float
        Seconds that a process may wait for another one in an exchange.
    say : callable
        Gets the line of a process that is not the main one, which then ends with exit code 2.

    Raises
    ------
    RankError
        The processes do not find one another.
    """
    if not _is_one_of_several():
        yield None
        return
    found = _joined(timeout)
    try:
        yield found
    except (MixtureLabError, OSError) as error:
        if found.is_main:
            raise
        if not is_told_everywhere(error):
            say(f"process {found.rank}: {error}")
        raise SystemExit(2) from None
    finally:
        distributed.destroy_process_group()


def _is_one_of_several() -> bool:
    return all(name in os.environ for name in _OF_TORCHRUN) and int(os.environ["WORLD_SIZE"]) > 1


def _joined(timeout: float) -> Processes:
    """NCCL for tensors on GPUs, and gloo for those on the CPU, with which the host agrees without waiting for a GPU."""
    has_nccl = torch.cuda.is_available() and distributed.is_nccl_available()
    with exchange_errors():
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if has_nccl else "gloo", timeout=timedelta(seconds=timeout)
        )
    return Processes()


def prepare(
    config: Path | None,
    out: Path | None,
    experiment: str | None,
    resume: bool,
    changes: Mapping[str, Any],
    group: Processes | None = None,
) -> tuple[RunConfig, Path]:
    """The settings and the folder of a run: the file's, then the experiment's change, then what was said.

    With several processes the main one reads the files and tells the others.

    Raises
    ------
    ArgumentError
    """
    return from_main(group, lambda: _prepare(config, out, experiment, resume, changes))


def _prepare(
    config: Path | None, out: Path | None, experiment: str | None, resume: bool, changes: Mapping[str, Any]
) -> tuple[RunConfig, Path]:
    if config is None:
        config = _config_of_run(out, resume)
    settings = load_config(config)
    if experiment is not None:
        settings = change(experiment, settings)
    settings = settings.changed({key: value for key, value in changes.items() if value is not None})
    return settings, _folder(config, experiment) if out is None else out


def _config_of_run(out: Path | None, resume: bool) -> Path:
    if not resume:
        raise ArgumentError("--config is missing; wanted a YAML file, such as configs/simclr_digits.yaml")
    if out is None:
        raise ArgumentError("--out is missing; wanted the folder of the run to resume (or its --config)")
    if not (out / CONFIG).exists():
        raise ArgumentError(f"{out} holds no run to resume: there is no {CONFIG} in it")
    return out / CONFIG


def _folder(config: Path, experiment: str | None) -> Path:
    """Experiments do not meet each other's folders."""
    return _OUT / "_".join(filter(None, [config.stem, experiment]))


@contextmanager
def warnings_as_lines(say: Say, group: Processes | None = None) -> Iterator[None]:
    """Warnings as one line each, the moment they arise, instead of a place in the code; of several processes', once."""
    with warnings.catch_warnings():
        if group is not None and not group.is_main:
            warnings.simplefilter("ignore", StreamWarning)
            yield
            return
        warnings.simplefilter(
            "always", StreamWarning
        )  # a full disk shall not end a run, however strict one is
        warnings.showwarning = lambda message, *_, **__: say(" ".join(str(message).split()))
        yield


def how_to_resume(result: RunResult) -> str:
    """One line, with the command."""
    assert result.folder is not None
    command = f"mixturelab simclr --resume --out {shlex.quote(str(result.folder.path))}"
    if result.trainer.processes is not None:
        command = (
            f"torchrun --nproc-per-node {result.trainer.processes.size} -m {command} (or fewer, or more)"
        )
    return f"interrupted after {result.step} of {result.trainer.n_steps} steps; {command} goes on from there"


def finish(result: RunResult, say: Say, warn: Say) -> int:
    """Say what came of the run, in the main process, and give the exit code of this one.

    torchrun ends all processes when one leaves with an error code, so that none leaves with one before the main one
    has spoken. At the end of a whole run the others have left already.
    """
    group = result.trainer.processes
    if group is None or group.is_main:
        say(report(result))
        if result.status == "interrupted":
            warn(how_to_resume(result))
    if group is not None and result.status != "finished":
        group.wait()
    return exit_code(result)


def exit_code(result: RunResult) -> int:
    """130 after Ctrl-C, as shells have it; 1 where something could not be written."""
    if result.status == "interrupted":
        return 130
    return 1 if result.missing else 0

"""What the command line asks for and is told: settings from its options, warnings as lines, how a run ended."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mixturelab.exceptions import ArgumentError, StreamWarning
from mixturelab.simclr.config import RunConfig, load_config
from mixturelab.simclr.experiments import experiment as change
from mixturelab.simclr.folder import CONFIG
from mixturelab.simclr.report import report
from mixturelab.simclr.result import RunResult
from mixturelab.simclr.run import train

__all__ = ["exit_code", "how_to_resume", "prepare", "report", "train", "warnings_as_lines"]

# Beside the artifacts of the other commands.
_OUT = Path("artifacts")


def prepare(
    config: Path | None, out: Path | None, experiment: str | None, resume: bool, changes: Mapping[str, Any]
) -> tuple[RunConfig, Path]:
    """The settings and the folder of a run: the file's, then the experiment's change, then what was said.

    Raises
    ------
    ArgumentError
    """
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
def warnings_as_lines(say: Callable[[str], None]) -> Iterator[None]:
    """Warnings as one line each, the moment they arise, instead of a place in the code."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "always", StreamWarning
        )  # a full disk shall not end a run, however strict one is
        warnings.showwarning = lambda message, *_, **__: say(" ".join(str(message).split()))
        yield


def how_to_resume(result: RunResult) -> str:
    """One line, with the command."""
    assert result.folder is not None
    command = f"mixturelab simclr --resume --out {shlex.quote(str(result.folder.path))}"
    return f"interrupted after {result.step} of {result.trainer.n_steps} steps; {command} goes on from there"


def exit_code(result: RunResult) -> int:
    """130 after Ctrl-C, as shells have it; 1 where something could not be written."""
    if result.status == "interrupted":
        return 130
    return 1 if result.missing else 0

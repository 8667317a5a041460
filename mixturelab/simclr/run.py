"""`train`: a whole run, from its settings to its result, with a folder, checkpoints and Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from mixturelab.exceptions import ArgumentError
from mixturelab.simclr.checks import check_run
from mixturelab.simclr.config import RunConfig
from mixturelab.simclr.data import ImageSet, load_images
from mixturelab.simclr.folder import METRICS, RunFolder
from mixturelab.simclr.interrupt import stop_request
from mixturelab.simclr.progress import progress_bar
from mixturelab.simclr.result import RunResult, Status, write_results
from mixturelab.simclr.trainer import Row, Step, Trainer

__all__ = ["train"]

# Steps between two additions to losses.csv: each waits for the device.
_LOG_EVERY = 10


def train(
    config: RunConfig | None = None,
    folder: str | os.PathLike[str] | None = None,
    *,
    data: ImageSet | None = None,
    resume: bool = False,
    on_step: Callable[[Step], Any] | None = None,
    on_row: Callable[[Row], Any] | None = None,
    progress: bool = False,
) -> RunResult:
    """Train a small SimCLR, and keep the mixture of its embeddings.

    Ctrl-C (in a notebook: the stop button) ends the run after the step it is in, and the result says so;
    pressed twice, it raises KeyboardInterrupt at once.

    Parameters
    ----------
    config : RunConfig, optional
        Default: 60 epochs of the digits, without a mixture.
    folder : path, optional
        Where settings, losses, the mixture's rows, checkpoints, numbers and pictures go. Default: nowhere.
    data : ImageSet, optional
        Default: what `config.data` names.
    resume : bool
        Go on with the run in the folder; it ends as if it had never been interrupted.
    on_step : callable, optional
        Gets each `Step`; the run ends when it returns "stop". What it raises ends the run too, after a checkpoint.
    on_row : callable, optional
        Gets each row that the mixture logs.
    progress : bool
        Show a progress bar.

    Returns
    -------
    RunResult

    Raises
    ------
    ArgumentError, DataError, ModelFileError
        Before any training: what does not go together, a folder that cannot be written or holds another run.
    """
    config = RunConfig() if config is None else config
    data = load_images(config.data) if data is None else data
    check_run(config, data)
    files = _folder(folder, resume)
    state = _before(files, config, data, resume)
    trainer = Trainer(config, data, log_dir=folder, on_row=on_row)
    if state is not None:
        trainer.load_state_dict(state)
    if files is not None:
        trainer.history = [row for row in files.rows() if row["step"] < trainer.step]
        files.start(trainer)
    resumed_at = trainer.step if resume else None
    with trainer.estimator:
        status = _train(trainer, files, on_step, progress)
    result = RunResult(status, trainer, resumed_at, files)
    if files is not None and status == "finished" and not (result.was_finished and files.has(METRICS)):
        write_results(result, files)
    return result


def _folder(folder: str | os.PathLike[str] | None, resume: bool) -> RunFolder | None:
    if folder is None and resume:
        raise ArgumentError("resume is True and folder None; wanted the folder of the run to go on with")
    return None if folder is None else RunFolder(folder)


def _before(
    files: RunFolder | None, config: RunConfig, data: ImageSet, resume: bool
) -> dict[str, Any] | None:
    """The state to begin with, if there is one."""
    if files is None:
        return None
    if resume:
        return files.check_resumable(config, data)
    files.check_free()
    return None


def _train(
    trainer: Trainer, files: RunFolder | None, on_step: Callable[[Step], Any] | None, progress: bool
) -> Status:
    """All steps, or as many as wanted. Whatever ends them between two steps leaves a checkpoint."""
    status: Status = "finished"
    if not len(trainer):
        return status
    with stop_request() as request, progress_bar(trainer, progress) as show:
        for step in trainer:
            show(step)
            is_over = _ask(on_step, step, files)
            if trainer.step < trainer.n_steps and (request.made or is_over):
                status = "interrupted" if request.made else "stopped"
                break
            _keep(files, trainer)
        _save(files, trainer)
    return status


def _ask(on_step: Callable[[Step], Any] | None, step: Step, files: RunFolder | None) -> bool:
    """Whether the callback wants the run to end here."""
    try:
        wish = None if on_step is None else on_step(step)
        return isinstance(wish, str) and wish == "stop"
    except BaseException:
        _save(files, step.trainer)
        raise


def _keep(files: RunFolder | None, trainer: Trainer) -> None:
    """What is due after this step."""
    if files is None:
        return
    if trainer.step % trainer.config.checkpoint_every == 0:
        files.save(trainer)
    elif trainer.step % _LOG_EVERY == 0:
        files.log(trainer)


def _save(files: RunFolder | None, trainer: Trainer) -> None:
    if files is not None:
        files.save(trainer)

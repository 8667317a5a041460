"""`train`: a whole run, from settings to result, with a folder, checkpoints and Ctrl-C; also on several processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from mixturelab.exceptions import ArgumentError, DataError, RankError
from mixturelab.simclr.checkpoint import fingerprint
from mixturelab.simclr.checks import check_run
from mixturelab.simclr.config import RunConfig, flat
from mixturelab.simclr.data import ImageSet, load_images
from mixturelab.simclr.folder import METRICS, RunFolder
from mixturelab.simclr.processes import Processes, from_main, together
from mixturelab.simclr.progress import progress_bar
from mixturelab.simclr.result import RunResult, Status, write_results
from mixturelab.simclr.trainer import Row, Step, Trainer
from mixturelab.watch.stopping import StopWish, interrupts_as_wishes

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

    In a process group (torchrun) every process must call this with the same arguments. They make the steps of one
    process, each with its part of every batch (`Trainer`); the main one writes the folder, whoever resumes it, and
    evaluates at the end, while the others are done. Ctrl-C or SIGTERM on any of them, or "stop" from any callback, ends
    the run after the same step on all.

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
    RankError
        Another process is gone, does not answer, or has failed. The folder is as it was at the last checkpoint.
    """
    processes = Processes.found()
    settings = RunConfig() if config is None else config
    images = together(processes, lambda: _checked_data(settings, data, processes))
    _expect_the_same(processes, settings, images)
    files = _folder(folder, resume, processes)
    state = from_main(processes, lambda: _before(files, settings, images, resume))
    trainer = Trainer(settings, images, log_dir=folder, on_row=on_row)
    if state is not None:
        trainer.load_state_dict(state)
    from_main(processes, lambda: _begin(files, trainer))
    resumed_at = trainer.step if resume else None
    with trainer.estimator, _resumable(folder):
        status = _train(trainer, files, on_step, progress)
    result = RunResult(status, trainer, resumed_at, files)
    if files is not None and status == "finished" and not (result.was_finished and files.has(METRICS)):
        write_results(result, files)
    return result


def _checked_data(config: RunConfig, data: ImageSet | None, processes: Processes | None) -> ImageSet:
    data = load_images(config.data) if data is None else data
    check_run(config, data, processes)
    return data


def _expect_the_same(processes: Processes | None, config: RunConfig, data: ImageSet) -> None:
    """Raise on all if one has other settings or images than the main process: their steps would not be one run's."""
    if processes is None:
        return
    mine = (flat(config), fingerprint(data))
    settings, images = from_main(processes, lambda: mine)

    def compare() -> None:
        for key, value in settings.items():
            if mine[0][key] != value:
                raise ArgumentError(f"{key} is {mine[0][key]!r}; the main process has {value!r}")
        if mine[1] != images:
            raise DataError(f"data: {data.name!r} are not the images that the main process has")

    together(processes, compare)


def _folder(
    folder: str | os.PathLike[str] | None, resume: bool, processes: Processes | None
) -> RunFolder | None:
    """The folder, for the one process that writes."""
    if folder is None and resume:
        raise ArgumentError("resume is True and folder None; wanted the folder of the run to go on with")
    is_main = processes is None or processes.is_main
    return RunFolder(folder) if folder is not None and is_main else None


def _begin(files: RunFolder | None, trainer: Trainer) -> None:
    if files is not None:
        trainer.history = [row for row in files.rows() if row["step"] < trainer.step]
        files.start(trainer)


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


@contextmanager
def _resumable(folder: str | os.PathLike[str] | None) -> Iterator[None]:
    """What is said of another process's end says what is left, too."""
    try:
        yield
    except RankError as error:
        if folder is None:
            raise
        left = (
            f"; {os.fspath(folder)} can be gone on with from its last checkpoint (--resume, or resume=True)"
        )
        raise RankError(f"{error}{left}") from error


def _train(
    trainer: Trainer, files: RunFolder | None, on_step: Callable[[Step], Any] | None, progress: bool
) -> Status:
    """All steps, or as many as wanted. Whatever ends them between two steps leaves a checkpoint."""
    status: Status = "finished"
    if not len(trainer):
        return status
    processes = trainer.processes
    is_main = processes is None or processes.is_main
    also = () if processes is None else (signal.SIGTERM,)
    with (
        interrupts_as_wishes(patience=0, also=also) as wish,
        progress_bar(trainer, progress and is_main) as show,
    ):
        for step in trainer:
            show(step)
            end = _ask(on_step, step, files, wish)
            if trainer.step < trainer.n_steps and end is not _End.NO:
                status = "interrupted" if end is _End.INTERRUPTED else "stopped"
                break
            _keep(files, trainer)
        _save(files, trainer)
        if processes is not None:
            processes.wait()  # for the main one's checkpoint: who leaves with an error code ends all
    return status


class _End(IntEnum):
    """Whether a run ends after this step, and why; of several processes' reasons the last here counts."""

    NO = 0
    STOPPED = 1
    INTERRUPTED = 2
    FAILED = 3


def _ask(on_step: Callable[[Step], Any] | None, step: Step, files: RunFolder | None, stop: StopWish) -> _End:
    """Whether the callback or a signal wants the run to end here."""
    try:
        wish = None if on_step is None else on_step(step)
    except BaseException:
        _save(files, step.trainer)
        _of_all(step.trainer.processes, _End.FAILED)
        raise
    own = _End.STOPPED if isinstance(wish, str) and wish == "stop" else _End.NO
    end = _of_all(step.trainer.processes, _End.INTERRUPTED if stop.made else own)
    if end is _End.FAILED:
        _save(files, step.trainer)
        raise RankError(
            f"on_step raised an error in another process; the run has ended after {step.trainer.step} steps"
        )
    return end


def _of_all(processes: Processes | None, end: _End) -> _End:
    """What the processes agree on: one small exchange a step, 0.2 ms, so that all end after the same one."""
    return end if processes is None else _End(processes.most(end))


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

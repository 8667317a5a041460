"""A run that was interrupted, killed or short of disk: what is left goes on to what an unbroken run ends with."""

import errno
import os
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import torture
import yaml
from small_runs import PER_EPOCH, mixture, small_config, small_data

from mixturelab.exceptions import ArgumentError, DataError, ModelFileError, StreamWarning
from mixturelab.simclr import folder as folder_module
from mixturelab.simclr.checkpoint import read_checkpoint
from mixturelab.simclr.config import RunConfig
from mixturelab.simclr.run import train
from mixturelab.simclr.trainer import Trainer
from mixturelab.stream.tables import Table
from mixturelab.watch.stopping import interrupts_as_wishes

DATA = small_data()
N_STEPS = 2 * PER_EPOCH
FILES = {
    "config.yaml",
    "losses.csv",
    "mixture.csv",
    "mixture_diagnostics.csv",
    "checkpoint.pt",
    "metrics.json",
    "training.png",
    "embeddings.png",
}
# Equal to the last byte, however a run came about; metrics and pictures follow from them.
EXACT = ("config.yaml", "losses.csv", "mixture.csv", "mixture_diagnostics.csv")


class Killed(BaseException):
    """What stands for a process that is gone: nobody catches it."""


# Tests of the numbers and pictures at the end; the others go without them, which is faster.
WITH_RESULTS = {
    "test_a_run_folder_holds_all_of_a_run",
    "test_a_run_that_diverges_goes_on_to_its_end",
    "test_without_a_mixture_or_labels_there_is_less_to_write",
    "test_a_run_cut_off_before_its_numbers_gets_them",
}


@pytest.fixture(autouse=True)
def no_results(monkeypatch, request):
    if request.node.name not in WITH_RESULTS:
        monkeypatch.setattr("mixturelab.simclr.result._pictures", lambda result: {})
        monkeypatch.setattr("mixturelab.simclr.result._metrics", lambda result: {"steps": result.step})


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run that nothing broke."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(small_config(), folder, data=DATA)
    return folder


def stop_after(step: int):
    return lambda done: "stop" if done.number == step else None


def assert_same_run(one: Path, other: Path):
    for name in EXACT:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    states = [read_checkpoint(folder / "checkpoint.pt")["state"] for folder in (one, other)]
    assert_equal_states(*states)


def assert_equal_states(one, other, where="state"):
    """Every tensor and number in the checkpoints."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_equal_states(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, pair in enumerate(zip(one, other, strict=True)):
            assert_equal_states(*pair, f"{where}.{i}")
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True, msg=where)
    else:
        assert one == other or (one != one and other != other), where


# ------------------------------------------------------------------------------------------------ a whole run
def test_a_run_folder_holds_all_of_a_run(tmp_path):
    result = train(small_config(), tmp_path / "deep" / "run", data=DATA)
    folder = tmp_path / "deep" / "run"
    assert {path.name for path in folder.iterdir()} == FILES
    lines = (folder / "losses.csv").read_text().splitlines()
    assert lines[0] == "step,epoch,loss,learning_rate"
    rows = np.array([line.split(",") for line in lines[1:]], dtype=float)
    np.testing.assert_array_equal(rows[:, 0], np.arange(N_STEPS))
    np.testing.assert_array_equal(rows[:, 1], np.arange(N_STEPS) // PER_EPOCH)
    np.testing.assert_array_equal(rows[:, 2].astype(np.float32), result.losses.astype(np.float32))
    assert RunConfig.from_yaml(folder / "config.yaml") == small_config()
    assert (
        (folder / "mixture.csv").read_text().startswith("step,epoch,K,pi_min,pi_max,trace_B,opnorm_B\n0,0,4,")
    )
    metrics = yaml.safe_load((folder / "metrics.json").read_text())
    assert metrics["steps"] == N_STEPS
    assert metrics["loss"] == pytest.approx(result.losses[-1])
    assert (
        set(metrics["z"]) == set(metrics["raw_pixels"]) >= {"kmeans_ari", "one_shot", "perturbed_knn", "knn"}
    )
    assert metrics["mixture"]["updates"] == N_STEPS


def test_without_a_mixture_or_labels_there_is_less_to_write(tmp_path):
    train(small_config(**mixture(enabled=False)), tmp_path / "run", data=small_data(labels=False))
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES - {
        "mixture.csv",
        "mixture_diagnostics.csv",
        "embeddings.png",
    }
    metrics = yaml.safe_load((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["mixture"], metrics["z"], metrics["alarms"]) == (None, None, None)


def test_a_run_that_diverges_goes_on_to_its_end(tmp_path):
    """Rows that are not finite are left out of the mixture; what cannot be judged or drawn is not."""
    with pytest.warns(StreamWarning, match="finite") as caught:
        result = train(small_config(learning_rate=1e30), tmp_path / "run", data=DATA)
    assert len(caught) == 1
    assert (result.status, result.step) == ("finished", N_STEPS)
    assert np.isnan(result.losses[-1])
    metrics = yaml.safe_load((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["loss"], metrics["z"]) == (None, None)
    assert metrics["mixture"]["rows_dropped"] > 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES - {"embeddings.png"}


# -------------------------------------------------------------------------------------------- broken and resumed
@pytest.mark.parametrize("step", [0, 3, 4, 6, 8])
def test_a_stopped_run_ends_like_an_unbroken_one(tmp_path, whole, step):
    """At a checkpoint, between two, at an epoch's end and within it."""
    folder = tmp_path / "run"
    stopped = train(small_config(), folder, data=DATA, on_step=stop_after(step))
    assert (stopped.status, stopped.step) == ("stopped", step + 1)
    assert not (folder / "metrics.json").exists()
    resumed = train(small_config(), folder, data=DATA, resume=True)
    assert (resumed.status, resumed.resumed_at, resumed.step) == ("finished", step + 1, N_STEPS)
    assert_same_run(folder, whole)
    assert [row["step"] for row in resumed.history] == list(range(N_STEPS))
    assert len(resumed.losses) == N_STEPS


def test_it_may_be_stopped_many_times(tmp_path, whole):
    folder = tmp_path / "run"
    train(small_config(), folder, data=DATA, on_step=stop_after(0))
    for step in range(1, N_STEPS - 1):
        assert (
            train(small_config(), folder, data=DATA, resume=True, on_step=stop_after(step)).step == step + 1
        )
    train(small_config(), folder, data=DATA, resume=True)
    assert_same_run(folder, whole)


@pytest.mark.parametrize("step", [2, 6, 9])
def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path, whole, monkeypatch, step):
    """In the middle of a step; rows since the checkpoint are made again, before the first of them from the start."""
    folder = tmp_path / "run"
    advance = Trainer.advance

    def killed(self):
        if self.step == step:
            raise Killed
        return advance(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "advance", killed)
        with pytest.raises(Killed):
            train(small_config(), folder, data=DATA)
    assert len((folder / "mixture.csv").read_text().splitlines()) == step + 1
    resumed = train(small_config(), folder, data=DATA, resume=True)
    assert resumed.resumed_at == step // 4 * 4
    assert_same_run(folder, whole)


def test_what_a_kill_left_half_written_is_gone_when_the_run_goes_on(tmp_path):
    train(small_config(), tmp_path, data=DATA, on_step=stop_after(2))
    for name in ("config.yaml", "checkpoint.pt", "metrics.json"):
        (tmp_path / f".{name}.0123abcd.part").write_bytes(b"half")
    (tmp_path / "notes.part").write_text("the user's own")
    train(small_config(), tmp_path, data=DATA, resume=True)
    assert [path.name for path in tmp_path.glob("*.part")] == ["notes.part"]
    assert not list(tmp_path.glob(".*"))


def test_what_the_callback_raises_leaves_a_checkpoint(tmp_path, whole):
    folder = tmp_path / "run"

    def fails(step):
        if step.number == 5:
            raise RuntimeError("the picture broke")

    with pytest.raises(RuntimeError, match="the picture broke"):
        train(small_config(), folder, data=DATA, on_step=fails)
    assert read_checkpoint(folder / "checkpoint.pt")["state"]["step"] == 6
    train(small_config(), folder, data=DATA, resume=True)
    assert_same_run(folder, whole)


@pytest.mark.parametrize(
    "options",
    [{"mode": "per_batch"}, {"mode": "label_supervised"}, {"store_scores": True}, {"enabled": False}],
)
def test_every_kind_of_mixture_can_be_resumed(tmp_path, options):
    config = small_config(**mixture(**options))
    train(config, tmp_path / "whole", data=DATA)
    train(config, tmp_path / "broken", data=DATA, on_step=stop_after(6))
    train(config, tmp_path / "broken", data=DATA, resume=True)
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in (tmp_path / "broken").iterdir()} == names
    for name in names - {"checkpoint.pt", "metrics.json", "mixture_scores.pt"}:
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_finished_run_says_so_and_stays_as_it_is(tmp_path, whole):
    folder = shutil.copytree(whole, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = train(small_config(), folder, data=DATA, resume=True, on_step=lambda step: pytest.fail("a step"))
    assert (result.status, result.was_finished, result.step) == ("finished", True, N_STEPS)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert len(result.history) == N_STEPS


def test_a_run_cut_off_before_its_numbers_gets_them(tmp_path, whole):
    folder = shutil.copytree(whole, tmp_path / "run")
    numbers = yaml.safe_load((folder / "metrics.json").read_text())
    (folder / "metrics.json").unlink()
    train(small_config(), folder, data=DATA, resume=True)
    assert yaml.safe_load((folder / "metrics.json").read_text())["z"] == numbers["z"]


def test_checkpoints_may_become_more_frequent(tmp_path, whole):
    folder = tmp_path / "run"
    train(small_config(), folder, data=DATA, on_step=stop_after(2))
    train(small_config(checkpoint_every=1), folder, data=DATA, resume=True)
    assert (folder / "losses.csv").read_bytes() == (whole / "losses.csv").read_bytes()
    assert RunConfig.from_yaml(folder / "config.yaml").checkpoint_every == 1


# -------------------------------------------------------------------------------------------------- Ctrl-C
def test_ctrl_c_ends_the_step_and_leaves_a_run_that_goes_on(tmp_path, whole):
    folder = tmp_path / "run"
    handler = signal.getsignal(signal.SIGINT)
    result = train(small_config(), folder, data=DATA, on_step=interrupt_at(5))
    assert (result.status, result.step) == ("interrupted", 6)
    assert signal.getsignal(signal.SIGINT) is handler
    assert read_checkpoint(folder / "checkpoint.pt")["state"]["step"] == 6
    train(small_config(), folder, data=DATA, resume=True)
    assert_same_run(folder, whole)


def interrupt_at(step: int, times: int = 1):
    def ask(done):
        if done.number == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return ask


def test_ctrl_c_twice_interrupts_at_once(tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(small_config(), tmp_path / "run", data=DATA, on_step=interrupt_at(3, times=2))
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_of_the_users_own_is_put_back():
    mine = lambda *_: None  # noqa: E731
    before = signal.signal(signal.SIGINT, mine)
    try:
        with interrupts_as_wishes() as wish:
            signal.raise_signal(signal.SIGINT)
            assert wish.made
        assert signal.getsignal(signal.SIGINT) is mine
        with pytest.raises(ZeroDivisionError), interrupts_as_wishes():
            raise ZeroDivisionError
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_signals_are_left_alone():
    handler, found = signal.getsignal(signal.SIGINT), []

    def work():
        result = train(
            small_config(), data=DATA, on_step=lambda _: found.append(signal.getsignal(signal.SIGINT))
        )
        found.append(result.status)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[-1] == "finished"
    assert set(found[:-1]) == {handler}


# ------------------------------------------------------------------------------------- what is refused beforehand
def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_that_holds_a_run_is_left_alone(tmp_path, whole):
    before = snapshot(whole)
    with pytest.raises(
        ArgumentError, match=r"already holds a run .*config\.yaml.*: go on with it .*, choose another"
    ):
        train(small_config(), whole, data=DATA)
    assert snapshot(whole) == before


def test_a_folder_with_other_files_is_fine(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    train(small_config(), tmp_path, data=DATA)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (mixture(K=5), r"runtime\.mixture\.K is 5; the run in .* has 4"),
        ({"seed": 1}, r"seed is 1; the run in .* has 0"),
        ({"data": "mnist"}, r"data is 'mnist'; the run in .* has 'digits'"),
        ({"epochs": 3}, r"epochs is 3; the run in .* has 2"),
        ({"threads": 2}, r"threads is 2; the run in .* has 1"),
        ({"augmentation": {"noise": 0.5}}, r"augmentation\.noise is 0\.5; the run in .* has 0"),
    ],
)
def test_other_settings_are_refused_with_both_values(tmp_path, changes, said):
    folder = tmp_path / "run"
    train(small_config(), folder, data=DATA, on_step=stop_after(2))
    before = snapshot(folder)
    with pytest.raises(ArgumentError, match=said):
        train(small_config(**changes), folder, data=DATA, resume=True)
    assert snapshot(folder) == before


def test_settings_that_were_edited_since_are_refused(tmp_path):
    folder = tmp_path / "run"
    train(small_config(), folder, data=DATA, on_step=stop_after(2))
    edited = small_config(temperature=0.5)
    (folder / "config.yaml").write_text(edited.to_yaml())
    with pytest.raises(ArgumentError, match=r"temperature is 0\.5; the run in .* has 0\.2"):
        train(edited, folder, data=DATA, resume=True)


def test_other_images_are_refused(tmp_path):
    folder = tmp_path / "run"
    train(small_config(), folder, data=DATA, on_step=stop_after(2))
    for other in (small_data(seed=1), small_data(labels=False)):
        with pytest.raises(DataError, match=r"data: 'bars' are not the images that the run in .* has seen"):
            train(small_config(), folder, data=other, resume=True)


def test_the_table_of_another_mixture_is_refused(tmp_path, whole):
    """Whoever laid it there: the settings do not know of it."""
    folder = tmp_path / "run"
    train(small_config(**mixture(K=5)), folder, data=DATA, on_step=stop_after(2))
    shutil.copy(whole / "mixture.csv", folder / "mixture.csv")
    before = snapshot(folder)
    with pytest.raises(ArgumentError, match=r"K is 5, but .*mixture\.csv holds rows of K = 4"):
        train(small_config(**mixture(K=5)), folder, data=DATA, resume=True)
    assert snapshot(folder) == before


def test_there_has_to_be_a_run_to_resume(tmp_path):
    with pytest.raises(ArgumentError, match=r"holds no run to resume: there is no config\.yaml"):
        train(small_config(), tmp_path / "nothing", data=DATA, resume=True)
    with pytest.raises(ArgumentError, match="resume is True and folder None"):
        train(small_config(), data=DATA, resume=True)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"\x80\x04N."])
def test_a_damaged_checkpoint_is_named_and_kept(tmp_path, content):
    folder = tmp_path / "run"
    train(small_config(), folder, data=DATA, on_step=stop_after(2))
    (folder / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"checkpoint\.pt is damaged"):
        train(small_config(), folder, data=DATA, resume=True)
    assert (folder / "checkpoint.pt").read_bytes() == content


def test_a_checkpoint_that_would_run_code_is_not_opened(tmp_path):
    folder = tmp_path / "run"
    train(small_config(), folder, data=DATA, on_step=stop_after(2))
    torch.save({"format": 1, "state": Opened(tmp_path / "opened")}, folder / "checkpoint.pt")
    with pytest.raises(ModelFileError):
        train(small_config(), folder, data=DATA, resume=True)
    assert not (tmp_path / "opened").exists()
    torch.save({"weights": torch.ones(2)}, folder / "checkpoint.pt")
    with pytest.raises(ModelFileError, match="no checkpoint of a SimCLR run that this version can read"):
        train(small_config(), folder, data=DATA, resume=True)


class Opened:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_folder_that_cannot_be_made_is_said_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    for config in (small_config(), small_config(**mixture(enabled=False))):
        with pytest.raises(ArgumentError, match=r"file.* cannot be written"):
            train(config, tmp_path / "file" / "run", data=DATA, on_step=lambda step: pytest.fail("a step"))


# ---------------------------------------------------------------------------------------------- a disk that fills
class Disk:
    """A disk that is full between two steps, for files of some names."""

    def __init__(self, monkeypatch, names, first, last):
        self.names, self.first, self.last, self.step = names, first, last, -1
        write_file, write_row = folder_module.write_atomically, Table.write

        def guarded_file(path, content):
            self._check(Path(path))
            return write_file(path, content)

        def guarded_row(table, step, row):
            self._check(table.path)
            return write_row(table, step, row)

        monkeypatch.setattr(folder_module, "write_atomically", guarded_file)
        monkeypatch.setattr(Table, "write", guarded_row)

    def _check(self, path):
        if path.name in self.names and self.first <= self.step <= self.last:
            raise OSError(errno.ENOSPC, "No space left on device")

    def __call__(self, step):
        self.step = step.number


@pytest.mark.parametrize("name", ["losses.csv", "checkpoint.pt"])
def test_a_full_disk_is_said_once_and_made_up_for(tmp_path, whole, monkeypatch, name):
    disk = Disk(monkeypatch, {name}, 3, 8)
    with pytest.warns(StreamWarning, match=f"{name} cannot be written: No space left") as caught:
        result = train(small_config(checkpoint_every=1), tmp_path / "run", data=DATA, on_step=disk)
    assert len(caught) == 1
    assert result.missing == {}
    assert (tmp_path / "run" / "losses.csv").read_bytes() == (whole / "losses.csv").read_bytes()
    assert read_checkpoint(tmp_path / "run" / "checkpoint.pt")["state"]["step"] == N_STEPS


def test_what_never_could_be_written_is_listed_at_the_end(tmp_path, monkeypatch):
    names = {"losses.csv", "checkpoint.pt", "metrics.json"}
    disk = Disk(monkeypatch, names, 0, 99)
    with pytest.warns(StreamWarning) as caught:
        result = train(small_config(), tmp_path / "run", data=DATA, on_step=disk)
    assert len(caught) == 3
    assert result.status == "finished"
    assert result.missing == dict.fromkeys(names, "No space left on device")


def test_rows_of_the_mixture_that_were_lost_are_counted(tmp_path, monkeypatch):
    disk = Disk(monkeypatch, {"mixture.csv"}, 2, 4)
    with pytest.warns(StreamWarning, match="No space left"):
        result = train(small_config(), tmp_path / "run", data=DATA, on_step=disk)
    assert result.missing == {"mixture.csv": "3 rows could not be written when they were due"}
    assert len(result.losses) == N_STEPS


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the run is forked")
def test_a_run_killed_at_random_moments_ends_with_the_files_of_an_unbroken_one(tmp_path):
    """Ten kills; see the script for what is checked after each."""
    torture.run_kills(tmp_path, 10, 3)

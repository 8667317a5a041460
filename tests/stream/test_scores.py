"""The scores of a run folder: what torch.load gives, resuming, torn, damaged and foreign files, full disks, cost."""

import os
import pickle
import resource
import shutil
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from stream.disk import FullDisk, contents

from mixturelab import files
from mixturelab.exceptions import ArgumentError, StreamWarning
from mixturelab.stream import score_records, scores
from mixturelab.stream.writers import RunFiles, read_scores

MODES = ("append", "per_step")
VALUES = {"pi_min": 0.0, "pi_max": 1.0, "trace_B": 2.0, "opnorm_B": 1.0}


def open_files(folder: Path, mode: str | None = "append") -> RunFiles:
    return RunFiles(folder, 2, diagnostics=[], scores=mode)


def responsibilities(step: int) -> torch.Tensor:
    return torch.arange(6.0).reshape(3, 2) + step


def write(run: RunFiles, *steps: int) -> None:
    for step in steps:
        run.write(step, step // 3, VALUES, {}, responsibilities(step))


def check(entries: list[dict], *steps: int) -> None:
    """These steps in this order, each with its own values."""
    assert [entry["step"] for entry in entries] == list(steps)
    for entry in entries:
        assert list(entry) == ["step", "epoch", "R"]
        assert entry["epoch"] == entry["step"] // 3
        assert entry["R"].dtype == torch.float32
        assert torch.equal(entry["R"], responsibilities(entry["step"]))


def scores_of(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in contents(folder).items() if "scores" in name}


def load(path: Path):
    return torch.load(path, weights_only=True)


@pytest.fixture
def often(monkeypatch):
    """Fold from the first record on, not from the first megabytes."""
    monkeypatch.setattr(scores, "_FIRST_FOLD_BYTES", 0)


# ------------------------------------------------------------------------------------------------ what is read
def test_append_gives_one_list_that_torch_loads(tmp_path):
    with open_files(tmp_path) as run:
        write(run, 0, 1, 5)
        assert list(scores_of(tmp_path)) == ["mixture_scores.log"]
        check(read_scores(tmp_path), 0, 1, 5)
    assert list(scores_of(tmp_path)) == ["mixture_scores.pt"]
    check(load(tmp_path / "mixture_scores.pt"), 0, 1, 5)
    check(read_scores(tmp_path), 0, 1, 5)


def test_per_step_gives_one_file_a_step(tmp_path):
    with open_files(tmp_path, "per_step") as run:
        write(run, 0, 123, 1_234_567)
    names = ["step_000000.pt", "step_000123.pt", "step_1234567.pt"]
    assert sorted(os.listdir(tmp_path / "mixture_scores")) == names
    check([load(tmp_path / "mixture_scores" / "step_000123.pt")], 123)
    check(read_scores(tmp_path), 0, 123, 1_234_567)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "array",
    [
        torch.rand(4, 3, dtype=torch.float64),
        torch.rand(4, 3).bfloat16(),
        torch.rand(4, 3).half(),
        torch.ones(4, 3, dtype=torch.bool),
        torch.arange(6, dtype=torch.uint8).reshape(2, 3),
        torch.zeros(0, 3),
        torch.tensor(1.5),
        torch.rand(3, 4).T,
        torch.rand(1000, 3)[::300],
        torch.rand(2, 2, requires_grad=True),
    ],
    ids=lambda array: f"{array.dtype}{tuple(array.shape)}",
)
def test_scores_keep_their_type_and_shape_and_nothing_else(tmp_path, mode, array):
    for _ in range(2):
        with open_files(tmp_path, mode) as run:
            run.write(3, 1, VALUES, {}, array)
            (before,) = read_scores(tmp_path)
        (after,) = read_scores(tmp_path)
        for entry in (before, after):
            assert entry["R"].dtype == array.dtype
            assert torch.equal(entry["R"], array)
            assert not entry["R"].requires_grad
            assert entry["R"].untyped_storage().nbytes() == array.numel() * array.element_size()


@pytest.mark.parametrize("mode", [None, *MODES])
def test_a_step_without_scores_stores_none(tmp_path, mode):
    with open_files(tmp_path, mode) as run:
        run.write(0, 0, VALUES, {}, None)
    assert scores_of(tmp_path) == {}
    assert read_scores(tmp_path) == []


def test_scores_that_are_not_wanted_are_not_stored(tmp_path):
    with open_files(tmp_path, None) as run:
        write(run, 0)
    assert scores_of(tmp_path) == {}


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"folder is .*nowhere.*; wanted the folder of a run"):
        read_scores(tmp_path / "nowhere")


# --------------------------------------------------------------------------------------------------- resuming
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("at", [0, 2, 5, 6])
def test_a_run_that_is_resumed_leaves_the_scores_of_one_that_was_not(tmp_path, mode, closed, at):
    first = open_files(tmp_path / "run", mode)
    write(first, *range(6))
    if closed:
        first.close()
    with open_files(tmp_path / "run", mode) as run:
        write(run, *range(at, 8))
    with open_files(tmp_path / "whole", mode) as run:
        write(run, *range(8))
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")
    check(read_scores(tmp_path / "run"), *range(8))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("later", [None, *MODES])
def test_going_back_removes_scores_whichever_way_they_are_stored_now(tmp_path, mode, later):
    with open_files(tmp_path, mode) as run:
        write(run, *range(6))
    with open_files(tmp_path, later) as run:
        write(run, 3)
    check(read_scores(tmp_path), *([0, 1, 2] if later is None else [0, 1, 2, 3]))
    with open_files(tmp_path, later) as run:
        run.write(0, 0, VALUES, {}, None)
    assert scores_of(tmp_path) == {}


def test_going_back_over_file_and_log(tmp_path):
    run = open_files(tmp_path)
    write(run, *range(4))
    run.close()
    write(run, *range(4, 9))
    for step, left in ((7, range(8)), (5, range(6)), (2, range(3)), (0, range(1))):
        write(run, step)
        check(read_scores(tmp_path), *left)
    run.close()
    check(load(tmp_path / "mixture_scores.pt"), 0)


def test_going_back_cuts_the_log_first_so_that_a_kill_leaves_no_gap(tmp_path, monkeypatch):
    run = open_files(tmp_path)
    write(run, *range(4))
    run.close()
    write(run, *range(4, 9))

    def killed(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(scores, "_save_all", killed)
    with pytest.raises(KeyboardInterrupt):
        write(run, 2)
    check(read_scores(tmp_path), *range(4))


# ----------------------------------------------------------------------------------------------------- folding
def test_a_killed_fold_leaves_no_entry_twice(tmp_path, monkeypatch):
    """Killed after the renaming and before the log is removed: both hold everything."""
    run = open_files(tmp_path)
    write(run, *range(5))
    log = (tmp_path / "mixture_scores.log").read_bytes()
    run.close()
    (tmp_path / "mixture_scores.log").write_bytes(log)
    check(read_scores(tmp_path), *range(5))
    with open_files(tmp_path) as again:
        write(again, 5)
        check(read_scores(tmp_path), *range(6))
    check(load(tmp_path / "mixture_scores.pt"), *range(6))


def test_opening_and_closing_gathers_what_a_killed_run_left(tmp_path):
    write(open_files(tmp_path), *range(5))
    with open_files(tmp_path):
        pass
    check(load(tmp_path / "mixture_scores.pt"), *range(5))
    assert not (tmp_path / "mixture_scores.log").exists()


def test_the_log_is_removed_after_the_fold_has_its_name_on_the_disk(tmp_path, monkeypatch):
    run = open_files(tmp_path)
    write(run, 0)
    done = []
    for name in ("fsync", "replace", "unlink"):
        original = getattr(os, name)

        def noted(*args, _name=name, _original=original, **options):
            done.append((_name, (tmp_path / "mixture_scores.log").exists()))
            return _original(*args, **options)

        monkeypatch.setattr(os, name, noted)
    run.close()
    assert done[:3] == [("fsync", True), ("replace", True), ("fsync", True)]
    assert not (tmp_path / "mixture_scores.log").exists()


def test_each_fold_at_least_doubles_the_file_and_all_of_them_rewrite_little(tmp_path, often, monkeypatch):
    """The sum of all folds is at most 4/3 of the history: a constant cost a step."""
    sizes = []
    save_all = scores._save_all

    def noted(entries, path):
        save_all(entries, path)
        sizes.append((len(entries), path.stat().st_size))

    monkeypatch.setattr(scores, "_save_all", noted)
    run = open_files(tmp_path)
    write(run, *range(800))
    assert len(sizes) > 2
    assert all(later >= 2 * earlier for (_, earlier), (_, later) in pairwise(sizes))
    assert sum(count for count, _ in sizes) <= 4 / 3 * 800
    check(read_scores(tmp_path), *range(800))


def test_between_folds_a_step_reads_nothing(tmp_path, monkeypatch):
    run = open_files(tmp_path)
    write(run, *range(3))
    run.close()
    write(run, 3)

    def unwanted(path, *_args, **_options):
        pytest.fail(f"{path} was opened")

    monkeypatch.setattr(Path, "open", unwanted)
    monkeypatch.setattr(Path, "read_bytes", unwanted)
    write(run, *range(4, 8))


def test_a_reader_misses_nothing_while_a_writer_folds(tmp_path, monkeypatch):
    """The reader has read the log; the fold comes; then it reads the file."""
    run = open_files(tmp_path)
    write(run, *range(5))
    from mixturelab.stream import score_reading

    read_log = score_reading.read_log

    def then_fold(path):
        log = read_log(path)
        run.close()
        return log

    monkeypatch.setattr(score_reading, "read_log", then_fold)
    check(read_scores(tmp_path), *range(5))


# -------------------------------------------------------------------------------------------- torn and damaged
@pytest.fixture
def log(tmp_path) -> bytes:
    """The log of four steps; its folder is left without it."""
    write(open_files(tmp_path), *range(4))
    content = (tmp_path / "mixture_scores.log").read_bytes()
    (tmp_path / "mixture_scores.log").unlink()
    return content


def test_a_log_cut_at_any_byte_loses_the_entry_that_was_being_written(tmp_path, log):
    folder = tmp_path / "run"
    path = folder / "mixture_scores.log"
    folder.mkdir()
    assert len(log) % 4 == 0
    for size in range(len(log) + 1):
        path.write_bytes(log[:size])
        whole = size // (len(log) // 4)
        check(read_scores(folder), *range(whole))
        assert contents(folder) == {path.name: log[:size]}
        run = open_files(folder)
        assert path.read_bytes() == log[: whole * len(log) // 4]
        run.write(whole, whole // 3, VALUES, {}, responsibilities(whole))
        check(read_scores(folder), *range(whole + 1))
        for file in folder.iterdir():
            file.unlink()


def test_a_log_with_any_byte_changed_loses_that_entry_alone_and_is_set_aside(tmp_path, log):
    folder = tmp_path / "run"
    folder.mkdir()
    for place in range(0, len(log), 3):
        changed = bytearray(log)
        changed[place] ^= 0xFF
        (folder / "mixture_scores.log").write_bytes(changed)
        left = [step for step in range(4) if step != place // (len(log) // 4)]
        with pytest.warns(
            StreamWarning, match=r"mixture_scores\.log is damaged at byte \d+; the rest was read"
        ):
            check(read_scores(folder), *left)
        with pytest.warns(
            StreamWarning, match=r"it is now mixture_scores\.log\.damaged-1, and the 3 entries"
        ):
            open_files(folder)
        check(read_scores(folder), *left)
        assert (folder / "mixture_scores.log.damaged-1").read_bytes() == changed
        (folder / "mixture_scores.log.damaged-1").unlink()


@pytest.mark.parametrize("end", [b"\x00" * 40, b"something else altogether", b"MSR1" + bytes(16)])
def test_what_is_no_beginning_of_a_record_is_damage_not_a_kill(tmp_path, log, end):
    (tmp_path / "mixture_scores.log").write_bytes(log + end)
    with pytest.warns(StreamWarning, match=f"damaged at byte {len(log)}"):
        open_files(tmp_path)
    check(read_scores(tmp_path), *range(4))
    assert (tmp_path / "mixture_scores.log.damaged-1").read_bytes() == log + end


def test_a_record_that_torch_could_not_have_written_is_damage(tmp_path):
    entry = {"step": 0, "epoch": 0, "R": torch.zeros(2, 2)}
    record = score_records.encode(entry).replace(b'"float32"', b'"load_it"')
    length = len(record) - 20
    head = score_records._HEAD.pack(b"MSR1", length, score_records.zlib.crc32(record[20:]))
    (tmp_path / "mixture_scores.log").write_bytes(
        head + score_records.zlib.crc32(head).to_bytes(4, "little") + record[20:]
    )
    with pytest.warns(StreamWarning, match="damaged at byte 0"):
        assert read_scores(tmp_path) == []


def test_a_file_cut_at_any_byte_is_set_aside_and_the_run_goes_on(tmp_path):
    with open_files(tmp_path) as run:
        write(run, 0, 1)
    path, aside = tmp_path / "mixture_scores.pt", tmp_path / "mixture_scores.pt.damaged-1"
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 23), *range(len(whole) - 30, len(whole))]:
        path.write_bytes(whole[:size])
        with pytest.warns(StreamWarning, match=r"mixture_scores\.pt is damaged; it was left out"):
            assert read_scores(tmp_path) == []
        with pytest.warns(StreamWarning, match=r"mixture_scores\.pt is damaged: it is now"):
            run = open_files(tmp_path)
        assert aside.read_bytes() == whole[:size]
        aside.unlink()
    with run:
        write(run, 2)
    check(load(path), 2)


def test_a_changed_number_in_a_file_is_damage(tmp_path):
    """Torch alone would load it without a word."""
    with open_files(tmp_path) as run:
        run.write(0, 0, VALUES, {}, torch.full((3, 2), 0.7))
    path = tmp_path / "mixture_scores.pt"
    number = torch.tensor([0.7]).numpy().tobytes()
    path.write_bytes(path.read_bytes().replace(number, b"\x00\x00\x80\x3f", 1))
    assert load(path)[0]["R"].max() == 1
    with pytest.warns(StreamWarning, match="is damaged"):
        assert read_scores(tmp_path) == []


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def foreign(path: Path, kind: str) -> None:
    if kind == "pickle":
        path.write_bytes(pickle.dumps([Evil()]))
    elif kind == "torch with code":
        torch.save([Evil()], path)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "b")
    else:
        torch.save({"weights": {"w": torch.zeros(2)}, "entries": [{"step": 1, "epoch": 0}]}[kind], path)


@pytest.mark.parametrize("kind", ["pickle", "torch with code", "zip", "weights", "entries"])
def test_a_foreign_file_is_not_run_and_not_overwritten(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    foreign(folder / "mixture_scores.pt", kind)
    held = (folder / "mixture_scores.pt").read_bytes()
    with pytest.warns(StreamWarning, match="it was left out"):
        assert read_scores(folder) == []
    with pytest.warns(StreamWarning, match="it is now"), open_files(folder) as run:
        write(run, 0)
    assert (folder / "mixture_scores.pt.damaged-1").read_bytes() == held
    check(load(folder / "mixture_scores.pt"), 0)
    assert not (tmp_path / "evil").exists()


def test_a_damaged_step_is_left_out_and_the_others_are_read(tmp_path):
    write(open_files(tmp_path, "per_step"), *range(3))
    path = tmp_path / "mixture_scores" / "step_000001.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(StreamWarning, match=r"step_000001\.pt is damaged; it was left out"):
        check(read_scores(tmp_path), 0, 2)


def test_a_disk_that_cannot_be_read_is_not_a_damaged_file(tmp_path, monkeypatch):
    with open_files(tmp_path) as run:
        write(run, 0)
    held = contents(tmp_path)

    def unreadable(*_args, **_options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("torch.load", unreadable)
    with pytest.raises(OSError, match="Input/output error"):
        read_scores(tmp_path)
    with pytest.raises(ArgumentError, match="Input/output error"):
        open_files(tmp_path)
    assert contents(tmp_path) == held


# -------------------------------------------------------------------------------------------------- full disks
def test_an_entry_that_does_not_fit_at_any_byte_is_not_there(tmp_path, log, monkeypatch):
    for room in range(len(log) // 4):
        (tmp_path / "mixture_scores.log").write_bytes(log)
        run = open_files(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr("mixturelab.files.os.write", FullDisk(room))
            if room % 2:
                patch.setattr("mixturelab.files.os.ftruncate", FullDisk())
            with pytest.raises(OSError, match="No space left"):
                run._score_file.write(4, 1, responsibilities(4))
        check(read_scores(tmp_path), *range(4))
        run._score_file.write(5, 1, responsibilities(5))
        check(read_scores(tmp_path), 0, 1, 2, 3, 5)


def test_a_fold_that_does_not_fit_leaves_everything_where_it_is(tmp_path):
    """The kernel's own limit on the size of a file, at every few hundred bytes of the fold."""
    run = open_files(tmp_path / "run")
    write(run, *range(5))
    run.close()
    write(run, *range(5, 9))
    held = contents(tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "folded")
    open_files(tmp_path / "folded").close()
    folded = (tmp_path / "folded" / "mixture_scores.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in [*range(0, len(folded), 211), *range(len(folded) - 70, len(folded), 7)]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                run.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert contents(tmp_path / "run") == held
    run.close()
    assert (tmp_path / "run" / "mixture_scores.pt").read_bytes() == folded


def test_a_fold_that_failed_is_not_tried_at_each_step(tmp_path, often, monkeypatch):
    attempts = []

    def full(entries, path):
        attempts.append(len(entries))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(scores, "_save_all", full)
        run = open_files(tmp_path)
        failed = 0
        for step in range(100):
            try:
                write(run, step)
            except OSError:
                failed += 1
    assert attempts == [1, 2, 4, 8, 16, 32, 64]
    assert failed == len(attempts)
    check(read_scores(tmp_path), *range(100))
    run.close()
    check(load(tmp_path / "mixture_scores.pt"), *range(100))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_for_a_fold_is_an_error_of_the_machine(tmp_path, monkeypatch, error):
    run = open_files(tmp_path)
    write(run, 0)
    run.close()
    write(run, 1)

    def without_memory(*_args, **_options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("torch.load", without_memory)
        with pytest.raises(OSError, match="cannot be gathered"):
            run.close()
    check(read_scores(tmp_path), 0, 1)
    assert sorted(scores_of(tmp_path)) == ["mixture_scores.log", "mixture_scores.pt"]


def test_a_step_that_does_not_fit_leaves_no_file(tmp_path, monkeypatch):
    run = open_files(tmp_path, "per_step")
    write(run, 0)

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mixturelab.files.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write(run, 1)
    assert os.listdir(tmp_path / "mixture_scores") == ["step_000000.pt"]
    write(run, 2)
    check(read_scores(tmp_path), 0, 2)


# --------------------------------------------------------------------------------------- others in the folder
@pytest.mark.parametrize("mode", MODES)
def test_scores_that_somebody_removes_are_begun_again(tmp_path, mode):
    run = open_files(tmp_path, mode)
    write(run, 0, 1)
    for name in scores_of(tmp_path):
        (tmp_path / name).unlink()
    if mode == "per_step":
        (tmp_path / "mixture_scores").rmdir()
    write(run, 2)
    run.close()
    check(read_scores(tmp_path), 2)


def test_leftovers_of_a_killed_fold_are_removed(tmp_path):
    with open_files(tmp_path) as run:
        write(run, 0)
    held = contents(tmp_path)
    (tmp_path / ".mixture_scores.pt.00112233.part").write_bytes(b"half")
    open_files(tmp_path)
    assert contents(tmp_path) == held
    assert files.size(tmp_path / "mixture_scores.log") == 0

"""The tables of a run folder: their bytes, resuming, torn and damaged files, full disks, and checks before training."""

import csv
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torture
from stream.disk import FullDisk, contents

from mixturelab import files
from mixturelab.exceptions import ArgumentError, StreamWarning
from mixturelab.stream.tables import Table
from mixturelab.stream.writers import RunFiles, read_scores

HEADER = b"step,epoch,K,pi_min,pi_max,trace_B,opnorm_B\n"
NAMES = ("drift", "alarms")
TABLES = ("mixture.csv", "mixture_diagnostics.csv")


def open_files(folder, n_components=8, diagnostics=NAMES, **options) -> RunFiles:
    return RunFiles(folder, n_components, diagnostics=diagnostics, **options)


def row(step: int) -> dict[str, float]:
    return {"pi_min": step / 7, "pi_max": 1 - step / 7, "trace_B": 10.0**step, "opnorm_B": -(step**0.5)}


def write(files: RunFiles, *steps: int) -> None:
    for step in steps:
        files.write(step, step // 3, row(step), {"drift": step / 3, "alarms": f"no. {step}"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """The tables of a run of six steps that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    with open_files(folder) as run:
        write(run, *range(6))
    return contents(folder)


# ------------------------------------------------------------------------------------------------------ bytes
def test_the_tables_to_the_byte(tmp_path):
    with open_files(tmp_path, 3) as run:
        values = {"pi_min": 1 / 3, "pi_max": 1, "trace_B": float("nan"), "opnorm_B": 1.23456789012e-20}
        run.write(7, 2, values, {"drift": float("inf"), "alarms": ""})
        run.write(
            np.int64(8),
            torch.tensor(2),
            {name: torch.tensor(2.5) for name in values},
            {"drift": np.float32(0.1), "alarms": 'a,"b"\nc'},
        )
    assert contents(tmp_path) == {
        "mixture.csv": HEADER + b"7,2,3,0.333333333,1,nan,1.23456789e-20\n8,2,3,2.5,2.5,2.5,2.5\n",
        "mixture_diagnostics.csv": b'step,epoch,drift,alarms\n7,2,inf,\n8,2,0.100000001,"a,""b"" c"\n',
    }


def test_nothing_is_there_before_the_first_row_but_the_folder(tmp_path):
    with open_files(tmp_path / "a" / "run", scores="append") as run:
        assert os.listdir(tmp_path / "a" / "run") == []
    run.close()
    assert os.listdir(tmp_path / "a" / "run") == []


def test_a_row_can_be_read_at_once(tmp_path):
    run = open_files(tmp_path)
    for step in range(3):
        write(run, step)
        for table in TABLES:
            assert (tmp_path / table).read_bytes().endswith(b"\n")
            assert (tmp_path / table).read_bytes().count(b"\n") == step + 2


def test_what_has_no_column_is_left_out_and_a_column_without_a_value_is_an_error(tmp_path):
    run = open_files(tmp_path)
    run.write(0, 0, {**row(0), "K": 8, "trace_W": 3.0}, {"drift": 0, "alarms": "", "more": 1})
    assert (tmp_path / "mixture.csv").read_bytes() == HEADER + b"0,0,8,0,1,1,-0\n"
    before = contents(tmp_path)
    bad = [
        ({"pi_min": 0.0}, {}, "mixture.csv gets no value for 'pi_max'"),
        (row(1), {"drift": 0.0}, "mixture_diagnostics.csv gets no value for 'alarms'"),
        ({**row(1), "trace_B": "big"}, {"drift": 0.0, "alarms": ""}, "trace_B is 'big'; wanted a number"),
        ({**row(1), "trace_B": None}, {"drift": 0.0, "alarms": ""}, "trace_B is None; wanted a number"),
    ]
    for values, diagnostics, message in bad:
        with pytest.raises(ArgumentError, match=message):
            run.write(1, 0, values, diagnostics)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(("step", "epoch", "name"), [(-1, 0, "step"), (1.0, 0, "step"), (1, None, "epoch")])
def test_a_step_that_is_none_is_refused(tmp_path, step, epoch, name):
    with pytest.raises(ArgumentError, match=f"{name} is .*; wanted an integer ≥ 0"):
        open_files(tmp_path).write(step, epoch, row(1), {"drift": 0, "alarms": ""})
    assert os.listdir(tmp_path) == []


# --------------------------------------------------------------------------------------------------- resuming
@pytest.mark.parametrize("at", [0, 1, 3, 5, 6])
def test_a_run_that_is_resumed_leaves_the_bytes_of_one_that_was_not(tmp_path, whole, at):
    write(open_files(tmp_path), *range(6))
    with open_files(tmp_path) as run:
        write(run, *range(at, 6))
    assert contents(tmp_path) == whole


def test_going_back_within_one_run_removes_what_comes_after(tmp_path, whole):
    run = open_files(tmp_path)
    write(run, *range(6), 2, 0, 1, 1, 2, 9, 3, 4, 5)
    assert contents(tmp_path) == whole


def test_going_back_replaces_the_file_in_one_step(tmp_path, monkeypatch):
    run = open_files(tmp_path)
    write(run, *range(4))
    seen = []
    replace = os.replace

    def watching(part, path):
        seen.append(
            (Path(path).name, Path(part).read_bytes().count(b"\n"), Path(path).read_bytes().count(b"\n"))
        )
        replace(part, path)

    monkeypatch.setattr("mixturelab.files.os.replace", watching)
    write(run, 4)
    assert seen == []  # the usual case: nothing is rewritten
    write(run, 2)
    assert seen == [(table, 3, 6) for table in TABLES]


def test_in_the_usual_case_nothing_is_read_again(tmp_path, monkeypatch):
    write(open_files(tmp_path), *range(3))
    run = open_files(tmp_path)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    write(run, *range(3, 6))


# ------------------------------------------------------------------------------------------- torn and damaged
@pytest.mark.parametrize("table", TABLES)
def test_a_table_cut_at_any_byte_is_repaired_and_goes_on(tmp_path, whole, table):
    """What whole rows are left stays; written on from there, the file is that of a run without a break."""
    path = tmp_path / table
    for size in range(len(whole[table])):
        for name, content in whole.items():
            (tmp_path / name).write_bytes(content[:size] if name == table else content)
        run = open_files(tmp_path)
        kept = path.read_bytes()
        assert kept == whole[table][: whole[table].rfind(b"\n", 0, size) + 1]
        first = max(0, kept.count(b"\n") - 1)
        write(run, *range(first, 6))
        assert contents(tmp_path) == whole


@pytest.mark.parametrize(
    "torn", [b"6,2,8,0.5\n", b"6,2,8,0.5,0.5,1,1", b"\n", b"\x00\x00\x00", b"6,2,8,.5,.5,1,x\n"]
)
def test_a_last_line_that_is_no_row_is_removed(tmp_path, whole, torn):
    (tmp_path / "mixture.csv").write_bytes(whole["mixture.csv"] + torn)
    open_files(tmp_path)
    assert contents(tmp_path) == {"mixture.csv": whole["mixture.csv"]}


@pytest.mark.parametrize("torn", [b"", b"5,1,8"])
@pytest.mark.parametrize(
    "line", [b"\x00\x00\x00\x00", b"2,0,8,1,1,1", b"zwei,0,8,1,1,1,1", b"1,0,8,1,1,1,1", b"2,0,8,1,1,x,1"]
)
def test_a_table_that_is_damaged_elsewhere_is_set_aside(tmp_path, whole, line, torn):
    """Its bytes stay; the whole rows go on under the old name, and a resumed run closes the gap."""
    lines = whole["mixture.csv"].split(b"\n")
    lines[3] = line
    damaged = b"\n".join(lines) + torn
    (tmp_path / "mixture.csv").write_bytes(damaged)
    with pytest.warns(
        StreamWarning, match=r"mixture\.csv is damaged in line 4: it is now mixture\.csv\.damaged-1"
    ):
        run = open_files(tmp_path)
    del lines[3]
    assert contents(tmp_path) == {"mixture.csv": b"\n".join(lines), "mixture.csv.damaged-1": damaged}
    write(run, *range(2, 6))
    assert contents(tmp_path) == {**whole, "mixture.csv.damaged-1": damaged} | {
        "mixture_diagnostics.csv": (tmp_path / "mixture_diagnostics.csv").read_bytes()
    }


def test_what_was_set_aside_is_never_overwritten(tmp_path, whole):
    for number in (1, 2, 3):
        damaged = HEADER + b"%d\n" % number + b"0,0,8,1,1,1,1\n"
        (tmp_path / "mixture.csv").write_bytes(damaged)
        with pytest.warns(StreamWarning):
            open_files(tmp_path)
        assert (tmp_path / f"mixture.csv.damaged-{number}").read_bytes() == damaged
    assert (tmp_path / "mixture.csv.damaged-1").read_bytes() == HEADER + b"1\n0,0,8,1,1,1,1\n"


def test_what_a_killed_process_had_begun_is_removed_and_nothing_else(tmp_path):
    for name in (
        ".mixture.csv.0a1b2c3d.part",
        ".mixture_scores.pt.0a1b2c3d.part",
        ".other.part",
        "mixture.csv.part",
    ):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "mixture_scores").mkdir()
    (tmp_path / "mixture_scores" / ".step_000001.pt.0a1b2c3d.part").write_bytes(b"half")
    open_files(tmp_path)
    assert set(contents(tmp_path)) == {".other.part", "mixture.csv.part"}


# ------------------------------------------------------------------------------------------------ other files
def test_a_table_with_another_header_is_refused(tmp_path):
    (tmp_path / "mixture.csv").write_bytes(b"step,loss\n1,2\n")
    with pytest.raises(ArgumentError) as caught:
        open_files(tmp_path)
    for part in (str(tmp_path / "mixture.csv"), "'step,loss'", repr(HEADER.decode().strip())):
        assert part in str(caught.value)
    assert contents(tmp_path) == {"mixture.csv": b"step,loss\n1,2\n"}


def test_other_diagnostics_are_refused(tmp_path):
    write(open_files(tmp_path), 0)
    with pytest.raises(
        ArgumentError, match=r"has the header 'step,epoch,drift,alarms'; wanted 'step,epoch,drift'"
    ):
        open_files(tmp_path, diagnostics=["drift"])


def test_another_number_of_components_is_refused_and_nothing_is_changed(tmp_path):
    write(open_files(tmp_path, 4), *range(3))
    with (tmp_path / "mixture_diagnostics.csv").open("ab") as file:
        file.write(b"torn")
    before = contents(tmp_path)
    with pytest.raises(ArgumentError) as caught:
        open_files(tmp_path, 8)
    assert f"K is 8, but {tmp_path / 'mixture.csv'} holds rows of K = 4" in str(caught.value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("names", [["a", "a"], ["step"]])
def test_a_column_stands_once(tmp_path, names):
    with pytest.raises(ArgumentError, match="twice"):
        open_files(tmp_path / "run", diagnostics=names)
    assert os.listdir(tmp_path) == []


def test_an_unknown_kind_of_scores_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="scores is 'log'; wanted None, 'append' or 'per_step'"):
        open_files(tmp_path, scores="log")


# ------------------------------------------------------------------------------- folders that cannot be written
def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ArgumentError, match="cannot be written: "):
            open_files(folder)


@pytest.mark.parametrize("name", [".", "mixture.csv"])
def test_what_may_not_be_written_is_refused(tmp_path, monkeypatch, name):
    write(open_files(tmp_path), 0)
    forbidden = tmp_path / name
    access = os.access
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != forbidden and access(path, mode))
    with pytest.raises(ArgumentError, match=f"{forbidden} cannot be written: no permission to write"):
        open_files(tmp_path)


def test_a_folder_that_takes_no_file_is_refused(tmp_path, monkeypatch):
    def full(**_options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(ArgumentError, match=f"{tmp_path} cannot be written: Read-only file system"):
        open_files(tmp_path)


@pytest.mark.parametrize("name", ["mixture.csv", "mixture_scores.pt", "mixture_scores.log"])
def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ArgumentError, match=f"{name} cannot be written: Is a directory"):
        open_files(tmp_path)


# -------------------------------------------------------------------------------------------------- full disks
@pytest.mark.parametrize("can_be_cut", [True, False])
def test_a_disk_that_is_full_at_any_byte_leaves_whole_rows_and_the_run_goes_on(
    tmp_path, whole, monkeypatch, can_be_cut
):
    """Rows 0 to 3 are there; 4 fails, or half of its files do; then there is room again."""
    before = {}
    for room in range(60):
        folder = tmp_path / str(room)
        run = open_files(folder)
        write(run, *range(4))
        before = before or contents(folder)
        with monkeypatch.context() as patch:
            patch.setattr("mixturelab.files.os.write", FullDisk(room))
            if not can_be_cut:
                patch.setattr("mixturelab.files.os.ftruncate", FullDisk())
            failed = False
            try:
                write(run, 4)
            except OSError as error:
                failed = error.errno == 28
        assert failed == (
            contents(folder) != {table: whole[table][: whole[table].rfind(b"5,1")] for table in TABLES}
        )
        if can_be_cut:
            assert all(content.endswith(b"\n") for content in contents(folder).values())
        write(run, 5)
        for table in TABLES:
            rows = (folder / table).read_bytes().split(b"\n")
            complete = whole[table].split(b"\n")
            assert rows in (complete, complete[:5] + complete[6:])


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_disk_that_is_full_while_going_back_is_made_up_for_later(tmp_path, whole, monkeypatch, step):
    """The rows to be removed are those from the step that failed on, not from the next that succeeds."""
    run = open_files(tmp_path)
    write(run, *range(6))
    with monkeypatch.context() as patch:
        patch.setattr(f"mixturelab.files.{step}", FullDisk())
        for late in (3, 4):
            with pytest.raises(OSError, match="No space left"):
                write(run, late)
    assert contents(tmp_path) == whole
    write(run, 5)
    for table in TABLES:
        lines = whole[table].split(b"\n")
        assert (tmp_path / table).read_bytes().split(b"\n") == lines[:4] + lines[6:]


def test_an_error_in_one_file_does_not_keep_the_others_from_being_written(tmp_path, monkeypatch):
    run = open_files(tmp_path, scores="append")
    append = files.append

    def failing(path, record):
        if path.name == "mixture.csv":
            raise OSError(5, "Input/output error")
        return append(path, record)

    monkeypatch.setattr("mixturelab.files.append", failing)
    with pytest.raises(OSError, match="Input/output error"):
        run.write(0, 0, row(0), {"drift": 0.0, "alarms": ""}, torch.eye(2))
    assert sorted(contents(tmp_path)) == ["mixture_diagnostics.csv", "mixture_scores.log"]
    assert len(read_scores(tmp_path)) == 1


def test_a_record_interrupted_by_the_user_is_not_there(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"before")

    def interrupted(descriptor, content):
        raise KeyboardInterrupt

    monkeypatch.setattr("mixturelab.files.os.write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.append(tmp_path / "file", b"record")
    assert (tmp_path / "file").read_bytes() == b"before"


class TestGrowing:
    """A file that stays open: each record where it belongs, whatever became of the name."""

    def growing(self, tmp_path, content=b"ab"):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path, files.Growing(path)

    def test_records_follow_one_another_and_are_seen_at_once(self, tmp_path):
        path, file = self.growing(tmp_path)
        assert file.append_at(b"cd", 2) == 4
        assert path.read_bytes() == b"abcd"
        file.release()
        assert file.append_at(b"e", 4) == 5
        assert path.read_bytes() == b"abcde"

    def test_nothing_is_written_at_another_size_or_without_a_file(self, tmp_path):
        path, file = self.growing(tmp_path)
        assert file.append_at(b"cd", 3) is None
        assert path.read_bytes() == b"ab"
        path.unlink()
        assert file.append_at(b"cd", 2) is None
        assert not path.exists()

    def test_a_file_of_the_same_size_that_took_its_place_is_the_one_written(self, tmp_path):
        path, file = self.growing(tmp_path)
        file.append_at(b"c", 2)
        other = tmp_path / "other"
        other.write_bytes(b"xyz")
        other.replace(path)
        assert file.append_at(b"d", 3) == 4
        assert path.read_bytes() == b"xyzd"

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list open files")
    def test_it_is_closed_by_release_and_when_nobody_has_it_any_more(self, tmp_path):
        path, file = self.growing(tmp_path)
        before = open_descriptors(path)
        file.append_at(b"c", 2)
        assert open_descriptors(path) == before + 1
        file.release()
        assert open_descriptors(path) == before
        file.append_at(b"d", 3)
        del file
        assert open_descriptors(path) == before

    def test_a_copy_opens_its_own(self, tmp_path):
        path, file = self.growing(tmp_path)
        file.append_at(b"c", 2)
        other = pickle.loads(pickle.dumps(file))
        file.release()
        assert other.append_at(b"d", 3) == 4
        assert path.read_bytes() == b"abcd"


def open_descriptors(path):
    return sum(os.path.realpath(found) == str(path) for found in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(
    "words", ["", "a;b", "a,b", 'say "a"', "two\nlines", "tab\t", "é", "x" * 400], ids=repr
)
def test_a_line_made_at_once_is_the_one_made_field_by_field(tmp_path, words):
    table = Table(tmp_path / "t.csv", ("a", "b", "c", "d", "w"), words=True)
    values = {"a": 1 / 3, "b": 7, "c": float("nan"), "d": -float("inf"), "w": words}
    quick = table.row(3, 0, values)
    table._template = None  # as for values of other kinds
    assert table.row(3, 0, values) == quick
    assert len(next(csv.reader([quick.decode()]))) == 7


# --------------------------------------------------------------------------------------- others in the folder
def test_files_that_somebody_removes_are_begun_again(tmp_path):
    run = open_files(tmp_path)
    write(run, 0, 1)
    for table in TABLES:
        (tmp_path / table).unlink()
    write(run, 2)
    assert (tmp_path / "mixture.csv").read_bytes().startswith(HEADER + b"2,0,8,")


def test_a_file_that_somebody_exchanges_is_an_error_of_the_disk_not_of_the_training(tmp_path):
    run = open_files(tmp_path)
    write(run, 0, 1)
    (tmp_path / "mixture.csv").write_bytes(b"mine\n")
    with pytest.raises(OSError, match="has the header 'mine'"):
        write(run, 2)
    assert (tmp_path / "mixture.csv").read_bytes() == b"mine\n"


def test_what_is_set_aside_is_copied_where_there_are_no_links(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"1")
    monkeypatch.setattr("mixturelab.files.os.link", FullDisk())
    assert files.set_aside(tmp_path / "a", keep=True).name == "a.damaged-1"
    assert contents(tmp_path) == {"a": b"1", "a.damaged-1": b"1"}


# ------------------------------------------------------------------------------------------------------- kills
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is forked")
@pytest.mark.parametrize("scores", ["append", "per_step"])
def test_a_killed_writer_loses_at_most_what_it_was_writing(tmp_path, scores):
    """Twenty times killed at a random moment, resumed a few steps before; see the script for what is checked."""
    torture.writer_kills(tmp_path, 20, 7, scores)

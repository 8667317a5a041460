"""A job that is killed goes on with the same command, and ends with the bytes of a job that was not."""

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mixturelab import GaussianMixture
from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.persistence import save
from mixturelab.scoring import Interrupted, Job, job, parquet_encoder, run

PROGRAM = """
import os, random, signal, sys, time
from pathlib import Path
from mixturelab.scoring import Job, parquet_encoder, run
parquet_encoder.GROUP = 2000
model, source, whole, killed, kills = sys.argv[1:]

def score(out):
    run(Job(model, source, out, resume=True, chunk_rows=500, note_every=0, bad_out=f"{out}.bad"))

def child(out):
    # Everything is imported already: a new process takes milliseconds.
    process = os.fork()
    if process == 0:
        try:
            score(out)
            os._exit(0)
        except BaseException as error:
            print(error, flush=True)
            os._exit(1)
    return process

began = time.monotonic()
assert os.waitpid(child(whole), 0)[1] == 0
usual = time.monotonic() - began
rng, done, ends, further = random.Random(source), 0, 0, 0
while done < int(kills):
    process = child(killed)
    time.sleep(rng.uniform(0, 0.7 * usual))
    os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL), status
    journal = Path(killed).with_name(f".{Path(killed).name}.journal")
    if os.waitstatus_to_exitcode(status) == 0:  # it was quicker
        assert Path(killed).read_bytes() == Path(whole).read_bytes()
        Path(killed).unlink()
        ends += 1
    else:
        done += 1
        further += journal.exists() and journal.read_bytes().count(b"\\n") > 1
score(killed)
print(done, ends, further)
"""


@pytest.fixture
def table(tmp_path, frame):
    """Rows of which some are bad."""
    frame = pd.concat([frame] * 4, ignore_index=True)
    frame.loc[::97, "b"] = np.nan
    return frame


def write(frame, path) -> Path:
    if path.suffix == ".csv":
        frame.assign(note='x "\n", y').to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=3000)
    elif path.suffix == ".npy":
        np.save(path, frame.to_numpy())
    else:
        path.mkdir()
        for number in range(4):
            frame.iloc[5000 * number : 5000 * (number + 1)].to_csv(path / f"{number}.csv", index=False)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def start(*arguments) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no way to start many processes quickly")
@pytest.mark.parametrize(
    ("name", "out"), [("in.csv", "out.csv"), ("in.parquet", "out.parquet"), ("parts", "out.npy")]
)
def test_a_process_killed_again_and_again_ends_with_the_same_bytes(model_file, table, tmp_path, name, out):
    source = write(table, tmp_path / name)
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    done = program(PROGRAM, model_file, source, tmp_path / "whole" / out, tmp_path / "killed" / out, 20)
    assert done.returncode == 0, done.stdout + done.stderr
    kills, _, gone_on_from = map(int, done.stdout.split())
    assert kills == 20
    assert gone_on_from > 5  # else nothing was tried
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert len(contents(tmp_path / "whole")) == 2


def program(text, *arguments) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


# ---------------------------------------------------------------------------------------- stopped on the spot
class Stop(BaseException):
    """As sudden as a kill, in the same process."""


def stopped_at(monkeypatch, step: str, number: int):
    """Let a step of writing fail, the n-th time."""
    calls = iter(range(10**6))
    real = getattr(job.FileOutput, step)

    def once(self, *arguments, **options):
        if next(calls) == number:
            raise Stop
        return real(self, *arguments, **options)

    monkeypatch.setattr(job.FileOutput, step, once)


@pytest.mark.parametrize("out", ["out.csv", "out.parquet", "out.npy"])
@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("begin", 0),
        ("write", 0),
        ("write", 1),
        ("write", 9),
        ("write_bad", 3),
        ("note", 0),
        ("note", 3),
        ("finish", 0),
    ],
)
def test_a_stop_at_every_step_is_gone_on_from(model_file, frame, tmp_path, monkeypatch, out, step, number):
    monkeypatch.setattr(parquet_encoder, "GROUP", 1000)
    frame.loc[::97, "b"] = np.nan
    source = write(frame, tmp_path / "in.csv")
    task = Job(model_file, source, tmp_path / "whole" / out, chunk_rows=400, note_every=0, resume=True)
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    summary = run(task)
    task = replace(task, out=tmp_path / "stopped" / out)
    with monkeypatch.context() as patch:
        stopped_at(patch, step, number)
        with pytest.raises(Stop):
            run(task)
    assert not (tmp_path / "stopped" / out).exists()
    again = run(task)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
    assert (again.written, again.bad) == (summary.written, summary.bad)
    assert again.mean_log_density == pytest.approx(summary.mean_log_density, rel=1e-12)


@pytest.mark.parametrize("step", ["os.replace", "sync_folder"])
def test_a_stop_between_the_last_steps(model_file, frame, tmp_path, monkeypatch, step):
    frame.loc[::97, "b"] = np.nan
    task = Job(model_file, write(frame, tmp_path / "in.csv"), tmp_path / "out.csv", resume=True)
    run(task)
    whole = contents(tmp_path)
    (tmp_path / "out.csv").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(f"mixturelab.scoring.output.{step}", lambda *_: (_ for _ in ()).throw(Stop()))
        with pytest.raises(Stop):
            run(task)
    assert run(task).written == 4948
    assert contents(tmp_path) == whole


def interrupted(task: Job, after: int) -> str:
    """What is said after Ctrl-C."""

    def progress(told):
        if told.written >= after:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as error:
        run(task, progress)
    return str(error.value)


@pytest.fixture
def task(model_file, frame, tmp_path):
    return Job(
        model_file,
        write(frame, tmp_path / "in.csv"),
        tmp_path / "out.csv",
        chunk_rows=500,
        note_every=0,
        resume=True,
    )


def test_ctrl_c_leaves_what_can_be_gone_on_from_and_says_so(task, tmp_path):
    said = interrupted(task, 2000)
    assert (
        said == "interrupted after row 2,000; the same command with --resume goes on from there"
        or "1,500" in said
    )
    assert not (tmp_path / "out.csv").exists()
    notes, told = [], []
    assert run(task, told.append, notes.append).written == 5000
    assert notes == [f"going on after row {told[0].written - 500:,}"]
    assert told[0].written >= 2000


def test_starting_anew_says_that_something_was_left(task, tmp_path):
    interrupted(task, 2000)
    notes = []
    run(replace(task, resume=False), on_note=notes.append)
    assert len(notes) == 1
    assert "an interrupted job had come to row" in notes[0]
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "out.csv"]


def test_with_nothing_to_go_on_from_it_starts_at_the_first_row(task, tmp_path):
    notes = []
    run(task, on_note=notes.append)
    assert notes == ["nothing to go on from; starting at the first row"]
    before = (tmp_path / "out.csv").read_bytes()
    run(task)
    assert (tmp_path / "out.csv").read_bytes() == before


def test_a_changed_input_model_or_option_is_refused(task, tmp_path, frame):
    interrupted(task, 2000)
    other = save(GaussianMixture(2, max_iter=500).fit(frame), tmp_path / "other.safetensors")
    data, stat = (tmp_path / "in.csv").read_bytes(), (tmp_path / "in.csv").stat()
    for options, what in [
        ({"only": ("row",)}, "an option"),
        ({"chunk_rows": 7}, "an option"),
        ({"keep": "all"}, "an option"),
        (
            {"model": other},
            "the model file",
        ),
    ]:
        with pytest.raises(
            ArgumentError, match=f"cannot go on: {what} has changed since the job was interrupted"
        ):
            run(replace(task, **options))
    (tmp_path / "in.csv").write_bytes(data[:-1] + b" ")
    with pytest.raises(ArgumentError, match="the input has changed"):
        run(task)
    (tmp_path / "in.csv").write_bytes(data)
    os.utime(tmp_path / "in.csv", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert run(task).written == 5000


def test_a_partial_output_that_was_cut_is_refused(task, tmp_path):
    interrupted(task, 2000)
    os.truncate(tmp_path / ".out.csv.part", 10)
    with pytest.raises(DataError, match=r"\.out\.csv\.part is shorter than its journal says"):
        run(task)


def test_a_journal_that_ends_in_rubbish_is_read_up_to_there(task, tmp_path):
    interrupted(task, 2000)
    with (tmp_path / ".out.csv.journal").open("ab") as file:
        file.write(b"\0\0\0\n{")
    assert run(task).written == 5000


def test_a_full_disk_is_said_and_gone_on_from(task, tmp_path, monkeypatch):
    whole = replace(task, out=tmp_path / "whole.csv")
    run(whole)
    real, left = job.FileOutput.write, [200_000]

    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    def write(self, data):
        left[0] -= len(data)
        if left[0] < 0:
            self._file.close()
            self._file = Full()
        real(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(job.FileOutput, "write", write)
        with pytest.raises(
            DataError, match=r"cannot be written: No space left on device; stopped after row \d"
        ):
            run(task)
    assert not (tmp_path / "out.csv").exists()
    assert run(task).written == 5000
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_limit_on_the_size_of_files_is_a_full_disk(task, model_file, tmp_path):
    limit = """
import resource, signal, sys
from mixturelab.scoring import Job, run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
run(Job(*sys.argv[1:], resume=True, chunk_rows=500, note_every=0))
"""
    done = program(limit, model_file, tmp_path / "in.csv", tmp_path / "out.csv")
    assert "out.csv cannot be written: File too large; stopped after row" in done.stderr
    assert run(replace(task, source=task.source)).written == 5000
    assert len(pd.read_csv(tmp_path / "out.csv")) == 5000


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_two_jobs_do_not_write_the_same_output(task):
    def progress(told):
        with pytest.raises(ArgumentError, match=r"another process is writing .*out\.csv"):
            run(task)

    run(task, progress)

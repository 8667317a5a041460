"""`mixturelab watch`: what it says, when it ends, its exit codes, and its one line for each mistake."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console
from typer.testing import CliRunner
from watch.views import Writer, a_view

from mixturelab.cli import app
from mixturelab.stream.writers import MIXTURE
from mixturelab.watch import terminal
from mixturelab.watch.view import VIEW, encode


def run(*arguments):
    return CliRunner().invoke(app, ["watch", *map(str, arguments)])


@pytest.fixture
def written(tmp_path):
    made = Writer(tmp_path / "run")
    made.step(0, loss=1.25, batch_spread="0.9", opnorm_B="0.1", effective_rank="9.5")
    return made


def test_once_shows_every_number_in_words_and_all_is_well(written):
    result = run(written.folder, "--once")
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    for words in ["training, 1 steps done, epoch 0", "loss 1.25", "least weight π 0.5", "trace_B 0.5", "opnorm_B 0.1",
                  "opnorm_B / trace_B 0.2", "effective rank 9.5", "spread of a batch 0.9", "✓ no alarm"]:  # fmt: skip
        assert words in said


def test_an_alarm_is_told_in_words_with_a_mark_and_by_the_exit_code(written):
    written.step(1, alarms="complete_collapse", batch_spread="0.05")
    result = run(written.folder, "--once")
    assert result.exit_code == 1
    said = " ".join(result.stdout.split())
    assert "! complete collapse since step 1: the embeddings fall to one point" in said
    assert "spread of a batch 0.05 ! under 0.1" in said
    assert "no alarm" not in said


def test_a_run_that_is_silent_is_not_well(written):
    past = time.time() - 3600
    for path in written.folder.iterdir():
        os.utime(path, (past, past))
    result = run(written.folder, "--once")
    assert result.exit_code == 1
    assert "silent for 60 min" in result.stdout


def test_an_interrupted_run_is_well_and_says_that_it_can_go_on(written):
    (written.folder / VIEW).write_bytes(encode(a_view(step=0, status="interrupted")))
    result = run(written.folder, "--once")
    assert result.exit_code == 0
    assert "interrupted, can be resumed, 1 of 100 steps done" in result.stdout


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "is not there (yet?); wanted the folder of a run, or --wait"),
        (lambda path: path.mkdir(), "holds no run: there is no config.yaml, losses.csv or mixture.csv in it"),
        (lambda path: path.write_text("x"), "is no folder"),
    ],
)
def test_what_is_no_run_is_said_in_one_line(tmp_path, make, said):
    make(tmp_path / "thing")
    result = run(tmp_path / "thing")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("mixturelab: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_into_a_pipe_goes_a_line_for_each_change_until_the_run_is_finished(written):
    told, steps = io.StringIO(), iter(range(1, 4))

    def sleep(seconds):
        number = next(steps, None)
        if number is None:
            (written.folder / "metrics.json").write_text(json.dumps({}))
        elif number != 2:
            written.step(number, loss=1.25, opnorm_B="0.1")

    code = terminal.watch(written.folder, console=Console(file=told, width=80), sleep=sleep)
    lines = told.getvalue().splitlines()
    assert code == 0
    assert [line.split(" · ")[0] for line in lines] == [
        "training, 1 steps done, epoch 0",
        "training, 2 steps done, epoch 0",
        "training, 4 steps done, epoch 0",
        "finished, 4 steps done, epoch 0",
    ]
    assert all("loss 1.25" in line and line.endswith("no alarm") for line in lines)


def test_in_a_terminal_the_numbers_stand_still_and_change(written):
    told, steps = io.StringIO(), iter(range(1, 4))

    def sleep(seconds):
        number = next(steps, None)
        if number is None:
            raise KeyboardInterrupt
        written.step(number, loss=1.25 + number)

    console = Console(file=told, force_terminal=True, width=80, color_system=None)
    assert terminal.watch(written.folder, console=console, sleep=sleep) == 0
    said = told.getvalue()
    assert said.count("trace_B") >= 2 * 3
    assert "\x1b[1A" in said  # it went back up and wrote over
    assert "4.25" in said


def test_waiting_begins_before_there_is_a_folder(tmp_path):
    told, looks = io.StringIO(), []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            Writer(tmp_path / "run").step(0)

    console = Console(file=told, width=80)
    assert (
        terminal.watch(tmp_path / "run", wait=True, once=True, every=0.25, console=console, sleep=sleep) == 0
    )
    assert looks == [0.25] * 3
    assert "1 steps done" in told.getvalue()


@pytest.mark.slow
def test_ctrl_c_ends_it_without_a_traceback(written):
    command = [sys.executable, "-m", "mixturelab", "watch", str(written.folder)]

    def listen() -> None:
        # Whoever runs the tests in the background of a shell ignores Ctrl-C, and so would it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, preexec_fn=listen, **pipes) as process:
        try:
            assert "training" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, complaints) == (0, "")


def test_a_name_with_brackets_is_shown_as_it_is(tmp_path):
    made = Writer(tmp_path / "run [bold]x")
    made.step(0)
    assert "run [bold]x" in " ".join(run(made.folder, "--once").stdout.replace("─", "").split())
    assert (made.folder / MIXTURE).exists()

"""What the command says, its exit codes, and a pipe that nobody reads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mixturelab.scoring import Interrupted, Job, terminal


@pytest.fixture
def said(model_file, tmp_path):
    """The exit code, the summary and the warnings of a job."""

    def said(content, out="out.csv", quiet=False, **options):
        (tmp_path / "in.csv").write_bytes(content)
        words, warnings = [], []
        job = Job(model_file, tmp_path / "in.csv", tmp_path / out, **options)
        return terminal.score(job, words.append, warnings.append, quiet), words, warnings

    return said


def test_a_job_ends_with_a_summary(said, tmp_path):
    code, words, warnings = said(b"a,b,c\n1,2,3\n4,5,6\n")
    assert (code, warnings) == (0, [])
    assert words[0].startswith("2 rows scored, mean log density -")
    assert words[0].endswith(f"written to {tmp_path / 'out.csv'}")
    assert said(b"a,b,c\n1,2,3\n")[1][0].startswith("1 row scored")
    assert said(b"a,b,c\n")[1] == [f"0 rows scored; written to {tmp_path / 'out.csv'}"]


def test_bad_rows_are_told_and_nothing_but_bad_rows_is_a_failure(said, tmp_path):
    code, _, warnings = said(b"a,b,c\n1,2,3\n4,x,6\n")
    assert (code, warnings) == (0, [f"1 row has no scores; {tmp_path / 'out.csv.bad.csv'} says why"])
    code, words, warnings = said(b"a,b,c\nx,2,3\n4,x,6\n")
    assert code == 1
    assert warnings[0].startswith("2 rows have no scores")
    assert words[0].startswith("0 rows scored")


def test_quiet_says_nothing(said):
    assert said(b"a,b,c\n1,2,3\n4,x,6\n", quiet=True) == (0, [], [])


def test_ctrl_c_is_a_sentence(said, monkeypatch):
    def interrupted(*_):
        raise Interrupted("interrupted after row 7")

    monkeypatch.setattr(terminal, "run", interrupted)
    assert said(b"a,b,c\n1,2,3\n") == (130, [], ["interrupted after row 7"])


def test_progress_is_drawn_on_a_terminal(said, monkeypatch):
    drawn = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("rich.progress.Progress.update", lambda *_, **told: drawn.append(told))
    assert said(b"a,b,c\n1,2,3\n4,x,6\n")[0] == 0
    assert drawn == [{"description": "1 rows, 1 bad", "completed": 1.0, "total": 1.0}]


PROGRAM = """
import sys
from mixturelab.scoring import Job
from mixturelab.scoring.terminal import score
sys.exit(score(Job(sys.argv[1], "-"), print, lambda words: print(words, file=sys.stderr)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
def test_a_pipe_that_nobody_reads_any_more_ends_it_quietly(model_file, frame):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(model_file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
    )  # fmt: skip
    process.stdout.close()
    try:
        process.stdin.write(frame.to_csv(index=False).encode())
        process.stdin.close()
    except BrokenPipeError:
        pass
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors) == (141, b"")

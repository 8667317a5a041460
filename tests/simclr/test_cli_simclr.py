"""The simclr command: what it says and writes, how Ctrl-C ends it, and one line for each mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_runs import N_STEPS, mixture, small_config, small_data
from typer.testing import CliRunner

from mixturelab.cli import app
from mixturelab.simclr.config import load_config

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "configs" / "simclr_digits.yaml"
FILES = {
    "checkpoint.pt",
    "config.yaml",
    "embeddings.png",
    "losses.csv",
    "metrics.json",
    "mixture.csv",
    "mixture_diagnostics.csv",
    "training.png",
    "view.safetensors",
}


def run(*arguments):
    return CliRunner().invoke(app, ["simclr", *map(str, arguments)])


def succeeds(*arguments) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def fails(*arguments) -> str:
    """The one line on standard error of a command that ends with exit code 2."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("mixturelab: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch, request):
    """They are slow; one test looks for them."""
    if request.node.name != "test_a_run_writes_its_folder_and_says_what_it_found":
        monkeypatch.setattr("mixturelab.simclr.result._pictures", lambda result: {})


@pytest.fixture
def small(tmp_path) -> Path:
    """A config whose run takes no time, on images in a file."""
    data = small_data()
    np.savez(tmp_path / "bars.npz", images=data.images.numpy(), labels=data.labels.numpy())
    config = small_config(data=str(tmp_path / "bars.npz"))
    path = tmp_path / "small.yaml"
    path.write_text(config.to_yaml())
    return path


# ----------------------------------------------------------------------------------------------------- what it does
def test_a_run_writes_its_folder_and_says_what_it_found(small, tmp_path):
    out = tmp_path / "run"
    words = succeeds("--config", small, "--out", out)
    assert {path.name for path in out.iterdir()} == FILES
    assert f"finished after {N_STEPS} of {N_STEPS} steps" in words
    assert "alarms       none" in words
    found = json.loads((out / "metrics.json").read_text())
    assert f"k-means ARI {found['z']['kmeans_ari']:.3f}" in words
    assert str(out) in words


def test_options_win_over_the_experiment_and_the_file(small, tmp_path):
    out = tmp_path / "run"
    succeeds("--config", small, "--out", out, "--experiment", "low_rank_collapse", "--seed", 7, "--epochs", 1)
    expected = load_config(small).changed(temperature=50.0, seed=7, epochs=1)
    assert load_config(out / "config.yaml") == expected


def test_the_folder_is_named_after_config_and_experiment(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    succeeds("--config", small, "--epochs", 1)
    succeeds("--config", small, "--epochs", 1, "--experiment", "no_augmentation")
    assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {"small", "small_no_augmentation"}


def test_a_finished_run_says_so(small, tmp_path):
    succeeds("--config", small, "--out", tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    for options in ([], ["--config", small]):
        words = succeeds("--out", tmp_path / "run", "--resume", *options)
        assert "the run was finished already, nothing was left to do" in " ".join(words.split())
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_without_labels_there_is_no_judgement(small, tmp_path):
    np.save(tmp_path / "bars.npy", small_data().images.numpy())
    config = tmp_path / "npy.yaml"
    config.write_text(small_config(data=str(tmp_path / "bars.npy")).to_yaml())
    words = succeeds("--config", config, "--out", tmp_path / "run")
    assert "k-means ARI" not in words
    assert "trace_B" in words


def test_a_file_that_could_not_be_written_is_said_at_once_and_at_the_end(small, tmp_path):
    out = tmp_path / "run"
    (out / "metrics.json").mkdir(parents=True)  # a folder where a file should be
    result = run("--config", small, "--out", out)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"mixturelab: {out / 'metrics.json'} cannot be written: ")
    assert result.stderr.count("\n") == 1
    assert "not written  metrics.json: " in result.stdout


# ------------------------------------------------------------------------------------------------------------ Ctrl-C
@pytest.mark.slow
def test_ctrl_c_leaves_a_run_that_ends_like_an_unbroken_one(small, tmp_path):
    """As a program of its own, in the middle of a long run: exit code 130 and one line that says how to go on."""
    long = tmp_path / "long.yaml"
    long.write_text(load_config(small).changed(epochs=100, checkpoint_every=1000).to_yaml())
    out = tmp_path / "a run"
    program = subprocess.Popen(
        [sys.executable, "-m", "mixturelab", "simclr", "--config", long, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    wait_for_rows(out / "losses.csv", 20)
    program.send_signal(signal.SIGINT)
    said, line = program.communicate(timeout=60)
    assert program.returncode == 130
    assert "interrupted after" in said
    assert line.count("\n") == 1
    assert f"mixturelab simclr --resume --out '{out}' goes on from there" in line
    assert 20 <= len((out / "mixture.csv").read_text().splitlines()) < 500
    assert "resumed at step" in succeeds("--resume", "--out", out)
    succeeds("--config", long, "--out", tmp_path / "whole")
    for name in ("mixture.csv", "mixture_diagnostics.csv", "losses.csv"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def wait_for_rows(path: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() or path.read_text().count("\n") <= count:
        assert time.monotonic() < deadline, f"{path} never had {count} rows"
        time.sleep(0.01)


# ---------------------------------------------------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--config is missing; wanted a YAML file"),
        (["--resume"], "--out is missing; wanted the folder of the run to resume"),
        (["--config", "nope.yaml"], "nope.yaml cannot be read: No such file"),
        (["--config", DIGITS, "--experiment", "helthy"], "experiment is 'helthy'; did you mean healthy?"),
        (["--config", DIGITS, "--seed", "-1"], "seed is -1; wanted an integer ≥ 0"),
        (["--config", DIGITS, "--epochs", "0"], "epochs is 0; wanted an integer ≥ 1"),
        (["--config", DIGITS, "--epochs", "many"], "Invalid value for '--epochs'"),
        (["--config", DIGITS, "--device", "gpu"], "device: 'gpu' is not a device; wanted cpu, cuda"),
        (["--confg", DIGITS], "No such option: --confg"),
    ],
)
def test_a_mistake_is_one_line_and_no_folder(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in fails(*arguments)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "runtime: {mixture: {enabled: true, k: 3}}",
            "runtime.mixture.k (here 3) is not a setting; did you mean K?",
        ),
        ("runtime: {mixture: {mode: emma}}", "runtime.mixture.mode is 'emma'; wanted one of per_batch, ema"),
        ("runtime:\n  mixture: [\n", "line 3"),
        ("data: no/such/images", "no/such/images"),
        ("runtime: {mixture: {enabled: true, mode: label_supervised, K: 4}}", "wanted K ≥ 10"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line(tmp_path, text, said):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    assert said in fails("--config", path, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_a_run_is_not_overwritten(small, tmp_path):
    out = tmp_path / "run"
    succeeds("--config", small, "--out", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    said = fails("--config", small, "--out", out)
    assert f"{out} already holds a run" in said
    assert "--resume" in said
    assert "epochs is 3; the run in" in fails("--out", out, "--resume", "--epochs", 3)
    other = tmp_path / "other.yaml"
    other.write_text(load_config(small).changed(mixture(K=3)).to_yaml())
    assert "runtime.mixture.K is 3; the run in" in fails("--config", other, "--out", out, "--resume")
    assert "holds no run to resume" in fails("--out", tmp_path / "nowhere", "--resume")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_help_names_the_options_without_waiting_for_torch():
    words = run("--help").stdout
    assert all(
        name in words for name in ("--config", "--out", "--experiment", "--resume", "--seed", "--device")
    )
    code = (
        "import sys; from mixturelab.cli import app\n"
        "try: app(['simclr', '--help'])\n"
        "finally: print([name for name in ('torch', 'pandas', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_folders_config_is_in_the_order_of_its_documentation(small, tmp_path):
    succeeds("--config", small, "--out", tmp_path / "run", "--epochs", 1)
    assert list(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()))[:3] == [
        "data",
        "device",
        "seed",
    ]

"""The demo: one command from the table in the repository to a report, a model and its pictures."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mixturelab import load_dataset
from mixturelab.persistence import load

ROOT = Path(__file__).parents[1]
FILES = {
    "convergence.png",
    "gaussian_mixture.joblib",
    "gaussian_mixture.safetensors",
    "metrics.json",
    "responsibilities.csv",
    "selection.csv",
    "selection_curve.png",
    "soft_assignments.png",
}


def demo(*arguments, folder: Path) -> subprocess.CompletedProcess[str]:
    """`python demo.py` in a folder, by a Python that has not installed the package."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, ROOT / "demo.py", *arguments]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=folder, env=environment
    )


# Each of these runs the whole demo in a process of its own.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo(folder=folder)


def test_it_ends_well_and_writes_everything_under_artifacts(finished):
    folder, done = finished
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(folder) == ["artifacts"]
    assert {path.name for path in (folder / "artifacts").iterdir()} == FILES


def test_bic_chooses_what_is_published_for_old_faithful(finished):
    folder, done = finished
    assert "tied, K = 3 with 2,314.3 wins" in done.stdout
    found = json.loads((folder / "artifacts" / "metrics.json").read_text())
    assert found["model"] == {"n_components": 3, "covariance_type": "tied"}
    assert found["criteria"]["bic"] == pytest.approx(2314.296, abs=2e-3)
    assert found["data"]["n_rows"] == 272
    model = load(folder / "artifacts" / "gaussian_mixture.safetensors")
    assert model.bic(load_dataset("old_faithful").frame) == found["criteria"]["bic"]


def test_a_degenerate_fit_that_would_have_won_is_shown_with_its_reason(finished):
    folder, done = finished
    rows = pd.read_csv(folder / "artifacts" / "selection.csv")
    tempting = rows[rows["spurious"] & (rows["bic"] < 2314)]
    assert [(row.covariance_type, row.n_components) for row in tempting.itertuples()] == [("diag", 5)]
    assert tempting["bic"].item() == pytest.approx(2220.66, abs=0.05)
    assert tempting["reason"].item() in " ".join(done.stdout.split())
    assert "diag, K = 5 with 2,220.7 is spurious" in done.stdout


def test_the_report_is_short_and_names_what_was_written(finished):
    _, done = finished
    assert len(done.stdout.splitlines()) < 40
    for words in ("272 rows", "components", "certainty", "quality", "artifacts:"):
        assert words in done.stdout
    assert all(name in done.stdout for name in FILES)


def test_the_pictures_show_something(finished):
    folder, _ = finished
    for path in (folder / "artifacts").glob("*.png"):
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert pixels.shape[1] > 900
        assert 0.01 < (pixels < 200).mean() < 0.5


@pytest.mark.slow
def test_a_second_run_gives_the_same_bytes_and_needs_no_folder_of_its_own(finished, tmp_path):
    folder, _ = finished
    shutil.copytree(folder / "artifacts", tmp_path / "artifacts")
    (tmp_path / "artifacts" / "metrics.json").write_text("of an older run")
    again = demo(folder=tmp_path)
    assert again.returncode == 0
    assert again.stdout == finished[1].stdout
    assert checksums(tmp_path / "artifacts") == checksums(folder / "artifacts")


def checksums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.slow
def test_another_table_and_another_folder(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 1))
    (tmp_path / "mine.csv").write_text("height\n" + "".join(f"{value[0]}\n" for value in rows))
    done = demo("mine.csv", "--out", "found/here", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A Gaussian mixture for mine.csv" in done.stdout
    assert {path.name for path in (tmp_path / "found" / "here").iterdir()} == FILES


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nope.csv", None, "nope.csv does not exist"),
        ("empty.csv", b"", "empty.csv: the file is empty"),
        (
            "picture.csv",
            b"\x89PNG\r\n\x1a\n" + bytes(50),
            "picture.csv: the file is a PNG picture, not CSV text",
        ),
        ("one.csv", b"x\n1\n", "one.csv: there is 1 row; a mixture needs at least 2"),
        ("hole.csv", b"x,y\n1,2\n3,\n", "hole.csv: row 2 (line 3), column 'y': the cell is empty"),
    ],
)
def test_bad_input_is_one_line_exit_code_2_and_no_folder(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = demo(name, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"mixturelab: {said}")
    assert done.stderr.count("\n") == 1
    assert "artifacts" not in os.listdir(tmp_path)


def test_a_file_called_artifacts_is_named(tmp_path):
    (tmp_path / "artifacts").write_text("a file")
    done = demo(folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("mixturelab: artifacts cannot be a folder:")
    assert (tmp_path / "artifacts").read_text() == "a file"

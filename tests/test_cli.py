"""The command line: what each command writes and says, and that bad input is one line, exit code 2 and no file."""

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from mixturelab import GaussianMixture, __version__, load_dataset, pipeline
from mixturelab.cli import app
from mixturelab.exceptions import ArgumentError, CollapsedComponentError, DataError, ModelFileError
from mixturelab.persistence import load, read_header, save, save_joblib

FAITHFUL = load_dataset("old_faithful").frame
MODEL_FILES = {
    "gaussian_mixture.safetensors",
    "gaussian_mixture.joblib",
    "metrics.json",
    "responsibilities.csv",
    "soft_assignments.png",
    "convergence.png",
}
SELECTION_FILES = {"selection.csv", "selection_curve.png"}


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


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
    assert result.stderr.endswith("\n")
    return result.stderr


def process(*arguments, **options) -> subprocess.CompletedProcess[str]:
    """The same as a program of its own, which finds the package where these tests lie."""
    command = [sys.executable, "-m", "mixturelab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, **options)


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}


def checksums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def csv(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "faithful.csv"
    FAITHFUL.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def fit_folder(csv) -> Path:
    folder = csv.parent / "fit"
    succeeds("fit", csv, "-k", 2, "--n-init", 2, "--out", folder)
    return folder


@pytest.fixture
def table(tmp_path):
    def write(text: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# ---------------------------------------------------------------------------------------------------------- fit
def test_fit_writes_the_model_its_numbers_and_its_pictures(csv, fit_folder):
    assert {path.name for path in fit_folder.iterdir()} == MODEL_FILES
    model = load(fit_folder / "gaussian_mixture.safetensors")
    again = GaussianMixture(2, n_init=2, tol=1e-6, max_iter=1000, random_state=0).fit(FAITHFUL)
    np.testing.assert_array_equal(model.means_, again.means_)
    joblibs = load(fit_folder / "gaussian_mixture.joblib", trust=True)
    np.testing.assert_array_equal(joblibs.means_, again.means_)
    for name in ("soft_assignments.png", "convergence.png"):
        with Image.open(fit_folder / name) as picture:
            assert picture.size[0] > 900


def test_metrics_are_those_of_the_model(csv, fit_folder):
    found = json.loads((fit_folder / "metrics.json").read_text())
    model = load(fit_folder / "gaussian_mixture.safetensors")
    assert found["criteria"]["bic"] == model.bic(FAITHFUL)
    assert found["criteria"]["aic"] == model.aic(FAITHFUL)
    assert found["criteria"]["icl"] == model.icl(FAITHFUL)
    assert found["criteria"]["log_likelihood"] == pytest.approx(model.score(FAITHFUL) * 272)
    assert found["fit"]["history"] == list(model.history_.log_likelihood)
    assert found["fit"]["reason"] == model.history_.reason
    assert set(found["quality"]) >= {"silhouette", "davies_bouldin", "calinski_harabasz"}
    assert found["data"] == {
        "file": "faithful.csv",
        "sha256": hashlib.sha256(csv.read_bytes()).hexdigest(),
        "n_rows": 272,
        "columns": ["eruptions", "waiting"],
        "skipped": {},
    }
    assert found["settings"]["seed"] == 0
    assert found["selection"] is None
    others = {name: value for name, value in checksums(fit_folder).items() if name != "metrics.json"}
    assert found["files"] == others
    header = read_header(fit_folder / "gaussian_mixture.safetensors")
    assert header["provenance"]["metrics"] == found["criteria"]
    assert header["provenance"]["source"] == found["data"]


def test_responsibilities_are_those_of_the_model(fit_folder):
    rows = np.genfromtxt(fit_folder / "responsibilities.csv", delimiter=",", names=True)
    model = load(fit_folder / "gaussian_mixture.safetensors")
    gamma = model.predict_proba(FAITHFUL)
    np.testing.assert_array_equal(rows["responsibility_0"], gamma[:, 0])
    np.testing.assert_array_equal(rows["responsibility_1"], gamma[:, 1])
    np.testing.assert_array_equal(rows["component"], model.predict(FAITHFUL))
    np.testing.assert_array_equal(rows["log_density"], model.score_samples(FAITHFUL))
    np.testing.assert_array_equal(rows["uncertainty"], 1 - gamma.max(axis=1))
    assert rows["row"].tolist() == list(range(1, 273))


def test_two_runs_give_the_same_bytes(csv, fit_folder, tmp_path):
    succeeds("fit", csv, "-k", 2, "--n-init", 2, "--out", tmp_path / "again")
    assert checksums(tmp_path / "again") == checksums(fit_folder)
    succeeds("fit", csv, "-k", 2, "--n-init", 2, "--seed", 1, "--out", tmp_path / "other seed")
    assert checksums(tmp_path / "other seed")["metrics.json"] != checksums(fit_folder)["metrics.json"]


@pytest.mark.slow
def test_a_run_in_another_process_gives_the_same_bytes(csv, fit_folder, tmp_path):
    done = process("fit", csv.name, "-k", 2, "--n-init", 2, "--out", tmp_path, cwd=csv.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert checksums(tmp_path) == checksums(fit_folder)


def test_the_report_says_what_a_person_wants_to_know(csv, tmp_path):
    words = succeeds("fit", csv, "-k", 2, "--covariance-type", "diag", "--out", tmp_path / "out")
    model = load(tmp_path / "out" / "gaussian_mixture.safetensors")
    assert f"A Gaussian mixture for {csv}" in words
    assert "272 rows, 2 numeric columns: eruptions, waiting" in words
    assert f"BIC {model.bic(FAITHFUL):,.1f}" in words
    assert f"0: weight {model.weights_[0]:.3f}" in words
    assert "silhouette" in words
    assert "gaussian_mixture.safetensors" in words
    assert max(map(len, words.splitlines())) <= 120
    assert words.isascii()


def test_a_column_left_out_for_the_way_its_numbers_are_written_is_named_with_a_cell(table, tmp_path):
    lines = [f"{i},5;{i}%;1,23{i}.5;1_00{i};${i};n{i};{i * i % 7}\n" for i in range(3, 9)]
    path = table("comma;share;price;code;cost;name;x\n" + "".join(lines))
    words = " ".join(succeeds("fit", path, "-k", 1, "--out", tmp_path / "out").split())
    assert "1 numeric column: x" in words
    assert "comma (text: row 1 says '3,5', decimal comma?)" in words
    assert "share (text: row 1 says '3%', percent sign?)" in words
    assert "price (text: row 1 says '1,233.5', separator between thousands?)" in words
    assert "code (text: row 1 says '1_003', separator between thousands?)" in words
    assert "cost (text: row 1 says '$3', currency sign?)" in words
    # A name is nothing that was meant as a number, and may be a person's.
    assert "name (text)" in words
    assert "n3" not in (tmp_path / "out" / "metrics.json").read_text()


def test_text_columns_are_named_and_left_out(table, tmp_path):
    path = table("name,x,y,note,\n" + "".join(f"n{i},{i % 7},{i % 5 + i},,{i}\n" for i in range(40)))
    words = succeeds("fit", path, "-k", 1, "--out", tmp_path / "out")
    assert "2 numeric columns: x, y" in words
    assert "left out: name (text), note (no values), (column 5) (no name)" in words


def test_columns_can_be_chosen(csv, tmp_path):
    words = succeeds("fit", csv, "-k", 2, "--columns", "waiting", "--out", tmp_path / "out")
    assert "1 numeric column: waiting" in words
    assert list(load(tmp_path / "out" / "gaussian_mixture.safetensors").feature_names_in_) == ["waiting"]


def test_a_column_with_a_comma_in_its_name_is_chosen_in_quotes(table, tmp_path):
    path = table('"x, in m",y\n' + "".join(f"{i},{i * i % 7}\n" for i in range(9)))
    words = succeeds("fit", path, "-k", 1, "--columns", '"x, in m", y', "--out", tmp_path / "out")
    assert "2 numeric columns: x, in m, y" in words


def test_a_fit_that_did_not_converge_says_so_in_the_report(csv, tmp_path):
    words = succeeds("fit", csv, "-k", 3, "--max-iter", 2, "--out", tmp_path / "out")
    assert "max_iter" in words
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["notes"]


def test_one_component_has_no_quality_and_valid_json(csv, tmp_path):
    succeeds("fit", csv, "-k", 1, "--out", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert found["quality"]["silhouette"] is None


def test_without_matplotlib_everything_but_the_pictures_is_written(csv, tmp_path, monkeypatch):
    found = pipeline.artifacts.__globals__["importlib"].util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "matplotlib" else found(name, *rest)
    )
    words = succeeds("fit", csv, "-k", 2, "--out", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        name for name in MODEL_FILES if not name.endswith(".png")
    }
    assert "no pictures: matplotlib is not installed" in words


# ------------------------------------------------------------------------------------------------------- select
@pytest.fixture(scope="module")
def selected(csv) -> tuple[Path, str]:
    folder = csv.parent / "selected"
    return folder, succeeds("select", csv, "--max-components", 3, "--n-init", 1, "--out", folder)


def test_select_shows_the_table_and_names_the_winner(selected):
    _, words = selected
    sentence = (
        "BIC over K = 1 to 3 and 4 families: tied, K = 3 with 2,314.3 wins, before full, K = 2 with 2,322.2"
    )
    assert sentence in " ".join(words.split())
    lines = [line for line in words.splitlines() if line.startswith("tied  ")]
    assert [line.split()[1] for line in lines] == ["1", "2", "3"]
    assert "2,314.29" in lines[2]


def test_select_writes_the_winner_and_the_comparison(selected):
    folder, _ = selected
    assert {path.name for path in folder.iterdir()} == MODEL_FILES | SELECTION_FILES
    rows = pd.read_csv(folder / "selection.csv")
    assert len(rows) >= 12
    best = rows[~rows["spurious"]].sort_values("bic").iloc[0]
    assert (best["covariance_type"], best["n_components"]) == ("tied", 3)
    model = load(folder / "gaussian_mixture.safetensors")
    assert model.bic(FAITHFUL) == pytest.approx(best["bic"])
    winner = json.loads((folder / "metrics.json").read_text())["selection"]["winner"]
    assert (winner["covariance_type"], winner["n_components"]) == ("tied", 3)


def test_select_leaves_reg_covar_to_the_comparison_unless_it_is_given(table, tmp_path, monkeypatch):
    asked = []
    real = pipeline.select_table.__globals__["select"]
    monkeypatch.setitem(
        pipeline.select_table.__globals__, "select", lambda *a, **k: asked.append(k) or real(*a, **k)
    )
    path = table(ROWS)
    options = ["--max-components", 1, "--covariance-type", "full", "--out", tmp_path / "out"]
    succeeds("select", path, *options)
    succeeds("select", path, *options, "--reg-covar", 0.001)
    assert "reg_covar" not in asked[0]
    assert asked[1]["reg_covar"] == 0.001
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert found["settings"]["reg_covar"] == 0.001
    assert found["settings"]["n_init"] == 10
    assert load(tmp_path / "out" / "gaussian_mixture.safetensors").reg_covar == 0.001


def test_fit_takes_reg_covar(table, tmp_path):
    path = table(ROWS)
    succeeds("fit", path, "-k", 1, "--reg-covar", 2, "--out", tmp_path / "out")
    covariance = load(tmp_path / "out" / "gaussian_mixture.safetensors").covariances_[0]
    rows = pipeline.read_table(path).data
    np.testing.assert_allclose(covariance, np.cov(rows.T, bias=True) + 2 * np.eye(2))


def test_small_units_are_no_degenerate_fit_of_select(table):
    rng = np.random.default_rng(0)
    values = 1e-6 * np.concatenate([rng.normal(size=30), 10 + rng.normal(size=30)])
    path = table("x\n" + "".join(f"{value!r}\n" for value in values.tolist()))
    words = succeeds("select", path, "--max-components", 2, "--covariance-type", "full", "--n-init", 2)
    assert "full, K = 2 with" in words
    assert "spurious" not in words


def test_select_without_out_writes_nothing(csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = succeeds("select", csv, "--max-components", 2, "--covariance-type", "full, tied", "--n-init", 1)
    assert "BIC over K = 1 to 2 and 2 families: full, K = 2 with 2,322.2 wins" in words
    assert os.listdir(tmp_path) == []


def test_a_spurious_fit_is_told_with_its_reason(table):
    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.normal(size=(60, 2)), np.tile([[8.0, 8.0]], (15, 1))])
    path = table("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
    words = succeeds("select", path, "--max-components", 2, "--covariance-type", "full", "--n-init", 2)
    assert "BIC over K = 1 to 2 and 1 family: full, K = 1 with" in words
    assert "is spurious: component" in words


def test_other_criteria_can_choose(csv):
    words = succeeds(
        "select", csv, "--criterion", "cv", "--covariance-type", "tied", "--max-components", 2, "--n-init", 1
    )
    assert "cv over K = 1 to 2 and 1 family: tied, K = 2 with" in words


def test_few_rows_shorten_the_range_that_nobody_asked_for(table):
    path = table("x\n" + "".join(f"{x}\n" for x in [1.0, 1.3, 2.1, 9.0]))
    found = pipeline.component_range(pipeline.read_table(path))
    assert found == [1, 2, 3, 4]


# ------------------------------------------------------------------------------------------------- info and score
def test_info_tells_what_the_file_holds_without_running_it(fit_folder):
    words = succeeds("info", fit_folder / "gaussian_mixture.safetensors")
    assert "full, K = 2" in words
    assert "eruptions, waiting" in words
    assert "mean eruptions" in words
    assert f"mixturelab {__version__}" in words
    assert "faithful.csv" in words


def test_score_matches_columns_by_name(fit_folder, csv, table, tmp_path):
    shuffled = FAITHFUL.assign(note="text")[["note", "waiting", "eruptions"]].iloc[:20]
    path = table(shuffled.to_csv(index=False))
    out = tmp_path / "scores.csv"
    words = succeeds("score", fit_folder / "gaussian_mixture.safetensors", path, "--out", out)
    assert "20 rows scored" in words
    expected = (fit_folder / "responsibilities.csv").read_text().splitlines()[:21]
    found = out.read_text().splitlines()
    assert found[0] == expected[0]
    numbers = [np.array(lines[1:], dtype=str) for lines in (found, expected)]
    parsed = [np.array([line.split(",") for line in part], dtype=float) for part in numbers]
    np.testing.assert_allclose(parsed[0], parsed[1], rtol=1e-12)


def test_score_goes_to_standard_output_if_nothing_else_is_said(fit_folder, csv):
    words = succeeds("score", fit_folder / "gaussian_mixture.safetensors", csv)
    wanted = pd.read_csv(fit_folder / "responsibilities.csv")
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(words)), wanted, rtol=1e-12, check_dtype=False)


def test_score_uses_position_where_the_model_knows_no_names_and_says_so(tmp_path, csv):
    nameless = save(GaussianMixture(2, random_state=0).fit(FAITHFUL.to_numpy()), tmp_path / "m.safetensors")
    result = run("score", nameless, csv)
    assert (result.exit_code, result.stdout.count("\n")) == (0, 273)
    assert "its features are the columns 'eruptions', 'waiting', in this order" in result.stderr
    assert succeeds("score", nameless, csv, "--quiet") == result.stdout
    assert succeeds("score", nameless, csv, "--columns", "eruptions,waiting") == result.stdout


def test_score_opens_a_pickle_only_if_told_to(fit_folder, csv):
    pickled = fit_folder / "gaussian_mixture.joblib"
    assert "trust=True" in fails("score", pickled, csv)
    assert succeeds("score", pickled, csv, "--trust").count("\n") == 273


# --------------------------------------------------------------------------------------------------- version, lab
def test_version_and_help():
    assert succeeds("--version") == f"mixturelab {__version__}\n"
    assert succeeds() == succeeds("--help")
    assert all(name in succeeds("--help") for name in ("fit", "select", "info", "score", "lab"))


@pytest.mark.parametrize("code", [0, 7])
def test_lab_ends_with_jupyterlabs_exit_code(monkeypatch, code):
    asked = []
    monkeypatch.setattr("mixturelab.lab.open_lab", lambda notebook: asked.append(notebook) or code)
    assert run("lab").exit_code == code
    assert run("lab", "mine.ipynb").exit_code == code
    assert asked == [None, Path("mine.ipynb")]


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"], ["fit"]])
def test_the_quick_answers_do_not_wait_for_torch(arguments):
    code = (
        "import sys; from mixturelab.cli import app\n"
        f"try: app({arguments!r})\n"
        "finally: print([name for name in ('torch', 'pandas', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.stdout.splitlines()[-1] == "[]"


# ---------------------------------------------------------------------------------------------------- bad tables
ROWS = "x,y\n" + "".join(f"{i},{i * i % 7}\n" for i in range(1, 11))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"\n  \n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        ("x,y\n", "there is a header and no rows under it"),
        ("name,kind\na,b\nc,d\n", "no column is numeric: 'name' (text), 'kind' (text)"),
        ("x,y\n1,2\n", "there is 1 row; a mixture needs at least 2"),
        (ROWS + "3,\n", "row 11 (line 12), column 'y': the cell is empty"),
        (ROWS + "nan,3\n", "row 11 (line 12), column 'x': the cell says 'nan'"),
        (ROWS + "\n\n4,NA\n", "row 11 (line 14), column 'y': the cell says 'NA'"),
        (ROWS + "inf,3\n", "row 11 (line 12), column 'x': inf is not finite"),
        (ROWS + "3,-1e999\n", "row 11 (line 12), column 'y': -1e999 is not finite"),
        (ROWS + "3,4O\n", "row 11 (line 12), column 'y': '4O' is not a number"),
        (ROWS + "3\n", "row 11 (line 12) has 1 cell; the header has 2"),
        (ROWS + "3,4,5\n", "row 11 (line 12) has 3 cells; the header has 2"),
        ("x,y,x\n1,2,3\n4,5,6\n", "columns 1 and 3 are both named 'x'; rename one"),
        ("1,2\n3,4\n5,6\n", "line 1 holds numbers; wanted a header"),
        (ROWS + '"3,4\n', "is not CSV"),
        (
            "x;y\n1,5;2,5\n3,5;4,5\n",
            "'x' (text: row 1 says '1,5', decimal comma?), 'y' (text: row 1 says '2,5'",
        ),
        ("x\ty\n1.234,5\tu\n2.345,5\tv\n", "'x' (text: row 1 says '1.234,5', decimal comma?)"),
        ("x;y\n1;2\n3;4\n5;6,5\n", "row 3 (line 4), column 'y': '6,5' is not a number (decimal comma?)"),
        ("x,y\n1,5,2,5\n", "row 1 (line 2) has 4 cells; the header has 2: decimal comma?"),
        (ROWS + "1_000,3\n", "column 'x': '1_000' is not a number (separator between thousands?)"),
        (ROWS + "3,12%\n", "column 'y': '12%' is not a number (percent sign?)"),
        (ROWS + "9" * 400 + ",3\n", f"column 'x': {'9' * 40}... is not finite"),
        (ROWS + "a" * 400 + ",3\n", f"column 'x': '{'a' * 40}...' is not a number"),
        ("sep=;\r\n", "the file is empty"),
        ('""\n', "the file is empty"),
        ("sep=;\nx;y\n1;2\n3;\n", "row 2 (line 4), column 'y': the cell is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "the file is a PNG picture, not CSV text"),
        (b"\xff\xd8\xff\xe0" + bytes(200), "the file is a JPEG picture"),
        (b"PK\x03\x04" + bytes(200), "an Excel workbook"),
        (b"PAR1" + bytes(200), "the file is a Parquet file"),
        (b"x,y\n1,2\n\x00\x01\x02\n", "line 3 holds a zero byte"),
        (b"x,y\n1,2\n3,\xe9\n", "line 3 is not UTF-8 text"),
        (b"\xff\xfea", "is not UTF-16 text"),
        ("x\n1\n2\n".encode("utf-16")[:-1], "is not UTF-16 text"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "select"])
def test_a_table_that_cannot_be_used_is_named_with_its_place(table, tmp_path, command, content, said):
    path = table(content)
    options = ["-k", "2"] if command == "fit" else []
    message = fails(command, path, *options, "--out", tmp_path / "out")
    assert str(path) in message
    assert said in message
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("command", [["fit", "-k", "2"], ["select"]])
def test_a_missing_table_and_a_folder_are_named(tmp_path, command):
    out = tmp_path / "out"
    assert f"{tmp_path / 'nope.csv'} does not exist" in fails(*command, tmp_path / "nope.csv", "--out", out)
    assert f"{tmp_path} is a folder; wanted a CSV file" in fails(*command, tmp_path, "--out", out)
    assert os.listdir(tmp_path) == []


def test_a_table_that_cannot_be_read_is_named(table, monkeypatch):
    path = table(ROWS)

    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert f"{path} cannot be read: Permission denied" in fails("fit", path, "-k", 2)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("x;y\n1;2\n3;4\n", ("x", "y")),
        ("x\ty\n1\t2\n3\t4\n", ("x", "y")),
        ('"x, in m",y\n1,2\n3,4\n', ("x, in m", "y")),
        ('"a, b, c";"d"\n1;2\n3;4\n', ("a, b, c", "d")),
        ('"a ""b"", c, e";d\n1;2\n3;4\n', ('a "b", c, e', "d")),
        ('"a,\nb, c";d\n1;2\n3;4\n', ("a,\nb, c", "d")),
        ("sep=;\r\nx;y\r\n1;2\r\n3;4\r\n", ("x", "y")),
        ('"sep=;"\na,b;y\n1;2\n3;4\n', ("a,b", "y")),
        ("\ufeffSEP=|\nx|y\n1|2\n3|4\n", ("x", "y")),
        ("sep=\t\nx\ty\n1\t2\n3\t4\n", ("x", "y")),
        ("\ufeffx,y\r\n1,2\r\n3,4\r\n", ("x", "y")),
        ("\n\nx,y\n1,2\n\n3,4\n\n", ("x", "y")),
        (" x , y \n 1 , 2\n3,4", ("x", "y")),
    ],
)
def test_tables_as_people_write_them_are_read(table, text, columns):
    read = pipeline.read_table(table(text))
    assert read.columns == columns
    np.testing.assert_array_equal(read.data, [[1, 2], [3, 4]])


def test_utf16_from_a_spreadsheet_is_read(table):
    read = pipeline.read_table(table("x\ty\n1\t2\n3\t4\n".encode("utf-16")))
    np.testing.assert_array_equal(read.data, [[1, 2], [3, 4]])


def test_a_mostly_text_column_is_text(table):
    read = pipeline.read_table(table("ticket,x\nA1,1\nB2,2\n17,3\n"))
    assert read.columns == ("x",)
    assert read.skipped == (("ticket", "text"),)


def test_chosen_columns_have_to_be_there_and_numeric(table):
    path = table("a,b,c\n1,2,u\n3,4,v\n5,,w\n")
    assert pipeline.read_table(path, ["a"]).skipped == (("b", "not chosen"), ("c", "text"))
    with pytest.raises(DataError, match="there is no column 'z'; the file has 'a', 'b', 'c'"):
        pipeline.read_table(path, ["a", "z"])
    with pytest.raises(DataError, match=r"row 1 \(line 2\), column 'c': 'u' is not a number"):
        pipeline.read_table(path, ["a", "c"])
    with pytest.raises(DataError, match=r"row 3 \(line 4\), column 'b': the cell is empty"):
        pipeline.read_table(path, ["b"])


# ------------------------------------------------------------------------------------------------- bad arguments
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-k", "11"], "n_components is 11, more than the 10 rows of"),
        (["-k", "0"], "--n-components"),
        (["-k", "two"], "--n-components"),
        ([], "Missing option '--n-components'"),
        (["-k", "2", "--covariance-type", "round"], "covariance_type is 'round'; wanted one of"),
        (["-k", "2", "--columns", "x,z"], "there is no column 'z'; the file has 'x', 'y'"),
        (["-k", "2", "--columns", ""], "columns is empty; wanted one or more names"),
        (["-k", "2", "--columns", "x,,y"], "columns is 'x', '', 'y'; wanted one or more names"),
        (["-k", "2", "--columns", "x,y,x"], "columns names 'x' 2 times; wanted each once"),
        (["-k", "2", "--reg-covar", "-1"], "--reg-covar"),
        (["-k", "2", "--reg-covar", "inf"], "reg_covar is inf; wanted"),
        (["-k", "2", "--seed", "-1"], "--seed"),
        (["-k", "2", "--n-init", "0"], "--n-init"),
        (["-k", "2", "--tol", "-1"], "--tol"),
        (["-k", "2", "--colour", "red"], "--colour"),
    ],
)
def test_arguments_of_fit_that_cannot_be_are_named(table, tmp_path, arguments, said):
    path = table(ROWS)
    assert said in fails("fit", path, *arguments, "--out", tmp_path / "out")
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-components", "11"], "n_components is 11, more than the 10 rows of"),
        (
            ["--min-components", "5", "--max-components", "4"],
            "max_components is 4, less than min_components, 5",
        ),
        (["--criterion", "best"], "criterion is 'best'; wanted one of"),
        (["--columns", ""], "columns is empty; wanted one or more names"),
        (["--columns", "y,y"], "columns names 'y' 2 times; wanted each once"),
        (["--reg-covar", "-1"], "--reg-covar"),
        (["--reg-covar", "inf"], "reg_covar is inf; wanted"),
        (["--covariance-type", "full,round"], "covariance_type is 'round'"),
        (["--covariance-type", ","], "covariance_type is []; wanted one or more of"),
    ],
)
def test_arguments_of_select_that_cannot_be_are_named(table, tmp_path, arguments, said):
    path = table(ROWS)
    assert said in fails("select", path, *arguments, "--out", tmp_path / "out")
    assert os.listdir(tmp_path) == [path.name]


def test_more_folds_than_rows_is_one_line(table):
    assert "n_splits is 5" in fails("select", table("x,y\n1,2\n2,5\n4,4\n6,1\n"), "--criterion", "cv")


@pytest.mark.parametrize("command", [["fit", "-k", "2"], ["select"]])
@pytest.mark.parametrize("kind", [ArgumentError, CollapsedComponentError, DataError, ModelFileError])
def test_every_error_of_ours_is_one_line(csv, monkeypatch, command, kind):
    def refused(*_args, **_kwargs):
        raise kind("said\nso")

    monkeypatch.setattr("mixturelab.pipeline.fit_table", refused)
    monkeypatch.setattr("mixturelab.pipeline.select_table", refused)
    assert "said so" in fails(*command, csv)


def test_a_constant_column_names_the_file(table):
    path = table("x,y\n" + "".join(f"{i},5\n" for i in range(10)))
    message = fails("select", path, "--max-components", 2)
    assert str(path) in message
    assert "one value" in message


def test_commands_that_are_none(table):
    assert "No such command 'fits'" in fails("fits")
    assert "Missing argument 'CSV'" in fails("fit")
    assert "Missing argument 'MODEL'" in fails("info")


def test_errors_stay_errors_for_those_who_call_it_from_python(table):
    with pytest.raises(DataError, match="does not exist"):
        app(["fit", "nope.csv", "-k", "2"], standalone_mode=False)


def test_a_mistake_of_ours_is_not_dressed_up_as_the_users(csv, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr("mixturelab.pipeline.fit_table", broken)
    result = run("fit", csv, "-k", 2)
    assert isinstance(result.exception, RuntimeError)


def test_an_interrupt_is_no_traceback(csv, monkeypatch):
    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("mixturelab.pipeline.fit_table", interrupted)
    result = run("fit", csv, "-k", 2)
    assert result.exit_code == 130
    assert result.output.strip() == ""


# ------------------------------------------------------------------------------------------------- bad model files
@pytest.mark.parametrize("command", ["info", "score"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"x,y\n1,2\n", "is not a mixturelab model file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "is not a mixturelab model file"),
        ("truncated", "is"),
        ("pickle", "is a joblib or pickle file"),
    ],
)
def test_a_model_file_that_cannot_be_used_is_named(fit_folder, csv, tmp_path, command, content, said):
    path = tmp_path / "model.safetensors"
    if content == "truncated":
        content = (fit_folder / "gaussian_mixture.safetensors").read_bytes()[:-10]
    if content == "pickle":
        joblib.dump({"a": 1}, path)
    else:
        path.write_bytes(content)
    arguments = [csv, "--out", tmp_path / "out.csv"] if command == "score" else []
    message = fails(command, path, *arguments)
    assert f"{path} {said}" in message
    assert os.listdir(tmp_path) == [path.name]


def test_a_missing_model_file_is_named(csv, tmp_path):
    assert f"{tmp_path / 'nope'} does not exist" in fails("info", tmp_path / "nope")
    assert f"{tmp_path} is a folder" in fails("score", tmp_path, csv)


def test_a_table_without_the_models_columns_is_named(fit_folder, table):
    path = table("eruptions,wait\n1,2\n3,4\n")
    message = fails("score", fit_folder / "gaussian_mixture.safetensors", path)
    assert f"{path}: no column 'waiting'; the columns are 'eruptions', 'wait'" in message


def test_a_nameless_model_wants_its_number_of_columns(table, tmp_path):
    model = save(GaussianMixture(1).fit(FAITHFUL.to_numpy()), tmp_path / "m.safetensors")
    message = fails("score", model, table("a,b,c\n1,2,3\n4,5,6\n"))
    assert "3 numeric columns (a, b, c); the model has 2 features" in message


# --------------------------------------------------------------------------------------------- folders and disks
@pytest.mark.parametrize("command", [["fit", "-k", "2"], ["select", "--max-components", "2"]])
def test_a_file_where_a_folder_should_be_is_named_before_the_fit(csv, tmp_path, command, monkeypatch):
    monkeypatch.setattr("mixturelab.pipeline.fit_table", lambda *a, **k: pytest.fail("it fitted"))
    monkeypatch.setattr("mixturelab.pipeline.select_table", lambda *a, **k: pytest.fail("it fitted"))
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    for out in (blocked, blocked / "deeper"):
        assert f"{out} cannot be a folder: {blocked} is a file" in fails(*command, csv, "--out", out)
    assert blocked.read_text() == "a file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root")
def test_a_read_only_folder_is_named(csv, tmp_path):
    tmp_path.chmod(0o500)
    try:
        message = fails("fit", csv, "-k", 2, "--out", tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)
    assert f"{tmp_path / 'out'} cannot be written: no permission to write in {tmp_path}" in message


def test_a_folder_without_permission_is_named_before_the_fit(csv, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    monkeypatch.setattr("mixturelab.pipeline.fit_table", lambda *a, **k: pytest.fail("it fitted"))
    message = fails("fit", csv, "-k", 2, "--out", tmp_path / "out")
    assert f"no permission to write in {tmp_path}" in message


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_full_disk_leaves_what_was_there_and_nothing_else(csv, tmp_path, monkeypatch, step):
    out = tmp_path / "out"
    out.mkdir()
    (out / "metrics.json").write_text("the old one")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"mixturelab.files.{step}", full)
    assert "cannot be written: No space left on device" in fails("fit", csv, "-k", 2, "--out", out)
    assert os.listdir(out) == ["metrics.json"]
    assert (out / "metrics.json").read_text() == "the old one"
    fails("fit", csv, "-k", 2, "--out", tmp_path / "new")
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_that_takes_no_file_is_named(csv, tmp_path, monkeypatch):
    def read_only(self, *_args, **_kwargs):
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", read_only)
    assert "cannot be written: Read-only file system" in fails("fit", csv, "-k", 2, "--out", tmp_path / "out")


def test_scores_that_cannot_be_written_are_named(fit_folder, csv, tmp_path):
    out = tmp_path / "nowhere" / "scores.csv"
    message = fails("score", fit_folder / "gaussian_mixture.safetensors", csv, "--out", out)
    assert f"{out} cannot be written: there is no folder {out.parent}" in message


# --------------------------------------------------------------------------------------------- real processes
def test_a_real_process_ends_with_exit_code_2_and_one_line(tmp_path):
    done = process("fit", tmp_path / "nope.csv", "-k", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"mixturelab: {tmp_path / 'nope.csv'} does not exist\n"


def test_a_real_process_shows_no_progress_bar_where_there_is_no_terminal(csv, tmp_path):
    done = process("select", csv, "--max-components", 2, "--n-init", 1, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "wins" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_joblib_file_of_ours_is_that_of_the_estimator(tmp_path):
    model = GaussianMixture(1).fit(FAITHFUL)
    assert type(joblib.load(save_joblib(model, tmp_path / "m.joblib"))) is GaussianMixture

"""The tables: numbers and provenance against data/README.md, synthetic truth, and the chunk readers."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mixturelab.datasets import (
    dataset_names,
    iter_chunks,
    load_dataset,
    make_drifting_stream,
    make_mixture,
    make_two_moons,
    tables,
)
from mixturelab.datasets.synthetic import NAMED
from mixturelab.datasets.tables import TABLES
from mixturelab.exceptions import DataError

DATA = Path(__file__).parents[1] / "data"
README = (DATA / "README.md").read_text(encoding="utf-8")
REAL = [table.name for table in TABLES]


def readme_row(name):
    """The cells of the overview's row about a table."""
    match = re.search(rf"^\| `{name}` \|([^\n]*)\|$", README, re.MULTILINE)
    assert match, f"data/README.md has no row for {name}"
    return [cell.strip() for cell in match[1].split("|")]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


# ------------------------------------------------------------------------------------------ real tables


@pytest.mark.parametrize("path", sorted(DATA.glob("*.csv")), ids=lambda path: path.name)
def test_file_checksum_is_the_documented_one(path):
    assert f"| `{path.name}` | `{sha256(path.read_bytes())}` |" in README


@pytest.mark.parametrize("name", REAL)
def test_loaded_numbers_have_the_documented_checksum(name):
    numbers = load_dataset(name).data.astype("<f8")
    assert f"| `{name}` | `{sha256(numbers.tobytes())}` |" in README


@pytest.mark.parametrize("name", REAL)
def test_overview_of_the_readme_is_true(name):
    dataset = load_dataset(name)
    rows, features, groups, _, licence = readme_row(name)
    assert (int(rows), int(features)) == dataset.data.shape
    assert groups == (str(len(dataset.target_names)) if dataset.target is not None else "none")
    assert licence == dataset.licence


@pytest.mark.parametrize("name", ["old_faithful", "penguins", "crabs", "galaxies", "iris"])
def test_readme_names_every_column_and_its_unit(name):
    dataset = load_dataset(name)
    for feature, unit in zip(dataset.feature_names, dataset.units, strict=True):
        assert f"`{feature}`" in README
        assert {"min": "minutes"}.get(unit, unit) in README


@pytest.mark.parametrize("name", dataset_names())
def test_every_table_is_complete_and_consistent(name):
    dataset = load_dataset(name)
    rows, columns = dataset.data.shape
    assert dataset.name == name
    assert dataset.data.dtype == np.float64
    assert np.isfinite(dataset.data).all()
    assert dataset.frame.shape == (rows, columns)
    assert tuple(dataset.frame.columns) == dataset.feature_names
    assert len(dataset.units) == columns
    np.testing.assert_array_equal(dataset.frame.to_numpy(), dataset.data)
    assert dataset.source
    assert dataset.licence
    assert dataset.description.endswith(".") or dataset.description.endswith("?")
    if dataset.target is not None:
        assert dataset.target.shape == (rows,)
        assert set(dataset.target) == set(range(len(dataset.target_names)))


def test_old_faithful_is_r_s_table():
    dataset = load_dataset("old_faithful")
    assert dataset.data.shape == (272, 2)
    assert dataset.data[0].tolist() == [3.6, 79.0]
    assert dataset.data[-1].tolist() == [4.467, 74.0]
    # The mean and standard deviation that R prints for datasets::faithful.
    np.testing.assert_allclose(dataset.data.mean(axis=0), [3.487783, 70.897059], rtol=1e-6)
    np.testing.assert_allclose(dataset.data.std(axis=0, ddof=1), [1.141371, 13.594974], rtol=1e-6)
    assert dataset.feature_names == ("eruptions", "waiting")
    assert dataset.units == ("min", "min")


def test_group_sizes_are_the_documented_ones():
    sizes = {
        name: np.bincount(load_dataset(name).target).tolist()
        for name in REAL
        if load_dataset(name).target_names
    }
    assert sizes["penguins"] == [151, 123, 68]
    assert sizes["crabs"] == [50, 50, 50, 50]
    assert sizes["iris"] == [50, 50, 50]
    assert sizes["wine"] == [59, 71, 48]
    assert sizes["breast_cancer"] == [212, 357]


def test_digits_are_numbered_by_their_digit():
    assert load_dataset("digits").target_names == tuple("0123456789")


def test_galaxies_have_the_paper_s_value_not_the_misprint():
    velocity = load_dataset("galaxies").data[:, 0]
    assert velocity[77] == 26960
    assert (np.diff(velocity) >= 0).all()


def test_penguins_drop_rows_without_measurements_and_say_so():
    dropped, kept = load_dataset("penguins"), load_dataset("penguins", keep_missing=True)
    assert (len(dropped.data), len(kept.data)) == (342, 344)
    assert np.flatnonzero(np.isnan(kept.data).any(axis=1)).tolist() == [3, 271]
    assert dropped.notes == ("2 of 344 rows left out: their features are missing",)
    assert kept.notes == ()
    assert len(dropped.extra) == len(dropped.target) == 342
    assert dropped.extra["sex"].isna().sum() == 9
    assert dropped.feature_names == ("bill_length", "bill_depth", "flipper_length", "body_mass")
    assert dropped.units == ("mm", "mm", "mm", "g")


def test_each_load_is_a_copy_of_its_own():
    first = load_dataset("iris")
    first.data[:] = 0
    assert load_dataset("iris").data.any()
    assert first.frame.to_numpy().any()


def test_r_s_name_is_understood():
    assert load_dataset("faithful").name == "old_faithful"


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"'faithfull'; there are: old_faithful, penguins, .*two_moons"):
        load_dataset("faithfull")


@pytest.mark.parametrize(
    ("name", "option"),
    [("iris", {"n_samples": 10}), ("iris", {"random_state": 0}), ("two_moons", {"keep_missing": True})],
)
def test_an_option_that_does_not_go_with_the_table_is_refused(name, option):
    with pytest.raises(DataError, match=f"{next(iter(option))} does not go with the data set '{name}'"):
        load_dataset(name, **option)


def test_files_are_found_in_a_wheel_and_in_a_clone(tmp_path, monkeypatch):
    assert tables.data_file("dataset.csv").read_bytes() == (DATA / "dataset.csv").read_bytes()
    monkeypatch.setattr(tables.resources, "files", lambda package: tmp_path)
    assert tables.data_file("dataset.csv") == DATA / "dataset.csv"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset.csv").write_text("eruptions,waiting\n1,2\n")
    assert tables.data_file("dataset.csv") == tmp_path / "data" / "dataset.csv"
    assert load_dataset("old_faithful").data.tolist() == [[1.0, 2.0]]


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "data_file", lambda filename: tmp_path / filename)
    with pytest.raises(DataError, match=r"crabs\.csv is missing: reinstall mixturelab"):
        load_dataset("crabs")


def test_repr_is_one_short_line():
    assert repr(load_dataset("iris")) == "Dataset('iris': 150 rows, 4 features, 3 groups)"
    assert repr(load_dataset("galaxies")) == "Dataset('galaxies': 82 rows, 1 feature)"


def test_the_module_itself_does_not_import_pandas():
    # scikit-learn imports pandas where it finds it: here nobody can find it.
    code = "import sys; sys.modules['pandas'] = None; import mixturelab.datasets"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------------------------------- synthetic


@pytest.mark.parametrize("name", NAMED)
def test_synthetic_tables_repeat_with_their_seed(name):
    first, again = (load_dataset(name, n_samples=40, random_state=5) for _ in range(2))
    other = load_dataset(name, n_samples=40, random_state=6)
    np.testing.assert_array_equal(first.data, again.data)
    np.testing.assert_array_equal(first.target, again.target)
    assert not np.array_equal(first.data, other.data)
    assert first.data.shape == (40, 2)


@pytest.mark.parametrize("name", ["overlapping", "anisotropic", "unequal_sizes"])
def test_rows_come_from_the_stated_mixture(name):
    dataset = load_dataset(name, n_samples=40_000, random_state=1)
    truth = dataset.truth
    for component, weight in enumerate(truth.weights):
        rows = dataset.data[dataset.target == component]
        spread = np.sqrt(np.diagonal(truth.covariances[component]))
        # Five standard errors: a right generator fails less than once in a million.
        assert abs(len(rows) / 40_000 - weight) < 5 * np.sqrt(weight * (1 - weight) / 40_000)
        assert (abs(rows.mean(axis=0) - truth.means[component]) < 5 * spread / np.sqrt(len(rows))).all()
        whitened = np.linalg.solve(np.linalg.cholesky(truth.covariances[component]), (rows - rows.mean(0)).T)
        np.testing.assert_allclose(np.cov(whitened), np.eye(2), atol=7 * np.sqrt(2 / len(rows)))


def test_overlapping_keeps_its_promise_of_one_row_in_six():
    dataset = load_dataset("overlapping", n_samples=40_000, random_state=2)
    across = (dataset.data[:, 0] > 0) != (dataset.target == 1)
    assert abs(across.mean() - 0.1587) < 0.01


def test_moons_lie_on_their_half_circles():
    dataset = make_two_moons(2_001, random_state=0, noise=0.0)
    centres = np.array([[0.0, 0.0], [1.0, 0.5]])[dataset.target]
    np.testing.assert_allclose(np.linalg.norm(dataset.data - centres, axis=1), 1.0)
    assert np.bincount(dataset.target).tolist() == [1001, 1000]
    assert dataset.truth is None


def test_stream_drifts_as_it_says():
    batches = list(make_drifting_stream(50, 400, random_state=3, speed=0.1))
    assert [batch.step for batch in batches] == list(range(50))
    moved = batches[-1].truth.means - batches[0].truth.means
    np.testing.assert_allclose(moved, [[0, 0], [4.9, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(batches[-1].truth.weights, [0.45, 0.4, 0.15])
    for batch in (batches[0], batches[-1]):
        seen = batch.data[batch.labels == 1].mean(axis=0)
        np.testing.assert_allclose(seen, batch.truth.means[1], atol=5 * 0.5 / np.sqrt(100))


def test_a_generator_is_taken_further_and_a_seed_is_not():
    generator = np.random.default_rng(0)
    first, second = (make_two_moons(10, generator).data for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, make_two_moons(10, 0).data)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_samples": 0}, "n_samples must be a whole number of at least 1; got 0"),
        ({"n_samples": 2.5}, "n_samples must be a whole number"),
        ({"weights": [0.5, 0.6]}, "weights must be at least 0 and sum to 1"),
        ({"weights": [-0.5, 1.5]}, "weights must be at least 0 and sum to 1"),
        ({"means": [[0.0], [1.0], [2.0]]}, r"means has shape \(3, 1\); wanted \(2, 1\)"),
        ({"means": [0.0, 1.0]}, r"means has shape \(2,\)"),
        ({"covariances": [1.0, 1.0]}, r"covariances has shape \(2,\); wanted \(2, 1, 1\)"),
        ({"covariances": [[[1.0]], [[-1.0]]]}, r"covariances\[1\] is not symmetric and positive definite"),
        ({"random_state": None}, "random_state must be a seed"),
    ],
)
def test_make_mixture_names_what_is_wrong(changed, message):
    right = {
        "n_samples": 5,
        "weights": [0.5, 0.5],
        "means": [[0.0], [1.0]],
        "covariances": [[[1.0]], [[2.0]]],
        "random_state": 0,
    }
    assert make_mixture(**right).data.shape == (5, 1)
    with pytest.raises(DataError, match=message):
        make_mixture(**(right | changed))


# ---------------------------------------------------------------------------------------------- chunks

TABLE = np.arange(23 * 3, dtype=np.float64).reshape(23, 3) / 7


def as_source(kind, folder):
    """The same 23x3 table as every kind of source that can be read."""
    frame = pd.DataFrame(TABLE, columns=["a", "b", "c"])
    if kind == "array":
        return TABLE
    if kind == "tensor":
        return torch.tensor(TABLE, requires_grad=True)
    if kind == "frame":
        return frame.assign(word="x")
    path = folder / f"table.{kind}"
    if kind == "npy":
        np.save(path, TABLE)
    elif kind == "csv":
        frame.assign(word="x").to_csv(path, index=False)
    else:
        frame.to_parquet(path, row_group_size=5)
    return path


KINDS = ["array", "tensor", "frame", "npy", "csv", "parquet"]


@pytest.mark.parametrize("rows", [1, 4, 23, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_put_together_are_the_table(kind, rows, tmp_path):
    chunks = list(iter_chunks(as_source(kind, tmp_path), rows))
    assert max(map(len, chunks)) == min(rows, 23)
    np.testing.assert_array_equal(np.concatenate(chunks), TABLE)
    assert all(chunk.dtype == np.float64 for chunk in chunks)


@pytest.mark.parametrize("kind", ["frame", "csv", "parquet"])
def test_columns_are_chosen_by_name_and_in_order(kind, tmp_path):
    chunks = iter_chunks(as_source(kind, tmp_path), 10, columns=["c", "a"])
    np.testing.assert_array_equal(np.concatenate(list(chunks)), TABLE[:, [2, 0]])


def test_a_memory_map_is_not_copied(tmp_path):
    chunk = next(iter_chunks(as_source("npy", tmp_path), 4))
    assert isinstance(chunk, np.memmap)
    assert not chunk.flags.owndata


def test_float32_stays_and_whole_numbers_become_float64():
    assert next(iter_chunks(TABLE.astype(np.float32))).dtype == np.float32
    assert next(iter_chunks(pd.DataFrame(TABLE.astype(np.float32)))).dtype == np.float32
    assert next(iter_chunks(np.arange(6).reshape(3, 2))).dtype == np.float64


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_bad_row_is_named_in_the_whole_table(kind, tmp_path, monkeypatch):
    bad = TABLE.copy()
    bad[17, 1] = np.nan
    monkeypatch.setattr(sys.modules[__name__], "TABLE", bad)
    column = "1" if kind in {"array", "tensor", "npy"} else "'b'"
    with pytest.raises(DataError, match=f"row 17, column {column} is nan"):
        list(iter_chunks(as_source(kind, tmp_path), 4))
    kept = np.concatenate(list(iter_chunks(as_source(kind, tmp_path), 4, check_finite=False)))
    np.testing.assert_array_equal(kept, bad)


def test_a_word_far_down_a_csv_is_named(tmp_path):
    path = tmp_path / "word.csv"
    path.write_text("a,b\n" + "1,2\n" * 9 + "1,oops\n" + "1,2\n")
    with pytest.raises(DataError, match=r"word\.csv: column 'b' is 'oops' in row 9; wanted a number"):
        list(iter_chunks(path, 4))


BAD_FILES = {
    "missing.csv": (None, "no such file"),
    "empty.csv": (b"", "cannot be read as CSV"),
    "header.csv": (b"a,b\n", "has no rows"),
    "words.csv": (b"a\nx\n", r"has no numeric column; its columns are \['a'\]"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "cannot be read as CSV|has no numeric column"),
    "ragged.csv": (b"a,b\n1,2\n1,2,3\n", "cannot be read as CSV"),
    "foreign.npy": (b"not an array", r"not a \.npy file"),
    "foreign.parquet": (b"not parquet", "cannot be read as Parquet"),
    "table.xlsx": (b"", r"the ending '\.xlsx' is not known"),
}


@pytest.mark.parametrize("filename", BAD_FILES)
def test_a_bad_file_is_named_in_one_line(filename, tmp_path):
    content, message = BAD_FILES[filename]
    path = tmp_path / filename
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(iter_chunks(path))
    assert filename in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickled_array_is_not_opened(tmp_path):
    path = tmp_path / "objects.npy"
    np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"objects\.npy"):
        list(iter_chunks(path))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (TABLE, {"rows": 0}, "rows must be a whole number of at least 1; got 0"),
        (TABLE, {"columns": ["a"]}, "an array has no column names"),
        (TABLE[0], {}, r"shape \(3,\)"),
        (np.array([["x"]]), {}, "wanted numbers"),
        (pd.DataFrame({"a": [1.0]}), {"columns": ["b"]}, r"has no column 'b'; its columns are \['a'\]"),
        (np.empty((0, 2)), {}, "has no rows"),
    ],
)
def test_a_bad_argument_is_named(source, options, message):
    with pytest.raises(DataError, match=message):
        list(iter_chunks(source, **options))

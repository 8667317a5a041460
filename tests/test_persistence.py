"""Model files: what is saved comes back, and a file is written whole or not at all."""

import datetime
import os
import pathlib

import numpy as np
import pytest
import safetensors.numpy
import torch
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture as Theirs

from mixturelab import GaussianMixture, load_dataset
from mixturelab.exceptions import ArgumentError
from mixturelab.persistence import (
    data_checksum,
    load,
    read_header,
    save,
    save_joblib,
    write_all_atomically,
    write_atomically,
)
from mixturelab.persistence.header import TENSORS

FAMILIES = ("full", "tied", "diag", "spherical")
FRAME = load_dataset("old_faithful").frame
DATA = FRAME.to_numpy()


def fitted(family: str = "full", X=FRAME, **settings) -> GaussianMixture:
    return GaussianMixture(2, covariance_type=family, random_state=3, **settings).fit(X)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# ------------------------------------------------------------------------------------------------- round trips
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["frame", "float32", "tensor"])
def test_a_loaded_model_is_the_saved_one(family, kind, path):
    X = {"frame": FRAME, "float32": DATA.astype(np.float32), "tensor": torch.from_numpy(DATA)}[kind]
    saved = fitted(family, X, tol=1e-4, n_init=2)
    loaded = load(save(saved, path))
    assert loaded.get_params() == saved.get_params()
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        ours, theirs = getattr(loaded, name), getattr(saved, name)
        assert type(ours) is type(theirs)
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name))
    for name in ("history_", "converged_", "n_iter_", "lower_bound_", "lower_bounds_", "spurious_"):
        assert getattr(loaded, name) == getattr(saved, name)
    np.testing.assert_array_equal(loaded.predict_proba(X), saved.predict_proba(X))
    assert loaded.bic(X) == saved.bic(X)
    assert list(getattr(loaded, "feature_names_in_", [])) == list(getattr(saved, "feature_names_in_", []))


def test_a_loaded_model_can_be_fitted_again(model, path):
    again = load(save(model, path)).fit(FRAME)
    np.testing.assert_array_equal(again.means_, model.means_)


def test_what_a_file_said_of_a_model_is_gone_once_it_is_fitted_again(model, path):
    loaded = load(save(model, path, source="the geyser"))
    assert loaded.provenance_["source"] == "the geyser"
    assert not hasattr(loaded.partial_fit(FRAME), "provenance_")
    assert not hasattr(load(path).fit(FRAME), "provenance_")


def test_a_model_from_parameters_is_saved_too(path):
    made = GaussianMixture.from_parameters([0.3, 0.7], [[0.0], [5.0]], [1.0, 2.0], "spherical")
    loaded = load(save(made, path))
    assert loaded.score_samples([[1.0]]) == made.score_samples([[1.0]])
    assert loaded.lower_bound_ == made.lower_bound_ == -np.inf
    assert loaded.history_ == made.history_


@pytest.mark.parametrize("value", [-np.inf, np.inf, 1e308])
def test_a_lower_bound_of_any_size_comes_back(path, value):
    saved = fitted()
    saved.lower_bound_ = value
    assert load(save(saved, path)).lower_bound_ == value


def test_the_lower_bound_before_the_first_iteration_comes_back(path):
    saved = fitted(max_iter=0)
    assert saved.lower_bound_ == -np.inf
    assert load(save(saved, path)).lower_bound_ == -np.inf


def test_a_lower_bound_that_is_not_known_stays_so(path):
    saved = fitted()
    saved.lower_bound_ = np.nan
    assert np.isnan(load(save(saved, path)).lower_bound_)


def test_a_float32_model_of_nearly_flat_groups_predicts_the_same_after_loading(path):
    rng = np.random.default_rng(0)
    flat = (
        rng.normal(size=(300, 2)) @ np.array([[1.0, 1.0], [0.0, 1e-2]]) + rng.integers(2, size=(300, 1)) * 8
    )
    flat = flat.astype(np.float32)
    saved = fitted("full", flat)
    np.testing.assert_array_equal(load(save(saved, path)).score_samples(flat), saved.score_samples(flat))


def test_settings_come_back_unless_they_are_code(path):
    start = np.full((len(DATA), 2), 0.5)
    start[:100] = [0.9, 0.1]
    saved = GaussianMixture(
        2,
        init_params=start,
        means_init=[[2, 54], [4.3, 80]],
        random_state=np.random.RandomState(0),
        dtype=np.float32,
        reg_covar=1e-3,
    ).fit(DATA)
    loaded = load(save(saved, path))
    assert loaded.init_params == "kmeans"
    assert loaded.random_state is None
    assert loaded.dtype == "float32"
    assert loaded.reg_covar == 1e-3
    np.testing.assert_array_equal(loaded.means_init, [[2, 54], [4.3, 80]])
    assert read_header(path)["settings"]["init_params"] == "<ndarray>"


def test_the_header_tells_what_the_model_is_and_where_it_came_from(model, path):
    save(
        model, path, training_data=FRAME, metrics={"bic": np.float64(2322.2), "icl": np.nan}, source="geyser"
    )
    header = read_header(path)
    assert (header["schema"], header["schema_version"]) == ("mixturelab.gaussian_mixture", 2)
    assert (header["n_components"], header["n_features"], header["covariance_type"]) == (2, 2, "full")
    assert header["feature_names"] == ["eruptions", "waiting"]
    assert header["dtypes"] == dict.fromkeys(TENSORS, "float64")
    assert header["fit"]["reason"] == model.history_.reason
    provenance = header["provenance"]
    assert provenance["seed"] == 3
    assert provenance["source"] == "geyser"
    assert provenance["metrics"] == {"bic": 2322.2, "icl": None}
    told = {"n_rows": 272, "n_features": 2, "dtype": "float64", "sha256": data_checksum(DATA)}
    assert provenance["training_data"] == told
    assert provenance["versions"]["torch"] == torch.__version__
    assert set(provenance["versions"]) >= {"mixturelab", "numpy", "python", "scikit-learn", "safetensors"}
    assert load(path).provenance_ == provenance


def test_equal_models_are_equal_bytes(tmp_path):
    first = save(fitted(), tmp_path / "a", training_data=DATA, b=1, a=2).read_bytes()
    assert save(fitted(), tmp_path / "b", training_data=DATA, a=2, b=1).read_bytes() == first
    assert save(fitted(), tmp_path / "c", training_data=DATA, a=2, b=2).read_bytes() != first


def test_what_a_file_said_of_its_origin_can_be_written_again(model, path, tmp_path):
    written = save(model, path, training_data=FRAME, metrics={"bic": 1.5, "icl": np.nan}, source="geyser")
    loaded = load(path)
    assert save(loaded, tmp_path / "again", **loaded.provenance_).read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ([["a", "b"]], "training_data is not all numbers; wanted the table"),
        (FRAME["waiting"], r"training_data has shape \(272,\); wanted \(N, 2\)"),
        (FRAME[["waiting"]], r"training_data has shape \(272, 1\); wanted \(N, 2\)"),
        (np.zeros((3, 2, 1)), "training_data has shape"),
        ([[1.0, 2.0], [3.0]], "training_data is not all numbers"),
    ],
)
def test_training_data_that_the_model_was_not_fitted_to_are_refused(model, path, data, match):
    with pytest.raises(ArgumentError, match=match):
        save(model, path, training_data=data)
    assert not path.exists()


HOLDS_ITSELF: list = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("kept", "match"),
    [
        ({"fitted": datetime.date(2020, 1, 2)}, "fitted holds a date; wanted numbers, text"),
        ({"source": {"files": [pathlib.Path("a")]}}, "source holds a .*Path"),
        ({"labels": np.array(["2020-01-02"], "datetime64[D]")}, "labels holds a date"),
        ({"metrics": {"bic": 1j}}, "metrics holds a complex"),
        ({"metrics": [1.0]}, "metrics is a list; wanted a dict of figures by name"),
        ({"source": HOLDS_ITSELF}, "source is nested deeper than 30 levels, or holds itself"),
    ],
)
def test_provenance_that_a_file_cannot_hold_is_refused_and_not_lost(model, path, kept, match):
    with pytest.raises(ArgumentError, match=match):
        save(model, path, **kept)
    assert not path.exists()


def test_provenance_may_hold_what_json_holds_and_arrays(model, path):
    deep = 1
    for _ in range(29):
        deep = [deep]
    kept = {"a": [1, "<b>", None, True], "c": {"d": np.arange(2)}, "e": torch.ones(1), "deep": deep}
    save(model, path, **kept, random=np.float32(0.5))
    stored = load(path).provenance_
    assert {name: stored[name] for name in kept} == kept | {"c": {"d": [0, 1]}, "e": [1.0]}


def test_another_program_can_read_the_tensors(model, path):
    tensors = safetensors.numpy.load_file(save(model, path))
    assert set(tensors) == set(TENSORS)
    np.testing.assert_array_equal(tensors["means"], model.means_)


def test_a_checksum_is_of_the_numbers_not_of_their_type():
    assert data_checksum(DATA) == data_checksum(FRAME) == data_checksum(torch.from_numpy(DATA))
    assert data_checksum(DATA) == data_checksum(np.asfortranarray(DATA))
    assert data_checksum(DATA) != data_checksum(DATA[:-1])
    assert data_checksum(np.zeros((2, 3))) != data_checksum(np.zeros((3, 2)))


def test_only_fitted_models_of_ours_are_saved(path):
    with pytest.raises(NotFittedError):
        save(GaussianMixture(2), path)
    with pytest.raises(TypeError, match=r"model is a GaussianMixture|wanted a fitted mixturelab"):
        save(Theirs(2).fit(DATA), path)
    with pytest.raises(TypeError, match="model is a str"):
        save_joblib("model", path)
    assert not path.exists()


# ------------------------------------------------------------------------------------------------ whole or not
def failing(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["os.replace", "os.fsync"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, model, monkeypatch, step):
    path.write_bytes(b"the old one")
    monkeypatch.setattr(f"mixturelab.files.{step}", failing)
    with pytest.raises(OSError, match="No space left"):
        save(model, path)
    assert path.read_bytes() == b"the old one"
    assert os.listdir(path.parent) == [path.name]


def test_several_files_are_written_or_none(tmp_path, monkeypatch):
    folder = tmp_path / "new" / "folder"
    written = write_all_atomically(folder, {"a": b"1", "b": b"2"})
    assert [path.read_bytes() for path in written] == [b"1", b"2"]
    (folder / "c").mkdir()
    with pytest.raises(IsADirectoryError):
        write_all_atomically(folder, {"a": b"changed", "c": b"3"})
    assert sorted(os.listdir(folder)) == ["a", "b", "c"]
    assert (folder / "a").read_bytes() == b"1"
    monkeypatch.setattr("mixturelab.files.os.fsync", failing)
    with pytest.raises(OSError, match="No space left"):
        write_all_atomically(tmp_path / "never", {"a": b"1"})
    assert not (tmp_path / "never").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_written_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "other").write_bytes(b"")
    written = write_atomically(tmp_path / "mine", b"")
    assert written.stat().st_mode == (tmp_path / "other").stat().st_mode

"""Model files: what is saved comes back, what is damaged or foreign is refused, and nothing in a file is run."""

import contextlib
import json
import os
import pickle
import re
import struct
from pathlib import Path

import joblib
import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture as Theirs

from mixturelab import GaussianMixture, load_dataset
from mixturelab.exceptions import ModelFileError
from mixturelab.persistence import (
    data_checksum,
    encode,
    load,
    read_header,
    save,
    save_joblib,
    write_all_atomically,
    write_atomically,
)
from mixturelab.persistence.header import CHECKSUM, KEY, TENSORS, checksum

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


def refused(path: Path, match: str, **options) -> None:
    """The file is refused in one line that begins with its name and goes on like this."""
    with pytest.raises(ModelFileError, match=match) as caught:
        load(path, **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelFileError):
        read_header(path)


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
    assert (header["schema"], header["schema_version"]) == ("mixturelab.gaussian_mixture", 1)
    assert (header["n_components"], header["n_features"], header["covariance_type"]) == (2, 2, "full")
    assert header["feature_names"] == ["eruptions", "waiting"]
    assert header["dtypes"] == dict.fromkeys(TENSORS, "float64")
    assert header["fit"]["reason"] == model.history_.reason
    provenance = header["provenance"]
    assert provenance["seed"] == 3
    assert provenance["source"] == "geyser"
    assert provenance["metrics"] == {"bic": 2322.2, "icl": None}
    assert provenance["training_data"] == {"n_rows": 272, "sha256": data_checksum(DATA)}
    assert provenance["versions"]["torch"] == torch.__version__
    assert set(provenance["versions"]) >= {"mixturelab", "numpy", "python", "scikit-learn", "safetensors"}
    assert load(path).provenance_ == provenance


def test_equal_models_are_equal_bytes(tmp_path):
    first = save(fitted(), tmp_path / "a", training_data=DATA, b=1, a=2).read_bytes()
    assert save(fitted(), tmp_path / "b", training_data=DATA, a=2, b=1).read_bytes() == first
    assert save(fitted(), tmp_path / "c", training_data=DATA, a=2, b=2).read_bytes() != first


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


# -------------------------------------------------------------------------------------- damaged and foreign
def test_every_truncation_is_refused(model, path):
    whole = encode(model)
    for length in [*range(40), *range(40, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError) as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_bytes_after_the_end_are_refused(model, path):
    path.write_bytes(encode(model) + b"x")
    refused(path, "is damaged")


_ENCODED = encode(fitted())
_CHECKSUM = re.search(rb'sha256\\": \\"([0-9a-f]{64})', _ENCODED)[1].decode()


def refused_or_the_same(path: Path, content: bytes) -> bool:
    """Whether a damaged file is refused; if it is not (an E for an e, say) it must be the same in all it says."""
    path.write_bytes(content)
    try:
        header = read_header(path)
    except ModelFileError:  # any other error is a failure
        return True
    loaded = load(path)
    assert checksum(header, {name: getattr(loaded, f"{name}_") for name in TENSORS}) == _CHECKSUM
    return False


@settings(max_examples=400)
@given(position=st.integers(0), value=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path_factory, position, value):
    whole = bytearray(_ENCODED)
    whole[position % len(whole)] ^= value
    refused_or_the_same(tmp_path_factory.getbasetemp() / "changed.safetensors", bytes(whole))


def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(path):
    rng = np.random.default_rng(0)
    start = 8 + int.from_bytes(_ENCODED[:8], "little")
    for position, bit in enumerate(rng.integers(8, size=len(_ENCODED))):
        whole = bytearray(_ENCODED)
        whole[position] ^= 1 << bit
        is_refused = refused_or_the_same(path, bytes(whole))
        assert is_refused or position < start, f"bit {bit} of byte {position}, in the numbers, went unseen"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"{}", "not a mixturelab model file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a mixturelab model file"),
        (b"a,b\n1,2\n3,4\n5,6\n", "not a mixturelab model file"),
        (b"PK\x03\x04" + bytes(100), "not a mixturelab model file"),
        (struct.pack("<Q", 1 << 62) + b"{" + bytes(100), "not a mixturelab model file"),
        (struct.pack("<Q", 5000) + b"{" + bytes(100), "cut short"),
        (struct.pack("<Q", 6) + b"{nope}" + bytes(100), "damaged header: it is not JSON"),
        (struct.pack("<Q", 2) + b"{}", "of another program"),
        (struct.pack("<Q", 9) + b"{\xff\xfe\x00}    " + bytes(10), "damaged header"),
    ],
)
def test_foreign_files_are_refused(path, content, match):
    path.write_bytes(content)
    refused(path, match)


def test_a_header_nested_without_end_is_refused(path):
    deep = b'{"__metadata__": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    path.write_bytes(struct.pack("<Q", len(deep)) + deep)
    refused(path, "damaged header")


def test_safetensors_of_another_program_are_refused(path):
    path.write_bytes(safetensors.numpy.save({"means": np.zeros((2, 2))}, {"format": "pt"}))
    refused(path, "safetensors file of another program")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    refused(tmp_path / "nope.safetensors", "does not exist")
    refused(tmp_path, "is a folder")


def test_a_file_that_cannot_be_read_is_named(path, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    path.write_bytes(b"x" * 20)
    monkeypatch.setattr(Path, "read_bytes", denied)
    refused(path, "cannot be read: Permission denied")


def test_a_file_too_large_is_refused_unread(path, monkeypatch):
    path.write_bytes(bytes(2000))
    monkeypatch.setattr("mixturelab.persistence.model_file.MAX_BYTES", 1999)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    with pytest.raises(ModelFileError, match="is larger than"):
        load(path)


# ------------------------------------------------------------------------------------- headers that do not hold
def rewritten(path: Path, change=None, tensors=None) -> Path:
    """A model file whose header or tensors someone has edited, and who has made the checksum fit."""
    model = fitted()
    save(model, path)
    header = read_header(path)
    held = {name: getattr(model, f"{name}_") for name in TENSORS} | (tensors or {})
    if change is not None:
        change(header)
    held = {name: np.ascontiguousarray(value) for name, value in held.items() if value is not None}
    if CHECKSUM in header:
        with contextlib.suppress(ValueError):  # of a NaN there is none, and the file is refused before
            header[CHECKSUM] = checksum(header, held)
    path.write_bytes(safetensors.numpy.save(held, {KEY: json.dumps(header)}))
    return path


def put(value, *keys):
    def change(header):
        for key in keys[:-1]:
            header = header[key]
        header[keys[-1]] = value

    return change


def test_rewriting_without_a_change_gives_a_valid_file(path, model):
    np.testing.assert_array_equal(load(rewritten(path)).means_, model.means_)


@pytest.mark.parametrize(
    ("keys", "value", "match"),
    [
        (
            ["schema"],
            "other.thing",
            "has schema 'other.thing' in its header; wanted 'mixturelab.gaussian_mixture'",
        ),
        (["schema_version"], 2, "schema version 2; this mixturelab reads up to 1: upgrade"),
        (["schema_version"], 0, "has schema_version 0"),
        (["schema_version"], True, "has schema_version True"),
        (["schema_version"], "1", "has schema_version '1'"),
        (["estimator"], "os.system", "has estimator 'os.system'"),
        (["covariance_type"], "banded", "has covariance_type 'banded' in its header; wanted one of"),
        (["covariance_type"], ["full"], "has covariance_type"),
        (["covariance_type"], "tied", "covariances has shape"),
        (["n_components"], 3, "holds means of shape"),
        (["n_components"], 10**9, "has n_components 1000000000 in its header; wanted 1 to 100000"),
        (["n_features"], 2.0, "has n_features 2.0"),
        (["feature_names"], ["a"], "has 1 feature_names; wanted n_features = 2"),
        (["feature_names"], "ab", "has feature_names 'ab'"),
        (["dtypes"], {"weights": "float64"}, "has dtypes"),
        (["dtypes", "means"], "float32", "holds means as float64; its header says float32"),
        (["dtypes", "means"], "object", "has dtypes"),
        (["dtypes", "means"], ["float64"], "has dtypes"),
        (["arrays"], "pickle", "has arrays 'pickle'"),
        (["arrays"], [], "has arrays"),
        (["settings"], {"__class__": 1}, "has settings"),
        (["settings"], [], "has settings"),
        (["settings", "tol"], "small", "has tol 'small' in its header; wanted a finite number"),
        (["settings", "reg_covar"], 10**400, "has reg_covar 1000"),
        (["settings", "tol"], None, "has tol None"),
        (
            ["settings", "means_init"],
            [[10**400, 1], [1, 1]],
            "has a means_init in its header that is no array",
        ),
        (["settings", "random_state"], 10**400, "has random_state 1000"),
        (["schema_version"], 10**400, "schema version 1000"),
        (["settings", "init_params"], "mine", "init_params is 'mine'"),
        (["settings", "n_init"], -4, "n_init is -4"),
        (
            ["settings", "means_init"],
            ["a", [1]],
            "has a means_init in its header that is no array of numbers",
        ),
        (["settings", "means_init"], 5, "has means_init 5"),
        (["settings", "random_state"], "os", "has random_state 'os'"),
        (["settings", "verbose"], "loud", "has verbose 'loud'"),
        (["fit"], None, "has fit None"),
        (["fit", "status"], "fine", "has status 'fine'"),
        (["fit", "status"], ["converged"], "has status"),
        (["fit", "n_iter"], -1, "has n_iter -1"),
        (["fit", "converged"], "yes", "has converged 'yes'"),
        (["fit", "lower_bound"], float("nan"), "has a damaged header: it is not JSON"),
        (["fit", "lower_bound"], 10**400, "has lower_bound 1000"),
        (["fit", "lower_bound"], -(10**400), "has lower_bound -1000"),
        (["fit", "lower_bound"], "infinity", "has lower_bound 'infinity'"),
        (["fit", "log_likelihood"], [10**400], "has log_likelihood [1000"),
        (["provenance", "bic"], float("inf"), "has a damaged header: it is not JSON"),
        (["fit", "log_likelihood"], [1.0, "x"], "has log_likelihood"),
        (["fit", "reason"], 5, "has reason 5"),
        (["fit", "spurious"], "no", "has spurious 'no'"),
        (["provenance"], [], "has provenance"),
    ],
)
def test_a_header_that_cannot_be_is_refused(path, keys, value, match):
    refused(rewritten(path, put(value, *keys)), re.escape(match))


@pytest.mark.parametrize(
    "name",
    ["schema", "schema_version", "covariance_type", "n_components", "dtypes", "fit", "provenance", CHECKSUM],
)
def test_a_header_without_an_entry_is_refused(path, name):
    refused(rewritten(path, lambda header: header.pop(name)), f"has {name} 'missing' in its header; wanted")


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        ({"weights": np.array([0.5, 0.6])}, "weights sum to 1.1"),
        ({"weights": np.array([1.5, -0.5])}, "smallest -0.5"),
        ({"weights": np.array([np.nan, 0.5])}, "NaN or an infinity"),
        ({"weights": np.array([1.0])}, "weights has shape"),
        ({"means": np.zeros((3, 2))}, "holds means of shape (3, 2); its header says (2, 2)"),
        ({"means": np.full((2, 2), np.inf)}, "NaN or an infinity"),
        ({"means": np.zeros((2, 2), np.float32)}, "holds means as float32"),
        ({"means": np.zeros((2, 2), np.int64)}, "holds means as int64"),
        ({"covariances": np.zeros((2, 2))}, "covariances has shape (2, 2)"),
        ({"covariances": np.stack([np.eye(2), -np.eye(2)])}, "ill-defined"),
        ({"covariances": np.stack([np.eye(2), np.ones((2, 2))])}, "ill-defined"),
        ({"covariances": np.stack([np.eye(2), [[1, 0.5], [0, 1]]])}, "not symmetric"),
        ({"covariances": None}, "holds the tensors ['means', 'precisions_cholesky', 'weights']"),
        (
            {"extra": np.zeros(1)},
            "holds the tensors ['covariances', 'extra', 'means', 'precisions_cholesky', 'w",
        ),
        ({"covariances": np.stack([np.eye(2), np.eye(2)])}, "do not belong to its covariances"),
        ({"precisions_cholesky": np.zeros((2, 2, 2))}, "do not belong to its covariances"),
        ({"precisions_cholesky": -fitted().precisions_cholesky_}, "do not belong to its covariances"),
        ({"precisions_cholesky": np.full((2, 2, 2), np.nan)}, "wanted finite numbers"),
        ({"precisions_cholesky": np.eye(2)}, "holds precisions_cholesky of shape (2, 2)"),
    ],
)
def test_parameters_that_are_no_mixture_are_refused(path, tensors, match):
    refused(rewritten(path, tensors=tensors), re.escape(match))


# ------------------------------------------------------------------------------------------------------ pickles
class Intruder:
    """A pickle that makes a file when it is opened."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.safetensors", "model"])
@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_a_pickle_is_refused_unopened_whatever_its_name(tmp_path, name, compress):
    path, target = tmp_path / name, tmp_path / "intruder was here"
    joblib.dump(Intruder(target), path, compress=compress)
    refused(path, "it is refused; load the .safetensors file instead.*trust=True")
    assert not target.exists()
    with pytest.raises(ModelFileError, match=r"wanted a mixturelab\.GaussianMixture"):
        load(path, trust=True)
    assert target.exists()  # so the intruder works, and only trust lets it in


def test_a_trusted_joblib_file_is_loaded(tmp_path, model):
    loaded = load(save_joblib(model, tmp_path / "model.joblib"), trust=True)
    np.testing.assert_array_equal(loaded.predict_proba(FRAME), model.predict_proba(FRAME))


def test_trust_changes_nothing_for_a_safetensors_file(path, model):
    np.testing.assert_array_equal(load(save(model, path), trust=True).means_, model.means_)
    path.write_bytes(b"\x89PNG" + bytes(100))
    refused(path, "not a mixturelab model file", trust=True)


def test_a_damaged_or_foreign_pickle_is_one_line(tmp_path, model):
    path = save_joblib(model, tmp_path / "model.joblib")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="is a damaged pickle") as caught:
        load(path, trust=True)
    assert "\n" not in str(caught.value)
    path.write_bytes(pickle.dumps({"means": 1}))
    with pytest.raises(ModelFileError, match=r"holds a dict; wanted a mixturelab\.GaussianMixture"):
        load(path, trust=True)


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

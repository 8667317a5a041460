"""Pickles: refused unopened under any name, unless the user says that they are trusted."""

import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from persistence.forging import FRAME, fitted, refused

from mixturelab.exceptions import ModelFileError
from mixturelab.persistence import load, save, save_joblib


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


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
    refused(path, "it is refused; load the .safetensors file instead.*trust=True.*--trust")
    assert not target.exists()
    with pytest.raises(ModelFileError, match=r"wanted a mixturelab\.Gaus"):
        load(path, trust=True)
    assert target.exists()  # so the intruder works, and only trust lets it in


def test_a_trusted_joblib_file_is_loaded(tmp_path):
    loaded = load(save_joblib(fitted(), tmp_path / "model.joblib"), trust=True)
    np.testing.assert_array_equal(loaded.predict_proba(FRAME), fitted().predict_proba(FRAME))


def test_trust_changes_nothing_for_a_safetensors_file(path):
    np.testing.assert_array_equal(load(save(fitted(), path), trust=True).means_, fitted().means_)
    path.write_bytes(b"\x89PNG" + bytes(100))
    refused(path, "not a mixturelab model file", trust=True)


def test_a_damaged_or_foreign_pickle_is_one_line(tmp_path):
    path = save_joblib(fitted(), tmp_path / "model.joblib")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="is a damaged pickle") as caught:
        load(path, trust=True)
    assert "\n" not in str(caught.value)
    path.write_bytes(pickle.dumps({"means": 1}))
    with pytest.raises(ModelFileError, match=r"holds a dict; wanted a mixturelab\.Gaus"):
        load(path, trust=True)

"""The view file: what was written comes back, and nothing else is taken for a view."""

import json
import os

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from watch.views import a_view

from mixturelab.exceptions import DataError, ModelFileError
from mixturelab.watch.view import VIEW, decode, encode, read_view


@pytest.mark.parametrize("k", [0, 1, 5])
@pytest.mark.parametrize("status", ["training", "finished", "interrupted"])
def test_what_is_written_comes_back(k, status):
    view = a_view(n=30, k=k, step=41, n_steps=100, status=status, steps_per_second=12.5)
    back = decode(encode(view))
    assert (back.step, back.n_steps, back.status, back.steps_per_second) == (41, 100, status, 12.5)
    for name in ("points", "responsibilities", "weights", "means", "covariances", "axes", "shares"):
        np.testing.assert_array_equal(getattr(back, name), getattr(view, name).astype(np.float32))
    assert np.isnan(decode(encode(a_view())).steps_per_second)


def test_a_file_of_500_images_and_ten_components_is_small():
    assert len(encode(a_view(n=500, k=10))) < 40_000


def test_it_is_read_from_its_folder_or_by_its_name(tmp_path):
    (tmp_path / VIEW).write_bytes(encode(a_view(step=3)))
    assert read_view(tmp_path).step == read_view(tmp_path / VIEW).step == 3


@pytest.mark.parametrize("end", [0, 1, 7, 8, 9, 60, 200, -1])
def test_a_file_that_is_cut_off_is_no_view(end):
    with pytest.raises(ModelFileError, match=VIEW):
        decode(encode(a_view())[:end])


class Runs:
    """A pickle that would make a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_pickle_is_no_view_and_is_not_run(tmp_path):
    target = tmp_path / "made"
    torch.save(Runs(target), tmp_path / VIEW)
    with pytest.raises(ModelFileError):
        read_view(tmp_path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("parts", "about"),
    [
        ({"points": np.zeros((3, 3), np.float32)}, {}),
        ({"responsibilities": np.zeros((4, 2), np.float32)}, {}),
        ({"covariances": np.zeros((2, 2), np.float32)}, {}),
        ({"points": np.full((30, 2), np.nan, np.float32)}, {}),
        ({}, {"format": 99}),
        ({}, {"status": "exploded"}),
        ({}, {"step": "soon"}),
        ({}, {"step": None}),
    ],
)
def test_other_content_is_no_view(parts, about):
    view = a_view(n=30, k=2)
    names = ("points", "responsibilities", "weights", "means", "covariances", "axes", "shares")
    arrays = {name: getattr(view, name).astype(np.float32) for name in names} | parts
    header = {"format": 1, "step": 1, "n_steps": 2, "status": "training", "steps_per_second": "1.0"} | about
    with pytest.raises(ModelFileError):
        decode(save(arrays, {"view": json.dumps(header)}))
    with pytest.raises(ModelFileError):
        decode(save(arrays))


def test_none_is_said_to_be_missing(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_view(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_view(tmp_path / "nowhere")

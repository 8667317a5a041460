"""What the tests of scoring share: small fitted models in files, and tables to score."""

import io
import warnings

import numpy as np
import pandas as pd
import pytest

from mixturelab import GaussianMixture
from mixturelab.persistence import save
from mixturelab.scoring import Job, run

NAMES = ["a", "b", "c"]


def rows(n: int, seed: int = 0) -> np.ndarray:
    """Three groups in three dimensions."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) * [1, 20, 0.3] + rng.integers(0, 3, size=(n, 1)) * [3, 40, 1]


@pytest.fixture(scope="session")
def model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianMixture(3, random_state=0, max_iter=20).fit(pd.DataFrame(rows(400, 1), columns=NAMES))


@pytest.fixture(scope="session")
def nameless(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = GaussianMixture(3, random_state=0, max_iter=20).fit(rows(400, 1))
    return save(fitted, tmp_path_factory.mktemp("model") / "nameless.safetensors")


@pytest.fixture(scope="session")
def model_file(model, tmp_path_factory):
    return save(model, tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture
def frame():
    return pd.DataFrame(rows(5000), columns=NAMES)


@pytest.fixture
def score(model_file, tmp_path):
    """Score a table: bytes go to a file of that name first."""

    def score(source, out="out.csv", name="in.csv", **options):
        if isinstance(source, bytes):
            (tmp_path / name).write_bytes(source)
            source = tmp_path / name
        target = out if out == "-" else tmp_path / out
        stdin = options.pop("stdin", None)
        stdout = io.BytesIO()
        job = Job(options.pop("model", model_file), source, target, **options)
        summary = run(job, stdin=None if stdin is None else io.BytesIO(stdin), stdout=stdout)
        return stdout.getvalue() if out == "-" else summary

    return score

"""mclust's numbers: the same maxima from the same starts, and the same criteria."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from oracles import dense

from mixturelab import GaussianMixture

HERE = Path(__file__).parents[1] / "reference" / "mclust"
LETTERS = {"VVV": "full", "EEE": "tied", "VVI": "diag", "VII": "spherical"}
FITS = sorted(path.stem.removesuffix("_me") for path in (HERE / "fits").glob("*.json"))


def _table(path: Path) -> np.ndarray:
    with path.open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    width = len(rows[0]) - (rows[0][-1] == "class")
    return np.array([[float(cell) for cell in row[:width]] for row in rows[1:]])


def _sigma(model: GaussianMixture) -> np.ndarray:
    return dense(model.covariances_, model.covariance_type, *model.means_.shape)


def test_there_are_references():
    assert len(FITS) == 8


@pytest.mark.parametrize("letters", LETTERS)
@pytest.mark.parametrize("name", FITS)
def test_the_same_maximum_from_the_same_start(name, letters):
    data, components, *_ = name.split("_")
    fit = json.loads((HERE / "fits" / f"{name}_me.json").read_text())["fits"][letters]
    assert fit["ok"]
    x, start = _table(HERE / "data" / f"{data}.csv"), _table(HERE / "z_init" / f"{name}.csv")
    model = GaussianMixture(
        int(components[1:]),
        covariance_type=LETTERS[letters],
        init_params=start,
        reg_covar=0,
        tol=1e-12,
        max_iter=100_000,
    ).fit(x)
    assert model.converged_
    assert model.score(x) * len(x) == pytest.approx(fit["loglik"], abs=1e-5)
    assert model._n_parameters() == fit["nparams"]
    assert -model.bic(x) == pytest.approx(fit["bic_mclust"], abs=2e-5)
    np.testing.assert_allclose(model.weights_, fit["pro"], rtol=1e-3)
    np.testing.assert_allclose(model.means_, fit["mean"], rtol=1e-3)
    sigma = np.array(fit["sigma"])
    np.testing.assert_allclose(_sigma(model), sigma, rtol=1e-3, atol=1e-3 * np.abs(sigma).max())
    np.testing.assert_allclose(model.predict_proba(x), fit["z"], atol=2e-3)

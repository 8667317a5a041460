"""Log-joints from products: equal to those through residuals, also for rows so far out that they are read again."""

import numpy as np
import pytest
import torch

from mixturelab import GaussianMixture
from mixturelab.model.covariance import FAMILIES
from mixturelab.model.params import MixtureParameters
from mixturelab.scoring import Scorer, scorer
from mixturelab.scoring.products import products_of

D, K = 6, 9


def rows(n: int, seed: int = 0) -> np.ndarray:
    centres = 2 * np.random.default_rng(100).normal(size=(K, D))
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, D)) + centres[rng.integers(0, K, size=n)]


@pytest.fixture(scope="module", params=["full", "diag", "spherical"])
def model(request):
    return GaussianMixture(
        K, covariance_type=request.param, random_state=0, max_iter=3, tol=1e3, reg_covar=1e-2
    ).fit(rows(3000))


def both(model, x, monkeypatch):
    """Scores by products, and by residuals alone."""
    by_products = Scorer(model)
    assert by_products._products is not None
    with monkeypatch.context() as patch:
        patch.setattr(scorer, "products_of", lambda parameters: None)
        return by_products(x), Scorer(model)(x)


def test_products_give_what_residuals_give(model, monkeypatch):
    x = rows(20_000, 1)
    found, expected = both(model, x, monkeypatch)
    np.testing.assert_allclose(found.log_density, expected.log_density, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.responsibilities, expected.responsibilities, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.responsibilities, model.predict_proba(x), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.component, found.responsibilities.argmax(axis=1))
    np.testing.assert_array_equal(found.uncertainty, 1 - found.responsibilities.max(axis=1))


def test_rows_far_out_are_read_again_to_the_last_bit(model, monkeypatch):
    x = rows(5000, 2)
    far = np.arange(0, 5000, 7)
    x[far] *= 10.0 ** np.random.default_rng(0).uniform(3, 150, size=(len(far), 1))
    x[3], x[10] = np.nan, np.inf
    found, expected = both(model, x, monkeypatch)
    np.testing.assert_allclose(found.log_density, expected.log_density, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.responsibilities, expected.responsibilities, rtol=0, atol=1e-12)
    parts = [Scorer(model).at(x[start : start + 333], start) for start in range(0, 5000, 333)]
    whole = Scorer(model).at(x, 0)
    np.testing.assert_array_equal(np.concatenate([p.log_density for p in parts]), whole.log_density)
    np.testing.assert_array_equal(np.concatenate([p.responsibilities for p in parts]), whole.responsibilities)


def test_the_bound_is_one(model):
    """Against the sum of magnitudes itself."""
    products = products_of(model._parameters(torch.float64, torch.device("cpu")))
    x = torch.from_numpy(rows(500, 3) * 5).T
    features = torch.ones(products._theta.shape[1], x.shape[1], dtype=torch.float64)
    products.features(x, features)
    magnitudes = (products._theta.abs() @ features.abs()).amax(0)
    bound = products._bound[0] + products._bound[1:] @ features[1 : 1 + D].square()
    assert (magnitudes <= bound * (1 + 1e-12)).all()
    assert (magnitudes >= bound / 1000).any()


def test_a_model_for_which_products_are_not_exact_does_not_take_them():
    means = torch.from_numpy(rows(K))
    covariances = torch.eye(D, dtype=torch.float64).expand(K, D, D)
    weights = torch.full((K,), 1 / K, dtype=torch.float64)
    for factor, is_taken in [(1, True), (1e4, False)]:
        spread = MixtureParameters(weights, factor * means, covariances, FAMILIES["full"])
        assert (products_of(spread) is not None) == is_taken

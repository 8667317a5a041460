"""GaussianMixture with a prior (MAP): singular data, a bound that never falls, and what is refused."""

import pickle

import numpy as np
import pytest
import torch
from oracles import FAMILIES
from sklearn.base import clone

from mixturelab import GaussianMixture
from mixturelab.exceptions import ArgumentError, CollapsedComponentError, DegenerateFitWarning
from mixturelab.inference.fit import Status
from mixturelab.model.quadratic import summarise
from mixturelab.priors import Prior


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(0)
    return 5 * (np.arange(200) % 2)[:, None] + rng.normal(size=(200, 2)) @ [[1.0, 0.4], [0, 0.8]]


def _one_point():
    """Thirty rows of one group, and a component that starts on a single row: where likelihood is without bound."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(30, 2)), [[6.0, 6.0]]])
    return x, np.eye(2)[[0] * 30 + [1]]


@pytest.mark.parametrize("family", ["full", "diag", "spherical"])
def test_a_component_on_one_point_is_singular_without_a_prior_and_not_with_one(family):
    x, start = _one_point()
    settings = {"covariance_type": family, "init_params": start, "reg_covar": 0, "max_iter": 500, "tol": 1e-8}
    with pytest.raises(CollapsedComponentError):
        GaussianMixture(2, **settings).fit(x)
    model = GaussianMixture(2, prior=Prior(), **settings).fit(x)
    assert model.history_.status is Status.CONVERGED
    assert model.spurious_ == ()
    assert model._parameters(torch.float64, torch.device("cpu")).smallest_variance.min() > 0.01
    assert model.predict([[6.0, 6.0], [0, 0]]).tolist() == [1, 0]
    assert np.diff(model.lower_bounds_).min() > -1e-12


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:Number of distinct clusters:sklearn.exceptions.ConvergenceWarning")
def test_rounded_and_repeated_rows_give_a_model_without_a_ridge(family):
    """Fourteen equal values, as on Old Faithful's rounded minutes, and whole groups of equal rows."""
    rng = np.random.default_rng(1)
    x = np.concatenate([np.round(rng.normal(size=(60, 2))), np.repeat([[9.0, 9.0]], 14, axis=0)])
    model = GaussianMixture(
        4, covariance_type=family, prior=Prior(), reg_covar=0, random_state=0, n_init=3, max_iter=2000
    ).fit(x)
    assert np.isfinite(model.score(x))
    assert model._parameters(torch.float64, torch.device("cpu")).smallest_variance.min() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prior", [Prior(), Prior(3.0, 2.0, [1.0, -1.0], 7.0)])
def test_log_likelihood_plus_log_prior_never_falls_and_is_what_is_reported(groups, family, prior):
    for seed in range(3):
        model = GaussianMixture(
            4, covariance_type=family, prior=prior, reg_covar=0, init_params="random", random_state=seed,
            max_iter=3000, tol=1e-7,
        ).fit(groups)  # fmt: skip
        trace = np.array(model.history_.lower_bound)
        assert np.diff(trace).min() > -1e-12 * abs(trace).max()
        assert "the log-likelihood plus log prior, per row, changed by" in model.history_.reason
        engine = model._prior(summarise(torch.from_numpy(groups)))
        density = engine.log_density(model._parameters(torch.float64, torch.device("cpu")))
        assert model.score(groups) + density / len(groups) == pytest.approx(model.lower_bound_, abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_weak_prior_is_maximum_likelihood_where_there_are_many_rows(family):
    rng = np.random.default_rng(2)
    x = 6 * (np.arange(4000) % 2)[:, None] + rng.normal(size=(4000, 2))
    settings = {"covariance_type": family, "random_state": 0, "reg_covar": 0, "tol": 1e-8, "max_iter": 500}
    likely, probable = (GaussianMixture(2, prior=p, **settings).fit(x) for p in (None, Prior()))
    np.testing.assert_allclose(probable.means_, likely.means_, atol=1e-3)
    np.testing.assert_allclose(probable.covariances_, likely.covariances_, rtol=0.01, atol=5e-3)
    np.testing.assert_allclose(probable.weights_, likely.weights_, atol=1e-4)


def test_strong_priors_are_followed(groups):
    held = GaussianMixture(
        2, prior=Prior(mean=[100.0, 100.0], mean_precision=1e6), random_state=0, max_iter=2000
    ).fit(groups)
    np.testing.assert_allclose(held.means_, 100, rtol=0.01)
    even = GaussianMixture(2, prior=Prior(weight_concentration=1e6), random_state=0).fit(groups[:110])
    np.testing.assert_allclose(even.weights_, 0.5, atol=1e-3)
    small = GaussianMixture(
        2, prior=Prior(covariance=np.eye(2), degrees_of_freedom=1e6), random_state=0, max_iter=2000
    ).fit(groups)
    assert np.abs(small.covariances_).max() < 0.02


def test_the_default_scale_follows_the_units_of_each_column(groups):
    factor = np.array([1000.0, 0.01])
    a, b = (
        GaussianMixture(2, covariance_type="diag", prior=Prior(), init_params=np.eye(2)[np.arange(200) % 2])
        .set_params(reg_covar=0)
        .fit(x)
        for x in (groups, groups * factor)
    )
    np.testing.assert_allclose(b.covariances_, a.covariances_ * factor**2, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tensors_pickles_and_clones(groups, dtype):
    model = GaussianMixture(2, prior=Prior(), random_state=0).fit(torch.from_numpy(groups.astype(dtype)))
    assert isinstance(model.means_, torch.Tensor)
    again = pickle.loads(pickle.dumps(model))
    assert again.prior == Prior()
    assert clone(model).prior == Prior()


def test_a_constant_column_needs_a_ridge_or_a_covariance(groups):
    x = np.c_[groups, np.ones(200)]
    with pytest.raises(
        CollapsedComponentError, match=r"prior\.covariance is None.* give prior\.covariance, or increase"
    ):
        GaussianMixture(2, prior=Prior(), reg_covar=0).fit(x)
    given = GaussianMixture(2, prior=Prior(covariance=np.eye(3)), reg_covar=0, random_state=0).fit(x)
    assert np.isfinite(given.score(x))
    with pytest.warns(DegenerateFitWarning):
        GaussianMixture(2, random_state=0).fit(x)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("weak", r"prior is 'weak'; wanted a mixturelab\.Prior or None"),
        (Prior(weight_concentration=0.5), r"prior\.weight_concentration is 0\.5; wanted a number ≥ 1"),
        (Prior(mean_precision=0), r"prior\.mean_precision is 0; wanted a number > 0"),
        (Prior(mean=[1.0]), r"'prior\.mean' should have the shape of \(2,\), but got \(1,\)"),
        (
            Prior(degrees_of_freedom=1),
            r"'prior\.degrees_of_freedom' should be greater than 1, but got 1\.000",
        ),
        (
            Prior(covariance=np.eye(3)),
            r"'prior\.covariance' should have the shape of \(2, 2\), but got \(3, 3\)",
        ),
        (Prior(covariance=-np.eye(2)), r"prior\.covariance has a smallest eigenvalue of -1"),
    ],
)
def test_what_cannot_be_is_refused_by_name(groups, prior, message):
    with pytest.raises(ArgumentError, match=message):
        GaussianMixture(2, prior=prior).fit(groups)

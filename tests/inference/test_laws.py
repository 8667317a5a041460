"""Laws of a whole fit, on examples drawn by hypothesis: what EM may never do, and what must not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import FAMILIES

from mixturelab.inference.fit import Status, fit
from mixturelab.inference.initialise import parameters_from
from mixturelab.model.covariance import FAMILIES as REGISTRY

N, K, D = 120, 3, 2


def _data(seed):
    rng = np.random.default_rng(seed)
    centres = 4 * rng.normal(size=(K, D))
    x = centres[rng.integers(0, K, N)] + rng.normal(size=(N, D)) @ rng.normal(size=(D, D))
    return torch.from_numpy(x), torch.from_numpy(rng.dirichlet(np.full(K, 0.5), size=N))


def _fit(x, gamma, family, iterations=15, reg_covar=0.0):
    start = parameters_from(x, gamma, REGISTRY[family], reg_covar)
    return fit(x, start, reg_covar=reg_covar, tol=0.0, max_iter=iterations)


seeds = st.integers(0, 100_000)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25)
@given(seed=seeds)
def test_the_evidence_never_falls(family, seed):
    trace = np.array(_fit(*_data(seed), family, 40).history.log_likelihood)
    assert np.diff(trace).min() > -1e-12 * max(1, np.abs(trace).max())


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10)
@given(seed=seeds)
def test_the_order_of_rows_and_of_components_does_not_matter(family, seed):
    x, gamma = _data(seed)
    rng = np.random.default_rng(seed)
    rows, columns = torch.from_numpy(rng.permutation(N)), torch.from_numpy(rng.permutation(K))
    a = _fit(x, gamma, family).parameters
    b = _fit(x[rows], gamma[rows][:, columns], family).parameters
    torch.testing.assert_close(b.means, a.means[columns], rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(b.dense_covariances(), a.dense_covariances()[columns], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10)
@given(seed=seeds, shift=st.floats(-1e4, 1e4), factor=st.sampled_from([0.01, 0.5, 2.0, 1000.0]))
def test_translation_and_scale_act_as_they_must(family, seed, shift, factor):
    x, gamma = _data(seed)
    a, b = _fit(x, gamma, family), _fit(factor * x + shift, gamma, family)
    p, q = a.parameters, b.parameters
    tolerance = {"rtol": 1e-5, "atol": 1e-6 * factor}
    torch.testing.assert_close(q.means, factor * p.means + shift, **tolerance)
    torch.testing.assert_close(q.covariances, factor**2 * p.covariances, rtol=1e-5, atol=1e-6 * factor**2)
    # The density of a scaled variable is divided by the factor, once for each feature.
    assert b.lower_bound == pytest.approx(a.lower_bound - D * np.log(factor), abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10)
@given(seed=seeds)
def test_doubling_every_row_changes_nothing(family, seed):
    x, gamma = _data(seed)
    a, b = _fit(x, gamma, family), _fit(x.repeat(2, 1), gamma.repeat(2, 1), family)
    torch.testing.assert_close(b.parameters.covariances, a.parameters.covariances, rtol=1e-7, atol=1e-8)
    assert b.lower_bound == pytest.approx(a.lower_bound, rel=1e-10)


@pytest.mark.parametrize("family", ["full", "tied"])
@settings(max_examples=10)
@given(seed=seeds)
def test_rotation_turns_means_and_covariances(family, seed):
    x, gamma = _data(seed)
    angle = seed % 360
    turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    p, q = (_fit(rows, gamma, family).parameters for rows in (x, x @ turn.T))
    torch.testing.assert_close(q.means, p.means @ turn.T, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(q.covariances, turn @ p.covariances @ turn.T, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_why_a_fit_stopped(family):
    x, gamma = _data(0)
    start = parameters_from(x, gamma, REGISTRY[family], 1e-6)
    done = fit(x, start, tol=1e-3, max_iter=500).history
    assert done.status is Status.CONVERGED
    assert f"Converged at iteration {len(done)}" in done.reason
    short = fit(x, start, tol=0, max_iter=3).history
    assert short.status is Status.MAX_ITER
    assert "max_iter=3" in short.reason
    none = fit(x, start, max_iter=0)
    assert none.history.status is Status.INITIALISED
    assert none.n_iter == 0
    torch.testing.assert_close(none.parameters.means, start.means)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_collapse_ends_at_the_last_valid_parameters(family):
    """Half of the rows are one point; without a ridge a component shrinks onto it (tied cannot: it pools)."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(np.concatenate([np.zeros((30, 2)), 5 + rng.normal(size=(30, 2))]))
    gamma = torch.full((60, 2), 0.02).double()
    gamma[:30, 0], gamma[30:, 1] = 0.98, 0.98
    start = parameters_from(x, gamma, REGISTRY[family], 0.0)
    run = fit(x, start, reg_covar=0.0, tol=0, max_iter=200)
    assert bool(run.parameters.is_positive)
    assert torch.isfinite(run.parameters.means).all()
    if family == "tied":
        assert run.history.status is Status.MAX_ITER
    else:
        assert run.history.status is Status.COLLAPSED
        assert "Raise reg_covar" in run.history.reason

"""Densities, responsibilities, marginals, conditionals and samples against scipy."""

import numpy as np
import pytest
import torch
from oracles import FAMILIES, dense, log_joint, random_mixture
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from mixturelab.model import density
from mixturelab.model.params import make_parameters


def _parameters(family, k=3, d=2, seed=0, **kw):
    raw = random_mixture(np.random.default_rng(seed), family, k, d, **kw)
    return raw, make_parameters(*(torch.from_numpy(np.asarray(v)) for v in raw), covariance_type=family)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [1, 2, 5, 40])
def test_log_joint_and_density_equal_scipys(family, d):
    raw, parameters = _parameters(family, k=4, d=d)
    x = 4 * np.random.default_rng(1).normal(size=(50, d))
    wanted = log_joint(x, *raw, family)
    np.testing.assert_allclose(density.log_joint(torch.from_numpy(x), parameters), wanted, rtol=1e-10)
    found = density.log_density(torch.from_numpy(x), parameters)
    np.testing.assert_allclose(found, logsumexp(wanted, axis=1), rtol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_posterior_sums_to_one_where_every_density_underflows(family):
    raw, parameters = _parameters(family)
    x = torch.full((3, 2), 1e4).double() * torch.tensor([[1.0], [-1.0], [3.0]]).double()
    gamma = density.posterior(x, parameters)
    assert np.exp(log_joint(x.numpy(), *raw, family)).max() == 0  # nothing left without logarithms
    torch.testing.assert_close(gamma.sum(1), torch.ones(3).double())
    assert torch.equal(density.assignment(x, parameters), gamma.argmax(1))


def test_a_row_beyond_every_float_gets_no_information_instead_of_nan():
    _, parameters = _parameters("full")
    gamma = density.posterior(torch.full((1, 2), 1e200, dtype=torch.float64), parameters)
    torch.testing.assert_close(gamma, torch.full((1, 3), 1 / 3).double())


def test_chunks_change_nothing(monkeypatch):
    _, parameters = _parameters("full")
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1000, 2)))
    whole = density.log_density(x, parameters)
    monkeypatch.setattr(density, "chunk_rows", lambda *_: 7)
    torch.testing.assert_close(density.log_density(x, parameters), whole, rtol=1e-14, atol=0)


def test_float32_holds_at_an_offset():
    _raw, parameters = _parameters("full")
    x = torch.from_numpy(np.random.default_rng(0).integers(-4, 4, size=(200, 2))).double()
    means = parameters.means.round()
    near = make_parameters(parameters.weights, means, parameters.covariances)
    far = make_parameters(parameters.weights, means + 65536, parameters.covariances)
    wanted = density.log_density(x, near)
    found = density.log_density((x + 65536).float(), far)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_marginal_and_conditional(family):
    (weights, means, covariances), parameters = _parameters(family, k=3, d=4, spread=1.0)
    sigma = dense(covariances, family, 3, 4)
    keep, given = [2, 0], [1, 3]
    x, values = np.array([[0.3, -0.2]]), np.array([0.5, 0.1])
    marginal = density.marginal(parameters, keep)
    wanted = logsumexp(
        [
            np.log(weights[k]) + multivariate_normal(means[k][keep], sigma[k][np.ix_(keep, keep)]).logpdf(x)
            for k in range(3)
        ]
    )
    assert float(density.log_density(torch.from_numpy(x), marginal)[0]) == pytest.approx(wanted, rel=1e-12)
    # p(a | b) = p(a, b) / p(b), with the features in their own order.
    conditional = density.conditional(parameters, given, torch.from_numpy(values))
    joint = np.array([[x[0, 1], values[0], x[0, 0], values[1]]])
    below = density.log_density(torch.from_numpy(values[None]), density.marginal(parameters, given))
    expected = density.log_density(torch.from_numpy(joint), parameters) - below
    found = density.log_density(torch.from_numpy(x[:, ::-1].copy()), conditional)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_have_the_mixtures_moments(family):
    (weights, means, covariances), parameters = _parameters(family)
    rows, labels = density.sample(parameters, 200_000, torch.Generator().manual_seed(0))
    sigma = dense(covariances, family, 3, 2)
    for k in range(3):
        mine = rows[labels == k].numpy()
        assert len(mine) / len(rows) == pytest.approx(weights[k], abs=0.005)
        np.testing.assert_allclose(mine.mean(0), means[k], atol=0.04)
        np.testing.assert_allclose(np.cov(mine.T), sigma[k], atol=0.06)
    again, _ = density.sample(parameters, 200_000, torch.Generator().manual_seed(0))
    assert torch.equal(rows, again)

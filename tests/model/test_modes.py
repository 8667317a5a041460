"""The prior of MAP-EM: its log density against SciPy, and that the M-step is the maximum."""

import math

import numpy as np
import pytest
import torch
from oracles import FAMILIES, dense, e_step, random_mixture
from scipy.stats import dirichlet, invgamma, invwishart, multivariate_normal

from mixturelab.inference.em import e_step as statistics_of
from mixturelab.model.covariance import FAMILIES as REGISTRY
from mixturelab.model.modes import ParameterPrior
from mixturelab.model.params import MixtureParameters

K, D = 3, 2


def _prior(family, seed=0, alpha=2.0, kappa=0.4, nu=5.5):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(D, D)) + np.eye(D)
    scale = {
        "full": root @ root.T,
        "tied": root @ root.T,
        "diag": np.array([0.7, 2.0]),
        "spherical": np.array(1.3),
    }[family]
    shape = REGISTRY[family].form.shape(K, D)
    return ParameterPrior(
        torch.full((K,), alpha, dtype=torch.float64),
        torch.from_numpy(rng.normal(size=D)),
        kappa,
        nu,
        torch.from_numpy(np.broadcast_to(scale, shape).copy()),
        REGISTRY[family],
    )


def _parameters(family, seed=1):
    weights, means, covariances = random_mixture(np.random.default_rng(seed), family, K, D)
    return MixtureParameters(
        *(torch.from_numpy(np.asarray(v)) for v in (weights, means, covariances)), REGISTRY[family]
    )


def _by_scipy(prior, parameters):
    family = prior.family.name
    total = dirichlet(prior.concentration.numpy()).logpdf(parameters.weights.numpy())
    sigma = dense(parameters.covariances.numpy(), family, K, D)
    for mean, covariance in zip(parameters.means.numpy(), sigma, strict=True):
        total += multivariate_normal(prior.mean.numpy(), covariance / prior.mean_precision).logpdf(mean)
    nu, scale = prior.degrees_of_freedom, prior.scale.numpy()
    if family == "full":
        total += sum(
            invwishart(nu, s).logpdf(c) for s, c in zip(scale, parameters.covariances.numpy(), strict=True)
        )
    elif family == "tied":
        total += invwishart(nu, scale).logpdf(parameters.covariances.numpy())
    else:
        total += invgamma(nu / 2, scale=scale / 2).logpdf(parameters.covariances.numpy()).sum()
    return total


@pytest.mark.parametrize("family", FAMILIES)
def test_the_log_density_is_scipys(family):
    prior, parameters = _prior(family), _parameters(family)
    assert prior.log_density(parameters) == pytest.approx(_by_scipy(prior, parameters), rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_m_step_is_a_maximum_of_expected_log_likelihood_plus_log_prior(family):
    """Automatic differentiation finds no slope there, in coordinates that are free (log weights, Cholesky factors)."""
    prior, start = _prior(family), _parameters(family)
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(50, D)) * 2)
    gamma, _ = e_step(
        x.numpy(), *(v.numpy() for v in (start.weights, start.means, start.covariances)), family
    )
    found = prior.mode(statistics_of(x, start)[0])
    gamma = torch.from_numpy(gamma)
    free = [found.weights.log(), found.means.clone(), _root(found.covariances, family)]
    for value in free:
        value.requires_grad_()

    def objective(log_weights, means, root):
        weights = torch.softmax(log_weights, 0)
        sigma = {
            "full": lambda: root @ root.mT,
            "tied": lambda: (root @ root.mT).expand(K, D, D),
            "diag": lambda: torch.diag_embed(root**2),
            "spherical": lambda: (root**2)[:, None, None] * torch.eye(D, dtype=torch.float64),
        }
        covariances = sigma[family]()
        total = torch.zeros((), dtype=torch.float64)
        for k in range(K):
            law = torch.distributions.MultivariateNormal(means[k], covariances[k])
            total = total + gamma[:, k] @ (law.log_prob(x) + weights[k].log())
            total = total + torch.distributions.MultivariateNormal(
                prior.mean, covariances[k] / prior.mean_precision
            ).log_prob(means[k])
        total = total + ((prior.concentration - 1) * weights.log()).sum()
        nu = prior.degrees_of_freedom
        if family in ("full", "tied"):
            each = covariances if family == "full" else covariances[:1]
            scale = prior.scale if family == "full" else prior.scale[None]
            return total - 0.5 * (
                (nu + D + 1) * torch.logdet(each).sum() + (torch.linalg.inv(each) * scale).sum()
            )
        return total - ((nu / 2 + 1) * (root**2).log() + 0.5 * prior.scale / root**2).sum()

    gradients = torch.autograd.grad(objective(*free), free)
    for gradient in gradients:
        assert float(gradient.abs().max()) < 1e-8


def _root(covariances, family):
    return torch.linalg.cholesky(covariances) if family in ("full", "tied") else covariances.sqrt()


@pytest.mark.parametrize("family", FAMILIES)
def test_without_rows_the_mode_is_that_of_the_prior(family):
    """A component without rows, and one with rows at a single point, have a covariance all the same."""
    prior = _prior(family)
    statistics = statistics_of(torch.zeros(5, D, dtype=torch.float64) + 1, _parameters(family))[0]
    nothing = statistics.scale(0.0)
    found = prior.mode(nothing)
    torch.testing.assert_close(found.means, prior.mean.expand(K, D))
    assert bool(found.is_positive)
    assert bool(prior.mode(statistics).is_positive)
    width = D if family in ("full", "tied") else 1
    count = {"full": 1, "diag": 1, "tied": K, "spherical": D}[family]
    torch.testing.assert_close(found.covariances, prior.scale / (5.5 + width + 1 + count))
    assert math.isfinite(prior.log_density(found))

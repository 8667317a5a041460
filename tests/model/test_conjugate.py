"""Dirichlet, stick-breaking and Normal–Wishart against SciPy, quadrature and draws; the predictive density."""

import math

import numpy as np
import pytest
import torch
from bayes_oracles import KINDS
from oracles import FAMILIES
from scipy.stats import beta as beta_law
from scipy.stats import dirichlet, gamma, multivariate_normal, norm, wishart

from mixturelab.model.conjugate import ConjugateMixture, Dirichlet, NormalWishart, StickBreaking
from mixturelab.model.covariance import FAMILIES as REGISTRY
from mixturelab.model.predictive import log_predictive

DRAWS = 40_000


def t(value):
    return torch.tensor(value, dtype=torch.float64)


def _normal_wishart(rng, family, k=2, d=2):
    form = REGISTRY[family].form
    root = rng.normal(size=(k, d, d)) + 2 * np.eye(d)
    full = root @ root.swapaxes(1, 2)
    covariance = {
        "full": full,
        "tied": full[0],
        "diag": full.diagonal(axis1=1, axis2=2).copy(),
        "spherical": full[:, 0, 0].copy(),
    }[family]
    assert covariance.shape == form.shape(k, d)
    nu = np.full(k, d + 1 + rng.random()) if family == "tied" else d + 3 * rng.random(k)
    return NormalWishart(
        t(rng.normal(size=(k, d))), t(0.3 + rng.random(k)), t(nu), t(covariance), REGISTRY[family]
    )


def _dense(belief):
    k, d = belief.mean.shape
    return belief.form.dense(belief.covariance, k, d).numpy()


def _within(values, wanted, errors=5):
    """The mean of draws, within so many standard errors."""
    assert abs(values.mean() - wanted) < errors * values.std() / math.sqrt(len(values))


# --------------------------------------------------------------------------------------------------------- weights


def test_dirichlet_moments_and_divergence_against_scipy_and_draws():
    p, q = Dirichlet(t([0.4, 2.0, 7.0])), Dirichlet(t([1.0, 1.5, 3.0]))
    draws = np.random.default_rng(0).dirichlet(p.concentration, DRAWS)
    np.testing.assert_allclose(p.mean, dirichlet(p.concentration.numpy()).mean())
    _within(np.log(draws[:, 0]), float(p.expected_log[0]))
    ratio = [dirichlet(b.concentration.numpy()).logpdf(draws.T) for b in (p, q)]
    _within(ratio[0] - ratio[1], float(p.kl(q)))
    assert float(p.kl(p)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("alpha", [1e-8, 0.3, 1e4, 1e6, 1e8, 1e12, 1e15])
def test_divergences_keep_their_digits_under_any_concentration(alpha):
    """Log Γ of large numbers cancels: the log-probabilities of rows by their one-by-one products do not."""
    mass = [5.0, 0.0, 2.0]
    prior = Dirichlet(t([alpha] * 3))
    after = prior.plus(t(mass))
    rows = [math.log((alpha + i) / (3 * alpha + n)) for n, i in enumerate([0, 1, 2, 3, 4, 0, 1])]
    assert after.kl(prior) == pytest.approx(float(t(mass) @ after.expected_log) - sum(rows), abs=1e-6)
    sticks = StickBreaking(t([1.0]), t([alpha]))  # all rows on the first stick
    after = sticks.plus(t([7.0]))
    rows = [math.log((1 + i) / (1 + alpha + i)) for i in range(7)]
    assert after.kl(sticks) == pytest.approx(float(7 * after.expected_log) - sum(rows), abs=1e-6)


def test_stick_breaking_moments_and_divergence_against_draws():
    p, q = (
        StickBreaking(t([1.5, 4.0, 2.0]), t([3.0, 0.7, 1.1])),
        StickBreaking(t([1.0, 1, 1]), t([0.6, 0.6, 0.6])),
    )
    rng = np.random.default_rng(0)
    v = rng.beta(p.first, p.second, size=(DRAWS, 3))
    pi = v * np.cumprod(np.c_[np.ones(DRAWS), 1 - v[:, :-1]], axis=1)
    for k in range(3):
        _within(pi[:, k], float(p.mean[k]))
        _within(np.log(pi[:, k]), float(p.expected_log[k]))
    _within(1 - pi.sum(1), float(p.left_over))
    assert float(p.left_over + p.mean.sum()) == pytest.approx(1)
    ratio = [beta_law(b.first.numpy(), b.second.numpy()).logpdf(v).sum(1) for b in (p, q)]
    _within(ratio[0] - ratio[1], float(p.kl(q)))
    assert float(p.kl(p)) == pytest.approx(0, abs=1e-12)


def test_sticks_count_the_rows_of_their_component_and_of_those_after_it():
    after = StickBreaking(t([1.0, 1, 1]), t([0.5, 0.5, 0.5])).plus(t([10.0, 20, 5]))
    assert after.first.tolist() == [11, 21, 6]
    assert after.second.tolist() == [25.5, 5.5, 0.5]


# ------------------------------------------------------------------------------------------------- means and precisions


@pytest.mark.parametrize("family", FAMILIES)
def test_normal_wishart_divergence_and_log_determinant_against_draws(family):
    rng = np.random.default_rng(1)
    p, q = _normal_wishart(rng, family), _normal_wishart(rng, family)
    ratio, n = np.zeros(4000), 4000
    for k in range(2):
        nu, c = float(p.degrees_of_freedom[k]), _dense(p)[k]
        laws = [wishart(float(b.degrees_of_freedom[k]), np.linalg.inv(_dense(b)[k]) / float(b.degrees_of_freedom[k]))
                for b in (p, q)]  # fmt: skip
        lam = laws[0].rvs(n, random_state=rng)
        log_dets = np.linalg.slogdet(lam)[1]
        expected = 2 * float(p.half_digammas[k] + p.half_log_det_scale[k]) + 2 * math.log(2)
        _within(log_dets, expected)
        assert float(p.half_log_det_scale[k]) == pytest.approx(-0.5 * np.linalg.slogdet(nu * c)[1])
        ratio += laws[0].logpdf(lam.transpose(1, 2, 0)) - laws[1].logpdf(lam.transpose(1, 2, 0))
        root = np.linalg.cholesky(np.linalg.inv(lam) / float(p.mean_precision[k]))
        mu = p.mean[k].numpy() + (root @ rng.normal(size=(n, 2, 1)))[..., 0]
        for sign, b in ((1, p), (-1, q)):
            away, beta = mu - b.mean[k].numpy(), float(b.mean_precision[k])
            ratio += sign * (np.log(beta) - 0.5 * beta * np.einsum("ni,nij,nj->n", away, lam, away))
    _within(ratio, float(p.kl(q)))
    assert float(p.kl(p)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_in_one_dimension_the_divergence_is_an_integral(family):
    """Every family is a Normal–gamma then: quadrature over log λ, and over μ in closed form."""
    shape = REGISTRY[family].form.shape(1, 1)
    p, q = (
        NormalWishart(t([[m]]), t([b]), t([nu]), t(np.full(shape, c)), REGISTRY[family])
        for m, b, nu, c in ((0.3, 2.0, 4.0, 1.5), (-0.5, 0.7, 1.2, 0.8))
    )
    log_lam = np.linspace(-25, 6, 60_001)
    lam = np.exp(log_lam)
    laws = [gamma(nu / 2, scale=2 / (nu * c)) for nu, c in ((4.0, 1.5), (1.2, 0.8))]
    of_means = 0.5 * (0.7 / 2 - 1 + math.log(2 / 0.7) + 0.7 * lam * 0.8**2)
    integrand = laws[0].pdf(lam) * (laws[0].logpdf(lam) - laws[1].logpdf(lam) + of_means) * lam
    assert float(p.kl(q)) == pytest.approx(np.trapezoid(integrand, log_lam), rel=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_scatter_is_what_the_covariance_was_made_of(family):
    belief = _normal_wishart(np.random.default_rng(2), family)
    again = belief.family.estimate(belief.degrees_of_freedom, belief.scatter, 2)
    torch.testing.assert_close(again, belief.covariance)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_e_steps_mixture_is_the_expected_log_joint(family, kind):
    rng = np.random.default_rng(3)
    parts = _normal_wishart(rng, family)
    weights = Dirichlet(t([2.0, 5.0])) if kind == KINDS[1] else StickBreaking(t([2.0, 3.0]), t([4.0, 1.0]))
    mixture = ConjugateMixture(weights, parts).expected
    constant = mixture.log_weights + mixture.log_det - math.log(2 * math.pi)
    x = rng.normal(size=2)
    for k in range(2):
        nu, beta = float(parts.degrees_of_freedom[k]), float(parts.mean_precision[k])
        lam = wishart(nu, np.linalg.inv(_dense(parts)[k]) / nu).rvs(DRAWS, random_state=rng)
        root = np.linalg.cholesky(np.linalg.inv(lam) / beta)
        mu = parts.mean[k].numpy() + (root @ rng.normal(size=(DRAWS, 2, 1)))[..., 0]
        log_n = 0.5 * np.linalg.slogdet(lam)[1] - 0.5 * np.einsum("ni,nij,nj->n", x - mu, lam, x - mu)
        away = x - parts.mean[k].numpy()
        found = float(constant[k]) - 0.5 * away @ np.linalg.solve(_dense(parts)[k], away)
        _within(log_n - math.log(2 * math.pi) + float(weights.expected_log[k]), found)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_predictive_density_is_the_mean_density_of_draws(family):
    """p(x) = E[Σ_k π_k N(x | μ_k, Λ_k⁻¹)] with weights, means and precisions drawn from the posterior."""
    rng = np.random.default_rng(4)
    parts = _normal_wishart(rng, family)
    posterior = ConjugateMixture(Dirichlet(t([2.0, 5.0])), parts)
    x, n = np.array([0.4, -1.0]), 20_000
    pi = rng.dirichlet([2.0, 5.0], n)
    density = np.zeros(n)
    for k in range(2):
        nu, beta = float(parts.degrees_of_freedom[k]), float(parts.mean_precision[k])
        lam = wishart(nu, np.linalg.inv(_dense(parts)[k]) / nu).rvs(n, random_state=rng)
        root = np.linalg.cholesky(np.linalg.inv(lam) / beta)
        away = x - parts.mean[k].numpy() - (root @ rng.normal(size=(n, 2, 1)))[..., 0]
        quadratic = np.einsum("ni,nij,nj->n", away, lam, away)
        density += pi[:, k] * np.sqrt(np.linalg.det(lam)) / (2 * np.pi) * np.exp(-0.5 * quadratic)
    _within(density, math.exp(float(log_predictive(t(x[None]), posterior, posterior)[0])))


def test_scipys_laws_are_the_ones_meant():
    """The names above in one known case each."""
    assert wishart(3.0, 2.0).mean() == pytest.approx(6)
    assert multivariate_normal([0.0], [[4.0]]).pdf(0) == pytest.approx(norm(0, 2).pdf(0))

"""Variational Bayes: the bound against exact evidences, what it may never do, and that each posterior is its best."""

import numpy as np
import pytest
import torch
from bayes_oracles import KINDS, NormalWishartPrior, log_evidence
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import FAMILIES

from mixturelab.inference.fit import Status, fit_posterior
from mixturelab.inference.initialise import posterior_from
from mixturelab.inference.variational import elbo, vb_e_step, vb_m_step
from mixturelab.model.conjugate import ConjugateMixture, Dirichlet, NormalWishart, StickBreaking
from mixturelab.model.covariance import FAMILIES as REGISTRY
from mixturelab.model.quadratic import summarise

seeds = st.integers(0, 100_000)


def _prior(oracle, alpha, kind, family, k):
    """The same prior for the engine; its W_0⁻¹ has to have the family's form."""
    d, form = len(oracle.m), REGISTRY[family].form
    inverse = {"full": oracle.inverse, "tied": oracle.inverse, "diag": np.diag(oracle.inverse).copy()}
    inverse = torch.as_tensor(inverse.get(family, oracle.inverse[0, 0]))
    concentration = torch.full((k,), alpha, dtype=torch.float64)
    weights = {
        "dirichlet_distribution": Dirichlet(concentration),
        "dirichlet_process": StickBreaking(torch.ones_like(concentration), concentration),
    }[kind]
    parts = NormalWishart(
        torch.from_numpy(oracle.m).expand(k, d),
        torch.full((k,), oracle.beta, dtype=torch.float64),
        torch.full((k,), oracle.nu, dtype=torch.float64),
        (inverse / oracle.nu).expand(form.shape(k, d)),
        REGISTRY[family],
    )
    return ConjugateMixture(weights, parts)


def _data(seed, n=90, k=3, d=2):
    rng = np.random.default_rng(seed)
    centres = 4 * rng.normal(size=(k, d))
    x = centres[rng.integers(0, k, n)] + rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return torch.from_numpy(x), torch.from_numpy(rng.dirichlet(np.full(k, 0.5), size=n))


def _weak(x):
    d = x.shape[1]
    return NormalWishartPrior(x.numpy().mean(0), 0.5, d + 0.5, np.diag(x.numpy().var(0)).mean() * np.eye(d))


def _fit(x, gamma, prior, iterations=40, tol=0.0, reg_covar=0.0):
    start = posterior_from(x, gamma, prior, reg_covar)
    return fit_posterior(x, start, prior, reg_covar=reg_covar, tol=tol, max_iter=iterations)


# ------------------------------------------------------------------------------------------- one component: exact


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["full", "tied"])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_one_component_is_the_exact_evidence_and_the_exact_posterior(family, kind, d):
    rng = np.random.default_rng(d)
    x = 3 + rng.normal(size=(40, d)) @ rng.normal(size=(d, d))
    oracle = NormalWishartPrior(rng.normal(size=d), 0.7, d + 1.3, np.cov(x.T) + np.eye(d))
    prior = _prior(oracle, 0.4, kind, family, 1)
    fitted = _fit(torch.from_numpy(x), torch.ones(40, 1, dtype=torch.float64), prior, 3)
    extra = _log_first_stick(40, 0.4) if kind == "dirichlet_process" else 0.0
    wanted = oracle.log_evidence(x) + extra
    assert fitted.history.lower_bound[-1] * 40 == pytest.approx(wanted, rel=1e-10)
    assert elbo(torch.from_numpy(x), fitted.parameters, prior) == pytest.approx(wanted, rel=1e-10)
    exact, found = oracle.after(x), fitted.parameters.components
    np.testing.assert_allclose(found.mean[0], exact.m, rtol=1e-10)
    assert float(found.mean_precision) == pytest.approx(exact.beta, rel=1e-10)
    assert float(found.degrees_of_freedom) == pytest.approx(exact.nu, rel=1e-10)
    np.testing.assert_allclose(
        found.covariance.reshape(d, d), exact.inverse / exact.nu, rtol=1e-10, atol=1e-12
    )


def _log_first_stick(n, alpha):
    """log p(all rows in the first stick): E[v^N] under Beta(1, α) = N! Γ(1 + α) / Γ(1 + α + N)."""
    return sum(np.log(i) - np.log(i + alpha) for i in range(1, n + 1))


@pytest.mark.parametrize("family", ["diag", "spherical"])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_one_component_of_a_restricted_family_misses_the_evidence_by_what_the_restriction_costs(family, d):
    """KL(q ‖ exact) = ν/2 (log|W_q⁻¹| − log|W⁻¹|): zero where the exact scale has the family's form, as with d = 1."""
    rng = np.random.default_rng(d)
    x = torch.from_numpy(3 + rng.normal(size=(40, d)) @ rng.normal(size=(d, d)))
    oracle = NormalWishartPrior(rng.normal(size=d), 0.7, d + 1.3, 1.7 * np.eye(d))
    fitted = _fit(x, torch.ones(40, 1, dtype=torch.float64), _prior(oracle, 1.0, KINDS[1], family, 1), 3)
    exact = oracle.after(x.numpy())
    sizes = np.diag(exact.inverse) if family == "diag" else np.full(d, np.trace(exact.inverse) / d)
    cost = 0.5 * exact.nu * (np.log(sizes).sum() - np.linalg.slogdet(exact.inverse)[1])
    assert cost == pytest.approx(0, abs=1e-12) if d == 1 else cost > 0.1
    wanted = oracle.log_evidence(x.numpy()) - cost
    assert fitted.history.lower_bound[-1] * 40 == pytest.approx(wanted, rel=1e-10)
    np.testing.assert_allclose(fitted.parameters.means[0], exact.m, rtol=1e-10)


# --------------------------------------------------------------------------- several components: below, and rising


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "seed"), [(6, 0), (6, 1), (7, 2), (8, 3)])
def test_the_bound_lies_below_the_evidence_summed_over_every_assignment(kind, n, seed):
    """All families bound the same evidence; the full one comes closest. With ln K! it may come closer still."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) + 6 * (np.arange(n) % 2)[:, None]
    oracle = NormalWishartPrior(x.mean(0), 0.3, 3.0, 2 * np.eye(2))
    exact = log_evidence(x, oracle, 1.0, kind, 2)
    start = torch.from_numpy(np.eye(2)[np.arange(n) % 2])
    bounds = {}
    for family in FAMILIES:
        prior = _prior(oracle, 1.0, kind, family, 2)
        bounds[family] = n * _fit(torch.from_numpy(x), start, prior, 200, 1e-12).lower_bound
        assert bounds[family] < exact
    assert max(bounds, key=bounds.get) == "full"
    if kind == "dirichlet_distribution":  # two orders of well-separated groups: both modes together
        assert bounds["full"] + np.log(2) < exact  # it need not be in general; here it is, and close
        assert bounds["full"] + np.log(2) > exact - 1.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=8)
@given(seed=seeds)
def test_the_bound_never_falls(family, kind, seed):
    x, gamma = _data(seed)
    fitted = _fit(x, gamma, _prior(_weak(x), 0.3, kind, family, 3), 40)
    trace = np.array(fitted.history.lower_bound)
    assert np.diff(trace).min() > -1e-12 * max(1, np.abs(trace).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_posterior_of_the_family_nearby_has_a_higher_bound(family, kind):
    """Every number of the fitted posterior is moved a little, both ways: nothing in the M-step is a heuristic."""
    x, gamma = _data(5, n=60)
    prior = _prior(_weak(x), 0.3, kind, family, 3)
    fitted = _fit(x, gamma, prior, 3000, 1e-15)
    best = elbo(x, fitted.parameters, prior)
    assert best == pytest.approx(fitted.lower_bound * len(x), rel=1e-10)
    moved = list(_neighbours(fitted.parameters, 1e-3))
    assert len(moved) > 20
    for name, other in moved:
        assert elbo(x, other, prior) < best + 1e-9, name


def _neighbours(q, step):
    """The posterior with one of its arrays' entries multiplied by 1 ± step."""
    parts, weights = q.components, q.weights
    for factor in (1 - step, 1 + step):
        for name in ("concentration",) if isinstance(weights, Dirichlet) else ("first", "second"):
            for k in range(3):
                yield (
                    name,
                    ConjugateMixture(
                        _replaced(weights, name, _scaled(getattr(weights, name), k, factor)), parts
                    ),
                )
        for name in ("mean", "mean_precision", "covariance"):
            whole = getattr(parts, name)
            for i in range(len(whole)):
                yield name, ConjugateMixture(weights, _replaced(parts, name, _scaled(whole, i, factor)))
        freedom = parts.degrees_of_freedom * factor  # all: "tied" has but one
        yield "degrees_of_freedom", ConjugateMixture(weights, _replaced(parts, "degrees_of_freedom", freedom))


def _scaled(values, i, factor):
    values = values.clone()
    if values.ndim == 3:  # one feature of one component in another unit
        values[i, 0, :] *= factor
        values[i, :, 0] *= factor
        return values
    if values.shape == (2, 2):  # the shared covariance: the same
        values[i, :] *= factor
        values[:, i] *= factor
        return values
    values[i] *= factor
    return values


def _replaced(belief, name, value):
    fields = {key: getattr(belief, key) for key in belief.__dataclass_fields__} | {name: value}
    return type(belief)(**fields)


# ------------------------------------------------------------------------------------------------ what must not matter


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=4)
@given(seed=seeds)
def test_the_order_of_rows_does_not_matter_nor_that_of_components_under_a_dirichlet(family, seed):
    x, gamma = _data(seed)
    rng = np.random.default_rng(seed)
    rows, columns = torch.from_numpy(rng.permutation(len(x))), torch.from_numpy(rng.permutation(3))
    prior = _prior(_weak(x), 0.3, "dirichlet_distribution", family, 3)
    a, b = _fit(x, gamma, prior), _fit(x[rows], gamma[rows][:, columns], prior)
    torch.testing.assert_close(b.parameters.means, a.parameters.means[columns], rtol=1e-7, atol=1e-7)
    assert b.lower_bound == pytest.approx(a.lower_bound, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("shift", "factor"), [(1e4, 1.0), (-3.0, 1000.0), (0.0, 0.01)])
def test_translation_and_scale_act_as_they_must(family, kind, shift, factor):
    """In other units the posterior is the same one, and the bound differs by the units' −D log(factor) a row."""
    x, gamma = _data(11)
    near = _weak(x)
    far = NormalWishartPrior(factor * near.m + shift, near.beta, near.nu, factor**2 * near.inverse)
    a = _fit(x, gamma, _prior(near, 0.3, kind, family, 3))
    b = _fit(factor * x + shift, gamma, _prior(far, 0.3, kind, family, 3))
    torch.testing.assert_close(
        b.parameters.means, factor * a.parameters.means + shift, rtol=1e-7, atol=1e-6 * factor
    )
    torch.testing.assert_close(
        b.parameters.components.covariance,
        factor**2 * a.parameters.components.covariance,
        rtol=1e-6,
        atol=1e-7 * factor**2,
    )
    assert b.lower_bound == pytest.approx(a.lower_bound - 2 * np.log(factor), abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_posterior_is_prior_plus_statistics_in_one_go_or_in_two(family, kind):
    x, gamma = _data(3)
    prior = _prior(_weak(x), 0.3, kind, family, 3)
    current = posterior_from(x, gamma, prior, 0.0)
    whole, total = vb_e_step(x, current)
    parts = [vb_e_step(rows, current) for rows in (x[:31], x[31:])]
    assert sum(part[1] for part in parts) == pytest.approx(total, rel=1e-12)
    at_once = vb_m_step(whole, prior)
    in_turn = vb_m_step(parts[1][0], vb_m_step(parts[0][0], prior))
    added = vb_m_step(parts[0][0] + parts[1][0], prior)
    for other in (in_turn, added):
        torch.testing.assert_close(other.means, at_once.means)
        torch.testing.assert_close(other.components.covariance, at_once.components.covariance)
        torch.testing.assert_close(other.weights.expected_log, at_once.weights.expected_log)
        torch.testing.assert_close(other.components.degrees_of_freedom, at_once.components.degrees_of_freedom)


@pytest.mark.parametrize("kind", KINDS)
def test_a_component_without_rows_is_at_its_prior_and_costs_nothing_but_its_weight(kind):
    x, _ = _data(4)
    gamma = torch.zeros(len(x), 3, dtype=torch.float64)
    gamma[:, 0] = 1
    prior = _prior(_weak(x), 0.3, kind, "full", 3)
    posterior = posterior_from(x, gamma, prior, 0.0)
    for k in (1, 2):
        torch.testing.assert_close(posterior.means[k], prior.means[k], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(posterior.components.covariance[k], prior.components.covariance[k])
    alone = _prior(_weak(x), 0.3, kind, "full", 1)
    single = posterior_from(x, gamma[:, :1], alone, 0.0)
    of_one, of_three = single.components.kl(alone.components), posterior.components.kl(prior.components)
    assert float(of_three) == pytest.approx(float(of_one), rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_rows_at_an_offset_give_the_posterior_of_float64_at_zero(family):
    rng = np.random.default_rng(0)
    near = (
        np.round(64 * (np.array([[-4.0, 0], [4, 2]])[np.arange(1000) % 2] + rng.normal(size=(1000, 2)))) / 64
    )
    gamma = torch.from_numpy(np.eye(2)[np.arange(1000) % 2])
    oracle = NormalWishartPrior(np.zeros(2), 1.0, 2.0, np.eye(2))
    there = NormalWishartPrior(np.full(2, 1e4), 1.0, 2.0, np.eye(2))
    a = _fit(torch.from_numpy(near), gamma, _prior(oracle, 0.5, KINDS[0], family, 2), 20)
    b = _fit(torch.from_numpy(near + 1e4).float(), gamma.float(), _prior(there, 0.5, KINDS[0], family, 2), 20)
    torch.testing.assert_close(b.parameters.means - 1e4, a.parameters.means, rtol=0, atol=1e-3)
    torch.testing.assert_close(
        b.parameters.components.covariance, a.parameters.components.covariance, rtol=2e-3, atol=2e-3
    )
    assert b.lower_bound == pytest.approx(a.lower_bound, abs=2e-3)


def test_the_loop_says_what_was_bounded_and_why_it_stopped():
    x, gamma = _data(1)
    prior = _prior(_weak(x), 0.3, KINDS[0], "full", 3)
    done = _fit(x, gamma, prior, 500, 1e-6)
    assert done.history.status is Status.CONVERGED
    assert "the evidence lower bound per row changed by" in done.history.reason
    assert len(done.history) == done.n_iter
    short = _fit(x, gamma, prior, 2, 0.0)
    assert short.history.status is Status.MAX_ITER
    assert summarise(x).n_rows == len(x)

"""Notebook 02's exercises: right answers written in other ways pass too, and what the texts state is true."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime, linear_sum_assignment
from scipy.special import rel_entr, xlogy
from scipy.stats import multivariate_normal, norm

from mixturelab.datasets import load_dataset
from mixturelab.estimators import GaussianMixture
from mixturelab.exercises import check
from mixturelab.exercises.nb02 import (
    BOUND,
    GRADIENT,
    ITERATION,
    MATCHING,
    MULTIPLIER,
    _about_the_old_mean,
    _e_step,
    _iteration,
    _log_joint,
    _m_step,
    _normalised,
)
from mixturelab.functional import responsibilities

SOURCE = Path(__file__).parents[2] / "notebooks" / "source" / "02_em_derivation.py"


def passes(name, answer):
    result = check(name, answer)
    assert result.passed, result


# ------------------------------------------------------------------------------------------------ 02.1


def bound_with_loops(log_joint, q):
    total = 0.0
    for joints, shares in zip(log_joint, q, strict=True):
        for joint, share in zip(joints, shares, strict=True):
            total += share * np.log(np.exp(joint) / share)
    return total


def bound_as_energy_and_entropy(log_joint, q):
    return np.einsum("nk,nk->", q, log_joint) - xlogy(q, q).sum()


def bound_as_level_less_gap(log_joint, q):
    joint = np.exp(log_joint)
    gamma = joint / joint.sum(axis=1, keepdims=True)
    return np.log(joint.sum(axis=1)).sum() - rel_entr(q, gamma).sum()


def bound_with_torch(log_joint, q):
    q = torch.tensor(q, requires_grad=True)
    return (q * (torch.tensor(log_joint) - q.log())).sum()


@pytest.mark.parametrize(
    "answer",
    [bound_with_loops, bound_as_energy_and_entropy, bound_as_level_less_gap, bound_with_torch],
    ids=lambda f: f.__name__,
)
def test_a_bound_written_in_other_ways(answer):
    passes("02.1", answer)


def test_the_bound_is_one_and_touches_with_the_responsibilities_only():
    for log_joint, q in BOUND.probes:
        level = np.logaddexp.reduce(log_joint, axis=1)
        gamma = np.exp(log_joint - level[:, None])
        assert BOUND.reference(log_joint, q) < level.sum() - 1e-3
        assert BOUND.reference(log_joint, gamma) == pytest.approx(level.sum(), abs=1e-12)


# ------------------------------------------------------------------------------------------- 02.2, 02.3


@pytest.mark.parametrize("answer", ["b", " B ", "B"])
def test_when_the_bound_touches(answer):
    assert check("02.2", answer).passed


def test_what_is_said_of_the_wrong_choices():
    a = np.array([0.03, 0.11])

    def bound(q):
        return np.sum(xlogy(q, a) - xlogy(q, q))

    level, gamma = np.log(a.sum()), a / a.sum()
    assert bound(gamma) == pytest.approx(level)
    assert bound(np.array([0.5, 0.5])) < level
    assert bound(np.array([0.0, 1.0])) == pytest.approx(level + np.log(gamma[1]))


@pytest.mark.parametrize(
    "answer", [sum, np.sum, lambda N_k: torch.tensor(N_k).sum(), lambda N_k: N_k @ np.ones(len(N_k))]
)
def test_a_multiplier_written_in_other_ways(answer):
    passes("02.3", answer)


def test_the_multiplier_is_the_price_of_the_constraint():
    for (counts,) in MULTIPLIER.probes:
        best = [np.sum(counts * np.log(total * counts / counts.sum())) for total in (1 - 1e-6, 1 + 1e-6)]
        assert np.diff(best)[0] / 2e-6 == pytest.approx(counts.sum(), rel=1e-6)


# ------------------------------------------------------------------------------------------------ 02.4


def gradient_with_a_loop(x, gamma_k, mean, covariance):
    total, inverse = np.zeros(len(mean)), np.linalg.inv(covariance)
    for share, row in zip(gamma_k, x, strict=True):
        total = total + share * inverse @ (row - mean)
    return total


def gradient_with_einsum(x, gamma_k, mean, covariance):
    return np.einsum("n,ni,ij->j", gamma_k, x - mean, np.linalg.inv(covariance))


def gradient_with_torch(x, gamma_k, mean, covariance):
    mu = torch.tensor(mean, requires_grad=True)
    normal = torch.distributions.MultivariateNormal(mu, torch.tensor(covariance))
    (torch.tensor(gamma_k) * normal.log_prob(torch.tensor(x))).sum().backward()
    return mu.grad


@pytest.mark.parametrize(
    "answer", [gradient_with_a_loop, gradient_with_einsum, gradient_with_torch], ids=lambda f: f.__name__
)
def test_a_gradient_written_in_other_ways(answer):
    passes("02.4", answer)


@pytest.mark.parametrize("probe", GRADIENT.probes)
def test_the_gradient_is_that_of_the_expected_log_likelihood(probe):
    x, gamma_k, mean, covariance = probe
    slope = approx_fprime(mean, lambda mu: gamma_k @ multivariate_normal(mu, covariance).logpdf(x), 1e-6)
    np.testing.assert_allclose(GRADIENT.reference(*probe), slope, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------------------------------------ 02.5


def iteration_with_loops(x, weights, means, variances):
    lines = [[], [], []]
    joint = [
        [w * norm(m, v**0.5).pdf(row) for w, m, v in zip(weights, means, variances, strict=True)] for row in x
    ]
    gamma = [[entry / sum(entries) for entry in entries] for entries in joint]
    for k in range(len(weights)):
        shares = [entries[k] for entries in gamma]
        mean = sum(s * row for s, row in zip(shares, x, strict=True)) / sum(shares)
        spread = sum(s * (row - mean) ** 2 for s, row in zip(shares, x, strict=True)) / sum(shares)
        for line, value in zip(lines, (sum(shares) / len(x), mean, spread), strict=True):
            line.append(value)
    return lines


def iteration_by_sums(x, weights, means, variances):
    gamma = weights * norm.pdf(x[:, None], means, np.sqrt(variances))
    gamma /= gamma.sum(axis=1, keepdims=True)
    mass, first, second = (np.einsum("nk,n->k", gamma, x**power) for power in (0, 1, 2))
    return np.stack([mass / len(x), first / mass, second / mass - (first / mass) ** 2])


def iteration_with_the_library(x, weights, means, variances):
    gamma = responsibilities(x[:, None], weights, means[:, None], variances, "spherical")
    model = GaussianMixture(
        len(weights), covariance_type="spherical", init_params=gamma, max_iter=0, reg_covar=0.0
    ).fit(x[:, None])
    return np.array([model.weights_, model.means_[:, 0], model.covariances_])


def iteration_with_torch(x, weights, means, variances):
    x, weights, means, variances = map(torch.tensor, (x, weights, means, variances))
    log_joint = weights.log() + torch.distributions.Normal(means, variances.sqrt()).log_prob(x[:, None])
    gamma = log_joint.softmax(dim=1)
    mu = (gamma * x[:, None]).sum(0) / gamma.sum(0)
    return torch.stack([gamma.mean(0), mu, (gamma * (x[:, None] - mu) ** 2).sum(0) / gamma.sum(0)])


@pytest.mark.parametrize(
    "answer",
    [iteration_with_loops, iteration_by_sums, iteration_with_the_library, iteration_with_torch],
    ids=lambda f: f.__name__,
)
def test_an_iteration_written_in_other_ways(answer):
    passes("02.5", answer)


def test_an_iteration_with_density_formulas_that_go_wrong_is_named_too():
    def careless(x, weights, means, variances):
        joint = weights * np.exp(-((x[:, None] - means) ** 2) / (2 * variances))
        gamma = joint / joint.sum(axis=1, keepdims=True)
        mass = gamma.sum(axis=0)
        mu = gamma.T @ x / mass
        return np.array([mass / len(x), mu, (gamma * (x[:, None] - mu) ** 2).sum(axis=0) / mass])

    assert "1/σ_k" in check("02.5", careless).message


def test_an_iteration_raises_the_log_likelihood():
    for x, *bells in ITERATION.probes:
        new = ITERATION.reference(x, *bells)
        levels = [
            np.log((w * norm.pdf(x[:, None], m, np.sqrt(v))).sum(axis=1)).sum() for w, m, v in (bells, new)
        ]
        assert levels[1] > levels[0]


# ------------------------------------------------------------------------------------------------ 02.6


def remaining_with_a_loop(change, rate):
    way = 0.0
    for _ in range(5000):
        change = change * rate
        way += change
    return way


@pytest.mark.parametrize(
    "answer", [remaining_with_a_loop, lambda c, r: c / (1 / r - 1), lambda c, r: c / (1 - r) - c]
)
def test_the_way_ahead_written_in_other_ways(answer):
    passes("02.6", answer)


def test_what_the_praise_says_of_the_way_ahead():
    assert round(0.97 / (1 - 0.97)) == 32


# ------------------------------------------------------------------------------------------------ 02.7


def matching_with_scipy(gamma_a, gamma_b):
    return linear_sum_assignment(gamma_a.T @ gamma_b, maximize=True)[1]


def matching_by_permutations(gamma_a, gamma_b):
    k = gamma_a.shape[1]
    return min(
        itertools.permutations(range(k)), key=lambda order: np.abs(gamma_a - gamma_b[:, list(order)]).sum()
    )


def matching_by_squared_distance(gamma_a, gamma_b):
    cost = ((gamma_a[:, :, None] - gamma_b[:, None, :]) ** 2).sum(axis=0)
    return linear_sum_assignment(cost)[1]


def matching_by_correlation(gamma_a, gamma_b):
    k = gamma_a.shape[1]
    return linear_sum_assignment(-np.corrcoef(gamma_a.T, gamma_b.T)[:k, k:])[1].tolist()


def matching_by_labels(gamma_a, gamma_b):
    k = gamma_a.shape[1]
    counts = np.zeros((k, k))
    np.add.at(counts, (gamma_a.argmax(axis=1), gamma_b.argmax(axis=1)), 1)
    return linear_sum_assignment(-counts)[1]


@pytest.mark.parametrize(
    "answer",
    [
        matching_with_scipy,
        matching_by_permutations,
        matching_by_squared_distance,
        matching_by_correlation,
        matching_by_labels,
    ],
    ids=lambda f: f.__name__,
)
def test_a_matching_found_in_other_ways(answer):
    passes("02.7", answer)


def test_a_matching_lines_two_fits_up():
    rows = load_dataset("old_faithful").data
    first, second = (GaussianMixture(2, random_state=seed).fit(rows) for seed in (0, 1))
    order = MATCHING.reference(first.predict_proba(rows), second.predict_proba(rows))
    assert order.tolist() == [1, 0]
    np.testing.assert_allclose(first.means_, second.means_[order], atol=0.05)


# --------------------------------------------------------------------------------------- the notebook's claims


def cells_of_the_source():
    return re.split(r"^# %%.*\n", SOURCE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_em_from_scratch_has_fewer_than_thirty_lines():
    names = ("log_joint(X", "e_step", "statistics", "m_step", "em(X")
    found = [
        cell for cell in cells_of_the_source() if cell.startswith(tuple(f"def {name}" for name in names))
    ]
    lines = [
        line for cell in found for line in cell.splitlines() if line.strip() and not line.startswith("#")
    ]
    assert len(found) == 5
    assert len(lines) < 30


def test_ten_starts_that_succeed_half_of_the_time_fail_once_in_a_thousand():
    assert round(1000 * 0.5**10) == 1
    assert round(1000 * (2 / 3) ** 17) == 1


def falls(iteration, start):
    """How far the log-likelihood of the waits falls at worst, in 60 turns of a kind of iteration."""
    wait, bells, levels = load_dataset("old_faithful").data[:, 1], start, []
    for _ in range(60):
        joint = bells[0] * norm.pdf(wait[:, None], bells[1], np.sqrt(bells[2]))
        levels.append(np.log(joint.sum(axis=1)).sum())
        bells = iteration(wait, *bells)
    return max(-np.diff(levels).min(), 0.0)


def test_which_bugs_make_a_log_likelihood_fall_and_which_only_slow_it_down():
    def down_the_columns(x, *bells):
        return _m_step(x, _normalised(_log_joint(x, *bells), axis=0))

    def no_half(x, weights, means, variances):
        return _m_step(x, _e_step(x, weights, means, variances / 2))

    def variance_for_sd(x, weights, means, variances):
        return _m_step(x, _e_step(x, weights, means, variances**2))

    start = np.array([[0.5, 0.5], [50.0, 80.0], [60.0, 90.0]])
    assert falls(_iteration, start) < 1e-9
    assert falls(_about_the_old_mean, start) < 1e-9
    assert falls(down_the_columns, start) > 100
    assert falls(no_half, start) > 0.01
    assert falls(variance_for_sd, start) > 1


def digit_costs(seed, d=2.5):
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(0, 1, 500), rng.normal(d, 1, 500)])
    bells, means = np.array([[0.5, 0.5], [0.0, d], [1.0, 1.0]]), []
    for _ in range(450):
        bells = _iteration(x, *bells)
        means.append(bells[1])
    change = np.abs(np.diff(means, axis=0)).max(axis=1)
    change = change[change > 1e-8]
    return np.log(10) / -np.log(change[-1] / change[-2])


def test_what_a_digit_costs_in_this_sample_and_in_five_others():
    assert 65 < digit_costs(1) < 80
    others = [digit_costs(seed) for seed in range(2, 7)]
    assert min(others) > 80
    assert max(others) < 120


def test_how_far_old_faithful_s_clouds_are_apart():
    model = GaussianMixture(2, covariance_type="tied", random_state=0).fit(load_dataset("old_faithful").data)
    away = model.means_[0] - model.means_[1]
    assert np.sqrt(away @ np.linalg.solve(model.covariances_, away)) == pytest.approx(6.6, abs=0.05)


@pytest.mark.parametrize(("seed", "reached"), [(1, 13), (2, 9), (3, 12)])
def test_other_sets_of_thirty_starts(seed, reached):
    iris = load_dataset("iris").data
    settings = {"init_params": "random_from_data", "max_iter": 1000, "tol": 1e-6, "random_state": seed}
    fits = GaussianMixture(3, n_init=30, **settings).fit_restarts(iris)
    levels = np.array([fit.score(iris) * len(iris) for fit in fits])
    assert np.isclose(levels, -180.2, atol=0.1).sum() == reached


def test_29_irises_share_one_mark_of_the_ruler():
    assert (load_dataset("iris").data[:, 3] == 0.2).sum() == 29

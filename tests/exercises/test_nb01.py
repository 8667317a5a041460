"""Notebook 01's exercises: right answers written in other ways pass, near misses are named, stated numbers hold."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.mixture import GaussianMixture as TheirMixture

from mixturelab.datasets import load_dataset
from mixturelab.estimators import GaussianMixture
from mixturelab.exercises import Outcome, check
from mixturelab.exercises.nb01 import CHOLESKY, COUNTS, LOST_ROWS, _logs
from mixturelab.functional import responsibilities

WAIT = load_dataset("old_faithful").data[:, 1]
PI, MEANS, SDS = np.array([0.357, 0.643]), np.array([54.5, 80.0]), np.array([5.8, 6.0])

# ------------------------------------------------------------------------------------- right, written in other ways


def draw_in_a_loop(u, e, weights, means, sds):
    rows = []
    for one_u, one_e in zip(u, e, strict=True):
        k, end = 0, weights[0]
        while one_u >= end:
            k += 1
            end += weights[k]
        rows.append(means[k] + sds[k] * one_e)
    return rows


def draw_by_comparing(u, e, weights, means, sds):
    z = (u[:, None] >= np.cumsum(weights)[:-1]).sum(axis=1)
    return np.take(means, z) + np.take(sds, z) * e


def draw_one_hot(u, e, weights, means, sds):
    ends = np.cumsum(weights)
    own = ((u[:, None] < ends) & (u[:, None] >= ends - weights)).astype(float)
    return np.einsum("nk,nk->n", own, means + sds * e[:, None])


def draw_with_torch(u, e, weights, means, sds):
    z = torch.bucketize(torch.tensor(u), torch.tensor(weights).cumsum(0)[:-1])
    return torch.tensor(means)[z] + torch.tensor(sds)[z] * torch.tensor(e)


def rows_in_loops(x, weights, means, sds):
    table = [[w * norm.pdf(one, m, s) for w, m, s in zip(weights, means, sds, strict=True)] for one in x]
    return [[entry / sum(line) for entry in line] for line in table]


def rows_in_columns(x, weights, means, sds):
    columns = [w * norm(m, s).pdf(x) for w, m, s in zip(weights, means, sds, strict=True)]
    return np.stack(columns, axis=1) / np.sum(columns, axis=0)[:, None]


def rows_with_torch(x, weights, means, sds):
    bells = torch.distributions.Normal(torch.tensor(means), torch.tensor(sds))
    logs = torch.tensor(weights).log() + bells.log_prob(torch.tensor(x)[:, None])
    return torch.softmax(logs.requires_grad_(), dim=1)


def rows_with_the_library(x, weights, means, sds):
    return responsibilities(x[:, None], weights, means[:, None], sds**2, "spherical")


def rows_with_einsum(x, weights, means, sds):
    joint = np.einsum("k,nk->nk", weights / sds, np.exp(-0.5 * ((x[:, None] - means) / sds) ** 2))
    return np.einsum("nk,n->nk", joint, 1 / joint.sum(axis=1))


def lse_in_a_loop(a):
    return [max(line) + math.log(sum(math.exp(v - max(line)) for v in line)) for line in a.tolist()]


def lse_pairwise(a):
    return np.logaddexp.reduce(a, axis=1)


def nd_with_scipy(X, weights, means, covariances):
    X, means, covariances = X.astype(float), means.astype(float), covariances.astype(float)
    logs = [
        math.log(w) + multivariate_normal(m, c, allow_singular=True).logpdf(X)
        for w, m, c in zip(weights, means, covariances, strict=True)
    ]
    return np.exp(np.array(logs) - logsumexp(logs, axis=0)).T


def nd_with_slogdet_in_float32(X, weights, means, covariances):
    a = np.empty((len(X), len(weights)), dtype=np.float32)
    for k in range(len(weights)):
        away = X - means[k]
        squares = np.einsum("nd,dn->n", away, np.linalg.solve(covariances[k], away.T))
        a[:, k] = np.log(weights[k]) - 0.5 * np.linalg.slogdet(covariances[k])[1] - 0.5 * squares
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def nd_with_torch_in_float32(X, weights, means, covariances):
    X, weights, means, covariances = map(torch.from_numpy, (X, weights, means, covariances))
    bells = torch.distributions.MultivariateNormal(means, covariances)
    return torch.softmax(weights.log() + bells.log_prob(X[:, None]), dim=1)


def nd_with_the_library(X, weights, means, covariances):
    return responsibilities(X, weights / weights.sum(dtype=float), means, covariances)


def odds_by_fitting(weights, means, sds):
    x = np.array([-1.0, 0.0, 1.0])
    logs = np.log(weights) + norm.logpdf(x[:, None], means, sds)
    return np.polyfit(x, logs[:, 0] - logs[:, 1], 2)


def odds_with_polynomials(weights, means, sds):
    each = [
        -0.5 * np.poly1d([1 / s, -m / s]) ** 2 + math.log(w / s)
        for w, m, s in zip(weights, means, sds, strict=True)
    ]
    return np.pad((each[0] - each[1]).coeffs, (3 - len((each[0] - each[1]).coeffs), 0))


def odds_with_torch(weights, means, sds):
    w, m, s = map(torch.tensor, (weights, means, sds))
    parts = torch.stack([-1 / (2 * s**2), m / s**2, w.log() - s.log() - m**2 / (2 * s**2)])
    return -torch.diff(parts, dim=1)[:, 0]


RIGHT = {
    "01.1": [
        np.histogram(WAIT, np.arange(40, 101, 6), density=True)[0],
        [count / 272 / 6 for count in COUNTS],
        torch.from_numpy(COUNTS) / 1632,
    ],
    "01.2": [draw_in_a_loop, draw_by_comparing, draw_one_hot, draw_with_torch],
    "01.3": [rows_in_loops, rows_in_columns, rows_with_torch, rows_with_the_library, rows_with_einsum],
    "01.4": [
        lse_in_a_loop,
        lse_pairwise,
        lambda a: logsumexp(a, axis=1),
        lambda a: torch.logsumexp(torch.tensor(a), dim=1),
    ],
    "01.5": [
        nd_with_scipy,
        nd_with_slogdet_in_float32,
        nd_with_torch_in_float32,
        nd_with_the_library,
    ],
    "01.6": [odds_by_fitting, odds_with_polynomials, odds_with_torch],
    "01.7": ["c", " C "],
}


@pytest.mark.parametrize(
    ("name", "answer"),
    [pytest.param(name, answer, id=f"{name}-{i}") for name in RIGHT for i, answer in enumerate(RIGHT[name])],
)
def test_right_answers_written_in_other_ways_pass(name, answer):
    result = check(name, answer)
    assert result.passed, result


# ---------------------------------------------------------------------------------- mistakes written in other ways


def naive_in_float32(X, weights, means, covariances):
    joint = np.empty((len(X), len(weights)), dtype=np.float32)
    for k in range(len(weights)):
        L = np.linalg.cholesky(covariances[k])
        y = np.linalg.solve(L, (X - means[k]).T)
        log = np.log(weights[k]) - np.log(np.diag(L)).sum() - 0.5 * (y**2).sum(axis=0)
        joint[:, k] = np.exp(log - 0.5 * X.shape[1] * math.log(2 * math.pi))
    return joint / joint.sum(axis=1, keepdims=True)


def test_underflow_is_named_however_it_is_written():
    assert check("01.5", naive_in_float32).message == LOST_ROWS


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("01.1", COUNTS / 270, "the area is not 1"),
        ("01.1", np.ones(11) / 66, "eleven edges make ten bins"),
        ("01.1", (COUNTS / 1632).round(5), "very close"),
        ("01.1", (COUNTS / 1632).round(3), "keep all digits"),
        ("01.2", lambda u, e, w, m, s: m + s * e[:, None], "index with `[z]`"),
        ("01.3", lambda x, w, m, s: 0.9 * rows_in_columns(x, w, m, s), "must sum to 1"),
        ("01.3", lambda x, w, m, s: rows_in_columns(x, w, m, s) - 2, "never negative"),
        ("01.3", lambda x, w, m, s: rows_in_columns(x, PI, MEANS, SDS), "the notebook's `pi`"),
        ("01.4", lambda a: logsumexp(a, axis=1, keepdims=True), "drops the extra axis"),
        ("01.5", lambda *a: nd_with_scipy(*a).T, "stack the components as columns"),
        ("01.5", lambda *a: 0.7 * nd_with_scipy(*a), "must sum to 1"),
        ("01.6", lambda w, m, s: [*odds_by_fitting(w, m, s)[:2], 7.0], "c₀ has three parts"),
        ("01.6", lambda w, m, s: [odds_by_fitting(w, m, s)[0], 7.0, 7.0], "c₂ is right, c₁ is not"),
        ("01.7", "e", "answer with one of"),
    ],
)
def test_signs_of_a_mistake_are_named(name, answer, message):
    result = check(name, answer)
    assert result.outcome is Outcome.WRONG
    assert message in result.message


def test_the_probes_of_the_long_exercise_go_where_they_should():
    """One with rows that float64 loses, one where float32 keeps the density and loses the determinant."""
    densities = [
        logsumexp(_logs(*(a.astype(float) for a in probe)), axis=1)
        - 0.5 * probe[0].shape[1] * np.log(2 * np.pi)
        for probe in CHOLESKY.probes
    ]
    assert all(probe[0].dtype == np.float32 for probe in CHOLESKY.probes)
    assert densities[3].min() < -745
    assert -745 < np.median(densities[3]) < -104
    assert densities[4].min() > -80
    assert all(np.linalg.det(c) == 0 for c in CHOLESKY.probes[4][3])
    assert densities[5].max() < -745
    assert CHOLESKY.probes[2][0].min() > 1900


# ------------------------------------------------------------------------------------- the numbers of the notebook


def test_the_geyser_s_numbers():
    bells = norm.pdf(66, MEANS, SDS)
    assert bells[0] / bells[1] == pytest.approx(2.2, abs=0.01)
    assert PI[1] / PI[0] == pytest.approx(1.8, abs=0.005)
    assert pytest.approx(0.69, abs=0.005) == 2.2 / 3.2
    gamma = PI * bells / (PI @ bells)
    assert gamma.round(2).tolist() == [0.55, 0.45]
    sum_of_draws = [PI @ MEANS, math.sqrt(PI**2 @ SDS**2)]
    assert np.round(sum_of_draws, 1).tolist() == [70.9, 4.4]


def test_where_products_end():
    density = (PI * norm.pdf(WAIT[:, None], MEANS, SDS)).sum(axis=1)
    ends = [int((np.cumprod(density.astype(t), dtype=t) > 0).sum()) for t in (np.float32, np.float64)]
    assert ends == [27, 196]
    logs = np.log(density).cumsum()  # nowhere near the edge: it is the same on every computer
    tiny = np.log(
        [np.float64(np.finfo(np.float32).smallest_subnormal), np.finfo(np.float64).smallest_subnormal]
    )
    assert tiny.round(0).tolist() == [-103, -744]
    for end, least in zip(ends, tiny - math.log(2), strict=True):
        assert logs[end - 1] > least + 0.25
        assert logs[end] < least - 0.25


def digit_logs(sd):
    digits = load_dataset("digits")
    mu = np.array([digits.data[digits.target == k].mean(axis=0) for k in range(10)])
    share = np.bincount(digits.target) / 1797
    squares = ((digits.data[:, None] - mu) ** 2).sum(axis=2)
    return np.log(share) - 64 * math.log(sd * math.sqrt(2 * math.pi)) - squares / (2 * sd**2), digits.target


def test_every_digit_is_lost_in_float32_and_none_in_float64():
    density = logsumexp(digit_logs(4.0)[0], axis=1)
    assert density.max() < -110
    assert density.min() > -700
    assert np.median(density) == pytest.approx(-169, abs=0.5)
    assert -169 + 64 * math.log(16) == pytest.approx(8, abs=0.5)
    assert 784 / 64 * 8 == 98
    assert math.log(np.finfo(np.float32).max) == pytest.approx(88.7, abs=0.05)


@pytest.mark.parametrize(("sd", "numbers"), [(2, (172, 1712, 131)), (4, (172, 1461, 46)), (8, (173, 227, 0))])
def test_confidence_depends_on_the_width_that_was_assumed(sd, numbers):
    logs, label = digit_logs(sd)
    gamma = np.exp(logs - logsumexp(logs, axis=1)[:, None])
    sure, wrong = gamma.max(axis=1) > 0.999, gamma.argmax(axis=1) != label
    assert (wrong.sum(), sure.sum(), (sure & wrong).sum()) == numbers
    assert abs(gamma.max(axis=1) - 0.999).min() > 1e-7  # the counts do not hang on a rounding


def test_the_galaxy_far_away():
    velocities = load_dataset("galaxies").data / 1000
    model = GaussianMixture(3, random_state=0).fit(velocities)
    theirs = TheirMixture(3, random_state=0, n_init=10).fit(velocities)
    order = model.means_[:, 0].argsort()
    np.testing.assert_allclose(np.sort(theirs.means_[:, 0]), model.means_[order, 0], atol=0.05)
    centres, widths = model.means_[order, 0], np.sqrt(model.covariances_[order, 0, 0])
    assert abs(5 - centres)[:2].round(1).tolist() == [4.7, 16.4]
    assert (abs(5 - centres) / widths)[:2] == pytest.approx([11, 7.5], abs=0.2)
    assert model.predict_proba([[5.0]])[0, order].round(3).tolist() == [0, 1, 0]
    far, near = model.score_samples([[5.0], [21.4]]) / math.log(10)
    assert near - far == pytest.approx(12, abs=0.1)


def test_the_two_borders_of_the_waits():
    a, b, c = odds_by_fitting(PI, MEANS, SDS)
    assert np.sort(np.roots([a, b, c])) == pytest.approx([-684.2, 66.3], abs=0.1)

"""Notebook 07's exercises: right answers written in other ways pass too, and its numbers are what theory says."""

import math
import statistics as standard

import numpy as np
import pytest
import torch

from mixturelab import MixtureStats, SufficientStatistics
from mixturelab.exercises import Outcome, check
from mixturelab.exercises.nb07 import LOST
from mixturelab.model.forms import DENSE
from mixturelab.model.suffstats import Moments
from mixturelab.plot.motion import fading

# ------------------------------------------------------------------------------------------------- 07.1: folding


def fold_in_a_loop(chunks):
    n = s1 = s2 = 0.0
    for count, first, second in chunks:
        n, s1, s2 = n + count, s1 + first, s2 + second
    mean = s1 / n
    return mean, (s2 - n * mean**2) / n


def fold_by_merging(chunks):
    n, mean, variance = 0.0, 0.0, 0.0
    for count, first, second in chunks:
        own = first / count
        f = count / (n + count)
        variance = (1 - f) * variance + f * (second / count - own**2) + f * (1 - f) * (own - mean) ** 2
        n, mean = n + count, mean + f * (own - mean)
    return np.array([mean, variance])


def fold_with_einsum(chunks):
    n, s1, s2 = np.einsum("ck->k", chunks)
    return [s1 / n, s2 / n - s1 * s1 / n**2]


def fold_with_torch(chunks):
    n, s1, s2 = torch.tensor(chunks, requires_grad=True).sum(0)
    return torch.stack([s1 / n, s2 / n - (s1 / n) ** 2])


def fold_with_the_library(chunks):
    parts = [
        SufficientStatistics(
            *(torch.tensor(x) for x in ([n], [[s1]], [[[s2]]])), torch.zeros(1, 1).double(), DENSE
        )
        for n, s1, s2 in chunks
    ]
    moments = Moments.of(sum(parts[1:], start=parts[0]))
    return [moments.mean.item(), moments.covariance.item()]


# ----------------------------------------------------------------------------------------- 07.2: law of total variance


def total_in_a_loop(weights, means, variances):
    centre = sum(w * m for w, m in zip(weights, means, strict=True))
    parts = zip(weights, means, variances, strict=True)
    return sum(w * (v + (m - centre) ** 2) for w, m, v in parts)


def total_by_mean_square(weights, means, variances):
    return np.sum(weights * (variances + means**2)) - np.sum(weights * means) ** 2


def total_with_numpy_average(weights, means, variances):
    within = np.average(variances, weights=weights)
    return within + np.average((means - np.average(means, weights=weights)) ** 2, weights=weights)


def total_with_covariance(weights, means, variances):
    return weights @ variances + float(np.cov(means, aweights=weights, bias=True))


def total_with_torch(weights, means, variances):
    w, m, v = (torch.tensor(x) for x in (weights, means, variances))
    return torch.einsum("t,t->", w, v + (m - w @ m) ** 2)


# ---------------------------------------------------------------------------------------------------- 07.3: weights


def weights_by_recursion(n_batches, g):
    weights = np.zeros(n_batches)
    for t in range(n_batches):
        weights *= g
        weights[t] += 1 - g
    return weights / weights.sum()


def weights_by_formula(n_batches, g):
    return [(1 - g) * g ** (n_batches - 1 - t) / (1 - g**n_batches) for t in range(n_batches)]


def weights_from_one(n_batches, g):
    ages = np.arange(n_batches, 0, -1)  # the newest has age 1: the factor g cancels
    return g**ages / np.sum(g**ages)


def weights_with_softmax(n_batches, g):
    return torch.softmax(math.log(g) * torch.arange(n_batches - 1, -1, -1, dtype=torch.float64), dim=0)


# ------------------------------------------------------------------------------------------------------- 07.4: merge


def merge_by_chan(n_a, mean_a, var_a, n_b, mean_b, var_b):
    n = n_a + n_b
    delta = mean_b - mean_a
    squares = n_a * var_a + n_b * var_b + delta**2 * n_a * n_b / n
    return n, mean_a + delta * n_b / n, squares / n


def merge_about_the_first_mean(n_a, mean_a, var_a, n_b, mean_b, var_b):
    n, b = n_a + n_b, mean_b - mean_a
    shift = n_b * b / n
    return [n, mean_a + shift, (n_a * var_a + n_b * (var_b + b**2)) / n - shift**2]


def merge_by_distances(n_a, mean_a, var_a, n_b, mean_b, var_b):
    mean = (n_a * mean_a + n_b * mean_b) / (n_a + n_b)
    inner = n_a * (var_a + (mean_a - mean) ** 2) + n_b * (var_b + (mean_b - mean) ** 2)
    return [n_a + n_b, mean, inner / (n_a + n_b)]


def merge_with_torch(*numbers):
    n_a, mean_a, var_a, n_b, mean_b, var_b = torch.tensor(numbers, dtype=torch.float64)
    f = n_b / (n_a + n_b)
    delta = mean_b - mean_a
    return torch.stack([n_a + n_b, mean_a + f * delta, torch.lerp(var_a, var_b, f) + f * (1 - f) * delta**2])


def merge_with_the_library(n_a, mean_a, var_a, n_b, mean_b, var_b):
    a, b = (
        Moments(
            *(torch.tensor(x, dtype=torch.float64) for x in ([n], [[mean]], [[[var]]])), DENSE
        ).statistics()
        for n, mean, var in ((n_a, mean_a, var_a), (n_b, mean_b, var_b))
    )
    both = Moments.of(a + b)
    return [both.mass.item(), both.mean.item(), both.covariance.item()]


RIGHT = {
    "07.1": [fold_in_a_loop, fold_by_merging, fold_with_einsum, fold_with_torch, fold_with_the_library],
    "07.2": [
        total_in_a_loop,
        total_by_mean_square,
        total_with_numpy_average,
        total_with_covariance,
        total_with_torch,
    ],
    "07.3": [weights_by_recursion, weights_by_formula, weights_from_one, weights_with_softmax],
    "07.4": [
        merge_by_chan,
        merge_about_the_first_mean,
        merge_by_distances,
        merge_with_torch,
        merge_with_the_library,
    ],
    "07.5": [45, 45.0, np.int64(45), torch.tensor(45), math.ceil(math.log(0.1, 0.95))],
    "07.6": ["c", " C "],
}


@pytest.mark.parametrize(
    ("name", "answer"),
    [pytest.param(name, answer, id=f"{name}-{i}") for name in RIGHT for i, answer in enumerate(RIGHT[name])],
)
def test_right_answers_written_in_other_ways_pass(name, answer):
    result = check(name, answer)
    assert result.passed, result


# ---------------------------------------------------------------------------------- mistakes written in other ways


def raw_divided_first(n_a, mean_a, var_a, n_b, mean_b, var_b):
    a, b = n_a / (n_a + n_b), n_b / (n_a + n_b)
    mean = a * mean_a + b * mean_b
    return [n_a + n_b, mean, a * var_a + b * var_b + a * mean_a**2 + b * mean_b**2 - mean**2]


def raw_with_sums(n_a, mean_a, var_a, n_b, mean_b, var_b):
    s1 = n_a * mean_a + n_b * mean_b
    s2 = n_a * var_a + n_a * mean_a**2 + n_b * var_b + n_b * mean_b**2
    n = n_a + n_b
    return [n, s1 / n, (s2 - s1**2 / n) / n]


@pytest.mark.parametrize("answer", [raw_divided_first, raw_with_sums])
def test_lost_digits_are_named_however_the_raw_moments_are_written(answer):
    assert check("07.4", answer).message == LOST


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("07.1", lambda chunks: [0.0, -1.0], "a variance is never negative"),
        ("07.1", lambda chunks: [fold_in_a_loop(chunks)[0], 7.0], "the mean is right, the variance is not"),
        ("07.2", lambda w, m, v: w * v, "one number for each batch"),
        ("07.2", lambda w, m, v: -1.0, "a variance is never negative"),
        ("07.3", lambda n, g: weights_by_recursion(n + 1, g), "one weight too many"),
        ("07.3", lambda n, g: g * weights_by_recursion(n, g), "they have to sum to 1, and these do not"),
        ("07.3", lambda n, g: np.arange(n, 0, -1) / (n * (n + 1) / 2), "the oldest batch comes first"),
        ("07.4", lambda *a: merge_by_chan(*a)[1:], "wanted are three"),
        ("07.4", lambda *a: [*merge_by_chan(*a)[:2], -1.0], "a variance is never negative"),
        ("07.5", 46, "46. is not it"),
        ("07.6", "e", "answer with one of"),
    ],
)
def test_signs_of_a_mistake_are_named(name, answer, message):
    result = check(name, answer)
    assert result.outcome is Outcome.WRONG
    assert message.removeprefix("they have to ") in result.message.replace("the weights have to ", "")


# ------------------------------------------------------------------------------------- the numbers of the notebook

G, SPEED = 0.9, 0.21


def drifting():
    generator = np.random.default_rng(13)
    return np.array([generator.normal(SPEED * t, 1.0, size=100) for t in range(100)])


def test_what_averaging_loses():
    batches = drifting()
    weights = [G ** (99 - t) for t in range(100)]
    rows = [(w / 100 / sum(weights), x) for w, batch in zip(weights, batches, strict=True) for x in batch]
    mean = math.fsum(w * x for w, x in rows)
    exact = math.fsum(w * (x - mean) ** 2 for w, x in rows)
    averaged = math.fsum(w * standard.pvariance(map(float, b)) for w, b in zip(weights, batches, strict=True))
    assert round(exact, 2) == 5.01
    assert round(averaged / sum(weights), 2) == 1.02
    found = fading(batches, G)
    np.testing.assert_allclose([found.mean, found.exact], [mean, exact], rtol=1e-10)
    np.testing.assert_allclose(found.averaged, averaged / sum(weights), rtol=1e-10)


def test_what_averaging_loses_was_to_be_expected():
    ages = np.arange(10_000)
    chance = (1 - G) * G**ages
    spread = chance @ ages**2 - (chance @ ages) ** 2
    assert spread == pytest.approx(90)
    assert pytest.approx(3.97, abs=0.005) == SPEED**2 * spread


def test_the_estimator_says_the_same_as_the_rows_with_their_weights():
    batches = drifting()
    estimator = MixtureStats(K=1, ema_decay=G, enabled=True)
    for batch in batches:
        stats = estimator.update(torch.from_numpy(batch[:, None]))
    found = fading(batches, G)
    assert stats.mu.item() == pytest.approx(found.mean, rel=1e-10)
    assert stats.Sigma.item() == pytest.approx(found.exact, rel=1e-9)

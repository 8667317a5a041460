"""Notebook 00's exercises: right answers written in other ways pass too."""

import numpy as np
import pytest
import torch

from mixturelab.datasets import load_dataset
from mixturelab.estimators import GaussianMixture
from mixturelab.exercises import check
from mixturelab.exercises.nb00 import EM_STEP, NEW_MEANS, PROBES
from mixturelab.functional import responsibilities


@pytest.mark.parametrize(
    "answer",
    [
        np.array([97, 175]) / 272,
        [97 / 272, 175 / 272],
        (0.357, 0.643),
        torch.tensor([97.0, 175.0]) / 272,
    ],
)
def test_mixing_weights(answer):
    assert check("00.1", answer).passed


def with_a_loop(x, weights, means, sds):
    numerators = []
    for weight, mean, sd in zip(weights, means, sds, strict=True):
        numerators.append(weight * np.exp(-((x - mean) ** 2) / (2 * sd**2)) / np.sqrt(2 * np.pi * sd**2))
    return [numerator / sum(numerators) for numerator in numerators]


def with_logarithms(x, weights, means, sds):
    logs = np.log(weights) - np.log(sds) - 0.5 * ((x - means) / sds) ** 2
    return np.exp(logs - np.logaddexp.reduce(logs))


def with_einsum(x, weights, means, sds):
    density = np.exp(-0.5 * np.einsum("k,k->k", (x - means) / sds, (x - means) / sds)) / sds
    return np.einsum("k,k->k", weights, density) / np.einsum("k,k->", weights, density)


def with_torch(x, weights, means, sds):
    normal = torch.distributions.Normal(torch.tensor(means, requires_grad=True), torch.tensor(sds))
    return torch.softmax(torch.tensor(weights).log() + normal.log_prob(torch.tensor(x)), dim=0)


def with_the_library(x, weights, means, sds):
    return responsibilities(np.array([[x]]), weights, means[:, None], sds**2, "spherical")[0]


@pytest.mark.parametrize(
    "answer",
    [with_a_loop, with_logarithms, with_einsum, with_torch, with_the_library],
    ids=lambda f: f.__name__,
)
def test_a_responsibility_written_in_other_ways(answer):
    result = check("00.2", answer)
    assert result.passed, result


@pytest.mark.parametrize("answer", [13, 13.0, np.int64(13), torch.tensor(13)])
def test_doubtful_rows(answer):
    assert check("00.3", answer).passed


def test_the_count_is_the_library_s_and_is_far_from_the_threshold():
    _, weights, means, sds = PROBES[0]
    waits = load_dataset("old_faithful").data[:, 1:]
    largest = responsibilities(waits, weights, means[:, None], sds**2, "spherical").max(axis=1)
    assert (largest < 0.9).sum() == 13
    assert abs(largest - 0.9).min() > 0.01


def from_the_waits(weights=(0.357, 0.643)):
    """The notebook's `gamma`, whose weights are rounded."""
    _, _, means, sds = PROBES[0]
    waits = load_dataset("old_faithful").data[:, 1:]
    return responsibilities(waits, np.array(weights), means[:, None], sds**2, "spherical"), waits[:, 0]


@pytest.mark.parametrize(
    "answer",
    [
        lambda gamma: gamma.sum(axis=0),
        lambda gamma: [sum(row[k] for row in gamma) for k in range(2)],
        lambda gamma: np.ones(272) @ gamma,
        lambda gamma: torch.tensor(gamma).sum(dim=0),
        lambda gamma: gamma.sum(axis=0).round(1),
    ],
)
def test_rows_answered_for(answer):
    result = check("00.4", answer(from_the_waits()[0]))
    assert result.passed, result


def means_with_a_loop(gamma, x):
    return [
        sum(g[k] * one for g, one in zip(gamma, x, strict=True)) / sum(g[k] for g in gamma)
        for k in range(gamma.shape[1])
    ]


def means_of_numpy(gamma, x):
    return [np.average(x, weights=column) for column in gamma.T]


def means_with_einsum(gamma, x):
    return np.einsum("nk,n->k", gamma / gamma.sum(axis=0), x)


def means_with_torch(gamma, x):
    shares = torch.tensor(gamma)
    return (shares * torch.tensor(x)[:, None]).sum(0) / shares.sum(0)


@pytest.mark.parametrize(
    "answer",
    [means_with_a_loop, means_of_numpy, means_with_einsum, means_with_torch],
    ids=lambda f: f.__name__,
)
def test_means_of_an_m_step(answer):
    result = check("00.5", answer)
    assert result.passed, result


def step_with_loops(x, weights, means, sds):
    gamma = np.array([with_a_loop(one, weights, means, sds) for one in x])
    rows = []
    for column in gamma.T:
        centre = np.average(x, weights=column)
        rows.append([column.mean(), centre, np.sqrt(np.average((x - centre) ** 2, weights=column))])
    return np.transpose(rows)


def step_of_the_library(x, weights, means, sds):
    start = GaussianMixture.from_parameters(weights, means[:, None], sds**2, "spherical")
    like = {"covariance_type": "spherical", "reg_covar": 0.0, "max_iter": 0}
    made = GaussianMixture(len(weights), init_params=start.predict_proba(x[:, None]), **like).fit(x[:, None])
    return made.weights_, made.means_[:, 0], np.sqrt(made.covariances_)


def step_with_second_moments(x, weights, means, sds):
    logs = np.log(weights) - np.log(sds) - 0.5 * ((x[:, None] - means) / sds) ** 2
    gamma = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
    n, s1, s2 = gamma.sum(axis=0), gamma.T @ x, gamma.T @ x**2
    return np.array([n / len(x), s1 / n, np.sqrt(s2 / n - (s1 / n) ** 2)])


@pytest.mark.parametrize(
    "answer", [step_with_loops, step_of_the_library, step_with_second_moments], ids=lambda f: f.__name__
)
def test_one_iteration(answer):
    result = check("00.6", answer)
    assert result.passed, result


def test_the_probes_of_the_steps_can_tell_old_means_from_new():
    for x, weights, means, sds in EM_STEP.probes:
        assert np.abs(EM_STEP.reference(x, weights, means, sds)[1] - means).min() > 0.1
    assert all(len(x) != gamma.shape[1] for gamma, x in NEW_MEANS.probes)


@pytest.mark.parametrize("answer", ["c", " C "])
def test_what_a_responsibility_says(answer):
    assert check("00.7", answer).passed


# --------------------------------------------------------------------------------- what the notebook states


def test_waits_near_their_mean_are_not_common():
    waits = load_dataset("old_faithful").data[:, 1]
    assert round(waits.mean()) == 71
    assert (abs(waits - 71) <= 2).sum() == 19
    assert (abs(waits - 80) <= 2).sum() == 58


def test_one_m_step_from_the_cut_changes_little():
    gamma, waits = from_the_waits()
    assert np.allclose(gamma.mean(axis=0), [0.358, 0.642], atol=5e-4)
    assert np.allclose(NEW_MEANS.reference(gamma, waits), [54.6, 80.0], atol=0.1)


def climbed(start, rows, steps=30):
    for _ in range(steps):
        start = GaussianMixture(2, init_params=start.predict_proba(rows), max_iter=0).fit(rows)
    return start.means_


def test_equal_components_never_part_and_others_nearly_always_find_the_clouds():
    rows = load_dataset("old_faithful").data
    wide, generator = [np.diag(rows.var(axis=0))] * 2, np.random.default_rng(0)
    equal = GaussianMixture.from_parameters([0.5, 0.5], [rows.mean(axis=0)] * 2, wide)
    assert np.allclose(climbed(equal, rows), rows.mean(axis=0))
    for _ in range(3):
        drawn = rows[generator.choice(len(rows), 2, replace=False)]
        means = climbed(GaussianMixture.from_parameters([0.5, 0.5], drawn, wide), rows)
        assert np.allclose(np.sort(means[:, 1]), [54.5, 80.0], atol=0.1)

"""Notebook 00's exercises: right answers written in other ways pass too."""

import numpy as np
import pytest
import torch

from mixturelab.datasets import load_dataset
from mixturelab.exercises import check
from mixturelab.exercises.nb00 import PROBES
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

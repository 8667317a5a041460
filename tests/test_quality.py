"""Quality proxies: scikit-learn's numbers, and what is undefined is NaN."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics

from mixturelab.exceptions import ArgumentError
from mixturelab.quality import quality

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(40, 2)), 6 + RNG.normal(size=(40, 2))])
LABELS = np.repeat([0, 1], 40)


def test_the_numbers_are_scikit_learns():
    found = quality(X, LABELS, true_labels=1 - LABELS)
    assert found["silhouette"] == metrics.silhouette_score(X, LABELS)
    assert found["davies_bouldin"] == metrics.davies_bouldin_score(X, LABELS)
    assert found["calinski_harabasz"] == metrics.calinski_harabasz_score(X, LABELS)
    assert found["adjusted_rand"] == 1.0  # names of labels do not matter
    assert quality(torch.from_numpy(X), torch.from_numpy(LABELS)) == quality(X, LABELS)


def test_one_label_has_no_quality():
    found = quality(X, np.zeros(80), LABELS)
    assert all(math.isnan(found[name]) for name in ("silhouette", "davies_bouldin", "calinski_harabasz"))
    assert found["adjusted_rand"] == 0


def test_large_data_are_sampled_repeatably():
    a, b = (quality(X, LABELS, max_rows=30, random_state=1)["silhouette"] for _ in range(2))
    assert a == b != quality(X, LABELS)["silhouette"]


@pytest.mark.parametrize("seed", range(5))
def test_a_group_of_four_among_many_rows_is_not_lost_by_sampling(seed):
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.normal(size=(60_000, 1)), 50 + rng.normal(size=(4, 1))])
    labels = np.repeat([0, 1], [60_000, 4])
    found = quality(rows, labels, max_rows=2000, random_state=seed)
    # The far group's rows are few: those of the large one decide, which lie 50 away from it and 1 from each other.
    assert found["silhouette"] == pytest.approx(0.977, abs=0.003)


def test_the_estimate_is_near_the_silhouette_of_all_rows():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, size=3000, p=[0.9, 0.09, 0.01])
    rows = rng.normal(size=(3000, 2)) + np.array([[0, 0], [1.5, 0], [9, 9]])[labels]
    whole = quality(rows, labels)["silhouette"]
    estimates = [quality(rows, labels, max_rows=600, random_state=seed)["silhouette"] for seed in range(10)]
    assert np.mean(estimates) == pytest.approx(whole, abs=0.02)


def test_without_room_for_two_of_a_label_the_silhouette_is_not_defined():
    labels = np.arange(80) // 2
    assert math.isnan(quality(X, labels, max_rows=1)["silhouette"])
    assert math.isfinite(quality(X, labels, max_rows=79)["silhouette"])


def test_lengths_must_agree():
    with pytest.raises(ArgumentError, match="labels has 3 entries; wanted 80"):
        quality(X, [0, 1, 0])
    with pytest.raises(ArgumentError, match="true_labels has 3 entries"):
        quality(X, LABELS, [0, 1, 0])

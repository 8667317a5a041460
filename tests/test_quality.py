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


def test_lengths_must_agree():
    with pytest.raises(ArgumentError, match="labels has 3 entries; wanted 80"):
        quality(X, [0, 1, 0])
    with pytest.raises(ArgumentError, match="true_labels has 3 entries"):
        quality(X, LABELS, [0, 1, 0])

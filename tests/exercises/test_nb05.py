"""Notebook 05's exercises: right answers written in other ways pass too, and what the notebook states is so."""

import numpy as np
import pytest
import scipy
import torch
from scipy.spatial.distance import cdist
from scipy.stats import chi2, multivariate_normal
from sklearn.metrics import silhouette_samples

from mixturelab.datasets import load_dataset, make_mixture
from mixturelab.estimators import GaussianMixture
from mixturelab.exercises import check
from mixturelab.exercises.nb05 import CALIBRATION, DISTANCE, GAMMAS
from mixturelab.plot.doubt import squared_distances
from mixturelab.plot.doubt_claims import reliability
from mixturelab.quality import quality


def uncertainty_with_a_loop(gamma):
    return [1 - max(row) for row in gamma]


def uncertainty_by_sorting(gamma):
    return np.sort(gamma, axis=-1)[:, :-1].sum(axis=-1)


def uncertainty_with_torch(gamma):
    return 1 - torch.tensor(gamma).max(dim=1).values


@pytest.mark.parametrize(
    "answer",
    [uncertainty_with_a_loop, uncertainty_by_sorting, uncertainty_with_torch],
    ids=lambda f: f.__name__,
)
def test_uncertainty(answer):
    assert check("05.1", answer).passed


def entropy_with_a_loop(gamma):
    return [-sum(g * np.log(g) for g in row if g > 0) for row in gamma]


def entropy_of_scipy(gamma):
    return scipy.stats.entropy(gamma, axis=1)


def entropy_with_nansum(gamma):
    return -np.nansum(gamma * np.log(gamma), axis=1)


def entropy_with_a_crumb(gamma):
    return -(gamma * np.log(gamma + 1e-12)).sum(axis=1)


def entropy_with_torch(gamma):
    return torch.special.entr(torch.tensor(gamma)).sum(dim=1)


@pytest.mark.parametrize(
    "answer",
    [entropy_with_a_loop, entropy_of_scipy, entropy_with_nansum, entropy_with_a_crumb, entropy_with_torch],
    ids=lambda f: f.__name__,
)
def test_entropy(answer):
    assert check("05.2", answer).passed


def similarity_with_loops(gamma):
    n = len(gamma)
    out = np.eye(n)
    for i in range(n):
        for j in range(n):
            if i != j:
                out[i, j] = sum(gamma[i, k] * gamma[j, k] for k in range(gamma.shape[1]))
    return out


def similarity_with_einsum(gamma):
    out = np.einsum("nk,mk->nm", gamma, gamma)
    return np.where(np.eye(len(gamma), dtype=bool), 1.0, out)


def similarity_with_torch(gamma):
    shares = torch.tensor(gamma)
    return (shares @ shares.T).fill_diagonal_(1.0)


@pytest.mark.parametrize(
    "answer", [similarity_with_loops, similarity_with_einsum, similarity_with_torch], ids=lambda f: f.__name__
)
def test_similarity(answer):
    assert check("05.3", answer).passed


def test_similarity_is_how_often_draws_agree():
    gamma = GAMMAS[0][0]
    generator = np.random.default_rng(0)
    drawn = np.array([generator.choice(3, size=20_000, p=row) for row in gamma])
    agree = (drawn[:, None] == drawn).mean(axis=2)
    assert np.allclose(agree, similarity_with_loops(gamma), atol=0.015)


@pytest.mark.parametrize("answer", ["d", " D "])
def test_silhouette(answer):
    assert check("05.4", answer).passed


def test_the_silhouettes_that_the_messages_speak_of():
    long = [[9.0, 0.0], [0.0, 0.1]]
    table = make_mixture(400, [0.5, 0.5], [[0, -0.8], [0, 0.8]], [long, long], 3)
    mixture = GaussianMixture(2, init_params=np.eye(2)[table.target]).fit(table.data)
    found = quality(table.data, mixture.predict(table.data), table.target)
    assert round(found["silhouette"], 2) == 0.13
    assert found["adjusted_rand"] == 1  # all labels are right
    assert (mixture.predict_proba(table.data).max(axis=1) > 0.9).mean() > 0.95


def log_odds_by_densities(x, mu_1, mu_2, sigma):
    covariance = sigma**2 * np.eye(len(x))
    return multivariate_normal(mu_1, covariance).logpdf(x) - multivariate_normal(mu_2, covariance).logpdf(x)


def log_odds_expanded(x, mu_1, mu_2, sigma):
    return (2 * x @ (mu_1 - mu_2) + mu_2 @ mu_2 - mu_1 @ mu_1) / (2 * sigma**2)


def log_odds_with_norms(x, mu_1, mu_2, sigma):
    near, far = np.linalg.norm(x - mu_1), np.linalg.norm(x - mu_2)
    return (far + near) * (far - near) / sigma**2 / 2


def log_odds_with_torch(x, mu_1, mu_2, sigma):
    x, a, b = map(torch.tensor, (x, mu_1, mu_2))
    return ((x - b).square().sum() - (x - a).square().sum()) / (2 * sigma**2)


@pytest.mark.parametrize(
    "answer",
    [log_odds_by_densities, log_odds_expanded, log_odds_with_norms, log_odds_with_torch],
    ids=lambda f: f.__name__,
)
def test_log_odds(answer):
    assert check("05.5", answer).passed


def error_with_a_loop(confidence, correct, n_bins):
    total = 0.0
    for b in range(n_bins):
        low, high = b / n_bins, (b + 1) / n_bins
        chosen = [i for i, c in enumerate(confidence) if low < c <= high]
        if chosen:
            right = sum(bool(correct[i]) for i in chosen) / len(chosen)
            total += len(chosen) / len(confidence) * abs(right - sum(confidence[chosen]) / len(chosen))
    return total


def error_with_digitize(confidence, correct, n_bins):
    bins = np.digitize(confidence, np.linspace(0, 1, n_bins + 1)[1:-1])
    return sum(abs((correct - confidence)[bins == b].sum()) for b in range(n_bins)) / len(confidence)


def error_with_bincount(confidence, correct, n_bins):
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, None)
    return np.abs(np.bincount(bins, weights=correct - confidence)).sum() / len(bins)


def error_with_torch(confidence, correct, n_bins):
    c, y = torch.tensor(confidence), torch.tensor(correct).double()
    bins = (c * n_bins).long().clamp(max=n_bins - 1)
    gaps = torch.zeros(n_bins, dtype=c.dtype).index_add(0, bins, y - c)
    return gaps.abs().sum() / len(c)


@pytest.mark.parametrize(
    "answer",
    [error_with_a_loop, error_with_digitize, error_with_bincount, error_with_torch],
    ids=lambda f: f.__name__,
)
def test_calibration_error(answer):
    result = check("05.6", answer)
    assert result.passed, result


def test_no_confidence_lies_on_the_edge_of_a_bin():
    for confidence, correct, n_bins in CALIBRATION.probes:
        inside = confidence[confidence < 1] * n_bins
        assert np.abs(inside - inside.round()).min() > 1e-4
        assert not correct[confidence == 1].all()


def test_wider_bins_make_it_smaller():
    confidence, correct, _ = CALIBRATION.probes[0]
    errors = [CALIBRATION.reference(confidence, correct, bins) for bins in (1, 2, 4, 8, 16)]
    assert (np.diff(errors) > -1e-12).all()


def distance_with_a_loop(X, mean, covariance):
    return [(x - mean) @ np.linalg.solve(covariance, x - mean) for x in X]


def distance_by_whitening(X, mean, covariance):
    white = np.linalg.solve(np.linalg.cholesky(covariance), (X - mean).T)
    return (white**2).sum(axis=0)


def distance_of_scipy(X, mean, covariance):
    return cdist(X, mean[None], "mahalanobis", VI=np.linalg.inv(covariance))[:, 0] ** 2


def distance_with_einsum(X, mean, covariance):
    return np.einsum("ni,ij,nj->n", X - mean, np.linalg.inv(covariance), X - mean)


def distance_with_torch(X, mean, covariance):
    away = torch.tensor(X - mean)
    return (away @ torch.linalg.inv(torch.tensor(covariance)) * away).sum(1)


@pytest.mark.parametrize(
    "answer",
    [
        distance_with_a_loop,
        distance_by_whitening,
        distance_of_scipy,
        distance_with_einsum,
        distance_with_torch,
    ],
    ids=lambda f: f.__name__,
)
def test_distance(answer):
    result = check("05.7", answer)
    assert result.passed, result


def test_the_squared_distance_is_chi_squared():
    _, mean, covariance = DISTANCE.probes[1]
    rows = np.random.default_rng(0).multivariate_normal(mean, covariance, 20_000)
    distance = DISTANCE.reference(rows, mean, covariance)
    assert (distance > chi2.ppf(0.99, 3)).mean() == pytest.approx(0.01, abs=0.003)
    assert distance.mean() == pytest.approx(3, abs=0.1)


def test_what_the_texts_say_of_gammas_that_vanish():
    assert np.exp(-746.0) == 0
    assert np.exp(-744.0) > 0


def test_what_the_notebook_says_of_the_penguins():
    penguins = load_dataset("penguins")
    X = penguins.data[:, :2]
    mixture = GaussianMixture(3, tol=1e-6, max_iter=1000, random_state=0).fit(X)
    distance = squared_distances(mixture, X)
    assert round(len(X) * chi2.sf(distance.max(), 2), 1) == 0.2
    early = GaussianMixture(3, random_state=0).fit(X)
    assert np.abs(np.sort(early.weights_) - np.sort(mixture.weights_)).max() > 0.05
    bird = np.flatnonzero(X[:, 0] == 58.0)
    assert len(bird) == 1
    assert mixture.predict_proba(X[bird]).max() > 0.999
    assert mixture.predict_proba([[25.0, 22.0]]).max() > 0.999


def test_two_crabs_in_three_are_nearer_to_another_group():
    crabs = load_dataset("crabs")
    assert (silhouette_samples(crabs.data, crabs.target) < 0).mean() == pytest.approx(2 / 3, abs=0.01)


def halves(rows, groups, seed):
    """Each row judged by a fit to the other half, as in the notebook."""
    half, k = np.random.default_rng(seed).permutation(len(rows)) % 2, int(groups.max()) + 1
    shares = np.empty((len(rows), k))
    for own in (0, 1):
        start = np.eye(k)[groups[half == own]]
        fit = GaussianMixture(k, init_params=start, tol=1e-6, max_iter=1000).fit(rows[half == own])
        shares[half != own] = fit.predict_proba(rows[half != own])
    return shares.max(axis=1), shares.argmax(axis=1) == groups


@pytest.fixture(scope="module")
def tumours():
    table = load_dataset("breast_cancer")
    logs = np.log(table.data + 0.01)
    logs = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    few = [table.feature_names.index(f"worst_{name}") for name in ("radius", "texture", "smoothness")]
    ten = range(10)
    return {n: [halves(rows, table.target, s) for s in ten] for n, rows in [(3, logs[:, few]), (30, logs)]}


@pytest.mark.slow
def test_more_columns_claim_more_and_are_right_no_more_often(tumours):
    claimed, right = ({n: np.mean([each[i].mean() for each in tumours[n]]) for n in tumours} for i in (0, 1))
    assert (round(claimed[3], 2), round(claimed[30], 2)) == (0.94, 0.99)
    assert abs(right[3] - right[30]) < 0.005
    gaps = {n: np.array([c.mean() - r.mean() for c, r in tumours[n]]) for n in tumours}
    assert gaps[30].min() > 0.045
    assert (gaps[3] > 0.03).sum() == 1
    apart = [a[1].mean() - b[1].mean() for a, b in zip(tumours[3], tumours[30], strict=True)]
    assert (min(apart), max(apart)) == pytest.approx((-0.02, 0.02), abs=0.005)


@pytest.mark.slow
def test_of_tumours_that_are_claimed_to_96_percent_72_are_right(tumours):
    found = reliability(*np.concatenate(tumours[30], axis=1), repeats=10)
    assert (found.claimed[-2], found.right[-2]) == pytest.approx((0.96, 0.72), abs=0.01)

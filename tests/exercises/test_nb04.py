"""Notebook 04: exercises answered in other ways pass too, and the numbers of its texts are re-derived."""

import math

import numpy as np
import pytest
import torch
from scipy.special import betaln, entr, logsumexp, xlogy
from scipy.stats import entropy, multivariate_normal
from sklearn.mixture import GaussianMixture as Theirs
from sklearn.model_selection import PredefinedSplit

from mixturelab import GaussianMixture, load_dataset
from mixturelab.exercises import Outcome, check
from mixturelab.exercises.nb04 import ICL, NEEDLES

GEYSER = load_dataset("old_faithful").data
N = len(GEYSER)

# --------------------------------------------------------------------------------------------- other right answers


def bic_in_torch(log_likelihood, n_parameters, n_rows):
    return torch.tensor(n_parameters * math.log(n_rows)) - 2 * torch.tensor(
        log_likelihood, dtype=torch.float64
    )


def bic_from_the_evidence(log_likelihood, n_parameters, n_rows):
    return -2 * (log_likelihood - n_parameters / 2 * np.log(n_rows))


def bic_in_a_loop(log_likelihood, n_parameters, n_rows):
    total = -2 * log_likelihood
    for _ in range(n_parameters):
        total += np.log(n_rows)
    return total


def laplace_with_a_variance(log_likelihood, curvature, log_prior):
    sigma = 1 / np.sqrt(curvature)
    return log_likelihood + log_prior + np.log(sigma * np.sqrt(2 * np.pi))


def laplace_by_quadrature(log_likelihood, curvature, log_prior):
    theta = np.linspace(-12, 12, 20_001) / np.sqrt(curvature)
    log_values = log_likelihood - curvature * theta**2 / 2 + log_prior
    return logsumexp(log_values) + np.log(theta[1] - theta[0])


def laplace_in_torch(log_likelihood, curvature, log_prior):
    return log_likelihood + log_prior + 0.5 * torch.log(torch.tensor(2 * np.pi / curvature))


def icl_in_loops(bic, gamma):
    total = bic
    for row in gamma:
        total -= 2 * sum(g * math.log(g) for g in row if g > 0)
    return total


def icl_with_xlogy(bic, gamma):
    return bic - 2 * xlogy(gamma, gamma).sum()


def icl_with_entr(bic, gamma):
    return bic + 2 * np.einsum("nk->", entr(gamma))


def icl_with_scipy_stats(bic, gamma):
    return bic + 2 * entropy(gamma, axis=1).sum()


def icl_in_torch(bic, gamma):
    return bic + 2 * torch.special.entr(torch.tensor(gamma)).sum()


def icl_without_nans(bic, gamma):
    return bic - 2 * np.nansum(gamma * np.log(gamma))


def needles_in_a_loop(covariances, counts, ridge):
    found = []
    for covariance, count in zip(covariances, counts, strict=True):
        found.append(min(np.linalg.eigvalsh(covariance)) <= 10 * ridge or count < len(covariance) + 1)
    return found


def needles_by_singular_values(covariances, counts, ridge):
    thinnest = np.linalg.svd(covariances, compute_uv=False).min(axis=1)
    return np.logical_or(thinnest <= 10 * ridge, counts < covariances.shape[1] + 1).astype(int)


def needles_in_torch(covariances, counts, ridge):
    smallest = torch.linalg.eigvalsh(torch.tensor(covariances)).min(dim=1).values
    return (smallest <= 10 * ridge) | (torch.tensor(counts) < covariances.shape[-1] + 1)


def cross_validated_in_a_list(X, folds, fit):
    values = []
    for fold in sorted(set(folds.tolist())):
        values.extend(fit(X[folds != fold])(X[folds == fold]))
    return sum(values) / len(values), np.std(values) / len(values) ** 0.5


def cross_validated_by_sklearn(X, folds, fit):
    values = np.empty(len(X))
    for train, test in PredefinedSplit(folds).split():
        values[test] = fit(X[train])(X[test])
    return [values.mean(), np.sqrt(((values - values.mean()) ** 2).mean() / len(X))]


def cross_validated_in_torch(X, folds, fit):
    parts = [torch.as_tensor(fit(X[folds != f])(X[folds == f])) for f in np.unique(folds)]
    values = torch.cat(parts)
    return torch.stack([values.mean(), values.std(correction=0) / len(X) ** 0.5])


RIGHT = {
    "04.1": [bic_in_torch, bic_from_the_evidence, bic_in_a_loop],
    "04.2": [8, 8.0, np.ceil(np.exp(2)), torch.tensor(8), np.argmax(np.log(np.arange(1, 99)) > 2) + 1],
    "04.3": [laplace_with_a_variance, laplace_by_quadrature, laplace_in_torch],
    "04.4": [
        icl_in_loops,
        icl_with_xlogy,
        icl_with_entr,
        icl_with_scipy_stats,
        icl_in_torch,
        icl_without_nans,
    ],
    "04.5": [needles_in_a_loop, needles_by_singular_values, needles_in_torch],
    "04.6": ["c", " C "],
    "04.7": [cross_validated_in_a_list, cross_validated_by_sklearn, cross_validated_in_torch],
}


@pytest.mark.parametrize(
    ("name", "answer"),
    [pytest.param(name, answer, id=f"{name}-{i}") for name in RIGHT for i, answer in enumerate(RIGHT[name])],
)
def test_right_answers_written_in_other_ways_pass(name, answer):
    result = check(name, answer)
    assert result.passed, result


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("04.2", 9, "9. is not it"),
        ("04.2", 7.4, "the first number above it"),
        ("04.2", 54.6, "no whole number"),
        ("04.4", lambda bic, gamma: bic + 2 * entr(gamma).sum(axis=1), "one number for each row"),
        ("04.5", lambda c, n, r: True, "one for each component"),
        ("04.5", lambda c, n, r: np.linalg.eigvalsh(c)[:, 0], "True or False is wanted"),
        ("04.6", "f", "answer with one of"),
        ("04.7", lambda X, folds, fit: cross_validated_in_a_list(X, folds, fit)[0], "two numbers are wanted"),
        ("04.7", lambda X, folds, fit: fit(X)(X), "one number for each row"),
        (
            "04.7",
            lambda X, folds, fit: [cross_validated_in_a_list(X, folds, fit)[0], 5.0],
            "the mean is right",
        ),
    ],
)
def test_signs_of_a_mistake_are_named(name, answer, message):
    result = check(name, answer)
    assert result.outcome is Outcome.WRONG
    assert message in result.message


def test_probes_hold_what_the_questions_warn_of():
    assert all((gamma == 0).any() for _, gamma in ICL.probes)
    covariances, counts, ridge = NEEDLES.probes[0]
    smallest, diagonal = np.linalg.eigvalsh(covariances)[:, 0], np.diagonal(covariances, axis1=1, axis2=2)
    assert ((smallest <= 10 * ridge) & (diagonal.min(axis=1) > 1)).any()  # a needle at a tilt
    assert np.allclose(covariances, np.swapaxes(covariances, 1, 2))
    assert (counts == 3.0).any()


# ------------------------------------------------------------------------------------------ the numbers of the texts


def sklearn_fit(k, family, seeds=10):
    fits = [
        Theirs(k, covariance_type=family, tol=1e-8, max_iter=3000, random_state=seed).fit(GEYSER)
        for seed in range(seeds)
    ]
    return max(fits, key=lambda fit: fit.lower_bound_)


def test_the_published_choice_and_how_far_the_others_are_behind():
    best = sklearn_fit(3, "tied").bic(GEYSER)
    assert best == pytest.approx(2314.3, abs=0.05)
    assert sklearn_fit(4, "tied").bic(GEYSER) - best == pytest.approx(5.8, abs=0.06)
    assert sklearn_fit(2, "full").bic(GEYSER) - best == pytest.approx(7.9, abs=0.06)
    assert 50 < math.exp(7.9 / 2) < 55  # "odds fifty to one"


def test_a_parameter_of_the_geyser_costs_5_6_and_tied_has_11_of_them():
    assert math.log(N) == pytest.approx(5.6, abs=0.01)
    assert GaussianMixture(3, covariance_type="tied", random_state=0).fit(GEYSER)._n_parameters() == 11
    assert GaussianMixture(3, random_state=0, n_init=3).fit(GEYSER)._n_parameters() == 17


def test_the_needle_is_all_rows_of_one_minute_and_its_score_is_ours_to_choose():
    rows = GEYSER[GEYSER[:, 1] == 83]
    assert len(rows) == 14
    assert 14 * math.log(100) == pytest.approx(64.5, abs=0.05)
    fits = GaussianMixture(
        5, covariance_type="diag", n_init=3, tol=1e-6, max_iter=1000, random_state=0
    ).fit_restarts(GEYSER)
    needle = max(fits, key=lambda fit: fit.lower_bound_)
    assert needle.spurious_
    assert needle.bic(GEYSER) == pytest.approx(2220.7, abs=0.1)
    own = needle.covariances_.min(axis=1).argmin()
    np.testing.assert_array_equal(GEYSER[needle.predict(GEYSER) == own], rows)
    assert fits[0].bic(GEYSER) == pytest.approx(2346.1, abs=0.1)
    deeper = needle.set_params(reg_covar=1e-8, init_params=needle.predict_proba(GEYSER), n_init=1)
    assert deeper.fit_restarts(GEYSER)[0].bic(GEYSER) == pytest.approx(2220.7 - 64.5, abs=0.3)


def test_the_library_s_icl_is_the_exercise_s():
    model = GaussianMixture(3, random_state=0, n_init=2, tol=1e-6, max_iter=500).fit(GEYSER)
    joint = np.stack(
        [
            np.log(w) + multivariate_normal(m, c).logpdf(GEYSER)
            for w, m, c in zip(model.weights_, model.means_, model.covariances_, strict=True)
        ],
        axis=1,
    )
    gamma = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    bic = -2 * logsumexp(joint, axis=1).sum() + 17 * np.log(N)
    assert model.icl(GEYSER) == pytest.approx(icl_with_xlogy(bic, gamma), rel=1e-9)


def test_bic_of_a_share_is_off_by_what_does_not_grow():
    for times in (1, 10, 100):
        short, rows = 97 * times, N * times
        share = short / rows
        peak = rows * (share * math.log(share) + (1 - share) * math.log(1 - share))
        gap = -2 * peak + math.log(rows) + 2 * betaln(short + 1, rows - short + 1)
        assert gap == pytest.approx(math.log(2 * math.pi * share * (1 - share)), abs=0.02)
        assert gap == pytest.approx(0.365, abs=0.005)


def test_the_gap_to_new_rows_is_about_the_number_of_parameters():
    """Exactly, for one bell: E[gap] = N/2 (E[(1 + m²)/v] − 1), with v ~ χ²(N−1)/N and m² of mean 1/N."""
    n = 50
    wanted = n / 2 * ((1 + 1 / n) * n / (n - 3) - 1)
    assert wanted == pytest.approx(2.1, abs=0.05)
    generator = np.random.default_rng(5)
    rows = generator.normal(size=(20_000, n))
    m, v = rows.mean(axis=1), rows.var(axis=1)
    gap = n / 2 * ((1 + m**2) / v - 1)
    assert gap.mean() == pytest.approx(wanted, abs=0.1)


def test_the_grades_of_evidence():
    assert [round(math.exp(d / 2)) for d in (2, 6, 10)] == [3, 20, 148]


def test_equal_bells_make_one_hill_up_to_two_standard_deviations():
    x = np.linspace(-6, 6, 4001)
    hills = {}
    for distance in (2.0, 3.0, 4.0):
        density = np.exp(-0.5 * (x - distance / 2) ** 2) + np.exp(-0.5 * (x + distance / 2) ** 2)
        hills[distance] = int(((density[1:-1] > density[:-2]) & (density[1:-1] >= density[2:])).sum())
    assert hills == {2.0: 1, 3.0: 2, 4.0: 2}

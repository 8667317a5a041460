"""The scorer: against scikit-learn and the model itself; and its last bits do not depend on how a table is cut."""

import numpy as np
import pandas as pd
import pytest
import sklearn.mixture

from mixturelab import BayesianGaussianMixture, GaussianMixture
from mixturelab.exceptions import NotFittedError
from mixturelab.scoring import Scorer

FAMILIES = ["full", "tied", "diag", "spherical"]
X = (
    np.random.default_rng(0).normal(size=(900, 4))
    + np.random.default_rng(1).integers(0, 3, size=(900, 1)) * 3
)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", [GaussianMixture, BayesianGaussianMixture])
@pytest.mark.parametrize("n_rows", [0, 1, 2, 256, 257, 900])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_are_those_of_the_model(kind, family, n_rows):
    model = kind(3, covariance_type=family, random_state=0, max_iter=30).fit(X)
    found = Scorer(model)(X[:n_rows])
    assert found.responsibilities.shape == (n_rows, 3)
    if n_rows:
        np.testing.assert_allclose(found.log_density, model.score_samples(X[:n_rows]), rtol=1e-12)
        np.testing.assert_allclose(
            found.responsibilities, model.predict_proba(X[:n_rows]), rtol=1e-9, atol=1e-14
        )
        np.testing.assert_array_equal(found.component, model.predict(X[:n_rows]))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_are_those_of_scikit_learn(family):
    theirs = sklearn.mixture.GaussianMixture(3, covariance_type=family, random_state=0, max_iter=30).fit(X)
    ours = GaussianMixture(
        3, covariance_type=family, weights_init=theirs.weights_, means_init=theirs.means_,
        precisions_init=theirs.precisions_, max_iter=1,
    ).fit(X)  # fmt: skip
    after = sklearn.mixture.GaussianMixture(
        3, covariance_type=family, weights_init=theirs.weights_, means_init=theirs.means_,
        precisions_init=theirs.precisions_, max_iter=1,
    ).fit(X)  # fmt: skip
    found = Scorer(ours)(X)
    np.testing.assert_allclose(found.log_density, after.score_samples(X), rtol=1e-10)
    np.testing.assert_allclose(found.responsibilities, after.predict_proba(X), atol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("d", "k"), [(8, 5), (16, 16), (33, 7)])
@pytest.mark.parametrize("family", ["full", "diag"])
def test_the_last_bit_does_not_depend_on_where_a_table_is_cut(d, k, family):
    rng = np.random.default_rng(d)
    x = rng.normal(size=(40_000, d)) + rng.integers(0, k, size=(40_000, 1))
    scorer = Scorer(GaussianMixture(k, covariance_type=family, random_state=0, max_iter=2).fit(x[:2000]))
    whole = scorer.at(x, 0)
    np.testing.assert_allclose(whole.log_density, scorer(x).log_density, rtol=1e-12)
    for begin in [0, 1, 17, 4096, 16_384, 23_456]:
        for length in [1, 2, 300, 4096, 16_384]:
            part = scorer.at(x[begin : begin + length], begin)
            np.testing.assert_array_equal(part.log_density, whole.log_density[begin : begin + length])
            np.testing.assert_array_equal(
                part.responsibilities, whole.responsibilities[begin : begin + length]
            )


def test_a_scorer_knows_names_and_sizes(model):
    scorer = Scorer(model)
    assert (scorer.feature_names, scorer.n_components, scorer.n_features) == (("a", "b", "c"), 3, 3)
    assert Scorer(GaussianMixture(1).fit(X)).feature_names is None


def test_uncertainty_is_what_the_most_responsible_component_leaves(model):
    found = Scorer(model)(np.array([[0.0, 0.0, 0.0], [2.0, 30.0, 0.7]]))
    np.testing.assert_array_equal(found.uncertainty, 1 - found.responsibilities.max(axis=1))
    np.testing.assert_array_equal(found.component, found.responsibilities.argmax(axis=1))


def test_values_that_are_not_finite_give_nan_in_their_row_alone(model):
    scorer = Scorer(model)
    x = np.zeros((400, 3))
    x[7, 1], x[9, 0] = np.nan, np.inf
    for found in (scorer(x), scorer.at(x, 5), scorer(x[:12])):
        np.testing.assert_array_equal(np.flatnonzero(~np.isfinite(found.log_density)), [7, 9])


def test_a_scorer_is_a_copy(frame):
    model = GaussianMixture(1).fit(frame)
    scorer = Scorer(model)
    before = scorer(frame.to_numpy()[:5]).log_density
    model.fit(frame + 100)
    np.testing.assert_array_equal(scorer(frame.to_numpy()[:5]).log_density, before)


def test_an_unfitted_model_is_refused():
    with pytest.raises(NotFittedError):
        Scorer(GaussianMixture(2))


def test_rows_of_any_kind_are_taken(model, frame):
    scorer = Scorer(model)
    expected = scorer(frame.to_numpy()).log_density
    np.testing.assert_array_equal(
        scorer(pd.DataFrame(frame).to_numpy().copy(order="F")).log_density, expected
    )
    np.testing.assert_array_equal(scorer(frame.to_numpy()[::2]).log_density.shape, (2500,))
    assert scorer([[1, 2, 3]]).log_density.dtype == np.float64

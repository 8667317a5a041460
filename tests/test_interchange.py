"""to_sklearn and from_sklearn: the same mixture in the other package's class, compared number by number."""

import warnings

import numpy as np
import pytest
import torch
from oracles import FAMILIES
from sklearn import mixture
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from mixturelab import BayesianGaussianMixture, GaussianMixture, Prior, load_dataset
from mixturelab.exceptions import ArgumentError, CollapsedComponentError, ConvergenceWarning

FRAME = load_dataset("old_faithful").frame
DATA = FRAME.to_numpy()
OURS = {"GaussianMixture": GaussianMixture, "BayesianGaussianMixture": BayesianGaussianMixture}
TYPES = ("dirichlet_process", "dirichlet_distribution")
KINDS = [
    ("GaussianMixture", {}),
    *(("BayesianGaussianMixture", {"weight_concentration_prior_type": t}) for t in TYPES),
]
kinds = pytest.mark.parametrize(("name", "settings"), KINDS, ids=["em", "process", "distribution"])
families = pytest.mark.parametrize("family", FAMILIES)
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def fitted(source, name, family, settings, X=FRAME):
    model = (OURS[name] if source == "ours" else getattr(mixture, name))(
        n_components=3, covariance_type=family, random_state=2, max_iter=500, **settings
    )
    return model.fit(X)


def require_equal(ours, theirs, X, tolerance=CLOSE):
    """What both say of the rows, and what both draw."""
    for method in ("predict_proba", "score_samples"):
        np.testing.assert_allclose(getattr(ours, method)(X), getattr(theirs, method)(X), **tolerance)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X) == pytest.approx(theirs.score(X), rel=1e-10)
    (rows, labels), (their_rows, their_labels) = ours.sample(50), theirs.sample(50)
    np.testing.assert_allclose(rows, their_rows, rtol=1e-7)
    np.testing.assert_array_equal(labels, their_labels)


# ------------------------------------------------------------------------------------------------ to scikit-learn
@kinds
@families
def test_theirs_says_what_ours_says(name, settings, family):
    ours = fitted("ours", name, family, settings)
    theirs = ours.to_sklearn()
    assert type(theirs) is getattr(mixture, name)
    require_equal(ours, theirs, FRAME)
    for attribute in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        np.testing.assert_array_equal(getattr(ours, attribute), getattr(theirs, attribute))
    assert list(theirs.feature_names_in_) == list(FRAME)
    assert (theirs.n_iter_, theirs.converged_) == (ours.n_iter_, ours.converged_)
    shared = theirs.get_params()
    assert shared == {key: value for key, value in ours.get_params().items() if key in shared}


@families
def test_criteria_are_the_same(family):
    ours = fitted("ours", "GaussianMixture", family, {})
    theirs = ours.to_sklearn()
    assert (ours.bic(FRAME), ours.aic(FRAME)) == pytest.approx(
        (theirs.bic(FRAME), theirs.aic(FRAME)), rel=1e-12
    )


@kinds
@families
def test_theirs_goes_on_from_ours(name, settings, family):
    ours = fitted("ours", name, family, settings | {"warm_start": True, "tol": 1e-9})
    theirs = ours.to_sklearn()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.set_params(max_iter=2).fit(FRAME)
    np.testing.assert_allclose(theirs.means_, ours.means_, rtol=1e-3)
    assert theirs.n_iter_ <= 2


@kinds
@families
@pytest.mark.parametrize("kind", ["float32", "tensor", "float32 tensor"])
def test_other_precisions_and_tensors_become_double_arrays(name, settings, family, kind):
    X = DATA.astype(np.float32 if "float32" in kind else np.float64)
    ours = fitted("ours", name, family, settings, torch.from_numpy(X) if "tensor" in kind else X)
    theirs = ours.to_sklearn()
    assert isinstance(theirs.means_, np.ndarray)
    assert theirs.means_.dtype == theirs.covariances_.dtype == np.float64
    # Rows in double, so that ours is computed in double too.
    rows = torch.from_numpy(DATA) if "tensor" in kind else DATA
    require_equal(ours, theirs, DATA) if "tensor" not in kind else np.testing.assert_allclose(
        ours.score_samples(rows), theirs.score_samples(DATA), **CLOSE
    )
    np.testing.assert_allclose(theirs.sample(5)[0], np.asarray(ours.sample(5)[0]), rtol=1e-7)


def test_starts_and_priors_go_along():
    start = {
        "weights_init": [0.4, 0.6],
        "means_init": torch.tensor([[2.0, 54.0], [4.3, 80.0]], dtype=torch.float64),
    }
    theirs = GaussianMixture(2, **start).fit(DATA).to_sklearn()
    np.testing.assert_array_equal(theirs.means_init, [[2, 54], [4.3, 80]])
    assert clone(theirs).fit(DATA).means_.round(1).tolist() == theirs.means_.round(1).tolist()
    prior = {
        "mean_prior": [3.0, 70.0],
        "covariance_prior": np.diag([1.0, 90.0]),
        "weight_concentration_prior": 0.1,
    }
    ours = BayesianGaussianMixture(2, random_state=0, tol=1e-8, max_iter=500, **prior).fit(DATA)
    refitted = clone(ours.to_sklearn()).fit(DATA)
    np.testing.assert_allclose(refitted.means_, ours.means_, rtol=1e-3)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"prior": Prior()}, "prior"),
        ({"dtype": "float32"}, "dtype"),
        (
            {"init_params": np.full((272, 2), 0.5) + np.linspace(-0.4, 0.4, 272)[:, None] * [1, -1]},
            "init_params",
        ),
    ],
)
def test_what_has_no_counterpart_is_named(settings, named):
    ours = GaussianMixture(2, random_state=0, **settings).fit(DATA)
    with pytest.warns(UserWarning, match=f"no counterpart of {named}: a later fit there is made without"):
        theirs = ours.to_sklearn()
    np.testing.assert_allclose(theirs.predict_proba(DATA), ours.predict_proba(DATA), atol=1e-6)
    clone(theirs).fit(DATA)


def test_a_copy_is_given_away():
    ours = fitted("ours", "GaussianMixture", "full", {})
    before = ours.means_.copy()
    ours.to_sklearn().means_[:] = 0
    np.testing.assert_array_equal(ours.means_, before)


def test_a_model_from_parameters_and_a_degenerate_one_go_too():
    made = GaussianMixture.from_parameters([0.3, 0.7], [[0.0], [5.0]], [1.0, 2.0], "spherical")
    assert made.to_sklearn().score_samples([[1.0]]) == pytest.approx(made.score_samples([[1.0]]), rel=1e-12)
    x = np.r_[np.zeros((5, 2)), np.random.default_rng(0).normal(5, 1, (30, 2))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = GaussianMixture(2, random_state=0).fit(x)
    assert flat.spurious_
    np.testing.assert_allclose(flat.to_sklearn().predict_proba(x), flat.predict_proba(x), **CLOSE)


def test_an_unfitted_model_cannot_go():
    for cls in OURS.values():
        with pytest.raises(NotFittedError):
            cls(2).to_sklearn()


# ---------------------------------------------------------------------------------------------- from scikit-learn
@kinds
@families
def test_ours_says_what_theirs_says(name, settings, family):
    theirs = fitted("theirs", name, family, settings)
    ours = OURS[name].from_sklearn(theirs)
    assert type(ours) is OURS[name]
    require_equal(ours, theirs, FRAME)
    assert list(ours.feature_names_in_) == list(FRAME)
    shared = theirs.get_params()
    assert {key: value for key, value in ours.get_params().items() if key in shared} == shared
    assert ours.history_.reason.startswith("Taken over from scikit-learn")
    assert ours.converged_ == theirs.converged_


@kinds
@families
def test_there_and_back_nothing_changes(name, settings, family):
    ours = fitted("ours", name, family, settings)
    back = OURS[name].from_sklearn(ours.to_sklearn())
    for attribute in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        np.testing.assert_array_equal(getattr(back, attribute), getattr(ours, attribute))
    np.testing.assert_array_equal(back.predict_proba(FRAME), ours.predict_proba(FRAME))
    if name == "BayesianGaussianMixture":
        assert back.elbo(FRAME) == ours.elbo(FRAME)
        np.testing.assert_array_equal(back.log_predictive(FRAME), ours.log_predictive(FRAME))


@kinds
@families
def test_what_came_from_theirs_goes_on(name, settings, family, tmp_path):
    from mixturelab import load, save

    theirs = fitted("theirs", name, family, settings | {"tol": 1e-9})
    ours = OURS[name].from_sklearn(theirs)
    loaded = load(save(ours, tmp_path / "theirs.safetensors"))
    np.testing.assert_array_equal(loaded.predict_proba(FRAME), ours.predict_proba(FRAME))
    ours.set_params(warm_start=True, max_iter=50, tol=1e-6).fit(FRAME)
    np.testing.assert_allclose(ours.means_, theirs.means_, rtol=1e-2)
    loaded.partial_fit(FRAME.iloc[:100])


def test_single_precision_of_theirs_is_kept():
    theirs = mixture.GaussianMixture(2, random_state=0).fit(DATA.astype(np.float32))
    ours = GaussianMixture.from_sklearn(theirs)
    assert ours.means_.dtype == theirs.means_.dtype
    np.testing.assert_allclose(ours.predict_proba(DATA), theirs.predict_proba(DATA), atol=1e-5)


@pytest.mark.parametrize("name", OURS)
def test_what_is_no_such_mixture_is_refused(name):
    other = next(key for key in OURS if key != name)
    for theirs in (getattr(mixture, other)(n_components=2).fit(DATA), OURS[name](2).fit(DATA), "model", None):
        with pytest.raises(ArgumentError, match=rf"theirs is .*; wanted a fitted sklearn\.mixture\.{name}"):
            OURS[name].from_sklearn(theirs)
    with pytest.raises(NotFittedError):
        OURS[name].from_sklearn(getattr(mixture, name)(n_components=2))


def test_parameters_that_are_no_mixture_are_refused():
    theirs = mixture.GaussianMixture(2, random_state=0).fit(DATA)
    theirs.covariances_ = np.zeros((2, 2, 2))
    with pytest.raises(CollapsedComponentError, match="ill-defined"):
        GaussianMixture.from_sklearn(theirs)
    theirs = mixture.GaussianMixture(2, random_state=0).fit(DATA)
    theirs.weights_ = np.array([0.9, 0.9])
    with pytest.raises(ArgumentError, match=r"weights sum to 1\.8"):
        GaussianMixture.from_sklearn(theirs)
    theirs.weights_ = np.array([np.nan, 0.9])
    with pytest.raises(ArgumentError, match="NaN or an infinity"):
        GaussianMixture.from_sklearn(theirs)
    theirs = mixture.GaussianMixture(2, random_state=0).fit(DATA)
    theirs.precisions_cholesky_ = theirs.precisions_cholesky_[0]
    with pytest.raises(ArgumentError, match=r"precisions_cholesky_ has shape \(2, 2\); wanted \(2, 2, 2\)"):
        GaussianMixture.from_sklearn(theirs)
    posterior = mixture.BayesianGaussianMixture(n_components=2, random_state=0).fit(DATA)
    posterior.degrees_of_freedom_ = np.array([0.5, 10.0])
    with pytest.raises(ArgumentError, match=r"degrees_of_freedom_ has a smallest entry of 0\.5; wanted"):
        BayesianGaussianMixture.from_sklearn(posterior)

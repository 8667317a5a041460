"""What schema version 2 added: posteriors, priors, schedules and arrays of settings come back as they were."""

import inspect

import numpy as np
import pytest
import torch
from persistence.forging import FRAME

from mixturelab import BayesianGaussianMixture, GaussianMixture, Prior
from mixturelab.exceptions import ArgumentError
from mixturelab.persistence import encode, load, load_described, read_header, save
from mixturelab.persistence.header import SCHEMA_VERSION
from mixturelab.persistence.rules import SETTINGS
from mixturelab.priors import CONJUGATE

FAMILIES = ("full", "tied", "diag", "spherical")
KINDS = ("dirichlet_process", "dirichlet_distribution")
DATA = FRAME.to_numpy()
FITTED = ("weights", "means", "covariances", "precisions_cholesky", "precisions", "weight_concentration",
          "mean_precision", "degrees_of_freedom", *CONJUGATE, "history", "converged", "n_iter", "lower_bound",
          "lower_bounds", "n_features_in")  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def bayesian(X=FRAME, **settings) -> BayesianGaussianMixture:
    return BayesianGaussianMixture(3, random_state=3, max_iter=400, **settings).fit(X)


def is_same_kind(ours, theirs) -> bool:
    """Equal type and precision."""
    if isinstance(ours, tuple):
        return isinstance(theirs, tuple) and all(map(is_same_kind, ours, theirs))
    return type(ours) is type(theirs) and getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)


# -------------------------------------------------------------------------------------------------- posteriors
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of", ["frame", "float32", "tensor"])
def test_a_loaded_posterior_is_the_saved_one(family, kind, of, path):
    X = {"frame": FRAME, "float32": DATA.astype(np.float32), "tensor": torch.from_numpy(DATA)}[of]
    saved = bayesian(X, covariance_type=family, weight_concentration_prior_type=kind, learning_decay=0.8)
    loaded = load(save(saved, path))
    assert type(loaded) is BayesianGaussianMixture
    assert loaded.get_params() == saved.get_params()
    for name in FITTED:
        if name == "history":
            assert loaded.history_ == saved.history_
        elif name == "precisions":  # made from the Cholesky factors again
            np.testing.assert_allclose(loaded.precisions_, saved.precisions_, rtol=1e-5, atol=1e-7)
        elif not name.endswith("_in"):
            ours, theirs = getattr(loaded, f"{name}_"), getattr(saved, f"{name}_")
            np.testing.assert_array_equal(ours, theirs)
            assert name.endswith("_prior") or is_same_kind(ours, theirs)
    for method in ("predict", "predict_proba", "score_samples", "log_predictive"):
        np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(saved, method)(X))
    assert loaded.elbo(X) == saved.elbo(X)
    for one, other in zip(loaded.sample(20), saved.sample(20), strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(getattr(loaded, "feature_names_in_", [])) == list(getattr(saved, "feature_names_in_", []))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_loaded_posterior_is_fitted_again_and_goes_on(family, path):
    saved = bayesian(covariance_type=family)
    loaded = load(save(saved, path))
    np.testing.assert_array_equal(load(path).fit(FRAME).means_, saved.means_)
    warm, cold = (
        model.set_params(warm_start=True, max_iter=500, tol=1e-9).fit(FRAME) for model in (loaded, saved)
    )
    np.testing.assert_array_equal(warm.means_, cold.means_)
    load(path).partial_fit(FRAME.iloc[:50])


@pytest.mark.parametrize("family", FAMILIES)
def test_priors_that_a_user_gave_come_back(family, path):
    covariance = {
        "full": np.diag([1.0, 90.0]),
        "tied": np.diag([1.0, 90.0]),
        "diag": [1.0, 90.0],
        "spherical": 9.0,
    }
    given = {
        "weight_concentration_prior": 0.01, "mean_precision_prior": 0.5, "mean_prior": [3, 70],
        "degrees_of_freedom_prior": 4, "covariance_prior": covariance[family],
    }  # fmt: skip
    saved = bayesian(covariance_type=family, **given)
    loaded = load(save(saved, path))
    for name, value in given.items():
        np.testing.assert_array_equal(getattr(loaded, name), value)
    np.testing.assert_array_equal(loaded.fit(FRAME).means_, saved.means_)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mixture_of_one_component_and_one_feature_comes_back(family, path):
    for kind in (GaussianMixture, BayesianGaussianMixture):
        saved = kind(1, covariance_type=family, random_state=0).fit(DATA[:, :1])
        np.testing.assert_array_equal(
            load(save(saved, path)).score_samples(DATA[:, :1]), saved.score_samples(DATA[:, :1])
        )


# ------------------------------------------------------------------------------------------- priors and settings
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("is_given", [False, True])
def test_the_prior_of_a_map_fit_comes_back(family, is_given, path):
    covariance = {
        "full": np.diag([1.0, 90.0]),
        "tied": np.diag([1.0, 90.0]),
        "diag": [1.0, 90.0],
        "spherical": 9.0,
    }
    prior = Prior(1.5, 0.1, [3.0, 70.0], 5, covariance[family]) if is_given else Prior(mean_precision=0.2)
    settings = {"covariance_type": family, "prior": prior, "learning_rate": 0.01, "total_samples": 1e4}
    saved = GaussianMixture(2, random_state=1, **settings).fit(FRAME)
    loaded = load(save(saved, path))
    for name, value in vars(prior).items():
        np.testing.assert_array_equal(getattr(loaded.prior, name), value)
    assert (loaded.learning_rate, loaded.total_samples) == (0.01, 1e4)
    np.testing.assert_array_equal(loaded.fit(FRAME).means_, saved.means_)
    loaded.partial_fit(FRAME.iloc[:100])


def test_starts_are_kept_to_the_last_bit(path):
    start = {
        "weights_init": [0.4, 0.6],
        "means_init": [[2, 54.1], [4.3, 80]],
        "precisions_init": [np.eye(2)] * 2,
    }
    saved = GaussianMixture(2, **start).fit(FRAME)
    loaded = load(save(saved, path))
    for name, value in start.items():
        np.testing.assert_array_equal(getattr(loaded, name), value)
    np.testing.assert_array_equal(loaded.fit(FRAME).means_, saved.means_)


def test_a_start_that_does_not_fit_the_model_is_not_saved(path):
    model = GaussianMixture(2, random_state=0).fit(FRAME).set_params(means_init=[[1.0], [2.0]])
    with pytest.raises(ArgumentError, match="'means_init' should have the shape of"):
        save(model, path)
    assert not path.exists()


@pytest.mark.parametrize("version_and_estimator", [key for key in SETTINGS if key[0] == SCHEMA_VERSION])
def test_every_constructor_argument_is_kept_or_has_its_own_entry(version_and_estimator):
    """A new argument needs a new schema version: add it there, and its default to what is older."""
    kind = {"GaussianMixture": GaussianMixture, "BayesianGaussianMixture": BayesianGaussianMixture}
    arguments = set(inspect.signature(kind[version_and_estimator[1]]).parameters)
    assert set(SETTINGS[version_and_estimator]) == arguments - {"n_components", "covariance_type", "device"}


# ------------------------------------------------------------------------------------------------------ limits
def test_a_model_of_many_named_features_is_saved_and_loaded(path):
    names = [f"feature_{i:06d}" for i in range(100_000)]
    model = GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [1.0], "spherical")
    model.means_ = np.zeros((1, len(names)))
    model.feature_names_in_ = np.array(names, dtype=object)
    assert list(load(save(model, path)).feature_names_in_) == names


@pytest.mark.parametrize("family", ["diag", "spherical"])
def test_variances_are_not_made_into_matrices(family, path):
    """K · D² numbers would be 80 GB."""
    model = GaussianMixture.from_parameters([1.0], [[0.0]], [[1.0]] if family == "diag" else [1.0], family)
    model.means_, model.weights_ = np.zeros((1, 100_000)), np.ones(1)
    if family == "diag":
        model.covariances_ = model.precisions_ = model.precisions_cholesky_ = np.ones((1, 100_000))
    assert load(save(model, path)).n_features_in_ == 100_000


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"note": "x" * (5 << 20)}, "since its file could not be loaded: it has a header of"),
        ({"note": [0] * 300_000}, "has a header of more than"),
        ({"note": "\ud800"}, "not Unicode"),
        ({"metrics": [1]}, r"metrics is a list; wanted a dict"),
        ({"versions": 5}, "has versions 5"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(path, change, match):
    model = GaussianMixture(2, random_state=0).fit(FRAME)
    with pytest.raises(ArgumentError, match=match):
        save(model, path, **change)
    assert not path.exists()


def test_broken_fitted_attributes_are_not_saved(path):
    model = GaussianMixture(2, random_state=0).fit(FRAME)
    model.weights_ = np.array([0.9, 0.9])
    with pytest.raises(
        ArgumentError, match=r"could not be loaded: it weights sum to 1\.8|weights sum to 1.8"
    ):
        save(model, path)
    posterior = bayesian()
    posterior.degrees_of_freedom_ = -posterior.degrees_of_freedom_
    with pytest.raises(ArgumentError, match="degrees_of_freedom with a smallest entry"):
        save(posterior, path)


def test_feature_names_that_are_no_strings_are_kept_as_words(path):
    model = GaussianMixture(2, random_state=0).fit(DATA)
    model.feature_names_in_ = np.array([0, 1.5], dtype=object)
    save(model, path)
    assert read_header(path)["feature_names"] == ["0", "1.5"]


def test_training_data_of_several_types_are_told(path):
    mixed = FRAME.astype({"waiting": int})
    save(GaussianMixture(2, random_state=0).fit(mixed), path, training_data=mixed)
    told = read_header(path)["provenance"]["training_data"]
    assert (told["n_rows"], told["n_features"], told["dtype"]) == (272, 2, ["float64", "int64"])


def test_header_and_model_come_from_one_reading(path):
    header, model = load_described(save(bayesian(), path))
    assert header["estimator"] == "BayesianGaussianMixture"
    assert header["provenance"] == model.provenance_


def test_a_posterior_and_a_prior_are_described_in_words(path):
    from mixturelab.pipeline import describe_file

    save(bayesian(), path)
    assert "BayesianGaussianMixture, full, K = 3 (float64, schema 2)" in describe_file(path)
    assert "dirichlet process, concentration 0.3333" in describe_file(path)
    save(GaussianMixture(2, prior=Prior(mean=[3.0, 70.0]), random_state=0).fit(FRAME), path)
    assert "mean given, mean_precision 0.01, weight_concentration 1" in describe_file(path)


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_posteriors_are_equal_bytes(family):
    assert encode(bayesian(covariance_type=family)) == encode(bayesian(covariance_type=family))


def test_a_subclass_is_not_saved_as_what_it_is_derived_from(path):
    class Mine(GaussianMixture):
        pass

    with pytest.raises(TypeError, match="model is a Mine; wanted a fitted mixturelab"):
        save(Mine(2, random_state=0).fit(DATA), path)

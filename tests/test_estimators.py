"""GaussianMixture beyond scikit-learn: tensors, starts, precision, reasons, and what it does with bad data."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import FAMILIES
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture as Theirs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mixturelab import BayesianGaussianMixture, GaussianMixture
from mixturelab.exceptions import (
    ArgumentError,
    CollapsedComponentError,
    ConvergenceWarning,
    DataError,
    DegenerateFitWarning,
)
from mixturelab.inference.fit import Status

STARTS = ("kmeans", "k-means++", "random", "random_from_data")
PUBLIC = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")


@pytest.fixture(scope="module")
def groups():
    """Three groups in three dimensions, correlated, 600 rows."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0, 0], [6, 0, 2], [0, 7, -3]])
    mix = np.array([[1.0, 0.5, 0.2], [0, 1, 0.3], [0, 0, 0.7]])
    return centres[np.arange(600) % 3] + rng.normal(size=(600, 3)) @ mix


# ------------------------------------------------------------------------------------- the same as scikit-learn


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("start", ["kmeans", "random"])
def test_the_same_fit_as_scikit_learns_from_the_same_seed(groups, family, start):
    settings = {
        "covariance_type": family,
        "init_params": start,
        "random_state": 3,
        "max_iter": 500,
        "n_init": 2,
    }
    ours, theirs = GaussianMixture(3, **settings).fit(groups), Theirs(3, **settings).fit(groups)
    for name in PUBLIC:
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-7, atol=1e-9, err_msg=name
        )
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.lower_bounds_, theirs.lower_bounds_, rtol=1e-10)
    np.testing.assert_allclose(ours.predict_proba(groups), theirs.predict_proba(groups), atol=1e-9)
    assert ours.bic(groups) == pytest.approx(theirs.bic(groups), rel=1e-11)
    assert ours.aic(groups) == pytest.approx(theirs.aic(groups), rel=1e-11)
    for mine, other in zip(ours.sample(50), theirs.sample(50), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-8)


def test_every_argument_of_theirs_is_one_of_ours_with_the_same_default():
    theirs, ours = Theirs().get_params(), GaussianMixture().get_params()
    assert theirs.items() <= ours.items()


# ---------------------------------------------------------------------------------------------------- tensors


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("start", STARTS)
def test_tensors_in_tensors_out_from_every_start(groups, start, dtype):
    x = torch.from_numpy(groups).to(dtype)
    model = GaussianMixture(3, init_params=start, random_state=0, max_iter=300).fit(x)
    same = GaussianMixture(3, init_params=start, random_state=0, max_iter=300).fit(
        groups.astype(x.numpy().dtype)
    )
    for name in PUBLIC:
        value = getattr(model, name)
        assert isinstance(value, torch.Tensor)
        assert value.dtype is dtype
        np.testing.assert_array_equal(value.numpy(), getattr(same, name))
    outputs = (model.predict(x), model.predict_proba(x), model.score_samples(x), *model.sample(5))
    assert all(isinstance(out, torch.Tensor) for out in outputs)
    assert isinstance(model.score(x), float)
    assert isinstance(model.predict(groups), np.ndarray)  # the kind of what is asked, not of what was fitted


@pytest.mark.gpu
@pytest.mark.parametrize("start", STARTS)
def test_a_cuda_tensor_stays_there(groups, start):
    x = torch.from_numpy(groups).cuda()
    model = GaussianMixture(3, init_params=start, random_state=0, max_iter=300).fit(x)
    host = GaussianMixture(3, init_params=start, random_state=0, max_iter=300).fit(groups)
    assert model.means_.is_cuda
    assert model.predict_proba(x).is_cuda
    np.testing.assert_allclose(model.covariances_.cpu(), host.covariances_, rtol=1e-6, atol=1e-8)


@pytest.mark.gpu
def test_device_takes_an_array_to_the_gpu_and_back(groups):
    model = GaussianMixture(3, device="cuda", random_state=0).fit(groups)
    assert isinstance(model.means_, np.ndarray)


def test_dtype_chooses_the_precision(groups):
    model = GaussianMixture(3, dtype="float32", random_state=0).fit(groups)
    assert model.means_.dtype == np.float32
    assert GaussianMixture(3, dtype=np.float64).fit(groups.astype(np.float32)).means_.dtype == np.float64


def test_a_tensor_of_another_width_or_rank_is_refused(groups):
    model = GaussianMixture(2).fit(torch.from_numpy(groups))
    with pytest.raises(DataError, match=r"X has 2 features, but GaussianMixture is expecting 3 features"):
        model.predict(torch.zeros(4, 2))
    with pytest.raises(DataError, match=r"shape \(3,\); wanted \[N, D\]"):
        model.predict(torch.zeros(3))
    with pytest.raises(DataError, match="complex64"):
        GaussianMixture().fit(torch.zeros(4, 2, dtype=torch.complex64))


# -------------------------------------------------------------------------------------------------- precision


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("offset", [1e3, 1e5])
def test_float32_at_an_offset_finds_what_float64_finds_at_zero(family, offset):
    """Rows that float32 holds exactly at the offset, so that only the arithmetic can lose anything."""
    rng = np.random.default_rng(0)
    centres = np.array([[-4.0, 0], [4, 2]])
    near = np.round(64 * (centres[np.arange(1000) % 2] + rng.normal(size=(1000, 2)))) / 64
    there = (near + offset).astype(np.float32)
    np.testing.assert_array_equal(there.astype(np.float64) - offset, near)
    settings = {"covariance_type": family, "random_state": 0, "tol": 1e-5}
    wanted, found = (GaussianMixture(2, **settings).fit(x) for x in (near, there))
    order, other = wanted.means_[:, 0].argsort(), found.means_[:, 0].argsort()
    np.testing.assert_allclose(found.means_[other] - offset, wanted.means_[order], atol=0.01)
    pick = (lambda c, o: c) if family == "tied" else (lambda c, o: c[o])
    np.testing.assert_allclose(
        pick(found.covariances_, other), pick(wanted.covariances_, order), rtol=2e-3, atol=2e-3
    )


# ------------------------------------------------------------------------------------------------------ starts


def test_responsibilities_as_a_start(groups):
    hard = np.eye(3)[np.arange(600) % 3]
    model = GaussianMixture(3, init_params=hard).fit(groups)
    np.testing.assert_allclose(model.means_[1], [6, 0, 2], atol=0.3)  # component 1 is the second column
    torch_model = GaussianMixture(3, init_params=torch.from_numpy(hard)).fit(torch.from_numpy(groups))
    np.testing.assert_array_equal(torch_model.means_.numpy(), model.means_)


def test_a_callable_as_a_start_is_called_for_each(groups):
    calls = []

    def start(X, k, random_state):
        calls.append(X is groups)
        return random_state.dirichlet(np.ones(k), size=len(X))

    model = GaussianMixture(3, init_params=start, n_init=4, random_state=0, max_iter=500).fit(groups)
    assert calls == [True] * 4
    assert model.converged_
    assert clone(model).get_params()["init_params"] is start


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.ones((5, 3)) / 3, r"init_params has shape \(5, 3\); wanted .* = \(600, 3\)"),
        (np.ones((600, 3)), r"init_params row 0 is \[1\.0, 1\.0, 1\.0\]; wanted numbers ≥ 0 that sum to one"),
        (np.eye(3)[np.zeros(600, int)], r"gives no row to component\(s\) \[1, 2\]"),
        (np.full((600, 3), np.nan), "init_params row 0"),
        ("k_means", "init_params is 'k_means'; wanted one of"),
        (7, "init_params is 7; wanted a name"),
    ],
)
def test_bad_starts_are_named(groups, start, message):
    with pytest.raises(ArgumentError, match=message):
        GaussianMixture(3, init_params=start).fit(groups)


def test_more_rows_than_the_subsample_start_from_a_part(monkeypatch):
    monkeypatch.setattr("mixturelab.starts.MOST_ROWS", 100)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 2)) + 8 * (np.arange(1000) % 2)[:, None]
    seen = []
    real = __import__("mixturelab.starts", fromlist=["KMeans"]).KMeans.fit
    monkeypatch.setattr(
        "mixturelab.starts.KMeans.fit", lambda self, rows: seen.append(len(rows)) or real(self, rows)
    )
    model = GaussianMixture(2, random_state=0).fit(x)
    assert seen == [100]
    assert sorted(model.means_[:, 0].round()) == [0, 8]


@pytest.mark.slow
def test_n_init_keeps_the_best_that_is_honest():
    """On Old Faithful with diag, K = 5 the most likely of 20 fits is degenerate, and is not kept."""
    from mixturelab import load_dataset

    x = load_dataset("faithful").data
    settings = {"covariance_type": "diag", "n_init": 20, "tol": 1e-6, "max_iter": 1000, "random_state": 0}
    all_fits = GaussianMixture(5, **settings).fit_restarts(x)
    spurious = [m for m in all_fits if m.spurious_]
    model = all_fits[0]  # what `fit` keeps: see the test of the restarts' order
    assert not model.spurious_
    assert len(all_fits) == 20
    assert max(m.lower_bound_ for m in spurious) > model.lower_bound_ + 0.1
    assert model.lower_bound_ == max(m.lower_bound_ for m in all_fits if not m.spurious_)


# ------------------------------------------------------------------------------------- parameters and histories


@pytest.mark.parametrize("family", FAMILIES)
def test_from_parameters_is_a_fitted_mixture(groups, family):
    fitted = GaussianMixture(3, covariance_type=family, random_state=0).fit(groups)
    given = GaussianMixture.from_parameters(fitted.weights_, fitted.means_, fitted.covariances_, family)
    np.testing.assert_allclose(given.predict_proba(groups), fitted.predict_proba(groups), atol=1e-12)
    np.testing.assert_allclose(given.precisions_cholesky_, fitted.precisions_cholesky_, rtol=1e-9, atol=1e-12)
    assert given.bic(groups) == pytest.approx(fitted.bic(groups))
    assert given.sample(3)[0].shape == (3, 3)
    as_lists = GaussianMixture.from_parameters([1.0], [[0, 0]], [[[1, 0], [0, 1]]])
    assert as_lists.score([[0, 0]]) == pytest.approx(-np.log(2 * np.pi))


def test_attributes_set_by_hand_are_the_ones_used(groups):
    model = GaussianMixture(2, random_state=0).fit(groups)
    before = model.score(groups)
    model.means_ = model.means_ + 100
    assert model.score(groups) < before - 100


def test_history_says_what_happened_and_why(groups):
    model = GaussianMixture(3, random_state=0, tol=1e-6).fit(groups)
    history = model.history_
    assert history.status is Status.CONVERGED
    assert history.reason.startswith(f"Converged at iteration {model.n_iter_}:")
    assert list(history.log_likelihood) == model.lower_bounds_
    assert np.diff(history.log_likelihood).min() > -1e-6  # a ridge of 1e-6 is not exactly maximum likelihood
    with pytest.warns(ConvergenceWarning, match=r"did not converge.*max_iter=2.*Raise max_iter or tol"):
        GaussianMixture(3, init_params="random", max_iter=2, tol=1e-9, random_state=0).fit(groups)


def test_restarts_are_sorted_and_the_first_is_what_fit_keeps(groups):
    model = GaussianMixture(3, n_init=6, init_params="random", random_state=0, max_iter=500)
    restarts = model.fit_restarts(groups)
    bounds = [m.lower_bound_ for m in restarts]
    assert bounds == sorted(bounds, reverse=True)
    np.testing.assert_array_equal(restarts[0].means_, clone(model).fit(groups).means_)


def test_pickling_cloning_and_pipelines(groups):
    frame = pd.DataFrame(groups, columns=["a", "b", "c"])
    model = GaussianMixture(3, random_state=0).fit(frame)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    with pytest.raises(NotFittedError):
        clone(model).predict(frame)
    pipeline = make_pipeline(
        StandardScaler().set_output(transform="pandas"), GaussianMixture(3, random_state=0)
    )
    assert pipeline.fit(frame).predict(frame).shape == (600,)
    assert list(pipeline[-1].feature_names_in_) == ["a", "b", "c"]


def test_verbose_prints_iterations_and_the_reason(groups, capsys):
    GaussianMixture(3, verbose=2, verbose_interval=1, random_state=0).fit(groups)
    printed = capsys.readouterr().out
    assert "Initialization 0" in printed
    assert "Iteration 2" in printed
    assert "Converged at iteration" in printed


# ------------------------------------------------------------------------------------------------ degenerate data


def test_nan_and_infinity_are_named_by_row_and_column(groups):
    bad = groups.copy()
    bad[17, 2] = np.nan
    with pytest.raises(DataError, match=r"NaN: first at row 17, column 2\."):
        GaussianMixture().fit(bad)
    with pytest.raises(DataError, match=r"NaN: first at row 17, column 2 \('c'\)"):
        GaussianMixture().fit(pd.DataFrame(bad, columns=["a", "b", "c"]))
    bad[17, 2] = -np.inf
    with pytest.raises(DataError, match="infinity: first at row 17"):
        GaussianMixture().fit(torch.from_numpy(bad))
    model = GaussianMixture().fit(groups)
    with pytest.raises(DataError, match="row 17"):
        model.predict(bad)


def test_numbers_whose_squares_overflow_are_refused(groups):
    wide = groups.copy()
    wide[3] = 1e200
    with pytest.raises(DataError, match="squares overflow"):
        GaussianMixture().fit(wide)


def test_fewer_rows_than_components(groups):
    with pytest.raises(DataError, match=r"n_samples >= n_components but got n_components = 4, n_samples = 3"):
        GaussianMixture(4).fit(groups[:3])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_constant_column_is_told_and_gives_a_finite_model(groups, family):
    x = pd.DataFrame(groups, columns=["a", "b", "c"]).assign(flat=1.0)
    if family == "spherical":  # one variance for all directions: the others hold it up
        GaussianMixture(2, covariance_type=family, random_state=0).fit(x)
        return
    with pytest.warns(DegenerateFitWarning, match=r"Drop constant column\(s\) \['flat'\]"):
        model = GaussianMixture(2, covariance_type=family, random_state=0).fit(x)
    assert np.isfinite(model.score(x))
    assert model.spurious_


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:Number of distinct clusters:sklearn.exceptions.ConvergenceWarning")
def test_equal_rows_give_a_finite_model_and_a_warning(family):
    x = np.repeat([[1.0, 2.0], [3.0, 4.0]], 10, axis=0)
    with pytest.warns(DegenerateFitWarning, match="equal or collinear rows"):
        model = GaussianMixture(3, covariance_type=family, random_state=0).fit(x)
    assert np.isfinite(model.means_).all()
    assert np.isfinite(model.score_samples(x)).all()
    np.testing.assert_allclose(model.predict_proba(x).sum(1), 1)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters:sklearn.exceptions.ConvergenceWarning")
def test_an_empty_component_is_named():
    x = np.repeat([[1.0, 2.0], [3.0, 4.0]], 10, axis=0)
    with pytest.warns(DegenerateFitWarning, match="component 2 is empty: no row is assigned to it"):
        GaussianMixture(3, random_state=0).fit(x)


def test_more_features_than_rows_give_a_finite_model_and_a_warning():
    x = np.random.default_rng(0).normal(size=(8, 20))
    with pytest.warns(DegenerateFitWarning, match="held up only by reg_covar"):
        model = GaussianMixture(2, random_state=0).fit(x)
    assert np.isfinite(model.score(x))
    with pytest.raises(CollapsedComponentError, match="increase reg_covar"):
        GaussianMixture(2, random_state=0, reg_covar=0).fit(x)


def test_a_collapse_without_a_ridge_keeps_the_last_valid_parameters_and_says_so():
    rng = np.random.default_rng(0)
    x = np.concatenate([np.zeros((30, 2)), 5 + rng.normal(size=(30, 2))])
    gamma = np.full((60, 2), 0.02)
    gamma[:30, 0], gamma[30:, 1] = 0.98, 0.98
    with pytest.warns(
        (ConvergenceWarning, DegenerateFitWarning), match="a covariance became singular"
    ) as told:
        model = GaussianMixture(2, init_params=gamma, reg_covar=0, max_iter=500, tol=0).fit(x)
    assert {w.category for w in told} == {ConvergenceWarning, DegenerateFitWarning}
    assert model.history_.status is Status.COLLAPSED
    assert np.isfinite(model.score(x))


def test_a_read_only_memory_map_is_read_without_a_copy_or_a_warning(tmp_path, groups):
    path = tmp_path / "rows.npy"
    np.save(path, groups)
    mapped = np.load(path, mmap_mode="r")
    np.testing.assert_array_equal(
        GaussianMixture(3, random_state=0).fit(mapped).means_,
        GaussianMixture(3, random_state=0).fit(groups).means_,
    )


def test_small_units_are_told_apart_from_equal_rows():
    """Two clear groups of spread 0.001: the ridge is as large as their variance, and the advice says so."""
    rng = np.random.default_rng(0)
    x = 1e-3 * (rng.normal(size=(200, 2)) + 10 * (np.arange(200) % 2)[:, None])
    with pytest.warns(
        DegenerateFitWarning, match="large beside a column's variance.*rescale the columns or lower it"
    ):
        GaussianMixture(2, random_state=0).fit(x)
    assert not GaussianMixture(2, random_state=0, reg_covar=1e-12).fit(x).spurious_


@pytest.mark.parametrize("family", FAMILIES)
def test_mixed_units_are_not_taken_for_rounding(family):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)) + 8 * (np.arange(400) % 2)[:, None]
    model = GaussianMixture(2, covariance_type=family, random_state=0).fit(x * [2e8, 1])
    assert model.spurious_ == ()


@pytest.mark.parametrize("noise", [1e-2, 1e-3])
@pytest.mark.parametrize("k", [1, 2])
def test_a_float32_model_of_collinear_columns_scores_what_it_fitted(noise, k):
    """Rounding Σ to float32 would make it singular; the predictions are made from its Cholesky factors."""
    rng = np.random.RandomState(0)
    a = rng.randn(2000)
    x = np.c_[a, a + noise * rng.randn(2000)].astype(np.float32)
    settings = {"random_state": 0, "reg_covar": 0, "max_iter": 500, "tol": 1e-5}
    small = GaussianMixture(k, **settings).fit(x)
    wide = GaussianMixture(k, **settings).fit(x.astype(float))
    assert small.lower_bound_ == pytest.approx(wide.lower_bound_, abs=2e-3)
    assert small.score(x) == pytest.approx(wide.score(x.astype(float)), abs=5e-3)


def test_frames_of_many_dtypes_can_be_degenerate_too():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"n": rng.integers(0, 3, 60), "x": rng.normal(size=60).astype("f4"), "flag": rng.random(60) > 0.5}
    )
    with pytest.warns(DegenerateFitWarning, match="held up only by reg_covar"):
        GaussianMixture(3, random_state=0).fit(frame)
    fields = np.zeros(60, dtype=[("x", "f8"), ("c", "S1")])
    fields["x"] = rng.normal(size=60)
    GaussianMixture().fit(fields["x"][:, None])  # a view whose strides are no multiple of 8 bytes


def test_settings_that_changed_since_the_fit_are_refused(groups):
    model = GaussianMixture(2, warm_start=True, random_state=0).fit(groups)
    model.set_params(n_components=3)
    with pytest.raises(ArgumentError, match=r"weights_ has shape \(2,\); wanted \(3,\) .* need a new fit"):
        model.fit(groups)
    model.set_params(n_components=2, covariance_type="diag")
    with pytest.raises(ArgumentError, match=r"precisions_cholesky_ has shape \(2, 3, 3\); wanted \(2, 3\)"):
        model.predict(groups)


def test_predictions_need_what_scikit_learns_need(groups):
    """The idiom of setting weights, means and Cholesky factors of the precisions by hand."""
    fitted = GaussianMixture(3, random_state=0).fit(groups)
    by_hand = GaussianMixture(3)
    by_hand.weights_, by_hand.means_ = fitted.weights_, fitted.means_
    by_hand.precisions_cholesky_ = fitted.precisions_cholesky_
    np.testing.assert_array_equal(by_hand.predict_proba(groups), fitted.predict_proba(groups))


def test_means_too_far_away_for_float32_say_so():
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    with pytest.warns((ConvergenceWarning, DegenerateFitWarning), match=r"the log-likelihood is (nan|-inf)"):
        model = GaussianMixture(2, means_init=[[1e25, 1e25], [-1e25, 0]]).fit(x)
    assert model.history_.status is Status.COLLAPSED
    assert all(np.isfinite(model.lower_bounds_))
    assert model.spurious_


def test_the_global_random_states_are_left_alone(groups):
    np.random.seed(0)
    before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    GaussianMixture(3, init_params="random", random_state=1, max_iter=5, tol=1).fit(groups).sample(3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_threads_are_put_back(groups):
    torch.set_num_threads(2)
    try:
        GaussianMixture(2).fit(groups)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components is 0; wanted an integer ≥ 1"),
        ({"n_components": 2.0}, r"n_components is 2\.0; wanted an integer"),
        ({"tol": -1}, "tol is -1; wanted a number ≥ 0"),
        ({"tol": "small"}, "tol is 'small'; wanted a number"),
        ({"reg_covar": float("nan")}, "reg_covar is nan"),
        ({"reg_covar": float("inf")}, "reg_covar is inf"),
        ({"max_iter": True}, "max_iter is True"),
        (
            {"covariance_type": "VVV"},
            r"covariance_type is 'VVV'; wanted one of \['diag', 'full', 'spherical', 'tied'\]",
        ),
        ({"dtype": "float16"}, "dtype is 'float16'; wanted 'float32', 'float64' or None"),
        ({"device": "gpu"}, "device is 'gpu'; wanted a torch device that is here"),
    ],
)
def test_arguments_are_checked_before_any_work(groups, settings, message):
    with pytest.raises(ArgumentError, match=message):
        GaussianMixture(**settings).fit(groups)


@pytest.mark.parametrize("settings", [{}, {"init_params": "random"}, {"max_iter": 0}, {"warm_start": True}])
@pytest.mark.parametrize("kind", [GaussianMixture, BayesianGaussianMixture])
def test_fitted_tensors_are_of_use_to_autograd(kind, settings):
    x = torch.from_numpy(
        np.random.default_rng(0).normal(size=(200, 2)) + np.repeat([[0.0], [6.0]], 100, axis=0)
    )
    model = kind(n_components=2, random_state=0, **settings).fit(x)
    model = model.fit(x) if settings.get("warm_start") else model
    for name, value in vars(model).items():
        if isinstance(value, torch.Tensor):
            assert not value.is_inference(), name
    leaf = model.means_.clone().requires_grad_()
    (leaf * model.means_).sum().backward()
    assert torch.equal(leaf.grad, model.means_)
    model.means_ += 1.0  # nor is it read-only
    model.partial_fit(x)

"""BayesianGaussianMixture: scikit-learn's posterior, tensors, the bound, the predictive density, and bad input."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from bayes_oracles import KINDS, NormalWishartPrior, gibbs_predictive, log_evidence
from oracles import FAMILIES
from scipy.integrate import quad
from sklearn.base import clone
from sklearn.mixture import BayesianGaussianMixture as Theirs

from mixturelab import GaussianMixture
from mixturelab.bayes import BayesianGaussianMixture
from mixturelab.exceptions import (
    ArgumentError,
    CollapsedComponentError,
    ConvergenceWarning,
    DataError,
    DegenerateFitWarning,
)
from mixturelab.inference.fit import Status

STARTS = ("kmeans", "k-means++", "random", "random_from_data")
POSTERIOR = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_", "mean_precision_",
             "degrees_of_freedom_")  # fmt: skip
PRIORS = ("weight_concentration_prior_", "mean_precision_prior_", "mean_prior_", "degrees_of_freedom_prior_",
          "covariance_prior_")  # fmt: skip


@pytest.fixture(scope="module")
def groups():
    """Three groups in three dimensions, correlated, 300 rows."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0, 0], [6, 0, 2], [0, 7, -3]])
    mix = np.array([[1.0, 0.5, 0.2], [0, 1, 0.3], [0, 0, 0.7]])
    return centres[np.arange(300) % 3] + rng.normal(size=(300, 3)) @ mix


# ------------------------------------------------------------------------------------- the same as scikit-learn


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("start", ["kmeans", "random"])
def test_the_same_posterior_as_scikit_learns_from_the_same_start(groups, family, kind, start):
    """After equally many iterations: their tolerance is of the whole bound, ours per row."""
    settings = {
        "n_components": 5,
        "covariance_type": family,
        "init_params": start,
        "weight_concentration_prior_type": kind,
        "random_state": 3,
        "max_iter": 40,
        "tol": 0.0,
    }
    ours, theirs = BayesianGaussianMixture(**settings).fit(groups), Theirs(**settings).fit(groups)
    for name in (*POSTERIOR, *PRIORS):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert np.shape(mine) == np.shape(other), name
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-8, err_msg=name)
    for mine, other in zip(
        *map(np.atleast_2d, (ours.weight_concentration_, theirs.weight_concentration_)), strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(ours.score_samples(groups), theirs.score_samples(groups), rtol=1e-7)
    np.testing.assert_allclose(ours.predict_proba(groups), theirs.predict_proba(groups), atol=1e-7)
    for mine, other in zip(ours.sample(50), theirs.sample(50), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)


def test_given_priors_give_scikit_learns_posterior_too(groups):
    settings = {
        "n_components": 3,
        "weight_concentration_prior": 2.5,
        "mean_precision_prior": 0.2,
        "mean_prior": [1, 2, 3],
        "degrees_of_freedom_prior": 4.5,
        "covariance_prior": np.diag([1.0, 2, 3]),
        "random_state": 0,
        "max_iter": 200,
        "tol": 1e-9,
    }
    ours, theirs = BayesianGaussianMixture(**settings).fit(groups), Theirs(**settings).fit(groups)
    for name in POSTERIOR:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-6, atol=1e-7)


def test_every_argument_of_theirs_is_one_of_ours_with_the_same_default():
    assert Theirs().get_params().items() <= BayesianGaussianMixture().get_params().items()


@pytest.mark.parametrize("kind", KINDS)
def test_the_difference_of_two_bounds_is_theirs_where_they_drop_nothing_that_varies(groups, kind):
    """The constants that scikit-learn drops are the prior's: they cancel between two fits under one prior."""
    runs = []
    for seed in (0, 1):
        settings = {"n_components": 4, "init_params": "random", "random_state": seed, "max_iter": 3000, "tol": 1e-10,
                    "reg_covar": 0.0, "weight_concentration_prior_type": kind}  # fmt: skip
        runs.append((BayesianGaussianMixture(**settings).fit(groups), Theirs(**settings).fit(groups)))
    (a, their_a), (b, their_b) = runs
    assert a.elbo(groups) - b.elbo(groups) == pytest.approx(
        their_a.lower_bound_ - their_b.lower_bound_, abs=1e-3
    )


# ----------------------------------------------------------------------------------------- tensors and precision


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_tensors_in_tensors_out(groups, kind, dtype):
    x = torch.from_numpy(groups).to(dtype)
    settings = {"weight_concentration_prior_type": kind, "random_state": 0, "max_iter": 300}
    model = BayesianGaussianMixture(3, **settings).fit(x)
    same = BayesianGaussianMixture(3, **settings).fit(groups.astype(x.numpy().dtype))
    for name in (*POSTERIOR, "mean_prior_", "covariance_prior_"):
        value = getattr(model, name)
        assert isinstance(value, torch.Tensor)
        assert value.dtype is dtype
        np.testing.assert_array_equal(value.numpy(), getattr(same, name))
    outputs = (
        model.predict(x),
        model.predict_proba(x),
        model.score_samples(x),
        model.log_predictive(x),
        *model.sample(5),
    )
    assert all(isinstance(out, torch.Tensor) for out in outputs)
    assert isinstance(model.log_predictive(groups), np.ndarray)
    assert isinstance(model.elbo(x), float)


@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_a_cuda_tensor_stays_there(groups, family):
    x = torch.from_numpy(groups).cuda()
    settings = {"covariance_type": family, "random_state": 0, "max_iter": 300}
    model, host = (BayesianGaussianMixture(3, **settings).fit(rows) for rows in (x, groups))
    assert model.means_.is_cuda
    assert model.log_predictive(x).is_cuda
    np.testing.assert_allclose(model.covariances_.cpu(), host.covariances_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(model.log_predictive(x).cpu(), host.log_predictive(groups), rtol=1e-7)
    assert model.elbo(x) == pytest.approx(host.elbo(groups), rel=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_finds_the_posterior_of_float64(groups, family):
    settings = {"covariance_type": family, "random_state": 0, "max_iter": 300, "tol": 1e-5}
    wide = BayesianGaussianMixture(3, **settings).fit(groups)
    small = BayesianGaussianMixture(3, dtype="float32", **settings).fit(groups)
    assert small.means_.dtype == np.float32
    np.testing.assert_allclose(small.means_, wide.means_, atol=1e-3)
    np.testing.assert_allclose(small.covariances_, wide.covariances_, rtol=1e-3, atol=1e-3)
    assert small.elbo(groups) == pytest.approx(wide.elbo(groups), rel=1e-5)
    np.testing.assert_allclose(small.log_predictive(groups), wide.log_predictive(groups), atol=1e-3)


# ------------------------------------------------------------------------------------------------------- the bound


@pytest.mark.parametrize("kind", KINDS)
def test_one_component_is_the_exact_evidence(groups, kind):
    model = BayesianGaussianMixture(1, reg_covar=0, weight_concentration_prior_type=kind).fit(groups)
    prior = NormalWishartPrior(groups.mean(0), 1.0, 3, np.cov(groups.T))
    wanted = prior.log_evidence(groups)
    if kind == "dirichlet_process":  # and all rows fell into the first stick of a process of concentration 1
        wanted -= math.log(len(groups) + 1)
    assert model.elbo(groups) == pytest.approx(wanted, rel=1e-10)
    assert model.lower_bound_ * len(groups) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bound_is_below_the_evidence_of_all_assignments(family):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(7, 1)) + 5 * (np.arange(7) % 2)[:, None]
    prior = NormalWishartPrior([2.0], 0.2, 1.5, [[1.0]])
    shape = {"full": [[1.0]], "tied": [[1.0]], "diag": [1.0], "spherical": 1.0}[family]
    for kind in KINDS:
        exact = log_evidence(x, prior, 0.7, kind, 2)
        model = BayesianGaussianMixture(
            2, covariance_type=family, weight_concentration_prior_type=kind, weight_concentration_prior=0.7,
            mean_precision_prior=0.2, mean_prior=[2.0], degrees_of_freedom_prior=1.5, covariance_prior=shape,
            reg_covar=0, random_state=0, max_iter=500, tol=1e-10,
        ).fit(x)  # fmt: skip
        assert exact - 3 < model.elbo(x) < exact


def test_the_bound_chooses_the_number_of_groups(groups):
    """Finite Dirichlet, with and without ln K!: the three groups that are there."""
    for count_orders in (False, True):
        bounds = {}
        for k in range(1, 6):
            model = BayesianGaussianMixture(
                k, weight_concentration_prior_type="dirichlet_distribution", weight_concentration_prior=1.0,
                n_init=3, max_iter=1000, tol=1e-6, random_state=0,
            ).fit(groups)  # fmt: skip
            bounds[k] = model.elbo(groups, count_orders=count_orders)
            assert model.elbo(groups, True) - model.elbo(groups) == pytest.approx(math.log(math.factorial(k)))
        assert max(bounds, key=bounds.get) == 3
    process = BayesianGaussianMixture(2, random_state=0).fit(groups)
    with pytest.raises(ArgumentError, match=r"count_orders is True .*'dirichlet_process'.* can be exchanged"):
        process.elbo(groups, count_orders=True)


def test_components_that_are_not_needed_switch_themselves_off(groups):
    model = BayesianGaussianMixture(
        8, weight_concentration_prior=1e-3, max_iter=1000, tol=1e-5, random_state=0
    ).fit(groups)
    assert (model.weights_ > 0.01).sum() == 3
    many = BayesianGaussianMixture(
        8, weight_concentration_prior_type="dirichlet_distribution", weight_concentration_prior=1000.0,
        max_iter=1000, tol=1e-5, random_state=0,
    ).fit(groups)  # fmt: skip
    assert (many.weights_ > 0.01).sum() == 8


def test_history_says_what_happened_and_why(groups):
    model = BayesianGaussianMixture(3, random_state=0, tol=1e-6, reg_covar=0).fit(groups)
    assert model.history_.status is Status.CONVERGED
    assert model.history_.reason.startswith(
        f"Converged at iteration {model.n_iter_}: the evidence lower bound per row"
    )
    assert list(model.history_.lower_bound) == model.lower_bounds_
    assert np.diff(model.lower_bounds_).min() > -1e-12
    assert model.elbo(groups) >= model.lower_bound_ * len(groups) - 1e-9
    with pytest.warns(ConvergenceWarning, match="max_iter=2 before the evidence lower bound per row"):
        BayesianGaussianMixture(3, init_params="random", max_iter=2, tol=0, random_state=0).fit(groups)


def test_restarts_are_sorted_and_the_first_is_what_fit_keeps(groups):
    model = BayesianGaussianMixture(3, n_init=4, init_params="random", random_state=0, max_iter=500)
    restarts = model.fit_restarts(groups)
    bounds = [m.lower_bound_ for m in restarts]
    assert bounds == sorted(bounds, reverse=True)
    np.testing.assert_array_equal(restarts[0].means_, clone(model).fit(groups).means_)
    assert restarts[-1].elbo(groups) <= restarts[0].elbo(groups) + 1e-3 * len(groups)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_warm_start_goes_on_where_the_last_fit_stopped(groups, family, kind):
    settings = {"n_components": 4, "covariance_type": family, "weight_concentration_prior_type": kind, "tol": 0.0,
                "init_params": "random", "random_state": 0}  # fmt: skip
    whole = BayesianGaussianMixture(max_iter=12, **settings).fit(groups)
    parts = BayesianGaussianMixture(max_iter=5, warm_start=True, **settings).fit(groups)
    again = pickle.loads(pickle.dumps(parts)).set_params(max_iter=7).fit(groups)
    np.testing.assert_allclose(again.means_, whole.means_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(again.covariances_, whole.covariances_, rtol=1e-9, atol=1e-9)


# ------------------------------------------------------------------------------------------ the predictive density


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_predictive_density_is_a_mixture_of_student_t(groups, family, kind):
    model = BayesianGaussianMixture(
        4, covariance_type=family, weight_concentration_prior_type=kind, random_state=0, max_iter=500
    ).fit(groups)
    at = groups[:20] * 1.5
    nus = np.broadcast_to(model.degrees_of_freedom_, 4)
    forms = {"full": lambda c, k: c[k], "tied": lambda c, k: c, "diag": lambda c, k: np.diag(c[k]),
             "spherical": lambda c, k: c[k] * np.eye(3)}  # fmt: skip
    parts = [
        NormalWishartPrior(
            model.means_[k], model.mean_precision_[k], nus[k], nus[k] * forms[family](model.covariances_, k)
        )
        for k in range(4)
    ]
    weights = model.weights_
    if kind == "dirichlet_process":
        a, b = model.weight_concentration_
        left = np.prod(b / (a + b))
        weights = [*(weights * (1 - left)), left]
        scale = {"diag": np.diag, "spherical": lambda c: c * np.eye(3)}.get(family, np.asarray)(
            model.covariance_prior_
        )
        parts.append(NormalWishartPrior(model.mean_prior_, 1.0, 3, scale))
    wanted = sum(w * p.predictive().pdf(at) for w, p in zip(weights, parts, strict=True))
    np.testing.assert_allclose(model.log_predictive(at), np.log(wanted), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_predictive_density_integrates_to_one_and_the_score_to_less(kind):
    x = np.random.default_rng(0).normal(size=(30, 1)) + 4 * (np.arange(30) % 2)[:, None]
    model = BayesianGaussianMixture(
        3, weight_concentration_prior_type=kind, max_iter=500, random_state=0
    ).fit(x)

    def integral(log_density):
        u = np.tan(
            np.linspace(-np.pi / 2, np.pi / 2, 20001)[1:-1]
        )  # the whole line: tails of Student-t are long
        values = np.exp(log_density(u[:, None])) * (1 + u**2)
        return np.trapezoid(values, np.arctan(u))

    assert integral(model.log_predictive) == pytest.approx(1, abs=2e-3)
    assert integral(model.score_samples) < 0.95


def test_the_predictive_density_of_one_component_is_the_exact_one():
    """p(x | X) = p(x, X) / p(X): two evidences."""
    x = np.random.default_rng(0).normal(size=(9, 2))
    model = BayesianGaussianMixture(
        1, weight_concentration_prior_type="dirichlet_distribution", reg_covar=0
    ).fit(x)
    prior = NormalWishartPrior(x.mean(0), 1.0, 2, np.cov(x.T))
    for row in ([0.0, 0.0], [3.0, -2.0]):
        wanted = prior.log_evidence(np.vstack([x, row])) - prior.log_evidence(x)
        assert model.log_predictive([row])[0] == pytest.approx(wanted, rel=1e-10)


@pytest.mark.slow
def test_the_predictive_density_agrees_with_a_long_gibbs_run():
    """Two groups: within 3 % of the sampler in the bulk, a total variation below 1.5 %, and too low between them.

    Variational Bayes takes assignments for independent of parameters, and so the parameters for more certain than they
    are: in the valley between the groups and far out in the tails its density is some 15 % too low. The sampler's own
    error is below 0.5 % in the bulk and 1.5 % in the valley.
    """
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(size=(25, 1)), 6 + 1.5 * rng.normal(size=(35, 1))])
    prior = NormalWishartPrior([3.0], 0.1, 2.0, [[2.0]])
    at = np.linspace(-3, 11, 29)[:, None]
    exact, error = gibbs_predictive(x, at, prior, 1.0, 2, 1500, 100, rng)
    model = BayesianGaussianMixture(
        2, weight_concentration_prior_type="dirichlet_distribution", weight_concentration_prior=1.0,
        mean_precision_prior=0.1, mean_prior=[3.0], degrees_of_freedom_prior=2.0, covariance_prior=[[2.0]],
        reg_covar=0, max_iter=1000, tol=1e-9, random_state=0,
    ).fit(x)  # fmt: skip
    found = np.exp(model.log_predictive(at))
    bulk = exact > 0.3 * exact.max()
    assert (error[bulk] / exact[bulk]).max() < 0.01
    assert np.abs(found[bulk] / exact[bulk] - 1).max() < 0.03
    apart, of_score = (
        0.5 * np.trapezoid(np.abs(density - exact), at[:, 0])
        for density in (found, np.exp(model.score_samples(at)))
    )
    assert apart < 0.015
    assert of_score > 2 * apart  # the score is not the density
    valley = at[:, 0] == 3
    assert 0.7 < (found[valley] / exact[valley]).item() < 0.95


# ------------------------------------------------------------------------------------------------- starts and frames


def test_responsibilities_and_callables_as_a_start(groups):
    hard = np.eye(3)[np.arange(300) % 3]
    model = BayesianGaussianMixture(3, init_params=hard).fit(groups)
    np.testing.assert_allclose(model.means_[1], [6, 0, 2], atol=0.3)
    same = BayesianGaussianMixture(3, init_params=lambda X, k, rng: hard).fit(groups)
    np.testing.assert_array_equal(same.means_, model.means_)


def test_more_rows_than_the_subsample_start_with_the_weight_of_all(monkeypatch, groups):
    monkeypatch.setattr("mixturelab.starts.MOST_ROWS", 100)
    model = BayesianGaussianMixture(3, random_state=0, max_iter=0).fit(groups)
    assert model.mean_precision_.sum() == pytest.approx(
        300 + 3
    )  # as many rows as there are, and β_0 = 1 each


def test_pickling_cloning_and_frames(groups):
    frame = pd.DataFrame(groups, columns=["a", "b", "c"])
    model = BayesianGaussianMixture(3, random_state=0).fit(frame)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.log_predictive(frame), model.log_predictive(frame))
    with pytest.raises(DataError, match=r"NaN: first at row 0, column 1 \('b'\)"):
        model.log_predictive(pd.DataFrame([[0, np.nan, 0]], columns=["a", "b", "c"]))


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components is 0; wanted an integer ≥ 1"),
        ({"weight_concentration_prior_type": "beta"}, "weight_concentration_prior_type is 'beta'; wanted one of"),
        ({"weight_concentration_prior": 0}, "weight_concentration_prior is 0; wanted a number > 0"),
        ({"weight_concentration_prior": -1.0}, r"weight_concentration_prior is -1\.0; wanted a number > 0"),
        ({"weight_concentration_prior": [1, 2]}, r"weight_concentration_prior is \[1, 2\]; wanted a number"),
        ({"mean_precision_prior": float("nan")}, "mean_precision_prior is nan; wanted a number > 0"),
        ({"weight_concentration_prior_type": np.zeros(2)}, "weight_concentration_prior_type is array"),
        ({"mean_prior": [1, 2, math.nan]}, r"mean_prior is \[1, 2, nan\]; wanted finite numbers of shape \(3,\)"),
        ({"mean_prior": "zero"}, r"mean_prior is 'zero'; wanted finite numbers of shape \(3,\)"),
        ({"mean_prior": 0.0}, r"'mean_prior' should have the shape of \(3,\), but got \(\)"),
        ({"covariance_prior": np.diag([1, math.inf, 1])}, "covariance_prior is .*; wanted finite numbers of shape"),
        ({"covariance_type": "spherical", "covariance_prior": torch.ones(3)}, r"is tensor\(.*; wanted a number > 0"),
        ({"mean_prior": [1, 2]}, r"'mean_prior' should have the shape of \(3,\), but got \(2,\)"),
        ({"degrees_of_freedom_prior": 2}, r"'degrees_of_freedom_prior' should be greater than 2, but got 2\.000"),
        ({"degrees_of_freedom_prior": -3}, "degrees_of_freedom_prior is -3; wanted a number > 0"),
        ({"covariance_prior": np.eye(2)}, r"'covariance_prior' should have the shape of \(3, 3\), but got \(2, 2\)"),
        ({"covariance_prior": np.diag([1, 2, -0.5])}, r"covariance_prior has a smallest eigenvalue of -0\.5"),
        ({"covariance_prior": np.triu(np.ones((3, 3)))}, "covariance_prior is off symmetry by 1"),
        ({"covariance_type": "diag", "covariance_prior": [1, 2, 0]}, "covariance_prior has a smallest entry of 0"),
        ({"covariance_type": "diag", "covariance_prior": np.eye(3)}, r"shape of \(3,\), but got \(3, 3\)"),
        ({"covariance_type": "spherical", "covariance_prior": -2.0}, r"covariance_prior is -2\.0; wanted a number > 0"),
        ({"covariance_type": "spherical", "covariance_prior": np.ones(3)}, "wanted a number > 0 for covariance_type"),
    ],
)  # fmt: skip
def test_priors_are_checked_before_any_work(groups, settings, message, monkeypatch):
    monkeypatch.setattr("mixturelab.bayes.fit_posterior", lambda *_, **__: pytest.fail("work was done"))
    with pytest.raises(ArgumentError, match=message):
        BayesianGaussianMixture(**settings).fit(groups)


def test_a_constant_column_is_told_and_gives_a_finite_posterior(groups):
    x = pd.DataFrame(groups, columns=["a", "b", "c"]).assign(flat=1.0)
    with pytest.warns(DegenerateFitWarning, match=r"singular.*Drop constant column\(s\) \['flat'\]"):
        model = BayesianGaussianMixture(2, random_state=0, tol=1e-2).fit(x)
    assert np.isfinite(model.log_predictive(x)).all()
    assert math.isfinite(model.elbo(x))
    with pytest.raises(
        CollapsedComponentError, match=r"covariance_prior is None.* increase reg_covar from 0"
    ):
        BayesianGaussianMixture(2, reg_covar=0).fit(x)
    proper = BayesianGaussianMixture(
        2, reg_covar=0, covariance_prior=np.eye(4), random_state=0, tol=1e-2
    ).fit(x)
    assert np.isfinite(proper.log_predictive(x)).all()


def test_settings_that_changed_since_the_fit_are_refused(groups):
    model = BayesianGaussianMixture(2, random_state=0).fit(groups)
    model.set_params(weight_concentration_prior_type="dirichlet_distribution")
    with pytest.raises(ArgumentError, match="settings changed since the fit need a new fit"):
        model.predict(groups)


@pytest.mark.parametrize(("before", "after"), [("diag", "tied"), ("tied", "diag")])
@pytest.mark.parametrize("estimator", [BayesianGaussianMixture, GaussianMixture])
def test_a_changed_family_is_refused_even_where_shapes_agree(groups, estimator, before, after):
    """As many components as features: [K, D] is [D, D]."""
    model = estimator(3, covariance_type=before, random_state=0).fit(groups).set_params(covariance_type=after)
    for use in (model.predict, model.partial_fit):
        with pytest.raises(
            ArgumentError, match=f"is not that of covariance_type='{after}'; wanted .* a new fit"
        ):
            use(groups)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 1e4, 1e8, 1e12])
def test_one_stick_of_a_process_is_the_chance_that_all_rows_share_it(groups, alpha):
    settings = {"reg_covar": 0, "weight_concentration_prior": alpha}
    process, single = (
        BayesianGaussianMixture(1, weight_concentration_prior_type=kind, **settings).fit(groups).elbo(groups)
        for kind in KINDS
    )
    n = len(groups)
    chance = sum(
        math.log(i / (alpha + i)) for i in range(1, n + 1)
    )  # α Γ(α) N! / Γ(α + N + 1), factor by factor
    assert process - single == pytest.approx(chance, abs=1e-8)
    if alpha == 1:
        assert chance == pytest.approx(-math.log(n + 1), rel=1e-12)


def test_quadrature_of_the_oracles_evidence():
    """The oracle itself, by an integral that knows no conjugacy: one row, one dimension."""
    prior = NormalWishartPrior([0.5], 0.7, 2.5, [[1.3]])

    def given_precision(log_lam):
        lam = math.exp(log_lam)
        variance = 1 / lam + 1 / (0.7 * lam)
        normal = math.exp(-0.5 * (2 - 0.5) ** 2 / variance) / math.sqrt(2 * math.pi * variance)
        a, b = 2.5 / 2, 1.3 / 2
        return normal * math.exp(a * math.log(b) - math.lgamma(a) + a * log_lam - b * lam)

    value = quad(given_precision, -30, 8, epsabs=1e-13)[0]
    assert math.log(value) == pytest.approx(prior.log_evidence(np.array([[2.0]])), rel=1e-9)

"""partial_fit of both estimators: what must not matter, the batch fit in the limit, drift, and resuming."""

import pickle

import numpy as np
import pytest
import torch
from oracles import FAMILIES
from sklearn.exceptions import NotFittedError

from mixturelab import GaussianMixture
from mixturelab.bayes import BayesianGaussianMixture
from mixturelab.exceptions import ArgumentError, CollapsedComponentError, DataError
from mixturelab.inference.fit import Status
from mixturelab.inference.online import Schedule
from mixturelab.priors import Prior

BOTH = {"likelihood": GaussianMixture, "Bayes": BayesianGaussianMixture}
PRIORS = {"mean_prior": [3.0, 3.0], "covariance_prior": np.eye(2), "degrees_of_freedom_prior": 3.0}
KNOWN = {"means_init": [[0.0, 0], [8, 4]], "weights_init": [0.5, 0.5]}


def _groups(n=600, distance=40.0):
    """So far apart that every row belongs to one group for certain, whatever is known of their shapes."""
    rng = np.random.default_rng(0)
    which = rng.permutation(np.arange(n) % 3 > 0)
    return np.where(which[:, None], [distance, 0.5 * distance], 0.0) + rng.normal(size=(n, 2)) @ [
        [1.0, 0.3],
        [0, 0.6],
    ]


def _shape(family):
    return {"full": np.eye(2), "tied": np.eye(2), "diag": np.ones(2), "spherical": 1.0}[family]


def _model(name, family, **settings):
    if name == "Bayes":
        settings |= PRIORS | {"covariance_prior": _shape(family)}
    return BOTH[name](2, covariance_type=family, random_state=0, reg_covar=0, **settings)


def _learn(model, x, sizes):
    for start, stop in zip(np.cumsum([0, *sizes[:-1]]), np.cumsum(sizes), strict=True):
        model.partial_fit(x[start:stop])
    return model


def _same(a, b, **tolerance):
    """The same mixture, whichever component comes first."""
    i, j = np.argsort(a.means_[:, 0]), np.argsort(b.means_[:, 0])
    pick = (lambda c, order: c) if a.covariance_type == "tied" else (lambda c, order: c[order])
    np.testing.assert_allclose(a.weights_[i], b.weights_[j], **tolerance)
    np.testing.assert_allclose(a.means_[i], b.means_[j], **tolerance)
    np.testing.assert_allclose(pick(a.covariances_, i), pick(b.covariances_, j), **tolerance)


# ---------------------------------------------------------------------------------------------- what must not matter


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", BOTH)
def test_neither_order_nor_size_of_batches_matters_where_all_rows_weigh_alike(name, family):
    """κ = 1, τ = 0 on groups that no batch confuses: one pass is the batch fit, however it is cut.

    To rounding for maximum likelihood; to 1e-4 with priors, under which a first batch of thirty rows is not quite sure.
    """
    x = _groups()
    settings = {"learning_decay": 1.0}
    if name == "Bayes":
        settings["weight_concentration_prior_type"] = "dirichlet_distribution"  # sticks know an order
    whole = _model(name, family, max_iter=50, tol=1e-12, **settings).fit(x)
    close = {"rtol": 1e-4, "atol": 1e-5} if name == "Bayes" else {"rtol": 1e-8, "atol": 1e-9}
    orders = [x, x[::-1], x[np.random.default_rng(1).permutation(600)]]
    cuts = [[100] * 6, [300, 300], [30, 200, 7, 163, 1, 199]]
    for rows, sizes in zip(orders, cuts, strict=True):
        _same(_learn(_model(name, family, **settings), rows, sizes), whole, **close)


def test_the_schedule_counts_rows_so_that_a_batch_in_two_is_the_batch():
    for schedule in (Schedule(0.7, 5.0), Schedule(1.0), Schedule(0.51), Schedule(constant=0.01)):
        once = 1 - schedule.rate(100, 60)
        twice = (1 - schedule.rate(100, 20)) * (1 - schedule.rate(120, 40))
        assert once == pytest.approx(twice, rel=1e-12)
    assert Schedule(1.0).rate(30, 10) == pytest.approx(10 / 40)  # all rows alike
    assert Schedule(1.0).rate(0, 10) == 1
    assert Schedule(constant=0.5).rate(7, 1) == pytest.approx(0.5)


@pytest.mark.parametrize("name", BOTH)
def test_sizes_of_batches_hardly_matter_on_overlapping_groups(name):
    """Beyond the schedule there is only how old the responsibilities are."""
    x = _groups(4000, 4.0)
    found = [
        _learn(_model(name, "full", learning_decay=0.8), x, [size] * (4000 // size))
        for size in (100, 200, 400)
    ]
    for other in found[1:]:
        _same(found[0], other, atol=0.15)


# ------------------------------------------------------------------------------------------- the batch fit in the limit


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", BOTH)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_whole_passes_that_forget_all_before_are_the_iterations_of_fit(name, family):
    """A rate of one: each call is one iteration of EM, or of variational Bayes."""
    x = _groups(300, 3.0)
    settings = {"learning_rate": 1 - 1e-12, "init_params": "random"}
    if name == "Bayes":
        settings["total_samples"] = 300
    batches = _model(name, family, **settings)
    for _ in range(6):
        batches.partial_fit(x)
    _same(batches, _model(name, family, max_iter=6, tol=0, **settings).fit(x), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", BOTH)
def test_many_passes_in_small_batches_end_at_the_batch_fit(name, family):
    x = _groups(600, 4.0)
    settings = {"total_samples": 600} if name == "Bayes" else {}
    whole = _model(name, family, max_iter=2000, tol=1e-10, **settings).fit(x)
    online = _model(name, family, learning_decay=0.9, **settings)
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(20):
        _learn(online, x[rng.permutation(600)], [50] * 12)
        gaps.append(abs(np.sort(online.means_[:, 0]) - np.sort(whole.means_[:, 0])).max())
    _same(online, whole, atol=0.1)
    assert gaps[-1] < 0.05
    assert online.score(x) == pytest.approx(whole.score(x), abs=2e-3)


@pytest.mark.parametrize("name", BOTH)
def test_after_a_fit_the_stream_goes_on_from_its_rows(name):
    """Fifty rows more do not replace the thousand that were fitted."""
    x = _groups(1050, 40.0)
    settings = {"tol": 1e-12, "max_iter": 50}
    if name == "Bayes":
        settings["weight_concentration_prior_type"] = "dirichlet_distribution"
    model = _model(name, "full", learning_decay=1.0, **settings).fit(x[:1000]).partial_fit(x[1000:])
    _same(model, _model(name, "full", **settings).fit(x), rtol=1e-8, atol=1e-9)


def test_a_model_from_parameters_starts_there():
    x = _groups(200, 40.0)
    given = GaussianMixture.from_parameters([0.5, 0.5], [[40.0, 20], [0, 0]], np.stack([np.eye(2)] * 2))
    given.partial_fit(x)
    assert given.means_[0, 0] == pytest.approx(40, abs=0.5)  # the order of components is the one given
    assert given.history_.status is Status.STREAMING


# ------------------------------------------------------------------------------------------------------------- drift


@pytest.mark.parametrize("name", BOTH)
def test_a_constant_rate_follows_a_stream_that_drifts(name):
    rng = np.random.default_rng(0)

    def batch(step):
        side = rng.integers(0, 2, 200)[:, None]
        return side * [10.0, 0.0] + [0.0, 0.1 * step] + rng.normal(size=(200, 2))

    follows, averages = _model(name, "full", learning_rate=1 / 400), _model(name, "full", learning_decay=1.0)
    for step in range(100):
        rows = batch(step)
        follows.partial_fit(rows)
        averages.partial_fit(rows)
    np.testing.assert_allclose(follows.means_[:, 1], 9.8, atol=0.4)  # a lag of about a batch and a half
    np.testing.assert_allclose(averages.means_[:, 1], 4.95, atol=0.5)
    order = follows.means_[:, 0].argsort()
    assert follows.covariances_[order][0, 1, 1] == pytest.approx(
        1.08, abs=0.3
    )  # of the window, not of the way
    assert averages.covariances_[0, 1, 1] > 5


def test_what_is_remembered_is_said_in_rows():
    x = _groups(2000)
    model = _learn(_model("Bayes", "full", learning_rate=0.01), x, [20] * 100)
    assert model._stream.effective_rows == pytest.approx(2 / 0.01, rel=0.15)
    assert model.mean_precision_.sum() == pytest.approx(model._stream.effective_rows + 2)
    alike = _learn(_model("Bayes", "full", learning_decay=1.0), x, [20] * 100)
    assert alike.mean_precision_.sum() == pytest.approx(2000 + 2)
    told = _learn(_model("Bayes", "full", total_samples=50), x, [20] * 100)
    assert told.mean_precision_.sum() == pytest.approx(50 + 2)


# ---------------------------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_pickled_stream_goes_on_to_the_last_bit(name, family):
    x = _groups(400, 3.0)
    whole = _learn(_model(name, family), x, [50] * 8)
    part = pickle.loads(pickle.dumps(_learn(_model(name, family), x[:200], [50] * 4)))
    again = _learn(part, x[200:], [50] * 4)
    for attribute in ("weights_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(again, attribute), getattr(whole, attribute))
    assert again.n_iter_ == 8
    assert again.history_.reason.startswith("Batch 8 of a stream, 400 rows so far; folded in at a rate of")


@pytest.mark.parametrize("name", BOTH)
def test_a_fit_begins_a_new_stream(name):
    x = _groups(400)
    model = _learn(_model(name, "full"), x, [100] * 4).fit(x[:100])
    assert model._stream.n_rows == 100
    assert model.history_.status is Status.CONVERGED


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", BOTH)
def test_tensors_and_float32_at_an_offset(name, dtype):
    x = _groups(600, 10.0)
    far = torch.from_numpy(x + 1000).to(dtype)
    settings = {"mean_prior": [1003.0, 1003.0]} if name == "Bayes" else {}
    a = _learn(_model(name, "full"), x, [100] * 6)
    b = _model(name, "full").set_params(**settings)
    _learn(b, far, [100] * 6)
    assert b.means_.dtype is dtype
    np.testing.assert_allclose(b.means_ - 1000, a.means_, atol=2e-3)
    np.testing.assert_allclose(b.covariances_, a.covariances_, atol=2e-2)


@pytest.mark.gpu
@pytest.mark.parametrize("name", BOTH)
def test_batches_may_come_from_another_device(name):
    x = torch.from_numpy(_groups(400))
    model = _model(name, "full").partial_fit(x[:200]).partial_fit(x[200:].cuda())
    assert model.means_.is_cuda
    _same(
        _learn(_model(name, "full"), x.numpy(), [200, 200]),
        pickle.loads(pickle.dumps(model)).partial_fit(x[:1]),
        atol=0.1,
    )


@pytest.mark.parametrize("name", BOTH)
def test_what_is_remembered_moves_whole(name):
    """To a device that has no numbers, but is there everywhere."""
    stream = _learn(_model(name, "full"), _groups(100), [50, 50])._stream
    moved = stream.to(torch.device("meta"))
    sums = moved.statistics
    assert {part.device.type for part in (sums.mass, sums.first, sums.second, sums.origin)} == {"meta"}
    assert (moved.n_rows, moved.n_batches, moved.spread) == (stream.n_rows, stream.n_batches, stream.spread)
    assert stream.to(torch.device("cpu")).statistics is stream.statistics


def test_online_map_has_the_prior_of_its_first_batch():
    rng = np.random.default_rng(0)
    model = GaussianMixture(2, prior=Prior(), reg_covar=0, random_state=0, learning_rate=0.02)
    model.partial_fit(np.r_[rng.normal(size=(50, 2)), 9 + rng.normal(size=(50, 2))])
    for _ in range(30):
        model.partial_fit(np.full((20, 2), 9.0))  # one group comes no more, the other at one point alone
    assert np.isfinite(model.covariances_).all()
    assert np.linalg.eigvalsh(model.covariances_).min() > 1e-3


@pytest.mark.parametrize("name", BOTH)
def test_a_prior_changed_on_the_way_holds_from_the_next_batch_on(name):
    x = _groups(400, 10.0)
    strong = {"likelihood": {"prior": Prior(mean_precision=1e6, mean=[3.0, 3.0])},
              "Bayes": {"mean_precision_prior": 1e6, "mean_prior": [3.0, 3.0]}}[name]  # fmt: skip
    weak = {"likelihood": {"prior": Prior()}, "Bayes": {}}[name]
    model = BOTH[name](2, random_state=0, **weak).partial_fit(x[:200])
    assert abs(model.means_ - 3).max() > 2
    again = pickle.loads(pickle.dumps(model))
    model.set_params(**strong).partial_fit(x[200:])
    np.testing.assert_allclose(model.means_, 3, atol=0.01)
    _same(again.partial_fit(x[200:]), BOTH[name](2, random_state=0, **weak).partial_fit(x), atol=0.2)
    if name == "Bayes":
        assert model.mean_precision_prior_ == 1e6
        np.testing.assert_array_equal(
            model.covariance_prior_, again.covariance_prior_
        )  # of the first batch still


@pytest.mark.parametrize("name", BOTH)
def test_a_warm_start_after_a_stream_does_not_take_its_last_score_for_one_of_these_rows(name):
    """The score of the last batch can be any number: a change from it says nothing of convergence."""
    x = _groups(400, 10.0)
    model = _model(name, "full", warm_start=True).partial_fit(x)
    model.lower_bound_ = _model(name, "full", max_iter=50).fit(x).lower_bounds_[-1]
    model.fit(x)
    assert model.n_iter_ > 1
    assert model.history_.status is Status.CONVERGED


def test_float32_far_from_zero_learns_what_float64_does():
    x = (_groups(600, 10.0) + 1e5).astype(np.float32)
    for name in BOTH:
        settings = {"mean_prior": None} if name == "Bayes" else {}
        small, wide = (
            _learn(_model(name, "full").set_params(**settings), rows, [100] * 6)
            for rows in (x, x.astype(float))
        )
        np.testing.assert_allclose(small.means_, wide.means_, atol=0.02)  # steps of float32 are 0.008 there
        np.testing.assert_allclose(small.covariances_, wide.covariances_, atol=0.02)


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("name", BOTH)
def test_a_bad_batch_changes_nothing(name):
    x = _groups(200)
    model = _model(name, "full").partial_fit(x)
    before = pickle.dumps(model)
    bad = x[:10].copy()
    bad[3, 1] = np.nan
    with pytest.raises(DataError, match="NaN: first at row 3, column 1"):
        model.partial_fit(bad)
    with pytest.raises(ValueError, match="3 features"):
        model.partial_fit(np.zeros((5, 3)))
    assert pickle.dumps(model) == before
    with pytest.raises(DataError, match="n_samples >= n_components"):
        BOTH[name](5).partial_fit(x[:3])


def test_a_batch_that_would_make_a_covariance_singular_changes_nothing():
    x = _groups(100)
    model = GaussianMixture(2, reg_covar=0, random_state=0, learning_rate=1 - 1e-12).partial_fit(x)
    before = pickle.dumps(model)
    with pytest.raises(CollapsedComponentError):
        model.partial_fit(np.repeat(x[:1], 50, axis=0))
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_decay": 0.5}, r"learning_decay is 0\.5; wanted a number above 0\.5, at most 1"),
        ({"learning_decay": 1.1}, r"learning_decay is 1\.1; wanted"),
        ({"learning_offset": -1}, "learning_offset is -1; wanted a number ≥ 0"),
        ({"learning_rate": 1.0}, r"learning_rate is 1\.0; wanted a number between 0 and 1"),
        ({"learning_rate": 0}, "learning_rate is 0; wanted a number between 0 and 1"),
        ({"total_samples": 0}, "total_samples is 0; wanted a number ≥ 1 or None"),
    ],
)
@pytest.mark.parametrize("name", BOTH)
def test_schedules_that_cannot_be_are_refused(name, settings, message):
    with pytest.raises(ArgumentError, match=message):
        BOTH[name](**settings).partial_fit(_groups(50))


@pytest.mark.parametrize("name", BOTH)
def test_a_first_batch_that_is_refused_leaves_nothing_behind(name):
    model = BOTH[name](2, random_state=0)
    for bad in (np.full((5, 2), np.nan), np.zeros((1, 2))):
        with pytest.raises(ValueError):  # noqa: PT011
            model.partial_fit(bad)
        with pytest.raises(NotFittedError):
            model.predict(np.zeros((3, 2)))
    model.partial_fit(_groups(100)[:, :1])  # of another width
    assert model.n_features_in_ == 1

"""Numbers of a summary against slow matrices; NaN where they mean nothing; alarms that fire when they should only."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stream.stream_oracles import (
    QUIET,
    cluster_batches,
    dense64,
    estimator_of,
    feed_all,
    history_of,
    mixture_of,
    slow_numbers,
)

LABELS = {"assigner": "label_supervised"}
WAYS = ({"mode": "ema"}, {"mode": "ema", **LABELS}, {"mode": "per_batch"}, {"mode": "label_supervised"})
RATIOS = ("r_squared", "stable_rank", "effective_rank", "nc1")
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))


def assert_numbers(found, wanted, rtol, prefix=""):
    for name, value in wanted.items():
        assert found[prefix + name] == pytest.approx(value, rel=rtol), prefix + name


# ------------------------------------------------------------------------------------------- numbers


@every_way
@pytest.mark.parametrize(("k", "d"), [(2, 2), (3, 8), (8, 3), (10, 32), (4, 100), (24, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_of_the_stream_and_of_the_batch(way, k, d, dtype):
    batches = cluster_batches(k + d, [120] * 4, k, d, spread=2.0, dtype=dtype)
    estimator = estimator_of(K=k, **way)
    snapshots = feed_all(estimator, batches)
    found, s = estimator.summary(), snapshots[-1]
    rtol = 2e-4 if dtype is torch.float32 else 1e-9
    pi, mu = s.pi.double().numpy(), s.mu.double().numpy()
    assert_numbers(found, slow_numbers(pi, mu, dense64(s.Sigma)), rtol)
    pi, mu, sigma, *_ = mixture_of(history_of(batches[-1:], snapshots[-1:]), k, None)
    wanted = slow_numbers(pi, mu, sigma)
    del wanted["entropy_pi"]
    assert_numbers(found, wanted, rtol, "batch_")
    x = batches[-1][0].double().numpy()
    assert found["batch_spread"] == pytest.approx(x.var(0).sum() / (x**2).sum(1).mean(), rel=rtol)
    assert found["batch_trace_B"] + found["batch_trace_W"] == pytest.approx(x.var(0).sum(), rel=rtol)
    assert found["pi_min"] == pytest.approx(float(s.pi.min()), rel=1e-6)
    assert found["pi_max"] == pytest.approx(float(s.pi.max()), rel=1e-6)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    k=st.integers(1, 9),
    d=st.integers(1, 9),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
)
def test_opnorm_by_the_gram_matrix_is_the_norm_of_the_dense_B(seed, k, d, scale):
    (x, labels), *_ = cluster_batches(seed, [30], k, d, spread=3.0)
    estimator = estimator_of(K=k, **LABELS)
    s = estimator.update(x * scale, labels)
    found, b = estimator.summary(), s.B.double().numpy()
    assert found["opnorm_B"] == pytest.approx(np.linalg.norm(b, 2), rel=1e-4, abs=1e-9 * scale**2)
    assert found["trace_B"] == pytest.approx(np.trace(b), rel=1e-4, abs=1e-9 * scale**2)
    assert found["opnorm_B"] <= found["trace_B"] * (1 + 1e-6)
    assert found["r_squared"] <= 1 + 1e-6


@every_way
def test_numbers_that_need_no_full_covariances_are_the_same_without_them(way):
    batches = cluster_batches(0, [60] * 4, 5, 12, dtype=torch.float64)
    summaries = []
    for covariance in ("full", "diag", "none"):
        estimator = estimator_of(K=5, covariance=covariance, **way)
        feed_all(estimator, batches)
        summaries.append(estimator.summary())
    full, *others = summaries
    for other in others:
        assert full.keys() == other.keys()
        for name, value in other.items():
            if not math.isnan(value):
                assert value == pytest.approx(full[name], rel=1e-9), name
        unknown = {name for name, value in other.items() if math.isnan(value)}
        assert unknown <= {"effective_rank", "nc1"}


def test_effective_rank_of_known_spectra():
    """A sphere in D dimensions has D, a line one, two equal directions two."""
    rng = np.random.default_rng(0)
    for scales, wanted in (([1] * 6, 6), ([1, 0, 0, 0, 0, 0], 1), ([1, 1, 0, 0, 0, 0], 2)):
        x = rng.normal(size=(600, 6))
        x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, bias=True)).T) * scales
        estimator = estimator_of(K=3)
        estimator.update(torch.from_numpy(x))
        found = estimator.summary()
        assert found["effective_rank"] == pytest.approx(wanted, rel=1e-6)
        assert found["batch_effective_rank"] == pytest.approx(wanted, rel=1e-6)


def test_a_batch_with_fewer_rows_than_features_has_the_effective_rank_of_its_rows():
    x = torch.randn(10, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    estimator = estimator_of(K=3)
    estimator.update(x)
    share = np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True))
    share = share[share > 1e-9] / share.sum()
    assert estimator.summary()["batch_effective_rank"] == pytest.approx(
        np.exp(-(share * np.log(share)).sum())
    )


@pytest.mark.parametrize(("d", "k"), [(512, 10), (128, 64)])
def test_collapse_ratio_in_many_dimensions_in_float32(d, k):
    """B's null direction is rounding in float32: it must not enter the pseudo-inverse."""
    batches = cluster_batches(1, [4 * k] * 2, k, d, spread=0.5)
    estimator = estimator_of(K=k, **LABELS)
    s = feed_all(estimator, batches)[-1]
    wanted = slow_numbers(s.pi.double().numpy(), s.mu.double().numpy(), dense64(s.Sigma))
    assert estimator.summary()["nc1"] == pytest.approx(wanted["nc1"], rel=1e-3)


def test_entropy_of_equal_shares_is_the_logarithm_of_their_number_and_of_one_zero():
    estimator = estimator_of(K=5, **LABELS)
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    estimator.update(x, torch.arange(20) % 4)
    assert estimator.summary()["entropy_pi"] == pytest.approx(math.log(4), rel=1e-6)
    assert estimator.summary()["valid_components"] == 4
    estimator.reset()
    estimator.update(x, torch.zeros(20, dtype=torch.int64))
    assert estimator.summary()["entropy_pi"] == 0
    assert estimator.summary()["pi_min"] == 0


def test_drift_of_a_stream_that_moves_as_one_is_the_step_over_the_spread():
    (x, labels), *_ = cluster_batches(0, [60], 4, 5, dtype=torch.float64)
    step = torch.tensor([0.3, 0.0, -0.4, 0.0, 0.0], dtype=torch.float64)
    estimator = estimator_of(K=4, mode="per_batch", **LABELS)
    found = []
    for t in range(3):
        estimator.update(x + t * step, labels)
        found.append(estimator.summary()["drift"])
    assert found[0] == 0
    np.testing.assert_allclose(found[1:], 0.5 / np.sqrt(x.numpy().var(0).sum()), rtol=1e-9)


def test_drift_of_a_still_stream_is_zero_and_a_new_component_is_no_drift():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    estimator = estimator_of(K=3, **LABELS)
    estimator.update(x, torch.arange(40) % 2)
    estimator.update(x, torch.arange(40) % 2)
    assert estimator.summary()["drift"] == pytest.approx(0, abs=1e-15)
    estimator.update(torch.cat([x, x + 50]), torch.cat([torch.arange(40) % 2, torch.full((40,), 2)]))
    assert estimator.summary()["drift"] == pytest.approx(0, abs=1e-15)


def test_numbers_are_those_of_the_units_squared_and_ratios_have_none():
    batches = cluster_batches(0, [60] * 3, 4, 9, dtype=torch.float64)
    summaries = []
    for factor in (1.0, 30.0):
        estimator = estimator_of(K=4, **LABELS)
        feed_all(estimator, [(factor * x, y) for x, y in batches])
        summaries.append(estimator.summary())
    one, other = summaries
    for name, value in one.items():
        is_square = name.removeprefix("batch_") in ("trace_B", "trace_W", "opnorm_B")
        assert other[name] == pytest.approx(value * (900 if is_square else 1), rel=1e-8, abs=1e-12), name


def test_a_summary_is_plain_numbers_and_changes_nothing():
    estimator = estimator_of(K=4)
    assert estimator.summary() == {}
    assert estimator_of(K=4, enabled=False).summary() == {}
    feed_all(estimator, cluster_batches(0, [30] * 2, 4, 5))
    summary = estimator.summary()
    assert all(type(value) is float for value in summary.values())
    assert estimator.summary() == summary
    assert {"trace_B", "opnorm_B", "trace_W", *RATIOS, "entropy_pi", "valid_components", "drift"} <= set(
        summary
    )
    assert {f"batch_{name}" for name in ("trace_B", "opnorm_B", "trace_W", *RATIOS, "spread")} <= set(summary)


@QUIET
def test_counts():
    estimator = estimator_of(K=4, **LABELS)
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    x[3] = torch.nan
    labels = torch.arange(20) % 4
    labels[5:7] = -1
    for _ in range(3):
        estimator.update(x, labels)
    found = estimator.summary()
    assert [found[n] for n in ("updates", "rows_dropped", "rows_ignored", "reseeded", "write_errors")] == [
        3,
        3,
        6,
        0,
        0,
    ]


# ------------------------------------------------------------------------------- where ratios mean nothing


@every_way
@pytest.mark.parametrize("point", [0.0, 1.0, 1000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ratios_of_a_single_point_are_unknown(way, point, dtype):
    estimator = estimator_of(K=3, **way)
    x = torch.full((12, 5), point, dtype=dtype)
    for _ in range(2):
        estimator.update(x, torch.arange(12) % 3)
    found = estimator.summary()
    for name in (*RATIOS, "drift", *(f"batch_{name}" for name in RATIOS)):
        assert math.isnan(found[name]), name
    for name in ("trace_B", "trace_W", "opnorm_B"):
        assert found[name] == pytest.approx(0, abs=1e-9 * max(point, 1) ** 2)


@every_way
def test_ratios_of_rounding_are_unknown_and_the_same_spread_in_float64_is_known(way):
    """A spread of 1e-3 about 1000 is a few steps of float32's grid."""
    noise = 1e-3 * torch.randn(4, 40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for dtype, is_known in ((torch.float32, False), (torch.float64, True)):
        estimator = estimator_of(K=3, **way)
        for batch in (1000 + noise).to(dtype):
            estimator.update(batch, torch.arange(40) % 3)
        found = estimator.summary()
        for name in (*RATIOS, "drift", *(f"batch_{name}" for name in RATIOS)):
            assert math.isfinite(found[name]) == is_known, name


def test_after_a_complete_collapse_the_decayed_ratios_become_unknown_too():
    estimator = estimator_of(K=3, ema_decay=0.5)
    for x, _ in cluster_batches(0, [30] * 5, 3, 4):
        estimator.update(x)
    assert math.isfinite(estimator.summary()["r_squared"])
    for _ in range(60):
        estimator.update(torch.ones(30, 4))
    found = estimator.summary()
    assert all(math.isnan(found[name]) for name in RATIOS)


def test_with_one_component_there_is_nothing_between():
    estimator = estimator_of(K=1)
    estimator.update(torch.randn(30, 4, generator=torch.Generator().manual_seed(0)))
    found = estimator.summary()
    assert (found["trace_B"], found["opnorm_B"], found["r_squared"], found["entropy_pi"]) == (0, 0, 0, 0)
    assert math.isnan(found["stable_rank"])
    assert math.isnan(found["nc1"])
    assert found["effective_rank"] > 3


def test_with_one_row_nothing_is_spread():
    estimator = estimator_of(K=3)
    estimator.update(torch.tensor([[1.0, 2.0]]))
    assert all(math.isnan(estimator.summary()[name]) for name in RATIOS)


# ---------------------------------------------------------------------------------------------- alarms


def names(estimator):
    found = estimator.alarms()
    assert isinstance(found, tuple)
    assert all(alarm.message and isinstance(alarm.message, str) for alarm in found)
    return [alarm.name for alarm in found]


def healthy(rng, n, k, d, spread=3.0, labels=None):
    """Clusters about zero; their centres depend on k, d and spread alone."""
    centres = np.random.default_rng(k * 1000 + d).normal(size=(k, d))
    centres = spread * (centres - centres.mean(0))
    labels = rng.integers(0, k, n) if labels is None else labels
    return torch.from_numpy(centres[labels] + rng.normal(size=(n, d))).float(), torch.from_numpy(labels)


def point(rng, n, d, noise=0.1):
    """All near (1, …, 1): a hundredth of E‖x‖² is spread."""
    return torch.from_numpy(1 + noise * rng.normal(size=(n, d))).float(), torch.from_numpy(
        rng.integers(0, 4, n)
    )


def line(rng, n, d, noise=0.05):
    """Clusters along one direction, and little else."""
    labels = rng.integers(0, 4, n)
    along = (labels - 1.5)[:, None] * np.ones(d)
    return torch.from_numpy(along + noise * rng.normal(size=(n, d))).float(), torch.from_numpy(labels)


def run(estimator, batches):
    """The alarms after each batch."""
    out = []
    for x, labels in batches:
        estimator.update(x, labels if estimator.settings.needs_labels else None)
        out.append(names(estimator))
    return out


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000), k=st.integers(1, 12), d=st.integers(1, 40), n=st.integers(8, 100),
    spread=st.sampled_from([1.5, 3.0]), is_on_sphere=st.booleans(), way=st.sampled_from(WAYS),
    covariance=st.sampled_from(["full", "full", "diag", "none"]),
)  # fmt: skip
def test_a_healthy_stream_raises_no_alarm(seed, k, d, n, spread, is_on_sphere, way, covariance):
    rng = np.random.default_rng(seed)
    way = way if k > 1 else WAYS[0]  # one class explains nothing, and there is nothing to say about it
    estimator = estimator_of(K=k, seed=seed, covariance=covariance, **way)
    for t in range(36):
        x, labels = healthy(rng, n, k, d, spread, np.resize(rng.permutation(k), n))
        x = torch.nn.functional.normalize(x, dim=1) if is_on_sphere and d > 1 else x
        estimator.update(x, labels if estimator.settings.needs_labels else None)
        if t >= 29:
            assert names(estimator) == []


@pytest.mark.parametrize("way", [*WAYS, {"mode": "per_batch", **LABELS}], ids=str)
def test_data_without_clusters_and_neural_collapse_are_no_alarm(way):
    """Isotropic rows for k-means; for labels classes that are points, as at the end of supervised training."""
    rng = np.random.default_rng(0)
    estimator = estimator_of(K=10, **way)
    for _ in range(60):
        x, labels = healthy(rng, 64, 10, 32, spread=0.0 if not estimator.settings.needs_labels else 30.0)
        estimator.update(x, labels if estimator.settings.needs_labels else None)
    assert names(estimator) == []


@every_way
def test_complete_collapse_is_told_within_five_updates_and_taken_back_at_once(way):
    rng = np.random.default_rng(0)
    batches = [healthy(rng, 64, 4, 6) for _ in range(40)] + [point(rng, 64, 6) for _ in range(9)]
    told = run(estimator_of(K=4, **way), [*batches, *(healthy(rng, 64, 4, 6) for _ in range(3))])
    is_on = ["complete_collapse" in found for found in told]
    assert is_on == [False] * 44 + [True] * 5 + [False] * 3


@every_way
def test_a_collapse_that_pauses_is_counted_anew(way):
    rng = np.random.default_rng(0)
    batches = [healthy(rng, 64, 4, 6) for _ in range(35)]
    for _ in range(3):
        batches += [point(rng, 64, 6) for _ in range(4)] + [healthy(rng, 64, 4, 6)]
    assert not any("complete_collapse" in found for found in run(estimator_of(K=4, **way), batches))


@QUIET
@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
def test_a_batch_of_nothing_neither_prolongs_nor_ends_a_collapse(path):
    rng = np.random.default_rng(0)
    nothing = (torch.full((4, 6), torch.nan), None)
    batches = [healthy(rng, 64, 4, 6) for _ in range(35)]
    batches += [point(rng, 64, 6) for _ in range(3)] + [nothing] * 2 + [point(rng, 64, 6) for _ in range(2)]
    told = run(estimator_of(K=4, group_rows=path), [*batches, nothing])
    assert ["complete_collapse" in found for found in told] == [False] * 41 + [True] * 2


def test_the_decayed_statistics_alone_would_tell_a_collapse_late():
    rng = np.random.default_rng(0)
    estimator = estimator_of(K=4)
    run(estimator, [healthy(rng, 64, 4, 6) for _ in range(40)])
    told = run(estimator, [point(rng, 64, 6) for _ in range(5)])
    found = estimator.summary()
    assert "complete_collapse" in told[-1]
    assert found["batch_spread"] < 0.1
    assert found["trace_W"] + found["trace_B"] > 1  # the EMA is far from a point still


@pytest.mark.parametrize(("way", "covariance", "is_logged"), [
    *((way, "full", False) for way in (*WAYS, {"mode": "per_batch", **LABELS})),
    *((WAYS[0], covariance, True) for covariance in ("full", "diag", "none")),
    (WAYS[1], "none", False),
], ids=str)  # fmt: skip
def test_low_rank_collapse_is_told(way, covariance, is_logged):
    rng = np.random.default_rng(0)
    estimator = estimator_of(K=4, covariance=covariance, **way)
    is_on = []
    for t in range(130):
        x, labels = healthy(rng, 64, 4, 16) if t < 40 else line(rng, 64, 16)
        estimator.update(x, labels if estimator.settings.needs_labels else None)
        if is_logged:
            estimator.log_step(step=t)
        told = names(estimator)
        assert set(told) <= {"low_rank_collapse"}
        is_on.append(bool(told))
    assert not any(is_on[:40])
    assert all(is_on[-10:] if way["mode"] == "ema" else is_on[40 + 25 * is_logged :])


@pytest.mark.parametrize(("k", "d", "is_told"), [(4, 8, True), (3, 8, False), (4, 7, False)])
def test_low_rank_is_no_news_with_few_components_or_dimensions(k, d, is_told):
    rng = np.random.default_rng(0)
    told = run(estimator_of(K=k), [line(rng, 64, d) for _ in range(35)])
    assert told[-1] == ["low_rank_collapse"] * is_told


def test_one_strong_direction_alone_is_no_collapse():
    """Most of B along one direction, but the total has many: both conditions must hold."""
    rng, estimator = np.random.default_rng(0), estimator_of(K=4, **LABELS)
    for _ in range(40):
        estimator.update(*line(rng, 256, 32, noise=1.0))
    found = estimator.summary()
    assert found["opnorm_B"] / found["trace_B"] > 0.5
    assert found["effective_rank"] > 3
    assert names(estimator) == []


@pytest.mark.parametrize("mode", ["ema", "per_batch", "label_supervised"])
def test_labels_that_say_nothing_are_told_and_only_where_labels_assign(mode):
    rng = np.random.default_rng(0)
    batches = [(healthy(rng, 128, 4, 6)[0], torch.from_numpy(rng.integers(0, 4, 128))) for _ in range(33)]
    told = run(estimator_of(K=4, mode=mode, **LABELS), batches)
    assert told[-1] == ["no_class_structure"]
    if mode != "label_supervised":
        assert run(estimator_of(K=4, mode=mode), batches)[-1] == []


def test_no_alarm_before_thirty_updates_whatever_comes():
    rng = np.random.default_rng(0)
    for make in (point, line):
        told = run(estimator_of(K=4, **LABELS), [make(rng, 64, 16) for _ in range(32)])
        assert told[:29] == [[]] * 29
        assert told[-1]
    scrambled = [(healthy(rng, 64, 4, 16)[0], torch.from_numpy(rng.integers(0, 4, 64))) for _ in range(32)]
    told = run(estimator_of(K=4, **LABELS), scrambled)
    assert told[:29] == [[]] * 29
    assert told[-1] == ["no_class_structure"]


@QUIET
def test_the_warm_up_counts_updates_not_batches_of_nothing():
    rng = np.random.default_rng(0)
    estimator = estimator_of(K=4)
    batches = [point(rng, 16, 16) if t % 2 else (torch.full((4, 16), torch.nan), None) for t in range(50)]
    assert not any(run(estimator, batches))


def test_the_row_names_the_alarms_that_are_on():
    rng, rows = np.random.default_rng(0), []
    estimator = estimator_of(K=4, on_row=rows.append)
    for t in range(40):
        estimator.update(point(rng, 32, 6)[0])
        estimator.log_step(step=t)
        assert [name for name in rows[-1]["alarms"].split(";") if name] == names(estimator)
    assert "complete_collapse" in rows[-1]["alarms"]
    assert rows[0]["alarms"] == ""


def test_alarms_are_values():
    rng = np.random.default_rng(0)
    estimator = estimator_of(K=4)
    assert estimator.alarms() == ()
    assert estimator_of(enabled=False).alarms() == ()
    run(estimator, [point(rng, 32, 6) for _ in range(32)])
    alarm, *_ = estimator.alarms()
    assert alarm == estimator.alarms()[0]
    with pytest.raises(AttributeError):
        alarm.name = "fine"

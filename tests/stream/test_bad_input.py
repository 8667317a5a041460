"""Absent components, labels that cannot be, rows that are no numbers, batches of nothing, components that died."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stream.stream_oracles import (
    DEVICES,
    QUIET,
    assert_mixture,
    assert_same_state,
    cluster_batches,
    decay_of,
    estimator_of,
    feed_all,
    history_of,
    index_of,
    law_of_total_covariance_error,
    mass_of,
    mixture_of,
    same_bits,
    saved,
)

from mixturelab.exceptions import ArgumentError, DataError, StreamWarning

WAYS = (
    {"mode": "ema", "assigner": "label_supervised"},
    {"mode": "ema", "assigner": "kmeans_online"},
    {"mode": "per_batch", "assigner": "kmeans_online"},
    {"mode": "label_supervised", "assigner": "kmeans_online"},
)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))
LABELS = {"assigner": "label_supervised"}
COUNTS = ("rows_dropped", "rows_ignored", "updates", "write_errors")


def count(estimator, name):
    return estimator.summary()[name]


# ------------------------------------------------------------------------------- absent components


@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_an_absent_component_stays_to_the_last_bit_while_its_mass_decays(path, covariance):
    estimator = estimator_of(K=3, ema_decay=0.9, group_rows=path, covariance=covariance, **LABELS)
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0)) * 3.7 + 0.1
    first = estimator.update(x, torch.arange(30) % 3)
    mass = [float(mass_of(estimator)[2])]
    for _ in range(40):
        s = estimator.update(x, torch.arange(30) % 2)
        mass.append(float(mass_of(estimator)[2]))
    assert torch.equal(s.mu[2], first.mu[2])
    assert torch.equal(s.Sigma[2], first.Sigma[2])
    assert s.valid.all()
    np.testing.assert_allclose(np.diff(np.log(mass)), np.log(0.9), rtol=1e-5)
    assert 0 < s.pi[2] < first.pi[2]


@pytest.mark.slow
def test_after_ten_thousand_absent_steps_a_component_is_bitwise_what_it_was():
    estimator = estimator_of(K=3, **LABELS)
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(0)) + 5
    first, labels = estimator.update(x, torch.arange(9) % 3), torch.arange(9) % 2
    for _ in range(10_000):
        s = estimator.update(x, labels)
    assert torch.equal(s.mu[2], first.mu[2])
    assert torch.equal(s.Sigma[2], first.Sigma[2])
    assert s.pi[2] == 0
    assert s.valid.all()


@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
def test_a_mass_that_is_nearly_nothing_becomes_zero_and_the_component_begins_anew(path):
    estimator = estimator_of(K=2, ema_decay=0.5, group_rows=path, **LABELS)
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0], [9.0, 9.0]])
    masses = []
    for t in range(130):
        s = estimator.update(x, torch.tensor([0, 1, 0]) * (t == 0))
        masses.append(float(mass_of(estimator)[1]))
    kept = [m for m in masses if m > 0]
    assert min(kept) >= 1e-30
    assert 0.5 * min(kept) < 1e-30
    assert masses[-1] == 0
    assert (float(s.pi[1]), bool(s.valid[1])) == (0, True)
    back = estimator.update(x, torch.tensor([0, 1, 1]))
    torch.testing.assert_close(back.mu[1], x[1:].mean(0))
    torch.testing.assert_close(back.Sigma[1], torch.cov(x[1:].mT, correction=0))


@every_way
@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
def test_components_never_seen_have_no_share_are_marked_and_do_not_alter_B(way, path):
    batches = cluster_batches(0, [40, 40, 40], 3, 4, dtype=torch.float64)
    if "label_supervised" in way.values():
        few, many = (feed_all(estimator_of(K=k, group_rows=path, **way), batches)[-1] for k in (3, 7))
    else:  # three distinct rows, so that no more than three centroids can begin
        batches = [(torch.eye(4, dtype=torch.float64)[torch.arange(9) % 3], None)] * 3
        few, many = (feed_all(estimator_of(K=k, group_rows=path, **way), batches)[-1] for k in (3, 7))
    assert int(many.valid.sum()) == 3
    assert not many.pi[~many.valid].any()
    torch.testing.assert_close(many.B, few.B, rtol=1e-12, atol=1e-14)
    assert torch.isfinite(many.Sigma).all()
    assert not many.Sigma[~many.valid].any()


@pytest.mark.parametrize("mode", ["ema", "per_batch"])
@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
@settings(max_examples=10)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 7))
def test_fewer_rows_than_components_make_no_duplicate_centroids(mode, path, seed, rows):
    estimator = estimator_of(K=8, mode=mode, group_rows=path, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 3, generator=generator)
    s = estimator.update(x.repeat(3, 1))  # each row three times: no other rows
    assert int(s.valid.sum()) == rows
    assert len(torch.unique(s.mu[s.valid], dim=0)) == rows
    assert not s.pi[~s.valid].any()
    for _ in range(4):
        s = estimator.update(10 * torch.randn(40, 3, generator=generator))
    assert s.valid.all()
    assert len(torch.unique(s.mu, dim=0)) == 8


def test_a_component_begins_where_its_first_rows_are_however_late():
    estimator = estimator_of(K=3, **LABELS)
    for _ in range(200):
        estimator.update(torch.full((4, 2), 7.0), torch.tensor([0, 1, 0, 1]))
    s = estimator.update(torch.tensor([[3.0, 4.0], [5.0, 6.0]]), torch.tensor([2, 2]))
    assert s.mu[2].tolist() == [4.0, 5.0]
    torch.testing.assert_close(s.Sigma[2], torch.ones(2, 2))


# --------------------------------------------------------------------------------------------- labels

BAD_LABELS = {
    "K": torch.tensor([0, 1, 2, 3]),
    "far above": torch.tensor([0, 1, 2**40, 1]),
    "below": torch.tensor([0, -2, 1, 1]),
    "too few": torch.tensor([0, 1, 2]),
    "too many": torch.tensor([0, 1, 2, 0, 1]),
    "a column": torch.tensor([[0], [1], [2], [0]]),
    "a number": torch.tensor(0),
    "none": None,
    "real": torch.tensor([0.0, 1.0, 2.0, 0.0]),
    "words": ["one", "two", "one", "two"],
    "rows of two lengths": [[1, 2], [3]],
    "an object": object(),
    "truth values": torch.tensor([True, False, True, False]),
}


@pytest.mark.parametrize("labels", BAD_LABELS.values(), ids=BAD_LABELS.keys())
@pytest.mark.parametrize("options", [LABELS, {"mode": "label_supervised"}], ids=("assigner", "mode"))
def test_bad_labels_raise_before_anything_changes(labels, options):
    estimator = estimator_of(K=3, **options)
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="labels"):
        estimator.update(x, labels)
    assert estimator.compute() == {}
    s = estimator.update(x, torch.tensor([0, 1, 2, -1]))
    before = saved(estimator)
    with pytest.raises(ArgumentError, match="labels"):
        estimator.update(2 * x, labels)
    assert_same_state(estimator, before)
    assert same_bits(estimator.compute(), s)
    assert estimator.state_dict()["clock"] == before["clock"]


def test_the_error_says_which_label_and_what_was_wanted():
    with pytest.raises(ArgumentError, match=r"labels\[2\] is 7.*0 to 2.*-1"):
        estimator_of(K=3, **LABELS).update(torch.zeros(4, 1), torch.tensor([0, -1, 7, 9]))


def test_labels_are_checked_also_when_no_row_is_finite_and_when_there_is_none():
    estimator = estimator_of(K=3, **LABELS)
    with pytest.raises(ArgumentError):
        estimator.update(torch.full((2, 2), torch.nan), torch.tensor([0, 3]))
    with pytest.raises(ArgumentError):
        estimator.update(torch.empty(0, 2), torch.tensor([0]))
    with pytest.raises(ArgumentError):
        estimator.update(torch.empty(0, 2))


@QUIET
@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
@pytest.mark.parametrize("ignore", [-1, -100, 255, 1])
def test_ignored_labels_drop_their_rows_and_are_counted(path, ignore):
    (x, labels), *_ = cluster_batches(0, [40], 3, 4)
    is_kept = torch.arange(40) % 4 != 0
    is_kept &= labels != ignore
    given_labels = torch.where(is_kept, labels, ignore)
    a, b = (estimator_of(K=3, ignore_index=ignore, group_rows=path, **LABELS) for _ in range(2))
    s, wanted = a.update(x, given_labels), b.update(x[is_kept], labels[is_kept])
    torch.testing.assert_close(s.mu, wanted.mu, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(s.Sigma, wanted.Sigma, rtol=1e-5, atol=1e-5)
    assert torch.equal(s.R[is_kept], wanted.R)
    assert not s.R[~is_kept].any()
    assert count(a, "rows_ignored") == int((~is_kept).sum())
    assert count(a, "rows_dropped") == 0


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int16, torch.int32, list, np.asarray])
def test_labels_of_any_integer_kind(kind):
    (x, labels), *_ = cluster_batches(0, [20], 3, 4)
    other = labels.to(kind) if isinstance(kind, torch.dtype) else kind(labels.tolist())
    assert same_bits(*(estimator_of(K=3, **LABELS).update(x, y) for y in (labels, other)))


def test_without_validation_labels_out_of_range_are_left_out_and_counted():
    (x, _), *_ = cluster_batches(0, [6], 3, 4)
    estimator = estimator_of(K=3, validate_labels=False, **LABELS)
    s = estimator.update(x, torch.tensor([0, 1, 2, 3, -7, -1]))
    assert index_of(s.R).tolist() == [0, 1, 2, -1, -1, -1]
    assert count(estimator, "rows_ignored") == 3


# ------------------------------------------------------------------------------------ rows of no use


@every_way
@QUIET
@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_rows_that_are_not_finite_are_left_out_and_counted(way, path, value):
    batches = cluster_batches(1, [30, 30], 3, 4, dtype=torch.float64)
    is_live = torch.arange(30) % 5 != 0
    spoilt = [(torch.where(is_live[:, None] | (torch.arange(4) != 2), x, value), y) for x, y in batches]
    clean = [(x[is_live], y[is_live]) for x, y in batches]
    a, b = (estimator_of(K=3, group_rows=path, **LABELS | way) for _ in range(2))
    s, wanted = feed_all(a, spoilt)[-1], feed_all(b, clean)[-1]
    assert not s.R[~is_live].any()
    if (
        a.settings.needs_labels
    ):  # k-means draws its first rows among others, so that its components may differ
        assert torch.equal(s.R[is_live], wanted.R)
        for name in ("pi", "mu", "Sigma", "B"):
            torch.testing.assert_close(s[name], wanted[name], rtol=1e-12, atol=1e-12)
    else:
        history = history_of(spoilt, feed_all(estimator_of(K=3, group_rows=path, **way), spoilt))
        assert_mixture(s, mixture_of(history, 3, decay_of(a.settings)), tolerance=1e-12)
        assert s.R[is_live].sum(1).eq(1).all()
    assert count(a, "rows_dropped") == 12
    assert count(a, "updates") == 2


def test_numbers_so_large_that_their_squares_are_not_are_no_poison():
    estimator = estimator_of(K=2)
    with pytest.warns(StreamWarning, match="not finite"):
        estimator.update(torch.tensor([[1e30, 0.0], [1.0, 2.0], [1e38, 3e38], [2.0, 2.0]]))
    s = estimator.update(torch.tensor([[1.0, 2.0], [2.0, 1.0], [1e18, 1.0]]))
    assert all(torch.isfinite(s[name]).all() for name in ("pi", "mu", "Sigma", "B"))
    assert all(np.isfinite(v) or np.isnan(v) for v in estimator.summary().values())


def dying_batches(updates):
    """Three clusters and a fourth that is gone after three batches: there is something to decide."""
    rng = np.random.default_rng(0)
    return [(dying_stream(rng, t, rows=20), torch.arange(20) % (4 if t < 3 else 3)) for t in range(updates)]


@every_way
@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1e6, 1e14])
def test_finite_rows_of_any_usual_size_are_used_without_a_word(way, path, scale):
    """A warning would be an error here."""
    batches = cluster_batches(0, [200] * 3, 3, 4, dtype=torch.float64)
    estimator, twin = (estimator_of(K=3, group_rows=path, **way) for _ in range(2))
    s = feed_all(estimator, [((scale * x).float(), y) for x, y in batches])[-1]
    wanted = feed_all(twin, [(x.float(), y) for x, y in batches])[-1]
    assert count(estimator, "rows_dropped") == 0
    assert torch.equal(s.R, wanted.R)
    torch.testing.assert_close(s.Sigma / scale / scale, wanted.Sigma, rtol=1e-3, atol=1e-3)


def empty_handed(way):
    """Batches without a row to fold in: (embeddings, labels, rows dropped, rows ignored)."""
    nan = torch.full((5, 3), torch.nan)
    yield torch.empty(0, 3), torch.empty(0, dtype=torch.int64), 0, 0
    yield nan, torch.zeros(5, dtype=torch.int64), 5, 0
    if "label_supervised" in way.values():
        yield torch.ones(5, 3), torch.full((5,), -1), 0, 5


def assert_numbers_stay(after, before):
    """All numbers but the counts of rows are as they were; of the last batch they may be unknown, but not others."""
    for name, value in before.items():
        if name not in COUNTS:
            unknown = name.startswith("batch_") and np.isnan(after[name])
            assert unknown or after[name] == pytest.approx(value, rel=1e-12, nan_ok=True), name


@every_way
@QUIET
@pytest.mark.parametrize(("which", "updates"), [(0, 0), (0, 3), (1, 0), (1, 1), (1, 50), (2, 3)])
def test_a_batch_without_a_usable_row_leaves_the_state_as_it_was(way, which, updates):
    """Also where a decision about dead components is due: nothing is decided by a batch of nothing."""
    kinds = list(empty_handed(way))
    x, labels, dropped, ignored = kinds[min(which, len(kinds) - 1)]
    estimator, twin = (estimator_of(K=4, ema_decay=0.9, **way) for _ in range(2))
    for one in (estimator, twin):
        feed_all(one, dying_batches(updates), labelled=True)
    numbers, before = estimator.summary(), saved(estimator)  # numbers first: what waits is folded for them
    clock = estimator.state_dict()["clock"]
    s = estimator.update(x, labels)
    if updates:
        assert_numbers_stay(estimator.summary(), numbers)
        assert s.R.shape == (len(x), 4)
        assert not s.R.any()
        assert_same_state(estimator, before, apart_from=("counts",))
        assert estimator.state_dict()["clock"] == clock
        assert count(estimator, "rows_dropped") == dropped
        assert count(estimator, "rows_ignored") == ignored
        assert count(estimator, "updates") == updates
    for batch in dying_batches(3):
        assert same_bits(estimator.update(*batch), twin.update(*batch))
    assert_same_state(estimator, saved(twin), apart_from=("counts",))


@QUIET
@pytest.mark.parametrize("bad", ["labels", "rows"])
def test_after_an_error_nothing_is_said_of_a_batch_that_was_written_over(bad):
    """The memory of the last batch has another one's rows by then."""
    estimator = estimator_of(K=3, assigner="label_supervised", on_error="raise")
    x, labels = cluster_batches(0, [12], 3, 3)[0]
    estimator.update(x, labels)
    x, labels = (
        (x, torch.full_like(labels, -1)) if bad == "labels" else (torch.full_like(x, torch.nan), labels)
    )
    with pytest.raises(DataError):
        estimator.update(x, labels)
    numbers = estimator.summary()
    assert numbers["trace_B"] > 0
    assert [
        value for name, value in numbers.items() if name.startswith("batch_") and not np.isnan(value)
    ] == []


def test_embeddings_that_are_all_zero_are_a_complete_collapse():
    """Whose spread is no part of a squared length of zero."""
    for scale in (0.0, 1e-30):  # and where the squares are too small to be any
        estimator = estimator_of(K=4)
        for t in range(40):
            estimator.update(scale * torch.randn(16, 8, generator=torch.Generator().manual_seed(t)))
        assert [alarm.name for alarm in estimator.alarms()] == ["complete_collapse"]
        assert "now unknown" in estimator.alarms()[0].message


@QUIET
def test_before_the_first_usable_row_there_is_no_mixture_and_nothing_is_fixed():
    estimator = estimator_of(K=4)
    for x in (torch.empty(0, 5), torch.full((3, 5), torch.nan, dtype=torch.float64)):
        s = estimator.update(x)
        assert not s.pi.any()
        assert not s.valid.any()
    assert estimator.log_step(step=0) == {}
    assert estimator.alarms() == ()
    s = estimator.update(torch.randn(9, 2, generator=torch.Generator().manual_seed(0)))
    assert s.mu.dtype is torch.float32
    assert s.mu.shape == (4, 2)


@every_way
@QUIET
@pytest.mark.parametrize(("which", "updates"), [(0, 3), (1, 3), (1, 50), (2, 3)])
def test_without_reading_a_batch_without_a_usable_row_adds_nothing_either(way, which, updates):
    kinds = list(empty_handed(way))
    x, labels, *_ = kinds[min(which, len(kinds) - 1)]
    estimator = estimator_of(K=4, ema_decay=0.9, group_rows=False, **way)
    last = feed_all(estimator, dying_batches(updates), labelled=True)[-1]
    s = estimator.update(x, labels)
    for name in ("pi", "mu", "Sigma", "B", "valid"):
        assert torch.equal(s[name], last[name])
    assert s.R.shape == (len(x), 4)
    assert not s.R.any()
    assert count(estimator, "updates") == updates


@QUIET
@pytest.mark.parametrize(("way", "updates"), [(WAYS[0], 3), (WAYS[1], 50), (WAYS[1], 100)])
def test_without_reading_the_state_stays_as_it_was_too(way, updates):
    """Also where a decision about dead components is due."""
    estimator = estimator_of(K=4, ema_decay=0.9, group_rows=False, **way)
    feed_all(estimator, dying_batches(updates), labelled=True)
    before = saved(estimator)
    estimator.update(torch.full((5, 3), torch.nan), torch.zeros(5, dtype=torch.int64))
    assert_same_state(estimator, before, apart_from=("counts",))


@every_way
@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
def test_on_request_a_batch_without_a_usable_row_is_an_error(way, which, path):
    kinds = list(empty_handed(way))
    x, labels, *_ = kinds[min(which, len(kinds) - 1)]
    estimator = estimator_of(K=4, on_error="raise", group_rows=path, **way)
    with pytest.raises(DataError, match="embeddings"):
        estimator.update(x, labels)
    before = feed_all(estimator, cluster_batches(0, [12] * 3, 3, 3), labelled=True)[-1]
    numbers = estimator.summary()
    with pytest.raises(DataError, match="embeddings"):
        estimator.update(x, labels)
    assert same_bits(estimator.compute(), before)
    assert_numbers_stay(estimator.summary(), numbers)


def test_dropped_rows_are_spoken_of_once():
    estimator = estimator_of(K=2)
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    x[0, 0] = torch.nan
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            estimator.update(x)
            estimator.update(torch.full((2, 2), torch.nan))
        estimator.summary()
    assert [w.category for w in said] == [StreamWarning]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.update(x)


@pytest.mark.parametrize(("embeddings", "said"), [
    (np.zeros((3, 2)), "ndarray"),
    (torch.zeros(3), r"\(3,\)"),
    (torch.zeros(3, 2, 1), r"\(3, 2, 1\)"),
    (torch.zeros(3, 0), r"\(3, 0\)"),
    (torch.zeros(3, 2, dtype=torch.int64), "int64"),
    (torch.zeros(3, 2, dtype=torch.complex64), "complex64"),
    (torch.zeros(3, 5), "D = 5"),
    (torch.zeros(0, 5), "D = 5"),
])  # fmt: skip
def test_what_is_no_matrix_of_embeddings_is_refused(embeddings, said):
    estimator = estimator_of(K=2)
    estimator.update(torch.eye(2))
    before = saved(estimator)
    with pytest.raises(ArgumentError, match=f"embeddings .*{said}.*wanted"):
        estimator.update(embeddings)
    assert_same_state(estimator, before)


# ------------------------------------------------------------------------------------ dead components


def dying_stream(rng, t, *, last_seen=3, again=(), rows=40, offset=0.0, noise=0.1, spread=8.0):
    """Four clusters, the last of which is seen in the first updates only; the third one is wide and could be two."""
    centres = spread * np.eye(4, 3)
    centres[3] = -spread
    labels = np.arange(rows) % (4 if t < last_seen or t in again else 3)
    x = centres[labels] + noise * rng.normal(size=(rows, 3))
    x[labels == 2, 2] += 3 * noise * rng.choice([-10, 10], (labels == 2).sum())
    return torch.from_numpy(x + offset).float()


def run_dying(updates, *, data=None, **options):
    """Snapshots, batches and the number of re-seeded components after each update."""
    rng, (data, options) = np.random.default_rng(0), (data or {}, {"ema_decay": 0.9, **options})
    estimator = estimator_of(K=4, **options)
    batches = [(dying_stream(rng, t, **data), None) for t in range(updates)]
    snapshots, reseeded = [], []
    for x, _ in batches:
        snapshots.append(estimator.update(x))
        reseeded.append(count(estimator, "reseeded"))
    return estimator, batches, snapshots, reseeded


@QUIET
@DEVICES
@pytest.mark.parametrize("mode", ["ema", "per_batch"])
def test_dead_components_are_moved_at_the_second_decision(mode, device):
    rng = np.random.default_rng(0)
    estimator = estimator_of(K=4, mode=mode, ema_decay=0.9)
    moved = []
    for t in range(160):
        s = estimator.update(dying_stream(rng, t).to(device))
        moved.append(count(estimator, "reseeded"))
    first = moved.index(1)
    assert first in (99, 100, 101)  # decisions fall on every fiftieth update, counted by the host
    assert moved == [0] * first + [1] * (160 - first)
    assert (s.pi > 0.05).all()  # the wide cluster is shared now


def test_only_the_centroid_moves_the_statistics_stay_and_fade():
    _, batches, snapshots, reseeded = run_dying(140)
    history = history_of(batches, snapshots)
    at = reseeded.index(1)
    dead = int(snapshots[at - 1].pi.argmin())
    assert torch.equal(snapshots[at - 1].mu[dead], snapshots[10].mu[dead])
    for t in (at - 1, at, at + 1, at + 5, 139):
        assert_mixture(snapshots[t], mixture_of(history[: t + 1], 4, 0.9), tolerance=3e-5)
        assert law_of_total_covariance_error(snapshots[t], history[: t + 1], 0.9) < 1e-5


def test_the_statistics_are_what_they_were_if_the_moved_centroid_gets_no_row():
    """Two estimators, one of which does not re-seed: before rows reach the moved component they are the same."""
    *_, moving, count_moving = run_dying(101)
    *_, staying, count_staying = run_dying(101, reseed=False)
    assert (count_moving[-1], count_staying[-1]) == (1, 0)
    at = count_moving.index(1)
    assert all(map(same_bits, moving[:at], staying[:at]))


def test_a_component_that_came_back_between_two_decisions_is_not_dead():
    again = set(range(60, 160)) | set(range(210, 400))
    *_, reseeded = run_dying(260, data={"again": again})
    assert reseeded[-1] == 0


def test_a_component_with_a_small_share_that_lives_is_not_dead():
    """5 % of the rows, one fifth of an equal share of four."""
    estimator, rng = estimator_of(K=4), np.random.default_rng(1)
    for _ in range(160):
        labels = rng.choice(4, 200, p=[0.31, 0.31, 0.31, 0.07])
        x = 8 * np.eye(4, 3)[labels] - 8 * (labels == 3)[:, None] + 0.1 * rng.normal(size=(200, 3))
        estimator.update(torch.from_numpy(x).float())
    assert count(estimator, "reseeded") == 0


@pytest.mark.parametrize("mode", ["ema", "per_batch"])
@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
def test_nothing_is_moved_in_a_collapse(mode, path):
    """All rows crowd about one point far from zero: components die, and that is the news."""
    small = {"offset": 100.0, "noise": 0.001, "spread": 0.05}
    estimator, *_, reseeded = run_dying(105, mode=mode, group_rows=path, data=small)
    assert float(estimator.compute().pi.min()) < 0.05
    assert reseeded[-1] == 0
    *_, reseeded = run_dying(105, mode=mode, group_rows=path, data={**small, "offset": 0.0})
    assert reseeded[-1] == 1  # the same about zero is no collapse


def test_labels_are_never_reseeded():
    estimator = estimator_of(K=4, **LABELS)
    for t in range(160):
        estimator.update(torch.randn(12, 3, generator=torch.Generator().manual_seed(t)), torch.arange(12) % 2)
    assert count(estimator, "reseeded") == 0


def test_reseeding_draws_from_a_private_generator_that_the_seed_fixes():
    def means(seed):
        torch.manual_seed(seed + 17)
        estimator, *_ = run_dying(120, seed=seed)
        return estimator.compute().mu

    runs = [means(seed) for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])

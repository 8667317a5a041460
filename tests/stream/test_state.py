"""Save, load and go on as if nothing had been; forget; log only what is new."""

import io
import math

import numpy as np
import pytest
import torch
from stream.stream_oracles import (
    QUIET,
    assert_same_state,
    cluster_batches,
    estimator_of,
    feed_all,
    same_bits,
    saved,
)

from mixturelab import MixtureStats
from mixturelab.exceptions import ArgumentError, StreamWarning

WAYS = (
    {"mode": "ema", "assigner": "label_supervised"},
    {"mode": "ema", "assigner": "kmeans_online", "ema_decay": 0.9},
    {"mode": "per_batch", "assigner": "kmeans_online"},
    {"mode": "label_supervised"},
    {"mode": "ema", "covariance": "diag", "ema_decay": 0.9},
    {"mode": "ema", "covariance": "none", "ema_decay": 0.9, "group_rows": False},
)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
CUTS = (1, 49, 50, 73, 100)
UPDATES = 112


def stream(updates=UPDATES, k=4, bad=0.0):
    """Wide clusters; the last one is gone after three batches."""
    batches = cluster_batches(0, [24] * updates, k, 3, bad=bad, spread=6.0)
    out = []
    for t, (x, labels) in enumerate(batches):
        keep = (labels != k - 1) | (t < 3)
        out.append((x[keep], labels[keep]))
    return out


def train(estimator, batches, first=0):
    """The rows of the log and the snapshots."""
    found = []
    for t, (x, labels) in enumerate(batches, start=first):
        s = estimator.update(x, labels if estimator.settings.needs_labels else None)
        found.append((s, estimator.log_step(step=t, epoch=t // 50, stats=s)))
    return found


def through_a_file(state):
    """Written and read again, without any pickle."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def same_row(a, b):
    """Equal to the last bit; NaN is NaN."""
    return repr(sorted(a.items())) == repr(sorted(b.items()))


@every_way
@QUIET
def test_a_run_that_is_resumed_is_bitwise_the_uninterrupted_one(way):
    batches = stream(bad=0.01)
    whole = estimator_of(K=4, **way)
    wanted = train(whole, batches)
    if whole.settings.mode != "label_supervised" and whole.settings.assigner == "kmeans_online":
        assert whole.summary()["reseeded"] >= 1  # so that this is resumed too
    parts = estimator_of(K=4, **way)
    for begin, end in zip((0, *CUTS), (*CUTS, UPDATES), strict=True):
        found = train(parts, batches[begin:end], first=begin)
        for (s, row), (same, same_as) in zip(found, wanted[begin:end], strict=True):
            assert same_bits(s, same)
            assert same_row(row, same_as)
        state = through_a_file(parts.state_dict())
        parts = estimator_of(K=4, **way)
        parts.load_state_dict(state)
    assert_same_state(parts, saved(whole))
    assert [a.name for a in parts.alarms()] == [a.name for a in whole.alarms()]


@pytest.mark.parametrize("mode", ["ema", "per_batch"])
def test_what_is_loaded_can_be_read_at_once(mode):
    a, b = (estimator_of(K=4, mode=mode) for _ in range(2))
    s = train(a, stream(5))[-1][0]
    b.load_state_dict(a.state_dict())
    for name in ("pi", "mu", "Sigma", "B", "valid"):
        assert torch.equal(b.compute()[name], s[name])
    numbers, same = a.summary(), b.summary()
    for name in ("trace_B", "opnorm_B", "trace_W", "r_squared", "effective_rank", "nc1", "drift", "updates"):
        assert same[name] == numbers[name]
    assert math.isnan(same["batch_trace_B"])  # the batch itself is not saved
    assert b.log_step(step=4) == {}


def test_a_state_saved_is_not_changed_by_what_comes_later():
    estimator = estimator_of(K=4)
    batches = stream(6)
    feed_all(estimator, batches[:3])
    state, copy = estimator.state_dict(), saved(estimator)
    feed_all(estimator, batches[3:])
    assert all(torch.equal(state["tensors"][n], value) for n, value in copy["tensors"].items())
    estimator.load_state_dict(state)
    a = feed_all(estimator, batches[3:])[-1]
    other = estimator_of(K=4)
    other.load_state_dict(copy)
    assert same_bits(a, feed_all(other, batches[3:])[-1])


def test_a_state_from_before_the_first_row_is_a_beginning():
    a, b = (estimator_of(K=4) for _ in range(2))
    a.load_state_dict(through_a_file(b.state_dict()))
    assert a.compute() == {}
    assert all(map(same_bits, feed_all(a, stream(3)), feed_all(b, stream(3))))


def test_a_state_from_before_the_first_row_makes_a_used_estimator_forget():
    used = estimator_of(K=4)
    feed_all(used, stream(3))
    used.load_state_dict(estimator_of(K=4).state_dict())
    assert used.compute() == {}
    assert used.summary() == {}


def test_float64_states_stay_float64():
    batches = cluster_batches(0, [20] * 4, 3, 2, dtype=torch.float64)
    a, b = (estimator_of(K=3) for _ in range(2))
    feed_all(a, batches[:2])
    b.load_state_dict(through_a_file(a.state_dict()))
    s = feed_all(b, [(x.float(), y) for x, y in batches[2:]])[-1]
    assert s.mu.dtype is torch.float64


@pytest.mark.parametrize(("options", "features", "said"), [
    ({"K": 5}, 3, "K"),
    ({"K": 4}, 2, "D"),
    ({"K": 4, "covariance": "diag"}, 3, "covariance"),
])  # fmt: skip
def test_another_K_D_or_covariance_is_refused_and_nothing_changes(options, features, said):
    source = estimator_of(K=4)
    feed_all(source, stream(2))
    other = estimator_of(**options)
    other.update(torch.randn(20, features, generator=torch.Generator().manual_seed(0)))
    before = saved(other)
    with pytest.raises(ValueError, match=f"state has {said} = .*wanted"):
        other.load_state_dict(source.state_dict())
    assert_same_state(other, before)


def test_a_state_fixes_the_number_of_features():
    source, other = estimator_of(K=4), estimator_of(K=4)
    feed_all(source, stream(2))
    other.load_state_dict(source.state_dict())
    with pytest.raises(ArgumentError, match="D = 7"):
        other.update(torch.zeros(4, 7))


@pytest.mark.parametrize("spoil", [
    lambda s: {},
    lambda s: {n: v for n, v in s.items() if n != "tensors"},
    lambda s: {**s, "format": 10**6},
    lambda s: {**s, "tensors": {n: v for n, v in s["tensors"].items() if n != "mean"}},
    lambda s: {**s, "tensors": {**s["tensors"], "more": torch.zeros(1)}},
    lambda s: {**s, "tensors": {**s["tensors"], "mean": s["tensors"]["mean"][:, :2]}},
    lambda s: {**s, "clock": {"nothing": 1}},
], ids=("empty", "no tensors", "other format", "no mean", "one more", "cut mean", "other clock"))  # fmt: skip
def test_what_is_no_state_is_refused_and_nothing_changes(spoil):
    estimator = estimator_of(K=4)
    feed_all(estimator, stream(2))
    before = saved(estimator)
    with pytest.raises(ArgumentError):
        estimator.load_state_dict(spoil(estimator.state_dict()))
    assert_same_state(estimator, before)


@every_way
@QUIET
def test_after_a_reset_everything_is_as_at_the_start(way):
    estimator, fresh = (estimator_of(K=4, **way) for _ in range(2))
    train(estimator, stream(105, bad=0.01))
    estimator.reset()
    assert estimator.compute() == {}
    assert estimator.summary() == {}
    assert estimator.alarms() == ()
    assert estimator.log_step(step=1000) == {}
    narrow = [(x[:, :2].double(), labels) for x, labels in stream(10)]  # another D and dtype: nothing is left
    for (a, row), (b, same) in zip(train(estimator, narrow), train(fresh, narrow), strict=True):
        assert same_bits(a, b)
        assert same_row(row, same)


# ----------------------------------------------------------------------------------------- log_step


def test_logging_without_a_new_update_writes_nothing_twice(tmp_path):
    rows = []
    with estimator_of(K=4, log_dir=tmp_path, on_row=rows.append) as estimator:
        assert estimator.log_step(step=0) == {}
        stats = feed_all(estimator, stream(3))[-1]
        assert estimator.log_step(step=2, epoch=0, stats=stats)["step"] == 2
        content = (tmp_path / "mixture.csv").read_bytes()
        for step in (2, 3, 1):
            assert estimator.log_step(step=step, epoch=0, stats=stats) == {}
        assert (tmp_path / "mixture.csv").read_bytes() == content
    assert len(rows) == 1


def test_a_batch_of_nothing_is_no_new_update():
    estimator = estimator_of(K=4)
    feed_all(estimator, stream(3))
    assert estimator.log_step(step=0)
    with pytest.warns(UserWarning, match="row"):
        s = estimator.update(torch.full((3, 3), torch.nan))
    assert estimator.log_step(step=1, stats=s) == {}


def test_empty_statistics_are_not_logged():
    rows = []
    estimator = estimator_of(K=4, on_row=rows.append)
    feed_all(estimator, stream(3))
    assert estimator.log_step(step=0, stats={}) == {}
    off = estimator_of(K=4, enabled=False, on_row=rows.append)
    assert off.log_step(step=0, epoch=0, stats=off.update(torch.zeros(3, 2))) == {}
    assert rows == []


def test_rows_say_what_the_summary_says():
    rows = []
    estimator = estimator_of(K=4, on_row=rows.append)
    for t, (x, _) in enumerate(stream(30)):
        s = estimator.update(x)
        returned = estimator.log_step(step=7 * t, epoch=t, stats=s)
        summary = estimator.summary()
        row = rows[-1]
        assert same_row(returned, row)
        assert (row["step"], row["epoch"], row["K"]) == (7 * t, t, 4)
        assert row["pi_min"] == pytest.approx(float(s.pi.min()))
        assert row["pi_max"] == pytest.approx(float(s.pi.max()))
        for name in ("trace_B", "opnorm_B", "trace_W", "r_squared", "drift", "batch_spread", "updates"):
            assert row[name] == summary[name]
        for name in ("effective_rank", "nc1"):  # eigenvalues of D×D matrices are found every 25 updates
            assert row[name] == summary[name] if t in (0, 25) else math.isnan(row[name])
        if t in (0, 25):
            assert same_row({name: row[name] for name in summary}, summary)
    assert len(rows) == 30


def test_diagnostics_every_counts_updates_whatever_the_steps_are_called():
    estimator = estimator_of(K=4, diagnostics_every=3, log_every=2)
    found = [(row, t) for (_, row), t in zip(train(estimator, stream(20)), range(20), strict=True) if row]
    assert [t for _, t in found] == list(range(0, 20, 2))
    known = [t for row, t in found if not math.isnan(row["effective_rank"])]
    assert known[0] == 0
    assert all(3 <= gap <= 4 for gap in np.diff(known))


def test_log_every_skips_steps_not_rows_of_the_statistics():
    a, b = estimator_of(K=4, log_every=5), estimator_of(K=4)
    logged, all_rows = train(a, stream(21)), train(b, stream(21))
    assert [t for t, (_, row) in enumerate(logged) if row] == [0, 5, 10, 15, 20]
    for t in (5, 20):
        for name in ("trace_B", "updates", "drift", "batch_spread"):
            assert logged[t][1][name] == all_rows[t][1][name]


def test_only_the_main_process_logs(tmp_path):
    rows = []
    estimator = estimator_of(K=4, is_main=False, log_dir=tmp_path / "run", on_row=rows.append)
    assert all(not row for _, row in train(estimator, stream(3)))
    assert rows == []
    assert not (tmp_path / "run").exists()


def test_asking_for_numbers_does_not_change_what_is_logged():
    asked, silent = (estimator_of(K=4) for _ in range(2))
    for t, (x, _) in enumerate(stream(60)):
        for estimator in (asked, silent):
            estimator.update(x)
        asked.summary()
        asked.alarms()
        assert same_row(asked.log_step(step=t), silent.log_step(step=t))
        assert asked.state_dict()["clock"] == pytest.approx(silent.state_dict()["clock"], nan_ok=True)


def test_a_tracker_that_fails_does_not_cost_the_row_in_the_file(tmp_path):
    def full(row):
        raise OSError(28, "No space left on device")

    estimator = estimator_of(K=4, log_dir=tmp_path, on_row=full)
    estimator.update(stream(1)[0][0])
    with pytest.warns(StreamWarning, match="No space left"):
        estimator.log_step(step=0)
    assert len((tmp_path / "mixture.csv").read_text().splitlines()) == 2
    assert estimator.summary()["write_errors"] == 1


@QUIET
def test_counts_from_before_the_first_row_are_kept_and_replaced_with_the_rest():
    good, bad = torch.randn(9, 3, generator=torch.Generator().manual_seed(0)), torch.full((8, 3), torch.nan)
    unbroken, resumed, other = (MixtureStats(K=2, enabled=True) for _ in range(3))
    unbroken.update(bad)
    resumed.load_state_dict(unbroken.state_dict())
    for one in (unbroken, resumed):
        one.update(good)
    assert unbroken.summary() == resumed.summary()
    assert resumed.summary()["rows_dropped"] == 8
    other.update(bad)
    other.load_state_dict(MixtureStats(K=2, enabled=True).state_dict())
    other.update(good)
    assert other.summary()["rows_dropped"] == 0

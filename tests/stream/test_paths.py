"""What the host may read: nothing of values on the path for devices; and both paths give the same."""

import gc
import types

import numpy as np
import pytest
import torch
from stream.stream_oracles import (
    DEVICES,
    QUIET,
    TOLERANCE,
    HostRead,
    LargestTensor,
    cluster_batches,
    counted_reads,
    estimator_of,
    feed_all,
    no_host_reads,
    with_labels,
)

from mixturelab.stream import diagnostics

WAYS = (
    {"mode": "ema"},
    {"mode": "per_batch"},
    {"mode": "ema", "assigner": "label_supervised", "validate_labels": False},
    {"mode": "label_supervised", "validate_labels": False},
)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(map(str, way.values())))
every_covariance = pytest.mark.parametrize("covariance", ["full", "diag", "none"])


def dying(updates, device="cpu", dtype=torch.float32, bad=0.0):
    """Four clusters; the last is gone after three batches, so that at the second decision its centroid is moved."""
    out = []
    for t, (x, labels) in enumerate(
        cluster_batches(0, [24] * updates, 4, 5, spread=6.0, bad=bad, dtype=dtype)
    ):
        kept = labels if t < 3 else labels % 3
        x = x if t < 3 else torch.where((labels == 3)[:, None], x.roll(5, 0), x)
        keep = torch.arange(24) if t < 3 else torch.arange(24)[labels != 3]
        out.append((x[keep].to(device), kept[keep].to(device)))
    return out


# --------------------------------------------------------------------------------------- no host reads


@every_way
@QUIET
@DEVICES
@pytest.mark.parametrize(
    ("covariance", "bad"), [("full", 0.0), ("full", 0.05), ("diag", 0.05), ("none", 0.0)]
)
def test_an_update_reads_no_value_also_when_components_are_decided_about(way, covariance, device, bad):
    estimator = estimator_of(K=4, covariance=covariance, ema_decay=0.9, group_rows=False, **way)
    steps = (
        24 if estimator.settings.needs_labels else 106
    )  # two decisions, where there is something to decide
    batches = dying(steps, device, bad=bad)
    for t, (x, labels) in enumerate(batches):
        with no_host_reads(device):
            s = estimator.update(x, labels if estimator.settings.needs_labels else None)
            if t % 20 == 0:
                found = [s[name] for name in s]  # what is computed when it is asked for is not read either
    assert len(found) == len(s)
    summary = estimator.summary()
    assert summary["updates"] == steps
    if not estimator.settings.needs_labels:
        assert summary["reseeded"] >= 1
    assert (summary["rows_dropped"] > 0) == (bad > 0)


@every_way
@DEVICES
def test_batches_of_nothing_new_components_and_few_rows_read_no_value_either(way, device):
    estimator = estimator_of(K=6, group_rows=False, **way)
    batches = [(x.to(device), y.to(device)) for x, y in cluster_batches(0, [1, 2, 5, 40, 3], 6, 3)]
    batches.insert(
        2, (torch.full((4, 3), torch.nan, device=device), torch.zeros(4, dtype=torch.int64, device=device))
    )
    with no_host_reads(device):
        feed_all(estimator, batches)
    with pytest.warns(UserWarning, match="not finite"):
        assert estimator.summary()["updates"] == 5


@every_way
def test_what_a_cpu_runs_for_devices_is_what_they_run(way):
    """Counting into bins waits on a GPU: another branch there would be one that no test without a GPU runs."""
    estimator = estimator_of(K=4, group_rows=False, **way)
    with no_host_reads(also=("bincount",)):
        feed_all(estimator, dying(3))
    assert estimator.summary()["updates"] == 3


@pytest.mark.gpu
@every_way
@every_covariance
def test_on_a_gpu_the_default_is_not_to_read(way, covariance):
    batches = dying(106, "cuda")
    estimator = estimator_of(K=4, covariance=covariance, ema_decay=0.9, **way)
    with no_host_reads("cuda"):
        feed_all(estimator, batches)
    assert estimator.summary()["updates"] == 106


@pytest.mark.gpu
def test_on_a_gpu_labels_that_live_on_the_host_are_judged_there():
    batches = [(x, y.cpu()) for x, y in dying(20, "cuda")]
    estimator = estimator_of(K=4, assigner="label_supervised")
    with no_host_reads("cuda"):
        feed_all(estimator, batches)
    assert estimator.summary()["updates"] == 20


@pytest.mark.gpu
@every_way
def test_a_gpu_gives_what_a_cpu_gives(way):
    cpu, gpu = (
        feed_all(estimator_of(K=4, **way), dying(106, device, torch.float64))[-1]
        for device in ("cpu", "cuda")
    )
    for name in ("pi", "mu", "Sigma", "B"):
        torch.testing.assert_close(gpu[name].cpu(), cpu[name], rtol=1e-9, atol=1e-9)
    assert torch.equal(gpu.R.cpu(), cpu.R)


@pytest.mark.parametrize("read", [
    lambda x: x.sum().item(),
    lambda x: x.tolist(),
    lambda x: x.numpy(),
    lambda x: np.asarray(x),
    lambda x: bool(x.sum()),
    lambda x: 1 if x.sum() else 0,
    lambda x: int(x.sum()),
    lambda x: float(x.sum()),
    lambda x: [0, 1, 2][x.sum().to(torch.int64)],
    lambda x: x.nonzero(),
    lambda x: torch.nonzero(x),
    lambda x: torch.where(x > 0),
    lambda x: x.cpu(),
    lambda x: x[x > 0],
    lambda x: x.masked_select(x > 0),
    lambda x: x.__setitem__(x > 0, torch.ones(3)),
    lambda x: torch.equal(x, x),
    lambda x: torch.unique(x),
    lambda x: x.repeat_interleave(x.to(torch.int64)),
])  # fmt: skip
def test_the_guard_notices_every_way_to_read(read):
    """The tests above say nothing unless this one fails where it should."""
    with no_host_reads(), pytest.raises(HostRead):
        read(torch.ones(3))
    assert float(torch.ones(3).sum()) == 3  # and all is as it was afterwards


def test_the_grouped_path_reads_and_the_guard_sees_it():
    with no_host_reads(), pytest.raises(HostRead):
        feed_all(estimator_of(K=4, group_rows=True), dying(1))


# ------------------------------------------------------------------------------------------ one copy


COPY = {"cpu", "numpy", "__array__"}  # and what is done with the copy


@pytest.mark.parametrize("covariance", ["full", "none"])
@pytest.mark.parametrize("labelled", [False, True])
def test_a_logged_row_takes_one_copy_to_the_host(covariance, labelled, tmp_path):
    options = {"assigner": "label_supervised", "validate_labels": False} if labelled else {}
    with estimator_of(K=4, covariance=covariance, group_rows=False, log_dir=tmp_path, **options) as estimator:
        for t, batch in enumerate(dying(30)):
            with counted_reads() as during_update:
                feed_all(estimator, [batch])
            with counted_reads() as seen:
                assert estimator.log_step(step=t)
            assert during_update == []
            assert seen.count("cpu") == 1
            assert set(seen) <= COPY


@pytest.mark.parametrize("what", ["summary", "alarms"])
def test_numbers_and_alarms_take_one_copy_each(what):
    estimator = estimator_of(K=4, group_rows=False)
    feed_all(estimator, dying(35))
    with counted_reads() as seen:
        getattr(estimator, what)()
    assert seen.count("cpu") == 1
    assert set(seen) <= COPY


def test_scores_take_one_copy_more(tmp_path):
    with estimator_of(K=4, group_rows=False, store_scores=True, log_dir=tmp_path) as estimator:
        feed_all(estimator, dying(3))
        with counted_reads() as seen:
            estimator.log_step(step=0)
        assert seen.count("cpu") == 2


def test_numbers_that_come_by_a_copy_are_those_that_are_looked_at():
    parts = {
        "real": torch.randn(3, 4), "count": torch.tensor(7), "flags": torch.tensor([True, False]), "plain": 0.25,
        "none": torch.empty(0, 2), "exact": torch.tensor([1 / 3], dtype=torch.float64),
    }  # fmt: skip
    copied, looked_at = (diagnostics.to_host(parts, host) for host in (None, diagnostics.Host()))
    assert copied.keys() == looked_at.keys() == parts.keys()
    for name, value in copied.items():
        np.testing.assert_array_equal(value, looked_at[name])
        if name in ("real", "none"):
            assert value.dtype == looked_at[name].dtype == np.float64
        else:
            assert not isinstance(value, np.ndarray)
            assert not isinstance(looked_at[name], np.ndarray)


@pytest.mark.gpu
def test_on_a_gpu_a_logged_row_waits_once(tmp_path):
    with estimator_of(K=4, log_dir=tmp_path) as estimator:
        feed_all(estimator, dying(3, "cuda"))
        with counted_reads() as seen:
            estimator.log_step(step=0)
    assert seen.count("cpu") == 1


@pytest.mark.parametrize("way", WAYS[2:], ids=("assigner", "mode"))
def test_labels_are_judged_by_reading_unless_that_is_switched_off(way):
    for validate in (True, False):
        estimator = estimator_of(K=4, group_rows=False, **{**way, "validate_labels": validate})
        with counted_reads() as seen:
            feed_all(estimator, dying(5))
        assert bool(seen) == validate


def test_no_eigendecomposition_in_an_update(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a decomposition in update")

    for module in (torch.linalg, np.linalg):
        for name in ("eigh", "eigvalsh", "svd", "eig", "eigvals", "svdvals", "cholesky", "qr", "pinv"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, refuse)
    for name in ("svd", "cholesky", "pinverse"):
        monkeypatch.setattr(torch, name, refuse)
    for way in WAYS:
        s = feed_all(estimator_of(K=4, **way), dying(3))[-1]
        assert [s[name] for name in s]


def test_eigenvalues_of_the_total_covariance_are_found_every_so_often_only(monkeypatch):
    """The K×K Gram matrix at every row, a D×D matrix at each 25th update."""
    sizes, plain = [], np.linalg.eigvalsh
    monkeypatch.setattr(np.linalg, "eigvalsh", lambda a, *rest: sizes.append(len(a)) or plain(a, *rest))
    estimator = estimator_of(K=4)
    large = []
    for t, batch in enumerate(dying(60)):
        feed_all(estimator, [batch])
        sizes.clear()
        estimator.log_step(step=t)
        large.append(5 in sizes)
        assert set(sizes) <= {4, 5}
    assert [t for t, is_large in enumerate(large) if is_large] == [0, 25, 50]


# ------------------------------------------------------------------------------------ the same result


@every_way
@QUIET
@pytest.mark.parametrize(("covariance", "dtype"), [
    ("full", torch.float32), ("full", torch.float64), ("diag", torch.float64), ("none", torch.float32),
])  # fmt: skip
def test_both_paths_give_the_same(way, covariance, dtype):
    """Over two decisions, with dropped rows and an absent component."""
    batches = dying(24 if with_labels(way) else 106, dtype=dtype, bad=0.03)
    grouped, masked = (
        estimator_of(K=4, covariance=covariance, ema_decay=0.9, group_rows=group, **way)
        for group in (True, False)
    )
    tolerance = TOLERANCE[dtype] * 36  # of the clusters' distances
    for a, b in zip(feed_all(grouped, batches), feed_all(masked, batches), strict=True):
        assert torch.equal(a.R, b.R)
        assert torch.equal(a.valid, b.valid)
        for name in ("pi", "mu", "B") + ("Sigma",) * (covariance != "none"):
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=tolerance)
    left, right = grouped.summary(), masked.summary()
    assert left == pytest.approx(right, rel=1e-3 if dtype is torch.float32 else 1e-9, abs=1e-6, nan_ok=True)
    assert [a.name for a in grouped.alarms()] == [a.name for a in masked.alarms()]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_on_a_cpu_the_default_is_one_of_the_two(way):
    batches = dying(10)
    default, grouped = (feed_all(estimator_of(K=4, group_rows=g, **way), batches)[-1] for g in (None, True))
    for name in ("pi", "mu", "Sigma", "B", "R"):
        assert torch.equal(default[name], grouped[name])


# --------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
@pytest.mark.parametrize("labelled", [True, False], ids=("labels", "kmeans"))
@pytest.mark.parametrize(("n", "k", "d"), [(2**14, 16, 128), (64, 128, 96)])
def test_no_tensor_has_a_number_for_each_row_component_and_feature(path, labelled, n, k, d):
    """N·K·D would be 34 million and 786 thousand."""
    options = {"assigner": "label_supervised", "validate_labels": False} if labelled else {"reseed": False}
    estimator = estimator_of(K=k, group_rows=path, **options)
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(n) % k
    bound = n * (k + d) + k * d * d
    with LargestTensor() as largest:
        for _ in range(20 if n < 1000 else 2):
            estimator.update(x, labels if labelled else None)
        assert estimator.compute().Sigma.numel() == k * d * d
    assert largest.numel <= max(10 * bound, 2**22)


def numbers_held(owner):
    """How many numbers are in the tensors that an object leads to."""
    found, waiting, seen = {}, [owner], set()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(thing))
        if isinstance(thing, torch.Tensor):
            storage = thing.untyped_storage()
            found[storage.data_ptr()] = storage.nbytes() // thing.element_size()
        waiting += gc.get_referents(thing)
    return sum(found.values())


@pytest.mark.parametrize("path", [True, False], ids=("grouped", "masked"))
def test_what_is_kept_does_not_grow_with_the_updates(path):
    """Nobody looks at anything: what waits to be worked out is bounded."""
    n, k, d = 512, 8, 32
    estimator, x = estimator_of(K=k, group_rows=path), torch.randn(n, d)
    most = []
    for _ in range(5):
        for _ in range(13):
            estimator.update(x)
        most.append(numbers_held(estimator) / (n * (k + d) + k * d * d))
    assert max(most) < 8

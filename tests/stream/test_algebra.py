"""The mixture that `update` gives back: brute force over all rows that ever came, and the laws it must obey."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from stream.stream_oracles import (
    DEVICES,
    QUIET,
    TOLERANCE,
    assert_mixture,
    autocast_or_not,
    between,
    cluster_batches,
    decay_of,
    dense64,
    estimator_of,
    feed_all,
    history_of,
    index_of,
    law_of_total_covariance_error,
    mixture_of,
    same_bits,
    saved,
)

WAYS = (
    {"mode": "ema", "assigner": "label_supervised"},
    {"mode": "ema", "assigner": "kmeans_online"},
    {"mode": "per_batch", "assigner": "kmeans_online"},
    {"mode": "label_supervised", "assigner": "kmeans_online"},
)
PATHS = ({"group_rows": True}, {"group_rows": False})
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way.values()))
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=7)
dtypes = st.sampled_from([torch.float32, torch.float64])


@st.composite
def streams(draw):
    """Batches of every size with dropped rows, ignored labels and absent components; the first one has a live row."""
    k, d, dtype = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(dtypes)
    bad, ignored, absent = (draw(st.sampled_from([0.0, 0.0, level])) for level in (0.2, 0.2, 0.4))
    batches = cluster_batches(
        draw(st.integers(0, 10_000)), draw(sizes), k, d, bad=bad, ignored=ignored, absent=absent, dtype=dtype,
        spread=draw(st.sampled_from([0.0, 1.0, 5.0])), offset=draw(st.sampled_from([0.0, 0.0, 30.0])),
    )  # fmt: skip
    first, labels = batches[0]
    first[0], labels[0] = 0.5, 0
    options = {
        "K": k,
        "ema_decay": draw(st.sampled_from([0.3, 0.9, 0.95, 0.99])),
        **draw(st.sampled_from(PATHS)),
    }
    return batches, options


# -------------------------------------------------------------------------------- against brute force


@every_way
@QUIET
@settings(max_examples=20)
@given(stream=streams())
def test_each_snapshot_is_the_weighted_mixture_of_all_rows_so_far(way, stream):
    batches, options = stream
    estimator = estimator_of(**way, **options)
    snapshots = feed_all(estimator, batches)
    history, decay = history_of(batches, snapshots), decay_of(estimator.settings)
    tolerance = (
        20 * TOLERANCE[batches[0][0].dtype]
    )  # of 40 rows and 7 merges; the law below is held to the contract
    for t in {0, len(batches) // 2, len(batches) - 1}:
        assert_mixture(snapshots[t], mixture_of(history[: t + 1], options["K"], decay), tolerance=tolerance)


@every_way
@QUIET
@pytest.mark.parametrize("covariance", ["full", "diag"])
@settings(max_examples=15)
@given(stream=streams())
def test_law_of_total_covariance(way, covariance, stream):
    batches, options = stream
    estimator = estimator_of(**way, **options, covariance=covariance)
    snapshots = feed_all(estimator, batches)
    history, decay = history_of(batches, snapshots), decay_of(estimator.settings)
    for t, snapshot in enumerate(snapshots):
        error = law_of_total_covariance_error(snapshot, history[: t + 1], decay)
        assert error < TOLERANCE[batches[0][0].dtype]


@every_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_law_of_total_covariance_after_many_updates(way, dtype, path):
    batches = cluster_batches(3, [32] * 90, 6, 8, absent=0.2, dtype=dtype)
    estimator = estimator_of(K=6, **way, **path)
    snapshots = feed_all(estimator, batches)
    history = history_of(batches, snapshots)
    assert (
        law_of_total_covariance_error(snapshots[-1], history, decay_of(estimator.settings)) < TOLERANCE[dtype]
    )


@every_way
@QUIET
@settings(max_examples=15)
@given(stream=streams(), covariance=st.sampled_from(["full", "diag", "none"]))
def test_shapes_dtypes_and_laws_of_a_snapshot(way, stream, covariance):
    batches, options = stream
    k, d = options["K"], batches[0][0].shape[1]
    for (x, _), s in zip(
        batches, feed_all(estimator_of(**way, **options, covariance=covariance), batches), strict=True
    ):
        assert [tuple(t.shape) for t in (s.pi, s.mu, s.B, s.R, s.valid)] == [
            (k,),
            (k, d),
            (d, d),
            (len(x), k),
            (k,),
        ]
        assert {t.dtype for t in (s.pi, s.mu, s.B, s.R)} == {batches[0][0].dtype}
        assert s.valid.dtype is torch.bool
        assert (s.pi >= 0).all()
        assert float(s.pi.double().sum()) == pytest.approx(1, abs=1e-6)
        assert not s.pi[~s.valid].any()
        live = torch.isfinite(x).all(1)
        assert not s.R[~live].any()
        index_of(s.R)  # 0/1, one component a row
        if "label_supervised" not in way.values():
            assert s.R[live].sum(1).eq(1).all()
        assert_is_between(s, k)
        assert_is_covariance(s, covariance, (k, d))


def assert_is_between(s, k):
    """B is recomputed from the returned π and μ, symmetric, and of rank min(K−1, D) at most."""
    wanted = between(s.pi.double().numpy() / s.pi.double().sum().item(), s.mu.double().numpy())
    noise = torch.finfo(s.B.dtype).eps * float((s.pi.double() @ s.mu.double().square()).sum())
    np.testing.assert_allclose(s.B, wanted, rtol=0, atol=1e-6 * np.trace(wanted) + 20 * noise)
    assert torch.equal(s.B, s.B.mT)
    singular = np.linalg.svd(s.B.double().numpy(), compute_uv=False)
    assert (singular[k - 1 :] <= 1e-6 * singular[0] + 1e-30).all()


def assert_is_covariance(s, kind, shape):
    """Σ is symmetric, and positive semi-definite but for rounding."""
    if kind == "none":
        assert s.Sigma is None
    elif kind == "diag":
        assert tuple(s.Sigma.shape) == shape
        assert (s.Sigma >= 0).all()
    else:
        assert tuple(s.Sigma.shape) == (*shape, shape[1])
        assert torch.equal(s.Sigma, s.Sigma.mT)
        smallest = torch.linalg.eigvalsh(s.Sigma.double())[:, 0]
        assert (smallest >= -1e-6 * torch.einsum("kii->k", s.Sigma.double())).all()


@every_way
def test_diagonal_statistics_are_the_diagonals_of_the_full_ones(way):
    batches = cluster_batches(0, [30, 7, 50], 4, 5, dtype=torch.float64)
    full, diag, none = (
        feed_all(estimator_of(K=4, covariance=c, **way), batches)[-1] for c in ("full", "diag", "none")
    )
    torch.testing.assert_close(diag.Sigma, full.Sigma.diagonal(dim1=1, dim2=2), rtol=1e-12, atol=1e-12)
    for other in (diag, none):
        torch.testing.assert_close(other.mu, full.mu, rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(other.B, full.B, rtol=1e-12, atol=1e-12)
        assert torch.equal(other.R, full.R)


# -------------------------------------------------------------------------------------- assignments


@pytest.mark.parametrize("mode", ["ema", "per_batch"])
@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_kmeans_labels_are_those_of_scikit_learn_from_the_means_so_far(mode, iterations):
    """One assignment follows each move of the centroids: scikit-learn moves first, so it is given one turn less."""
    batches = cluster_batches(5, [200] * 12, 6, 4, spread=1.5, dtype=torch.float64)
    estimator = estimator_of(K=6, mode=mode, max_assign_iters=iterations)
    before = estimator.update(batches[0][0])
    compared = 0
    for x, _ in batches[1:]:
        now = estimator.update(x)
        rows, centroids = x.numpy(), before.mu.numpy()
        wanted = ((rows[:, None] - centroids) ** 2).sum(-1).argmin(1)
        if iterations > 1:
            peer = KMeans(6, init=centroids, n_init=1, max_iter=iterations - 1, tol=0.0).fit(rows)
            wanted = peer.labels_
        assert np.array_equal(index_of(now.R), wanted)
        compared, before = compared + 1, now
    assert compared == 11


def test_responsibilities_of_labels_are_the_labels():
    (x, labels), *_ = cluster_batches(0, [50], 4, 3, ignored=0.3)
    r = estimator_of(K=4, assigner="label_supervised").update(x, labels).R
    assert np.array_equal(index_of(r), labels.numpy())


def test_kmeans_does_not_look_at_labels():
    batches = cluster_batches(0, [40, 40], 4, 3)
    plain, labelled = (feed_all(estimator_of(K=4), batches, labelled=w) for w in (False, True))
    assert all(map(same_bits, plain, labelled))


def test_without_forgetting_labels_give_the_batchs_classes_whatever_the_assigner():
    batches = cluster_batches(0, [40, 30], 4, 3, dtype=torch.float64)
    by_mode, by_labels = {"mode": "label_supervised"}, {"assigner": "label_supervised"}
    for way in (by_mode, by_mode | by_labels, {"mode": "per_batch"} | by_labels):
        s = feed_all(estimator_of(K=4, **way), batches)[-1]
        x, labels = (t.numpy() for t in batches[-1])
        for k in range(4):
            rows = x[labels == k]
            np.testing.assert_allclose(s.mu[k], rows.mean(0), rtol=1e-13, atol=1e-13)
            np.testing.assert_allclose(s.Sigma[k], np.cov(rows.T, bias=True), rtol=1e-12, atol=1e-12)
            assert float(s.pi[k]) == pytest.approx(len(rows) / 30, abs=1e-15)


# -------------------------------------------------------------------------------------- forgetting


@pytest.mark.parametrize("assigner", ["kmeans_online", "label_supervised"])
def test_after_one_update_ema_equals_the_batch(assigner):
    (x, labels), *_ = cluster_batches(1, [60], 5, 4, dtype=torch.float64)
    a, b = (
        estimator_of(K=5, mode=m, assigner=assigner, ema_decay=0.999).update(x, labels)
        for m in ("ema", "per_batch")
    )
    for name in ("pi", "mu", "Sigma", "B"):
        torch.testing.assert_close(a[name], b[name], rtol=1e-12, atol=1e-12)
    assert torch.equal(a.R, b.R)


@every_way
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_constant_data_is_exact_from_the_first_step(way, dtype, path):
    point = torch.tensor([1234.567, -3.1, 1e-5], dtype=dtype)
    estimator = estimator_of(K=3, **way, **path)
    for n in (5, 1, 33, 7):
        s = estimator.update(point.expand(n, 3), torch.arange(n) % 3)
        assert (s.mu[s.pi > 0] == point).all()
        assert not s.Sigma.any()
        assert s.B.abs().max() <= (torch.finfo(dtype).eps * point.norm()) ** 2


def test_rows_weigh_by_batch_not_by_component_so_large_batches_count_for_more():
    """Two batches of one component, 30 rows at 0 and 10 at 1: the mean is γ-weighted by rows, not by batches."""
    estimator = estimator_of(K=1, assigner="label_supervised", ema_decay=0.9)
    for n, at in ((30, 0.0), (10, 1.0)):
        s = estimator.update(torch.full((n, 1), at, dtype=torch.float64), torch.zeros(n, dtype=torch.int64))
    assert float(s.mu) == pytest.approx(10 / (10 + 0.9 * 30), rel=1e-14)


def simulate(seed, assigner, steps=420, k=10, d=8, spread=12.0):
    """Unit clusters in batches of 32, γ = .99: at the end the mean of Σ's diagonals, and tr B over the true one."""
    rng = np.random.default_rng(seed)
    centres = spread * np.linalg.qr(rng.normal(size=(k, k)))[0][:, :d]  # well apart, whatever the seed
    estimator = estimator_of(K=k, assigner=assigner, ema_decay=0.99, seed=seed)
    found = []
    for t in range(steps):
        labels = rng.integers(0, k, 32)
        labels[:k] = (
            np.arange(k) if t == 0 else labels[:k]
        )  # each cluster has a row where centroids are chosen
        x = torch.from_numpy(centres[labels] + rng.normal(size=(32, d))).float()
        s = estimator.update(x, torch.from_numpy(labels) if assigner == "label_supervised" else None)
        if t >= 320 and t % 10 == 0:
            found.append((float(s.Sigma.diagonal(dim1=1, dim2=2).mean()), float(s.B.trace())))
    truth = np.trace(between(np.full(k, 1 / k), centres))
    diagonal, trace = np.mean(found, 0)
    return diagonal, trace / truth


@pytest.mark.parametrize("assigner", ["label_supervised", "kmeans_online"])
@pytest.mark.parametrize("seed", [0])
def test_small_batches_do_not_bias_the_statistics(seed, assigner):
    diagonal, trace = simulate(seed, assigner)
    assert diagonal == pytest.approx(1, abs=0.05)
    assert trace == pytest.approx(1, abs=0.03)


# ----------------------------------------------------------------------------------- transformations


def moved(batches, change):
    return [(change(x), labels) for x, labels in batches]


@every_way
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_an_offset_moves_the_means_alone(way, path):
    """At offset 1000 in float32, against float64 without it, relative to the total covariance."""
    batches = cluster_batches(2, [64] * 60, 5, 8, dtype=torch.float64)
    apart = moved(batches, lambda x: (x + 1e3).float())
    back = moved(apart, lambda x: x.double() - 1e3)  # what float32 can hold of them, moved back exactly
    near, far = (feed_all(estimator_of(K=5, **way, **path), b)[-1] for b in (back, apart))
    assert np.array_equal(index_of(near.R), index_of(far.R))
    total = float((near.pi @ near.Sigma.diagonal(dim1=1, dim2=2)).sum() + near.B.trace())
    assert (far.Sigma.double() - near.Sigma).abs().max() < 1e-3 * total
    assert (far.B.double() - near.B).abs().max() < 1e-3 * total
    torch.testing.assert_close(far.pi.double(), near.pi, rtol=0, atol=1e-6)
    torch.testing.assert_close(far.mu.double(), near.mu + 1e3, rtol=0, atol=1e-3)


@every_way
@settings(max_examples=10)
@given(seed=st.integers(0, 1000), shift=st.floats(-1e3, 1e3), factor=st.sampled_from([1e-3, 0.5, 4.0, 1e3]))
def test_translation_rotation_and_scale_act_as_they_must(way, seed, shift, factor):
    batches = cluster_batches(seed, [40] * 4, 3, 4, dtype=torch.float64)
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0])
    a = feed_all(estimator_of(K=3, **way), batches)[-1]
    b = feed_all(estimator_of(K=3, **way), moved(batches, lambda x: factor * x @ turn.T + shift))[-1]
    close = {"rtol": 1e-8, "atol": 1e-8 * factor**2}
    assert torch.equal(a.R, b.R)
    torch.testing.assert_close(b.pi, a.pi)
    torch.testing.assert_close(
        b.mu, factor * a.mu @ turn.T + shift, rtol=1e-8, atol=1e-8 * (factor + abs(shift))
    )
    torch.testing.assert_close(b.Sigma, factor**2 * turn @ a.Sigma @ turn.T, **close)
    torch.testing.assert_close(b.B, factor**2 * turn @ a.B @ turn.T, **close)


@every_way
@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_from_equal_centroids_the_order_of_rows_changes_nothing_else(way, seed):
    batches = cluster_batches(seed, [40] * 4, 3, 4, dtype=torch.float64)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(40))
    a, b = (estimator_of(K=3, **way) for _ in range(2))
    start = feed_all(a, batches[:1])
    feed_all(b, batches[:1])
    assert start
    for x, labels in batches[1:]:
        labels_a, labels_b = (labels, labels[order]) if a.settings.needs_labels else (None, None)
        s, p = a.update(x, labels_a), b.update(x[order], labels_b)
        assert torch.equal(s.R[order], p.R)
        for name in ("pi", "mu", "Sigma", "B"):
            torch.testing.assert_close(p[name], s[name], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("mode", ["ema", "per_batch", "label_supervised"])
def test_naming_the_labels_otherwise_permutes_the_components(mode):
    batches = cluster_batches(4, [30, 20, 25], 4, 3, ignored=0.1, dtype=torch.float64)
    name = torch.tensor([2, 0, 3, 1])
    renamed = [(x, torch.where(y < 0, y, name[y.clamp(min=0)])) for x, y in batches]
    a, b = (
        feed_all(estimator_of(K=4, mode=mode, assigner="label_supervised"), s)[-1] for s in (batches, renamed)
    )
    assert torch.equal(a.R, b.R[:, name])
    for key in ("pi", "mu", "Sigma"):
        torch.testing.assert_close(b[key][name], a[key], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(b.B, a.B, rtol=1e-12, atol=1e-12)


def test_ema_with_kmeans_from_equal_centroids_permutes_with_them():
    """The same stream with the saved state's components in another order: the same mixture in that order."""
    batches = cluster_batches(4, [60] * 5, 4, 3, dtype=torch.float64)
    a, b = (estimator_of(K=4, group_rows=False) for _ in range(2))
    feed_all(a, batches[:1])
    order, state = torch.tensor([2, 0, 3, 1]), saved(a)
    per_component = {n: t[order] for n, t in state["tensors"].items() if t.ndim}
    b.load_state_dict({**state, "tensors": {**state["tensors"], **per_component}})
    s, p = feed_all(a, batches[1:])[-1], feed_all(b, batches[1:])[-1]
    assert torch.equal(p.R, s.R[:, order])
    torch.testing.assert_close(p.Sigma, s.Sigma[order], rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(p.B, s.B, rtol=1e-11, atol=1e-11)


# ------------------------------------------------------------------------------------- kinds of input


@every_way
@DEVICES
@pytest.mark.parametrize("autocast", [None, torch.bfloat16, torch.float16])
def test_float32_on_the_inputs_device_also_inside_autocast(way, device, autocast):
    batches = [(x.to(device), y.to(device)) for x, y in cluster_batches(0, [40, 30], 4, 6)]
    plain = feed_all(estimator_of(K=4, **way), batches)[-1]
    with autocast_or_not(autocast, device):
        inside = feed_all(estimator_of(K=4, **way), batches)[-1]
        found = {name: inside[name] for name in inside}  # what is computed late is computed in here
    assert all(value.device.type == device for value in found.values())
    assert {found[n].dtype for n in ("pi", "mu", "Sigma", "B", "R")} == {torch.float32}
    assert same_bits(inside, plain)


@every_way
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_read_as_the_float32_numbers_it_stands_for(way, dtype):
    batches = [(x.to(dtype), y) for x, y in cluster_batches(0, [40, 30], 4, 6)]
    wide = [(x.float(), y) for x, y in batches]
    a, b = (feed_all(estimator_of(K=4, **way), s)[-1] for s in (batches, wide))
    assert a.mu.dtype is torch.float32
    assert same_bits(a, b)


@pytest.mark.parametrize(("first", "later", "kept"), [
    (torch.float64, torch.float32, torch.float64),
    (torch.float32, torch.float64, torch.float32),
    (torch.bfloat16, torch.float64, torch.float32),
])  # fmt: skip
def test_the_first_update_fixes_the_dtype(first, later, kept):
    estimator = estimator_of(K=3)
    (x, _), (y, _) = cluster_batches(0, [20, 20], 3, 2)
    for batch in (x.to(first), y.to(later)):
        s = estimator.update(batch)
        assert {s[n].dtype for n in ("pi", "mu", "Sigma", "B", "R")} == {kept}


@every_way
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_the_input_is_left_as_it_was_and_no_gradient_is_followed(way, path):
    (x, labels), *_ = cluster_batches(0, [40], 4, 3, bad=0.0)
    leaf = x.clone().requires_grad_()
    embeddings = leaf * 2
    before = embeddings.detach().clone()
    s = estimator_of(K=4, **way, **path).update(embeddings, labels)
    assert torch.equal(embeddings, before)
    assert not any(s[name].requires_grad for name in s)
    embeddings.sum().backward()
    assert torch.equal(leaf.grad, torch.full_like(x, 2.0))


@every_way
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_strided_and_expanded_input_is_no_other_input(way, path):
    (x, labels), *_ = cluster_batches(0, [40], 4, 3)
    padded = torch.zeros(80, 9)
    padded[::2, 3:9:2] = x
    plain = estimator_of(K=4, **way, **path).update(x, labels)
    for rows in (padded[::2, 3:9:2], x.mT.contiguous().mT):
        found = estimator_of(K=4, **way, **path).update(rows, labels)
        assert torch.equal(found.R, plain.R)
        for name in ("pi", "mu", "Sigma", "B"):
            torch.testing.assert_close(found[name], plain[name], rtol=1e-5, atol=1e-5)


@every_way
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_inference_mode_and_training_take_turns(way, path):
    batches = cluster_batches(0, [40] * 6, 4, 3)
    plain, mixed = (estimator_of(K=4, **way, **path) for _ in range(2))
    for t, (x, labels) in enumerate(batches):
        a = plain.update(x, labels)
        with torch.inference_mode(t % 2 == 0):
            b = mixed.update(x.clone().requires_grad_(t % 2 == 1), labels)
        assert same_bits(a, b)
    assert plain.summary() == pytest.approx(mixed.summary(), nan_ok=True)


# ---------------------------------------------------------------------------------- the snapshot itself


@every_way
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_a_snapshot_stays_what_it_was(way, path):
    batches = cluster_batches(0, [40] * 4, 4, 3)
    a, b = (estimator_of(K=4, **way, **path) for _ in range(2))
    early = a.update(*batches[0])
    wanted = {name: early[name].clone() for name in early}
    late = b.update(*batches[0])  # nothing of it is looked at before the others have come
    feed_all(a, batches[1:], labelled=True)
    feed_all(b, batches[1:], labelled=True)
    for name, value in wanted.items():
        assert torch.equal(early[name], value)
        assert torch.equal(late[name], value)


@every_way
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_looking_changes_nothing_of_what_comes_later(way, path):
    """Whatever is worked out only when it is asked for: later statistics are the same to the last bit."""
    batches = cluster_batches(0, [30, 7, 40, 1] * 7, 4, 5)
    silent, watched = (estimator_of(K=4, **way, **path) for _ in range(2))
    kept = []
    for t, batch in enumerate(batches):
        last = silent.update(*batch)
        kept.append(watched.update(*batch))
        if t % 3 == 1:
            assert [kept[-1][name] for name in kept[-1]]
        if t % 7 == 2:
            watched.summary()
            watched.state_dict()
        if t % 5 == 4:
            assert kept[t - 2].Sigma is not None
    assert same_bits(kept[-1], last)


@every_way
def test_a_snapshot_is_the_same_whenever_it_is_looked_at(way):
    batches = cluster_batches(0, [30, 7, 40, 1] * 6, 4, 5)
    early, late = (estimator_of(K=4, **way) for _ in range(2))
    snapshots, seen = [], []
    for batch in batches:
        s = early.update(*batch)
        seen.append({name: s[name].clone() for name in s})
        snapshots.append(late.update(*batch))
    for s, wanted in reversed(list(zip(snapshots, seen, strict=True))):
        for name in ("pi", "mu", "B", "R", "valid"):
            assert torch.equal(s[name], wanted[name])
        torch.testing.assert_close(s.Sigma, wanted["Sigma"], rtol=1e-5, atol=1e-5)


@every_way
@pytest.mark.parametrize("path", PATHS, ids=("grouped", "masked"))
def test_a_training_loop_may_use_the_memory_of_its_batch_again(way, path):
    (x, labels), (y, _) = cluster_batches(0, [40, 40], 4, 3)
    estimator, twin = (estimator_of(K=4, **way, **path) for _ in range(2))
    s, wanted = estimator.update(x, labels), twin.update(x.clone(), labels.clone())
    x.fill_(torch.nan)
    labels.zero_()
    assert same_bits(s, wanted)
    assert estimator.summary() == pytest.approx(twin.summary(), nan_ok=True)
    assert same_bits(estimator.update(y, labels), twin.update(y, labels))


@every_way
@pytest.mark.parametrize("covariance", ["full", "diag", "none"])
def test_a_copy_goes_on_as_the_original(way, covariance):
    batches = cluster_batches(0, [40] * 6, 4, 9)
    estimator = estimator_of(K=4, covariance=covariance, **way)
    feed_all(estimator, batches[:3])
    twin = copy.deepcopy(estimator)
    for batch in batches[3:]:
        assert same_bits(estimator.update(*batch), twin.update(*batch))
    assert estimator.summary() == pytest.approx(twin.summary(), nan_ok=True)


def test_deterministic_algorithms_can_be_asked_for():
    batches = cluster_batches(0, [40] * 3, 4, 3)
    wanted = feed_all(estimator_of(K=4), batches)[-1]
    torch.use_deterministic_algorithms(True)
    try:
        for path in PATHS:
            assert torch.equal(feed_all(estimator_of(K=4, **path), batches)[-1].R, wanted.R)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_snapshot_reads_as_a_mapping_and_by_attributes():
    estimator = estimator_of(K=4)
    s = estimator.update(cluster_batches(0, [40], 4, 3)[0][0])
    assert set(s) >= {"pi", "mu", "Sigma", "B", "R", "valid"}
    for name in s:
        assert s[name] is getattr(s, name) or torch.equal(s[name], getattr(s, name))
    assert dict(s).keys() == set(s)
    assert len(s) == len(list(s))
    assert s.get("nothing") is None
    with pytest.raises(KeyError):
        s["nothing"]
    assert same_bits(estimator.compute(), s)


@DEVICES
def test_one_row_one_column_one_component(device):
    s = estimator_of(K=1).update(torch.tensor([[2.5]], device=device))
    assert (float(s.pi), float(s.mu), float(s.Sigma), float(s.B), float(s.R)) == (1, 2.5, 0, 0, 1)


def test_dense_statistics_of_one_column_are_the_diagonal_ones():
    batches = cluster_batches(0, [20, 30], 3, 1, dtype=torch.float64)
    full, diag = (feed_all(estimator_of(K=3, covariance=c), batches)[-1] for c in ("full", "diag"))
    np.testing.assert_allclose(dense64(full.Sigma), dense64(diag.Sigma), rtol=1e-12)

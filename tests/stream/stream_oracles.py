"""Slow and obvious versions of a streaming mixture: sums over every row that ever came; guards against host reads."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mixturelab import MixtureStats

DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}  # of the total covariance
QUIET = pytest.mark.filterwarnings("ignore::mixturelab.exceptions.StreamWarning")

# ---------------------------------------------------------------------------------------------- streams


def cluster_batches(
    seed,
    sizes,
    k,
    d,
    *,
    spread=4.0,
    noise=1.0,
    bad=0.0,
    ignored=0.0,
    offset=0.0,
    absent=0.0,
    dtype=torch.float32,
):
    """Batches (x, labels) of k clusters; some rows not finite, some labels −1, in some batches some clusters absent."""
    rng = np.random.default_rng(seed)
    centres = spread * rng.normal(size=(k, d))
    out = []
    for n in sizes:
        present = np.flatnonzero(rng.random(k) >= absent)
        labels = rng.choice(present if len(present) else np.arange(k), n)
        x = centres[labels] + noise * rng.normal(size=(n, d)) + offset
        x[rng.random(n) < bad, rng.integers(0, d)] = rng.choice([np.nan, np.inf, -np.inf])
        labels = np.where(rng.random(n) < ignored, -1, labels)
        out.append((torch.from_numpy(x).to(dtype), torch.from_numpy(labels)))
    return out


def estimator_of(**options):
    """An enabled estimator."""
    return MixtureStats(**{"enabled": True, **options})


def with_labels(options):
    """Whether the options ask for labels."""
    return "label_supervised" in (options.get("mode"), options.get("assigner"))


def feed_all(estimator, batches, labelled=None):
    """The snapshots after each batch."""
    labelled = estimator.settings.needs_labels if labelled is None else labelled
    return [estimator.update(x, labels if labelled else None) for x, labels in batches]


def index_of(responsibilities):
    """The component of each row, −1 for a dropped one; fails unless every row is 0/1 with at most one 1."""
    r = responsibilities.cpu().double().numpy()
    assert set(np.unique(r)) <= {0.0, 1.0}
    assert (r.sum(1) <= 1).all()
    return np.where(r.sum(1) == 1, r.argmax(1), -1)


def history_of(batches, snapshots):
    """(rows, components) of each batch in float64, the assignments taken from R."""
    pairs = zip(batches, snapshots, strict=True)
    return [(x.detach().cpu().double().numpy()[: len(s.R)], index_of(s.R)) for (x, _), s in pairs]


# ------------------------------------------------------------------------------------------ the mixture


def row_weights(history, decay):
    """One weight a row: (1−γ)γ^(T−t) by its batch (batches without a live row are no steps); 1 and 0 for decay None."""
    steps = [t for t, (_, index) in enumerate(history) if (index >= 0).any()]
    order = {t: len(steps) - 1 - s for s, t in enumerate(steps)}
    weights = []
    for t, (x, index) in enumerate(history):
        ago = order.get(t, 0)
        one = float(ago == 0) if decay is None else (1 - decay) * decay**ago
        weights.append(np.where(index >= 0, one, 0.0) if len(x) else np.zeros(0))
    return weights


def mixture_of(history, k, decay):
    """π, μ, Σ, B and `valid` of every row that ever came; decay None: of the last batch, and absent components stay."""
    rows = [x[index >= 0] for x, index in history]
    index = np.concatenate([i[i >= 0] for _, i in history])
    weight = np.concatenate(
        [w[i >= 0] for w, (_, i) in zip(row_weights(history, decay), history, strict=True)]
    )
    x, d = np.concatenate(rows), rows[0].shape[1]
    pi, mu, sigma = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for c in range(k):
        mine, w = x[index == c], weight[index == c]
        pi[c] = w.sum()
        if decay is None and pi[c] == 0:
            last = [r[i[i >= 0] == c] for r, (_, i) in zip(rows, history, strict=True) if (i == c).any()]
            mine = last[-1] if last else mine[:0]
            w = np.ones(len(mine))
        if len(mine):
            mu[c] = (w[:, None] * mine).sum(0) / w.sum()
            sigma[c] = np.einsum("n,ni,nj->ij", w, mine - mu[c], mine - mu[c]) / w.sum()
    pi = pi / pi.sum()
    return pi, mu, sigma, between(pi, mu), np.isin(np.arange(k), index)


def between(pi, mu):
    """B = Σ π (μ − μ̄)(μ − μ̄)ᵀ, term by term."""
    centre = sum(p * m for p, m in zip(pi, mu, strict=True))
    return sum(p * np.outer(m - centre, m - centre) for p, m in zip(pi, mu, strict=True))


def total_covariance(history, decay):
    """The weighted covariance of all live rows, whatever their components."""
    w = np.concatenate(row_weights(history, decay))
    x = np.concatenate([x for x, _ in history])[w > 0]
    w = w[w > 0] / w.sum()
    centred = x - w @ x
    return (centred * w[:, None]).T @ centred


def decay_of(settings):
    """γ in mode ema, None elsewhere."""
    return settings.ema_decay if settings.mode == "ema" else None


def dense64(sigma):
    """Covariances [K, D, D] in float64, whatever was kept of them."""
    sigma = sigma.cpu().double().numpy()
    return sigma if sigma.ndim == 3 else np.stack([np.diag(row) for row in sigma])


def assert_mixture(snapshot, expected, *, tolerance):
    """The snapshot is this mixture; errors are measured against the total covariance (means: against their size)."""
    pi, mu, sigma, b, valid = expected
    total = max(np.trace(np.einsum("k,kij->ij", pi, sigma) + b), 1e-300)
    np.testing.assert_array_equal(snapshot.valid.cpu().numpy(), valid)
    np.testing.assert_allclose(snapshot.pi.cpu(), pi, atol=tolerance)
    size = np.sqrt(total) + np.abs(mu).max()
    np.testing.assert_allclose(snapshot.mu.cpu(), mu, rtol=0, atol=tolerance * size)
    np.testing.assert_allclose(snapshot.B.cpu(), b, rtol=0, atol=tolerance * total)
    if snapshot.Sigma is not None:
        wanted = sigma if snapshot.Sigma.ndim == 3 else sigma.diagonal(axis1=1, axis2=2)
        np.testing.assert_allclose(
            snapshot.Sigma.cpu(), wanted, rtol=0, atol=tolerance * max(total, np.abs(sigma).max())
        )


def law_of_total_covariance_error(snapshot, history, decay):
    """‖Σ πΣ + B − covariance of the data‖ relative to the covariance's trace (the diagonal alone for "diag")."""
    wanted = total_covariance(history, decay)
    pi = snapshot.pi.cpu().double().numpy()
    found = np.einsum("k,kij->ij", pi, dense64(snapshot.Sigma)) + snapshot.B.cpu().double().numpy()
    error = found - wanted
    if snapshot.Sigma.ndim == 2:
        error = error.diagonal()
    return np.abs(error).max() / max(np.trace(wanted), 1e-300)


def same_bits(a, b):
    """Whether two snapshots are the same to the last bit."""
    pairs = [(a[name], b[name]) for name in a]
    return all(x is y is None or torch.equal(x, y) for x, y in pairs)


def saved(estimator):
    """A deep copy of the state, to compare with later."""
    state = estimator.state_dict()
    return {**state, "tensors": {name: value.clone() for name, value in state["tensors"].items()}}


def assert_same_state(estimator, before, *, apart_from=()):
    """The state is as it was, to the last bit, apart from some counts."""
    after = estimator.state_dict()
    assert after["tensors"].keys() == before["tensors"].keys()
    changed = [
        name for name, value in before["tensors"].items() if not torch.equal(after["tensors"][name], value)
    ]
    assert set(changed) <= set(apart_from), f"changed: {changed}"


def mass_of(estimator):
    """The decayed number of rows of each component."""
    return estimator.state_dict()["tensors"]["mass"]


# ---------------------------------------------------------------------------------------------- numbers


def slow_numbers(pi, mu, sigma, rank_tolerance=1e-5):
    """trace_B, opnorm_B, trace_W, r_squared, stable_rank, effective_rank, nc1 and entropy_pi, all by D×D matrices."""
    b = between(pi, mu)
    within = np.einsum("k,kij->ij", pi, sigma)
    trace_b, opnorm, trace_w = np.trace(b), np.linalg.norm(b, 2), np.trace(within)
    share = np.linalg.eigvalsh(within + b)
    share = share[share > 0] / share[share > 0].sum()
    return {
        "trace_B": trace_b,
        "opnorm_B": opnorm,
        "trace_W": trace_w,
        "r_squared": trace_b / (trace_b + trace_w),
        "stable_rank": trace_b / opnorm,
        "effective_rank": np.exp(-sum(p * np.log(p) for p in share)),
        "nc1": np.trace(within @ np.linalg.pinv(b, rcond=rank_tolerance, hermitian=True)) / len(pi),
        "entropy_pi": -sum(p * np.log(p) for p in pi if p > 0),
    }


# ------------------------------------------------------------------------------------------- host reads

READS = (
    "item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__", "nonzero", "cpu", "__array__",
    "masked_select",
)  # fmt: skip
# What reads values on the host, or makes a shape of them (which on a GPU waits for it).
WAITING = (
    "_local_scalar_dense", "is_nonzero", "nonzero", "nonzero_numpy", "masked_select", "equal", "_unique", "_unique2",
    "unique_dim", "unique_consecutive", "item", "allclose", "histc",
)  # fmt: skip


class HostRead(AssertionError):
    """The host looked at a value."""


class _NoWaiting(TorchDispatchMode):
    """Raises at every operation that would make the host wait for a GPU, whatever called it."""

    def __init__(self, also=()):
        super().__init__()
        self.waiting = {*WAITING, *also}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_", "_unsafe_index") and any(
            t is not None and t.dtype in (torch.bool, torch.uint8) for t in args[1]
        )
        counted = name == "repeat_interleave" and isinstance(args[0], torch.Tensor)
        if name in self.waiting or by_mask or counted:
            raise HostRead(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


def _is_mask(key):
    keys = key if isinstance(key, tuple) else (key,)
    return any(isinstance(k, torch.Tensor) and k.dtype in (torch.bool, torch.uint8) for k in keys)


def _guarded(name):
    plain = getattr(torch.Tensor, name)

    def access(tensor, key, *value):
        if _is_mask(key):
            raise HostRead(f"Tensor.{name} with a mask")
        return plain(tensor, key, *value)

    return access


def _forbidden(name):
    def read(tensor, *args, **kwargs):
        raise HostRead(f"Tensor.{name}")

    return read


@contextmanager
def no_host_reads(device="cpu", also=()):
    """Within this context a read of a value by the host is an error (on a GPU: any wait for it)."""
    if device != "cpu":
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return
    with pytest.MonkeyPatch.context() as patch, _NoWaiting(also):
        for name in READS:
            patch.setattr(torch.Tensor, name, _forbidden(name))
        for name in ("__getitem__", "__setitem__"):
            patch.setattr(torch.Tensor, name, _guarded(name))
        yield


@contextmanager
def counted_reads():
    """A list that gets the name of every method by which the host reads, copies to the host among them."""
    seen, depth = [], [0]

    def counting(name, plain):
        def read(tensor, *args, **kwargs):
            if not depth[0]:
                seen.append(name)
            depth[0] += 1
            try:
                return plain(tensor, *args, **kwargs)
            finally:
                depth[0] -= 1

        return read

    with pytest.MonkeyPatch.context() as patch:
        for name in READS:
            patch.setattr(torch.Tensor, name, counting(name, getattr(torch.Tensor, name)))
        yield seen


class LargestTensor(TorchDispatchMode):
    """Notes how many numbers the largest tensor holds that any operation makes."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.numel = max(
                    self.numel, tensor.untyped_storage().nbytes() // max(tensor.element_size(), 1)
                )
        return result


def autocast_or_not(dtype, device):
    """Autocast to a dtype, or nothing for None."""
    return nullcontext() if dtype is None else torch.autocast(device_type=device, dtype=dtype)

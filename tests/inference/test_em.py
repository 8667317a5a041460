"""One E-step and one M-step against loops; both readings against each other; what they hold in memory."""

import numpy as np
import oracles
import pytest
import torch
from oracles import FAMILIES, random_mixture
from torch.utils._python_dispatch import TorchDispatchMode

from mixturelab.inference import em
from mixturelab.inference.initialise import parameters_from
from mixturelab.model.covariance import FAMILIES as REGISTRY
from mixturelab.model.params import make_parameters
from mixturelab.model.quadratic import QuadraticPass, summarise


def _setting(family, n=60, k=3, d=2, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    weights, means, covariances = random_mixture(rng, family, k, d)
    x = means[rng.integers(0, k, n)] + rng.normal(size=(n, d)) + offset
    raw = (weights, means + offset, covariances)
    parameters = make_parameters(*(torch.from_numpy(np.asarray(v)) for v in raw), covariance_type=family)
    return x, raw, parameters


def _force(monkeypatch, quadratic):
    monkeypatch.setattr(em, "_is_quadratic_quicker", lambda _: quadratic)


@pytest.mark.parametrize("quadratic", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_one_iteration_equals_the_loops(monkeypatch, family, d, quadratic):
    _force(monkeypatch, quadratic)
    x, raw, parameters = _setting(family, d=d)
    gamma, total = oracles.e_step(x, *raw, family)
    weights, means, covariances = oracles.m_step(x, gamma, family, 1e-3)
    rows = torch.from_numpy(x)
    chosen, _ = em._choose(rows, parameters, summarise(rows), None)
    assert isinstance(chosen, QuadraticPass) == quadratic
    new, found, mass = em.em_step(rows, parameters, summarise(rows), 1e-3)
    assert found == pytest.approx(total, rel=1e-13)
    np.testing.assert_allclose(mass, gamma.sum(0), rtol=1e-12)
    np.testing.assert_allclose(new.weights, weights, rtol=1e-12)
    np.testing.assert_allclose(new.means, means, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(new.covariances, covariances, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("d", [2, 40])
def test_both_readings_agree(monkeypatch, family, d, dtype):
    x, _, parameters = _setting(family, n=500, k=4, d=d)
    rows = torch.from_numpy(x).to(dtype)
    monkeypatch.setattr("mixturelab.model.quadratic._MOST_LOST", {torch.float32: 1e9, torch.float64: 1e9})
    results = []
    for quadratic in (True, False):
        _force(monkeypatch, quadratic)
        results.append(em.em_step(rows, parameters, summarise(rows), 1e-3))
    (a, total_a, mass_a), (b, total_b, mass_b) = results
    tolerance = {"rtol": 1e-9, "atol": 1e-9} if dtype is torch.float64 else {"rtol": 2e-3, "atol": 2e-3}
    assert total_a == pytest.approx(total_b, rel=tolerance["rtol"])
    for one, other in [(mass_a, mass_b), (a.means, b.means), (a.covariances, b.covariances)]:
        torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("quadratic", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_chunks_change_nothing(monkeypatch, family, quadratic):
    _force(monkeypatch, quadratic)
    x, _, parameters = _setting(family, n=1001)
    rows = torch.from_numpy(x)
    whole, total, _ = em.em_step(rows, parameters, summarise(rows), 0.0)
    for module in ("mixturelab.inference.em.chunk_rows", "mixturelab.model.quadratic.chunk_rows"):
        monkeypatch.setattr(module, lambda *_: 37)
    parts, total_parts, _ = em.em_step(rows, parameters, summarise(rows), 0.0)
    assert total_parts == pytest.approx(total, rel=1e-13)
    torch.testing.assert_close(parts.means, whole.means, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(parts.covariances, whole.covariances, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
def test_float32_stays_right_at_an_offset(family, offset):
    """Against the same rounded rows in float64, moved back to zero."""
    x, (weights, means, covariances), _ = _setting(family, n=2000, d=3, offset=offset)
    rounded = torch.from_numpy(x).float()
    near = rounded.double() - offset
    at_zero = make_parameters(
        *(torch.from_numpy(np.asarray(v)) for v in (weights, means - offset, covariances)), family
    )
    there = make_parameters(*(torch.from_numpy(np.asarray(v)) for v in (weights, means, covariances)), family)
    wanted, total, _ = em.em_step(near, at_zero, summarise(near), 1e-6)
    found, total_found, _ = em.em_step(rounded, there, summarise(rounded), 1e-6)
    assert total_found == pytest.approx(total, rel=3e-3 if offset == 1e5 else 1e-4)
    scale = float(wanted.covariances.abs().max())
    torch.testing.assert_close(found.covariances, wanted.covariances, rtol=0, atol=4e-3 * scale)
    torch.testing.assert_close(found.means - offset, wanted.means, rtol=0, atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mean_that_jumps_is_read_again_about_its_new_place(dtype):
    """The old mean is a million standard deviations away: statistics about it hold no digit of the variance."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(1e6 + rng.normal(size=(4000, 2))).to(dtype)
    far = make_parameters(torch.ones(1), torch.zeros(1, 2), 1e12 * torch.eye(2)[None]).to(torch.float64)
    new, _, _ = em.em_step(x, far, summarise(x), 0.0)
    truth = torch.cov(x.double().T, correction=0)
    torch.testing.assert_close(
        new.covariances[0], truth, rtol=1e-4 if dtype is torch.float32 else 1e-9, atol=1e-4
    )


def test_tight_components_far_apart_leave_the_quadratic_form():
    """Two groups of spread 1e-5 at distance 1e3: about a common origin every digit of their variance is gone."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(300, 2)) * 1e-5, 1e3 + rng.normal(size=(300, 2)) * 1e-5])
    gamma = np.repeat(np.eye(2), 300, axis=0)
    rows = torch.from_numpy(x)
    start = parameters_from(rows, torch.from_numpy(gamma), REGISTRY["full"], 0.0)
    wanted = oracles.m_step(x, gamma, "full")[2]
    np.testing.assert_allclose(start.covariances, wanted, rtol=1e-6)
    chosen, _ = em._choose(rows, start, summarise(rows), None)
    assert not isinstance(chosen, QuadraticPass)
    new, _, _ = em.em_step(rows, start, summarise(rows), 0.0)
    np.testing.assert_allclose(new.covariances, wanted, rtol=1e-6)


def _longdouble_step(x, weights, means, covariances):
    """One E- and M-step in extended precision, with an explicit inverse and determinant: nobody's fast path."""
    x, means, covariances = (np.asarray(v, dtype=np.longdouble) for v in (x, means, covariances))
    k, d = means.shape
    joint = np.empty((len(x), k), dtype=np.longdouble)
    for j in range(k):
        lower = np.zeros((d, d), dtype=np.longdouble)
        for a in range(d):
            for b in range(a + 1):
                rest = covariances[j, a, b] - (lower[a, :b] * lower[b, :b]).sum()
                lower[a, b] = np.sqrt(rest) if a == b else rest / lower[b, b]
        y = np.zeros((len(x), d), dtype=np.longdouble)
        for a in range(d):
            y[:, a] = ((x - means[j])[:, a] - y[:, :a] @ lower[a, :a]) / lower[a, a]
        constant = (
            np.log(np.longdouble(weights[j])) - np.log(np.diag(lower)).sum() - d * np.log(2 * np.pi) / 2
        )
        joint[:, j] = constant - (y * y).sum(1) / 2
    top = joint.max(1, keepdims=True)
    evidence = top + np.log(np.exp(joint - top).sum(1, keepdims=True))
    gamma = np.exp(joint - evidence)
    mean = gamma.T @ x / gamma.sum(0)[:, None]
    scatter = [((gamma[:, j, None] * (x - mean[j])).T @ (x - mean[j])) / gamma[:, j].sum() for j in range(k)]
    return float(evidence.mean()), np.stack(scatter)


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-8), (torch.float32, 2e-2)])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("noise", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("family", ["full", "tied"])
def test_nearly_collinear_features_keep_their_digits(family, noise, k, dtype, limit):
    """Products of collinear features cancel in xᵀPx however near the origin is: the residuals must take over."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=(3000, 1))
    x = torch.from_numpy(np.hstack([a, a + noise * rng.normal(size=a.shape)])).to(dtype)
    gamma = np.eye(k)[np.argsort(np.argsort(a[:, 0])) * k // len(a)]
    start = parameters_from(x, torch.from_numpy(gamma).to(dtype), REGISTRY[family], 0.0)
    new, total, _ = em.em_step(x, start, summarise(x), 0.0)
    dense = start.dense_covariances().numpy()
    wanted, scatter = _longdouble_step(x.double().numpy(), start.weights.numpy(), start.means.numpy(), dense)
    assert total / len(x) == pytest.approx(wanted, abs=1e-9 if dtype is torch.float64 else 1e-3)
    if family == "full":  # the error as the likelihood feels it: in the covariance's own metric
        for found, truth in zip(new.covariances.numpy(), scatter.astype(float), strict=True):
            inverse = np.linalg.inv(np.linalg.cholesky(truth))
            assert np.abs(inverse @ (found - truth) @ inverse.T).max() < limit


def test_one_row_far_out_does_not_blur_the_pooled_covariance():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 3))
    x[7] = 1e6
    rows = torch.from_numpy(x)
    gamma = np.zeros((3000, 2))
    gamma[:, 0] = 1
    gamma[7] = [0, 1]
    start = parameters_from(rows, torch.from_numpy(gamma), REGISTRY["tied"], 0.0)
    wanted, _ = _longdouble_step(
        x, start.weights.numpy(), start.means.numpy(), start.dense_covariances().numpy()
    )
    _, total, _ = em.em_step(rows, start, summarise(rows), 0.0)
    assert total / len(x) == pytest.approx(wanted, rel=1e-12)


def test_an_emptied_component_keeps_what_it_was():
    x, (weights, means, covariances), _ = _setting("full", n=100)
    means[2] = 1e4  # nothing is there
    parameters = make_parameters(*(torch.from_numpy(v) for v in (weights, means, covariances)))
    new, _, mass = em.em_step(torch.from_numpy(x), parameters, summarise(torch.from_numpy(x)), 1e-6)
    assert float(mass[2]) < em.EMPTY_MASS
    torch.testing.assert_close(new.means[2], parameters.means[2])
    torch.testing.assert_close(new.covariances[2], parameters.covariances[2])
    assert torch.isfinite(new.covariances).all()
    assert float(new.weights.sum()) == pytest.approx(1)


class _Largest(TorchDispatchMode):
    """The most numbers that any tensor made inside held."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        made = out if isinstance(out, torch.Tensor) else torch.empty(0)
        if "split" not in str(function) and "view" not in str(function):
            self.numbers = max(self.numbers, made.numel())
        return out


@pytest.mark.parametrize("quadratic", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_memory_beyond_the_data_does_not_grow_with_rows(monkeypatch, family, quadratic):
    _force(monkeypatch, quadratic)
    largest = []
    for n in (50_000, 200_000):
        x, _, parameters = _setting(family, n=n)
        rows = torch.from_numpy(x)
        summary = summarise(rows)
        with _Largest() as seen:
            em.em_step(rows, parameters, summary, 1e-6)
        largest.append(seen.numbers)
    assert largest[0] == largest[1] < 200_000


@pytest.mark.parametrize("family", FAMILIES)
def test_an_iteration_reads_the_data_once(monkeypatch, family):
    x, _, parameters = _setting(family, n=20_000)
    rows, read = torch.from_numpy(x), []
    summary, chunks = summarise(rows), em.chunks

    def counted(x, size):
        for chunk in chunks(x, size):
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(em, "chunks", counted)
    em.em_step(rows, parameters, summary, 1e-6)
    assert sum(read) == len(x)


@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_the_gpu_agrees_with_the_cpu(family):
    x, _, parameters = _setting(family, n=5000, d=8)
    rows = torch.from_numpy(x)
    host, total, _ = em.em_step(rows, parameters, summarise(rows), 1e-6)
    there = parameters.to(device=torch.device("cuda"))
    device, total_device, _ = em.em_step(rows.cuda(), there, summarise(rows.cuda()), 1e-6)
    assert total_device == pytest.approx(total, rel=1e-10)
    torch.testing.assert_close(device.covariances.cpu(), host.covariances, rtol=1e-8, atol=1e-8)

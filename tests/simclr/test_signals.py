"""The signals of collapse against loops in NumPy, and at embeddings whose answer is known."""

import math

import numpy as np
import pytest
import torch

from mixturelab.exceptions import DataError
from mixturelab.simclr.signals import embedding_std, rank_me, uniformity

SIGNALS = [rank_me, embedding_std, uniformity]


def embeddings(n=40, d=5, seed=0):
    """Rows of different lengths and of uneven directions, so that no answer is trivial."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, d, generator=generator, dtype=torch.float64) * torch.arange(1, d + 1) + 0.5
    return rows * torch.logspace(-2, 2, n, dtype=torch.float64)[:, None]


def unit(z):
    return [row / np.sqrt((row**2).sum()) for row in z.numpy()]


def slow_rank_me(z):
    rows = np.array(unit(z))
    gram = rows @ rows.T if len(rows) < z.shape[1] else rows.T @ rows
    values = np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0, None))
    shares = values / values.sum()
    return math.exp(-sum(p * math.log(p) for p in shares if p > 0))


def slow_embedding_std(z):
    columns = np.array(unit(z)).T
    return np.mean([math.sqrt(np.mean([(v - column.mean()) ** 2 for v in column])) for column in columns])


def slow_uniformity(z):
    rows = unit(z)
    pairs = [(i, j) for i in range(len(rows)) for j in range(i)]
    return math.log(np.mean([math.exp(-2 * ((rows[i] - rows[j]) ** 2).sum()) for i, j in pairs]))


@pytest.mark.parametrize(
    ("fast", "slow"),
    [(rank_me, slow_rank_me), (embedding_std, slow_embedding_std), (uniformity, slow_uniformity)],
)
class TestAgainstLoops:
    @pytest.mark.parametrize("shape", [(40, 5), (3, 8), (2, 2)])
    def test_value(self, fast, slow, shape):
        assert fast(embeddings(*shape)) == pytest.approx(slow(embeddings(*shape)), rel=1e-9)

    def test_float32_and_gradients(self, fast, slow):
        z = embeddings().float().requires_grad_()
        assert fast(z) == pytest.approx(slow(z.detach().double()), rel=1e-6)


class TestKnownAnswers:
    @pytest.mark.parametrize("signal", SIGNALS)
    def test_lengths_order_and_rotation_do_not_matter(self, signal):
        z = embeddings()
        assert signal(3 * z.flip(0)) == pytest.approx(signal(z), rel=1e-9)

    @pytest.mark.parametrize("signal", [rank_me, uniformity])
    def test_rotation_does_not_matter(self, signal):
        turn = torch.linalg.qr(embeddings(5, 5, seed=1)).Q
        assert signal(embeddings() @ turn) == pytest.approx(signal(embeddings()), rel=1e-9)

    def test_one_direction_has_rank_one(self):
        line = torch.tensor([[1.0], [-2.0], [3.0], [-0.5]]) * torch.tensor([[0.6, 0.0, 0.8]])
        assert rank_me(line) == pytest.approx(1)

    def test_all_axes_equally_used(self):
        axes = torch.cat([torch.eye(8), -torch.eye(8)])
        assert rank_me(axes) == pytest.approx(8)
        assert embedding_std(axes) == pytest.approx(1 / math.sqrt(8))

    def test_two_orthogonal_rows(self):
        assert uniformity(torch.eye(2)) == pytest.approx(-4)  # exp(−2·2)

    def test_a_constant_is_neither_spread_nor_uniform(self):
        constant = torch.ones(2000, 3)
        assert uniformity(constant) == pytest.approx(0, abs=1e-12)
        assert embedding_std(constant) == pytest.approx(0, abs=1e-12)
        assert rank_me(constant) == pytest.approx(1)

    def test_pairs_are_counted_over_all_chunks(self):
        z = embeddings(1030, 3)
        distances = torch.pdist(torch.nn.functional.normalize(z, dim=1))
        assert uniformity(z) == pytest.approx(float(distances.square().mul(-2).exp().mean().log()), rel=1e-9)


@pytest.mark.parametrize("signal", SIGNALS)
class TestBadInput:
    @pytest.mark.parametrize("shape", [(4,), (1, 4), (2, 3, 4), (3, 0)])
    def test_shape(self, signal, shape):
        with pytest.raises(DataError, match=r"z has shape .*; wanted \[N, D\]"):
            signal(torch.ones(shape))

    def test_nan(self, signal):
        z = embeddings()
        z[3, 1] = math.nan
        with pytest.raises(DataError, match="z holds NaN or infinity in 1 row"):
            signal(z)

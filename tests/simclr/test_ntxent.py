"""NT-Xent against a double loop, its limits and symmetries; what the losses show to the active mixture."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from mixturelab.exceptions import ArgumentError
from mixturelab.simclr.ntxent import alignment, nt_xent
from mixturelab.stream import MixtureStats, active_mixture

TEMPERATURES = [0.05, 0.2, 1.0, 50.0]


def two_views(n=6, d=4, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, d, generator=generator, dtype=dtype).requires_grad_() for _ in range(2)]


def brute_force(z1, z2, temperature):
    """The mean over all 2N rows of −log exp(s_ij/τ) / Σ_{k≠i} exp(s_ik/τ), term by term."""
    rows, n = [*z1, *z2], len(z1)

    def cosine(a, b):
        return (a * b).sum() / ((a * a).sum().sqrt() * (b * b).sum().sqrt())

    total = 0
    for i in range(2 * n):
        others = sum(torch.exp(cosine(rows[i], rows[k]) / temperature) for k in range(2 * n) if k != i)
        partner = cosine(rows[i], rows[(i + n) % (2 * n)])
        total = total - torch.log(torch.exp(partner / temperature) / others)
    return total / (2 * n)


class TestAgainstBruteForce:
    @pytest.mark.parametrize("temperature", TEMPERATURES)
    @pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 2), (6, 4)])
    def test_value(self, n, d, temperature):
        z1, z2 = two_views(n, d)
        torch.testing.assert_close(
            nt_xent(z1, z2, temperature), brute_force(z1, z2, temperature), rtol=1e-12, atol=1e-12
        )

    @pytest.mark.parametrize("temperature", TEMPERATURES)
    def test_gradients(self, temperature):
        z = two_views()
        got = torch.autograd.grad(nt_xent(*z, temperature), z)
        wanted = torch.autograd.grad(brute_force(*z, temperature), z)
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-13)

    def test_gradients_against_finite_differences(self):
        assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.5), two_views(4, 3))
        assert torch.autograd.gradcheck(alignment, two_views(4, 3))

    def test_alignment_is_minus_the_mean_cosine(self):
        z1, z2 = two_views()
        cosines = [torch.dot(a, b) / (a.norm() * b.norm()) for a, b in zip(z1, z2, strict=True)]
        torch.testing.assert_close(alignment(z1, z2), -sum(cosines) / len(cosines))


class TestLaws:
    def test_views_may_change_places(self):
        z1, z2 = two_views()
        torch.testing.assert_close(nt_xent(z1, z2), nt_xent(z2, z1), rtol=1e-13, atol=0)

    def test_order_of_images_scale_and_rotation_do_not_matter(self):
        z1, z2 = two_views()
        order = torch.randperm(len(z1), generator=torch.Generator().manual_seed(1))
        turn = torch.linalg.qr(
            torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        )[0]
        scale = torch.logspace(-3, 3, len(z1), dtype=torch.float64)[:, None]
        changed = nt_xent((z1 * scale)[order] @ turn, z2[order] @ turn)
        torch.testing.assert_close(changed, nt_xent(z1, z2), rtol=1e-12, atol=0)

    def test_pairs_matter(self):
        z1, z2 = two_views()
        assert not torch.isclose(nt_xent(z1, z2.flip(0)), nt_xent(z1, z2), rtol=1e-3)

    def test_hot_limit_counts_the_candidates(self):
        z1, z2 = two_views()
        assert nt_xent(z1, z2, 1e9).item() == pytest.approx(math.log(2 * len(z1) - 1), rel=1e-8)

    def test_cold_limit_is_the_gap_to_the_nearest(self):
        z1, z2 = two_views()
        z = normalize(torch.cat([z1, z2]), dim=1).detach()
        cosines = (z @ z.T).fill_diagonal_(-torch.inf)
        partner = cosines[torch.arange(12), torch.arange(12).roll(6)]
        gap = (cosines.amax(1) - partner).mean()
        assert 1e-5 * nt_xent(z1, z2, 1e-5).item() == pytest.approx(gap.item(), rel=1e-6)

    def test_perfect_embeddings_reach_the_least_loss(self):
        z = torch.eye(4, dtype=torch.float64)
        wanted = math.log(math.exp(1 / 0.2) + 6) - 1 / 0.2  # one candidate of cosine 1, six of cosine 0
        assert nt_xent(z, z, 0.2).item() == pytest.approx(wanted, rel=1e-12)
        assert alignment(z, z).item() == pytest.approx(-1)


class TestPrecision:
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    @pytest.mark.parametrize("loss", [nt_xent, alignment])
    def test_half_input_is_computed_in_float32(self, dtype, loss):
        z1, z2 = (z.detach().to(dtype) for z in two_views())
        assert loss(z1, z2).dtype == torch.float32
        torch.testing.assert_close(loss(z1, z2), loss(z1.float(), z2.float()), rtol=0, atol=0)

    @pytest.mark.parametrize("loss", [nt_xent, alignment])
    def test_autocast_changes_nothing(self, loss):
        z1, z2 = (z.detach().float() for z in two_views(64, 32))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = loss(z1, z2)
        assert inside.dtype == torch.float32
        torch.testing.assert_close(inside, loss(z1, z2), rtol=0, atol=0)

    def test_a_row_of_zeros_gives_a_finite_gradient(self):
        z1, z2 = two_views()
        with torch.no_grad():
            z1[0] = 0
        nt_xent(z1, z2).backward()
        assert torch.isfinite(z1.grad).all()


class TestFeeding:
    @pytest.mark.parametrize("loss", [nt_xent, alignment])
    def test_the_active_mixture_sees_both_views_normalised_and_labels_doubled(self, loss):
        z1, z2 = two_views(6, 4, torch.float32)
        labels = torch.tensor([0, 1, 2, 0, 1, 2])
        asked = dict(K=3, enabled=True, mode="label_supervised", assigner="label_supervised")
        with active_mixture(MixtureStats(**asked)) as fed:
            loss(3 * z1, z2, labels=labels)
        by_hand = MixtureStats(**asked)
        z = torch.cat([normalize(z1, dim=1), normalize(z2, dim=1)]).detach()
        by_hand.update(z, labels=labels.repeat(2))
        wanted = by_hand.compute()
        for name in ("pi", "mu", "Sigma", "B"):
            torch.testing.assert_close(fed.compute()[name], wanted[name])

    @pytest.mark.parametrize("loss", [nt_xent, alignment])
    def test_loss_and_gradients_are_bitwise_the_same_with_and_without(self, loss):
        results = []
        for estimator in (None, MixtureStats(K=2, enabled=True)):
            z = two_views(6, 4, torch.float32)
            with active_mixture(estimator):
                value = loss(*z)
            results.append((value.detach(), *torch.autograd.grad(value, z)))
        torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


class TestBadInput:
    @pytest.mark.parametrize("temperature", [0, -1.0, math.nan, math.inf])
    def test_temperature(self, temperature):
        with pytest.raises(ArgumentError, match=f"temperature is {temperature!r}"):
            nt_xent(*two_views(), temperature)

    @pytest.mark.parametrize("loss", [nt_xent, alignment])
    def test_shapes(self, loss):
        z1, z2 = two_views()
        with pytest.raises(ArgumentError, match=r"z1 and z2 have shapes \(6, 4\) and \(5, 4\)"):
            loss(z1, z2[:5])
        with pytest.raises(ArgumentError, match=r"wanted \[N, D\] twice"):
            loss(z1[0], z2[0])
        with pytest.raises(ArgumentError, match=r"shapes \(0, 4\)"):
            loss(z1[:0], z2[:0])
        with pytest.raises(ArgumentError, match=r"labels has shape \(5,\); wanted \(6,\)"):
            loss(z1, z2, labels=torch.zeros(5, dtype=torch.long))

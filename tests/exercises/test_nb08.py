"""Notebook 08's exercises: right answers written in other ways pass too, and agree with the library."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import entropy

from mixturelab.exercises import check
from mixturelab.exercises.nb08 import MIXTURE_PROBES, SPECTRA, _loss_of_row, _positives
from mixturelab.simclr import nt_xent
from mixturelab.stream.diagnostics import effective_rank


def by_name(function):
    return function.__name__


# ------------------------------------------------------------------------------------------ 08.1: positives


def halves(n):
    return list(range(n, 2 * n)) + list(range(n))


def rolled(n):
    return np.roll(np.arange(2 * n), n)


def rolled_in_torch(n):
    return torch.arange(2 * n).roll(n)


def with_a_loop(n):
    return [i + n if i < n else i - n for i in range(2 * n)]


def from_a_mask(n):
    image = np.arange(2 * n) % n
    return ((image[:, None] == image) & ~np.eye(2 * n, dtype=bool)).argmax(axis=1)


@pytest.mark.parametrize("answer", [halves, rolled, rolled_in_torch, with_a_loop, from_a_mask], ids=by_name)
def test_positives_written_in_other_ways(answer):
    assert check("08.1", answer).passed


# ------------------------------------------------------------------------------------ 08.2: one row's loss


def with_shares(s, i, j, tau):
    e = np.exp(s / tau)
    return -np.log(e[j] / (e.sum() - e[i]))


def with_a_mask(s, i, j, tau):
    logits = s / tau
    logits[i] = -np.inf
    return logsumexp(logits) - logits[j]


def with_another_loop(s, i, j, tau):
    total = 0.0
    for k, cosine in enumerate(s):
        if k != i:
            total += np.exp((cosine - s[j]) / tau)
    return np.log(total)


def with_cross_entropy(s, i, j, tau):
    logits = torch.tensor(np.delete(s, i) / tau)
    return torch.nn.functional.cross_entropy(logits, torch.tensor(j - (j > i)))


@pytest.mark.parametrize(
    "answer", [with_shares, with_a_mask, with_another_loop, with_cross_entropy], ids=by_name
)
def test_the_loss_of_a_row_written_in_other_ways(answer):
    result = check("08.2", answer)
    assert result.passed, result


def test_the_mean_over_all_rows_is_the_library_s_loss():
    z = torch.nn.functional.normalize(torch.randn(10, 4, generator=torch.Generator().manual_seed(0)).double())
    cosines = (z @ z.T).numpy()
    rows = [_loss_of_row(cosines[i], i, j, 0.3) for i, j in enumerate(_positives(5))]
    assert np.mean(rows) == pytest.approx(nt_xent(z[:5], z[5:], 0.3).item(), rel=1e-12)


# -------------------------------------------------------------------------------------------------- 08.3: R²


def from_matrices(pi, mu, Sigma):
    centre = sum(p * m for p, m in zip(pi, mu, strict=True))
    between = sum(p * np.outer(m - centre, m - centre) for p, m in zip(pi, mu, strict=True))
    within = sum(p * s for p, s in zip(pi, Sigma, strict=True))
    return np.trace(between) / np.trace(between + within)


def with_einsum(pi, mu, Sigma):
    away = mu - np.einsum("k,kd->d", pi, mu)
    between, within = np.einsum("k,kd,kd->", pi, away, away), np.einsum("k,kdd->", pi, Sigma)
    return 1 - within / (between + within)


def in_torch(pi, mu, Sigma):
    pi, mu, sigma = map(torch.tensor, (pi, mu, Sigma))
    between = (pi * (mu - pi @ mu).square().sum(1)).sum()
    return between / (between + (pi * sigma.diagonal(dim1=1, dim2=2).sum(1)).sum())


def from_moments(pi, mu, Sigma):
    second = pi @ ((mu**2).sum(axis=1) + np.trace(Sigma, axis1=1, axis2=2))
    total = second - ((pi @ mu) ** 2).sum()
    return (total - pi @ np.trace(Sigma, axis1=1, axis2=2)) / total


@pytest.mark.parametrize("answer", [from_matrices, with_einsum, in_torch, from_moments], ids=by_name)
def test_r_squared_written_in_other_ways(answer):
    result = check("08.3", answer)
    assert result.passed, result


def test_r_squared_does_not_move_with_the_means():
    pi, mu, sigma = MIXTURE_PROBES[1]
    assert from_matrices(pi, mu + 3, sigma) == pytest.approx(from_matrices(pi, mu, sigma))


# ------------------------------------------------------------------------------------- 08.4: effective rank


def with_scipy(values):
    return np.exp(entropy(values))


def with_where(values):
    p = values / values.sum()
    logs = np.log(np.where(p > 0, p, 1.0))
    return np.exp(-np.sum(p * logs))


def as_a_product(values):
    p = values / values.sum()
    return 1 / np.prod(p**p)


def with_torch(values):
    p = torch.tensor(values) / values.sum()
    return torch.special.entr(p).sum().exp()


@pytest.mark.parametrize("answer", [with_scipy, with_where, as_a_product, with_torch], ids=by_name)
def test_the_effective_rank_written_in_other_ways(answer):
    result = check("08.4", answer)
    assert result.passed, result


@pytest.mark.parametrize("values", [probe[0] for probe in SPECTRA], ids=str)
def test_the_effective_rank_is_the_library_s(values):
    assert effective_rank(np.diag(values)) == pytest.approx(with_scipy(values))


# ----------------------------------------------------------------------------------------- 08.5: alarm rule


def with_windows(spread, limit, patience):
    low = np.lib.stride_tricks.sliding_window_view(spread < limit, patience).all(axis=1)
    return low.argmax() + patience - 1 if low.any() else -1


def with_slices(spread, limit, patience):
    for step in range(patience - 1, len(spread)):
        if max(spread[step - patience + 1 : step + 1]) < limit:
            return step
    return -1


def with_a_string(spread, limit, patience):
    return "".join("1" if value < limit else "0" for value in spread).find("1" * patience) + (
        patience - 1 if "1" * patience in "".join("1" if value < limit else "0" for value in spread) else 0
    )


@pytest.mark.parametrize("answer", [with_windows, with_slices, with_a_string], ids=by_name)
def test_the_alarm_written_in_other_ways(answer):
    result = check("08.5", answer)
    assert result.passed, result


# ------------------------------------------------------------------------------------------- 08.6: diagnosis


@pytest.mark.parametrize("answer", ["d", " D ", "d\n"])
def test_the_diagnosis(answer):
    assert check("08.6", answer).passed

"""Laws of sufficient statistics: they add, scale and move their origin without the rows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import FAMILIES

from mixturelab.model.covariance import FAMILIES as REGISTRY
from mixturelab.model.suffstats import SufficientStatistics

K, D = 3, 2


def _rows(seed, n=40):
    rng = np.random.default_rng(seed)
    x, gamma = rng.normal(size=(n, D)), rng.dirichlet(np.ones(K), size=n)
    return torch.from_numpy(x), torch.from_numpy(gamma)


def _origin(seed):
    return torch.from_numpy(np.random.default_rng(seed + 1000).normal(size=(K, D)))


def _same(a, b, **tolerance):
    for name in ("mass", "first", "second", "origin"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), **tolerance)


@pytest.mark.parametrize("family", FAMILIES)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 39))
def test_statistics_of_parts_add_up_to_those_of_the_whole(family, seed, cut):
    form = REGISTRY[family].form
    (x, gamma), origin = _rows(seed), _origin(seed)
    whole = SufficientStatistics.collect(x, gamma, origin, form)
    first = SufficientStatistics.collect(x[:cut], gamma[:cut], origin, form)
    second = SufficientStatistics.collect(
        x[cut:], gamma[cut:], _origin(seed + 1), form
    )  # about another origin
    _same(first + second, whole, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
@given(seed=st.integers(0, 10_000))
def test_moving_the_origin_is_exact_algebra(family, seed):
    form = REGISTRY[family].form
    (x, gamma), origin = _rows(seed), _origin(seed)
    moved = SufficientStatistics.collect(x, gamma, origin, form).recenter(_origin(seed + 1))
    _same(moved, SufficientStatistics.collect(x, gamma, _origin(seed + 1), form), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", FAMILIES)
def test_scaling_is_weighting_every_row(family):
    form = REGISTRY[family].form
    (x, gamma), origin = _rows(0), _origin(0)
    scaled = SufficientStatistics.collect(x, gamma, origin, form).scale(0.3)
    _same(scaled, SufficientStatistics.collect(x, 0.3 * gamma, origin, form))


def test_an_origin_near_the_data_keeps_float32s_digits_and_zero_does_not():
    """The reason for origins: at offset 1000 raw second moments are wrong in the first digit."""
    rng = np.random.default_rng(0)
    x64 = torch.from_numpy(rng.normal(size=(4000, 1)) * 0.1 + 1000).float().double()
    ones, form = torch.ones(len(x64), 1), REGISTRY["diag"].form
    truth = float(x64.var(correction=0))

    def variance(origin):
        s = SufficientStatistics.collect(x64.float(), ones, torch.full((1, 1), origin), form)
        return float(s.recenter(s.origin + s.first / s.mass).second / s.mass)

    assert variance(1000.0) == pytest.approx(truth, rel=1e-4)
    assert abs(variance(0.0) / truth - 1) > 0.1


def test_statistics_of_different_forms_do_not_add():
    (x, gamma), origin = _rows(0), _origin(0)
    a = SufficientStatistics.collect(x, gamma, origin, REGISTRY["full"].form)
    b = SufficientStatistics.collect(x, gamma, origin, REGISTRY["diag"].form)
    with pytest.raises(TypeError, match="collect both in one form"):
        a + b
    with pytest.raises(TypeError):
        a + 1

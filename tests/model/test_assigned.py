"""Rows of one component each: grouped, masked and collected moments are the same; and how moments merge."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixturelab.inference.accumulators import TOTAL
from mixturelab.model.assigned import assign_rows, blend_groups, group_rows, one_hot
from mixturelab.model.forms import DENSE, DIAGONAL, SCALAR, SHARED
from mixturelab.model.suffstats import Moments, SufficientStatistics

FORMS = {"dense": DENSE, "diagonal": DIAGONAL, "scalar": SCALAR}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


@st.composite
def assigned(draw, dtype=torch.float64):
    """Rows, the component of each (K for none), and K; components may be empty, and rows fewer than components."""
    n, k, d = draw(st.integers(1, 40)), draw(st.integers(1, 7)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    index = rng.integers(0, draw(st.integers(1, k + 1)), n)
    index = np.where(rng.random(n) < draw(st.sampled_from([0.0, 0.3, 1.0])), k, index)
    return torch.from_numpy(3 * rng.normal(size=(n, d))).to(dtype), torch.from_numpy(index), k


def responsibilities(index, k, dtype=torch.float64):
    return torch.stack([(index == c).to(dtype) for c in range(k)], 1)


def collected(x, index, k, form):
    """The sums as they are written, about zero, and divided."""
    origin = torch.zeros(k, x.shape[1], dtype=x.dtype)
    return Moments.of(SufficientStatistics.collect(x, responsibilities(index, k, x.dtype), origin, form))


def close(a, b, tolerance=1e-10):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def assert_same(a, b, tolerance=1e-10):
    for name in ("mass", "mean", "covariance"):
        close(getattr(a, name), getattr(b, name), tolerance)


# --------------------------------------------------------------------------------- one set of rows


@given(rows=assigned())
def test_one_hot_is_the_loop(rows):
    x, index, k = rows
    found = one_hot(index, k, x.dtype)
    assert torch.equal(found, responsibilities(index, k).mT)


@every_form
@given(rows=assigned())
def test_masked_rows_have_the_statistics_of_the_sums(form, rows):
    x, index, k = rows
    found = assign_rows(x, index, k)
    statistics, wanted = found.statistics(form), collected(x, index, k, form)
    assert torch.equal(found.mass, torch.stack([(index == c).sum() for c in range(k)]).to(x.dtype))
    close(found.mean, wanted.mean)
    close(statistics.second, wanted.statistics().second, 1e-9)
    close(statistics.first, torch.zeros_like(found.mean))


@given(rows=assigned())
def test_residuals_are_about_the_component_and_rows_of_none_have_no_weight(rows):
    x, index, k = rows
    found = assign_rows(x, index, k)
    for row, c, residual, weights in zip(x, index.tolist(), found.residual, found.weights.mT, strict=True):
        assert weights.sum() == (c < k)
        if c < k:
            close(residual, row - x[index == c].mean(0))


@given(rows=assigned())
def test_grouped_rows_have_the_same_counts_and_means_as_masked_ones(rows):
    x, index, k = rows
    by_group, masked = group_rows(x, index, k), assign_rows(x, index, k)
    assert torch.equal(by_group.mass, masked.mass)
    close(by_group.mean, masked.mean, 1e-12)
    assert not by_group.mean[by_group.mass == 0].any()


def blends(x, index, k, covariance, share, shift, form):
    """`blend` of all that can be folded in."""
    kinds = [collected(x, index, k, form), assign_rows(x, index, k)]
    if form is DENSE:
        kinds += [group_rows(x, index, k)]
    return [rows.blend(covariance, share, shift, form) for rows in kinds]


@every_form
@settings(max_examples=100)
@given(rows=assigned(), seed=st.integers(0, 1000), extreme=st.sampled_from([None, 0.0, 1.0]))
def test_all_blends_are_the_formula(form, rows, seed, extreme):
    """(1−f)·Σ + f·C + f(1−f)·δδᵀ, component by component; a component without rows has share 0."""
    x, index, k = rows
    rng = np.random.default_rng(seed)
    root = torch.from_numpy(rng.normal(size=(k, x.shape[1], x.shape[1])))
    gram = root @ root.mT
    covariance = {DENSE: gram, DIAGONAL: gram.diagonal(dim1=1, dim2=2), SCALAR: torch.einsum("kii->k", gram)}[
        form
    ]
    shift = torch.from_numpy(rng.normal(size=(k, x.shape[1])))
    c = collected(x, index, k, form)
    share = torch.from_numpy(rng.random(k)) if extreme is None else torch.full((k,), extreme).double()
    share = share * (c.mass > 0)
    wanted = []
    for j in range(k):
        f, delta = share[j], shift[j]
        outer = {DENSE: torch.outer(delta, delta), DIAGONAL: delta**2, SCALAR: delta @ delta}[form]
        wanted.append((1 - f) * covariance[j] + f * c.covariance[j] + f * (1 - f) * outer)
    for found in blends(x, index, k, covariance.clone(), share, shift, form):
        close(found, torch.stack(wanted), 1e-9)
        for j in torch.nonzero(share == 0).flatten():
            assert torch.equal(found[j], covariance[j])


@pytest.mark.parametrize("make", [assign_rows, group_rows])
def test_moving_the_zero_moves_the_means_alone(make):
    x, index = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 4
    centre = torch.tensor([5.0, -1.0, 100.0])
    rows = make(x, index, 4)
    moved = rows.about(centre)
    assert torch.equal(moved.mean, rows.mean + centre)
    args = (torch.zeros(4, 3, 3), torch.ones(4), torch.zeros(4, 3), DENSE)
    assert torch.equal(moved.blend(*args), rows.blend(*args))
    assert torch.equal(moved.mass, rows.mass)


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), batches=st.integers(1, 6))
def test_several_batches_at_once_are_the_same_batches_one_after_the_other(seed, batches):
    rng, k, d = np.random.default_rng(seed), 3, 4
    covariance = torch.eye(d, dtype=torch.float64).expand(k, d, d).clone()
    folds, wanted = [], covariance
    for n in rng.integers(1, 20, batches):
        rows = group_rows(
            torch.from_numpy(rng.normal(size=(n, d))), torch.from_numpy(rng.integers(0, k + 1, n)), k
        )
        share = torch.from_numpy(rng.random(k)) * (rows.mass > 0)
        shift = torch.from_numpy(rng.normal(size=(k, d)))
        folds.append((rows, share.tolist(), shift))
        wanted = rows.blend(wanted, share, shift, DENSE)
    close(blend_groups(covariance, folds), wanted, 1e-12)


def test_batches_folded_in_together_leave_a_component_without_rows_as_it_was_to_the_last_bit():
    generator = torch.Generator().manual_seed(0)
    covariance, folds = torch.rand(3, 4, 4, generator=generator), []
    before = covariance.clone()
    for _ in range(4):
        rows = group_rows(torch.randn(10, 4, generator=generator), torch.tensor([0, 3] * 5), 3)
        folds.append((rows, [0.4, 0.0, 0.0], torch.randn(3, 4, generator=generator)))
    found = blend_groups(covariance, folds)
    assert torch.equal(covariance, before)
    assert torch.equal(found[1:], before[1:])


@given(rows=assigned())
def test_traces_of_grouped_rows_are_those_of_their_covariances(rows):
    x, index, k = rows
    wanted = torch.einsum("kii->k", collected(x, index, k, DENSE).covariance)
    close(torch.tensor(group_rows(x, index, k).traces(), dtype=x.dtype), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_rows_have_no_spread_at_all(dtype):
    x = torch.full((30, 4), 0.1, dtype=dtype)
    index = torch.arange(30) % 3
    for rows in (assign_rows(x, index, 3), group_rows(x, index, 3)):
        spread = rows.blend(
            torch.zeros(3, 4, 4, dtype=dtype),
            torch.ones(3, dtype=dtype),
            torch.zeros(3, 4, dtype=dtype),
            DENSE,
        )
        assert spread.abs().max() <= (2 * torch.finfo(dtype).eps) ** 2


@given(rows=assigned())
def test_moments_of_hard_rows_are_those_of_any_weights(rows):
    """`own_moment`, which uses that a row has one component, against `moment`, which does not."""
    x, index, k = rows
    gamma = responsibilities(index, k).mT
    for form in (*FORMS.values(), SHARED):
        wanted = form.moment(gamma, x.mT.expand(k, -1, -1).contiguous())
        close(form.own_moment(gamma, x), wanted)


def test_moments_of_many_rows_are_made_in_parts_with_the_same_sum():
    """More numbers than one batched product holds."""
    generator = torch.Generator().manual_seed(0)
    x, index = (
        torch.randn(40_000, 40, generator=generator),
        torch.randint(0, 5, (40_000,), generator=generator),
    )
    found = assign_rows(x, index, 5).statistics(DENSE)
    for c in range(5):
        rows = x[index == c].double()
        close(found.second[c].double() / len(rows), torch.cov(rows.mT, correction=0), 1e-4)


# ------------------------------------------------------------------------------------ moments merge


def two(seed, form, k=4, d=3):
    rng = np.random.default_rng(seed)
    parts = []
    for n in rng.integers(1, 25, 3):
        x, index = torch.from_numpy(3 * rng.normal(size=(n, d))), torch.from_numpy(rng.integers(0, k + 1, n))
        parts.append((x, index))
    return parts, [collected(x, index, k, form) for x, index in parts]


@every_form
@given(seed=st.integers(0, 10_000))
def test_merging_is_commutative_associative_and_equals_the_union(form, seed):
    parts, (a, b, c) = two(seed, form)
    present = (a.mass > 0) | (b.mass > 0)
    ab, ba = TOTAL.fold(a, b), TOTAL.fold(b, a)
    close(ab.mass, ba.mass)
    close(ab.mean[present], ba.mean[present])
    close(ab.covariance[present], ba.covariance[present], 1e-9)
    assert_same(TOTAL.fold(ab, c), TOTAL.fold(a, TOTAL.fold(b, c)), 1e-9)
    union = [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
    assert_same(TOTAL.fold(ab, c), collected(*union, 4, form), 1e-9)


@every_form
@given(seed=st.integers(0, 10_000))
def test_nothing_is_the_neutral_element(form, seed):
    _, (a, *_) = two(seed, form)
    nothing = Moments.empty(torch.zeros(4, 3, dtype=torch.float64), form)
    merged = TOTAL.fold(nothing, a)
    close(merged.mass, a.mass)
    close(merged.mean, a.mean, 1e-12)
    close(merged.covariance, a.covariance, 1e-12)
    same = TOTAL.fold(a, nothing)
    for name in ("mass", "mean", "covariance"):
        assert torch.equal(getattr(same, name), getattr(a, name))


@every_form
@given(seed=st.integers(0, 10_000))
def test_moments_and_statistics_are_two_writings_of_one_thing(form, seed):
    _, (a, b, _) = two(seed, form)
    assert_same(Moments.of(a.statistics()), a, 1e-9)
    added = Moments.of(a.statistics() + b.statistics())
    merged = TOTAL.fold(a, b)
    present = merged.mass > 0
    close(added.mass, merged.mass)
    close(added.mean[present], merged.mean[present])
    close(added.covariance[present], merged.covariance[present], 1e-8)


@every_form
def test_a_component_without_mass_has_its_origin_as_mean_and_no_covariance(form):
    x, index = torch.randn(10, 3, dtype=torch.float64), torch.zeros(10, dtype=torch.int64)
    origin = torch.arange(12, dtype=torch.float64).reshape(4, 3)
    found = Moments.of(SufficientStatistics.collect(x, responsibilities(index, 4), origin, form))
    assert torch.equal(found.mean[1:], origin[1:])
    assert not found.covariance[1:].any()
    assert found.mass.tolist() == [10, 0, 0, 0]

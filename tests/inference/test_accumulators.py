"""Statistics over time: totals of chunks, exponential forgetting and the last batch, against weights written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixturelab.inference.accumulators import LATEST, NO_MASS, TOTAL, decay
from mixturelab.model.assigned import assign_rows, group_rows
from mixturelab.model.forms import DENSE, DIAGONAL, SCALAR
from mixturelab.model.suffstats import Moments, SufficientStatistics

K, D = 3, 2
FORMS = {"dense": DENSE, "diagonal": DIAGONAL, "scalar": SCALAR}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
rows = st.tuples(st.integers(0, 10_000), st.lists(st.integers(1, 12), min_size=1, max_size=6))


def chunks(seed, sizes, absent=0.3, offset=0.0):
    """(rows, component of each row, K for none) of several batches; now and then a component is absent."""
    rng = np.random.default_rng(seed)
    out = []
    for n in sizes:
        present = np.append(np.flatnonzero(rng.random(K) >= absent), K)
        x = 3 * rng.normal(size=(n, D)) + offset
        out.append((torch.from_numpy(x), torch.from_numpy(rng.choice(present, n))))
    return out


def collected(x, index, form):
    """Moments by the sums as they are written, about the mean of all."""
    gamma = torch.nn.functional.one_hot(index, K + 1)[:, :K].to(x.dtype)
    return Moments.of(SufficientStatistics.collect(x, gamma, x.mean(0).expand(K, D), form))


MAKERS = {
    "moments": collected,
    "masked": lambda x, index, form: assign_rows(x, index, K),
    "grouped": lambda x, index, form: group_rows(x, index, K),
}
every_maker = pytest.mark.parametrize(
    ("form", "make"),
    [
        (form, make)
        for form in FORMS.values()
        for make in MAKERS.values()
        if make is not MAKERS["grouped"] or form is DENSE
    ],
    ids=[f"{form}-{make}" for form in FORMS for make in MAKERS if make != "grouped" or form == "dense"],
)


def empty(form):
    return Moments.empty(torch.zeros(K, D, dtype=torch.float64), form)


def folded(accumulator, batches, form, make=collected):
    state = empty(form)
    for x, index in batches:
        state = accumulator.fold(state, make(x, index, form))
    return state


def weighted(batches, weight_of, form):
    """Moments in which each row of batch t weighs weight_of(t), row by row."""
    x = torch.cat([x for x, _ in batches])
    index = torch.cat([index for _, index in batches])
    weight = torch.cat(
        [torch.full((len(i),), weight_of(t), dtype=torch.float64) for t, (_, i) in enumerate(batches)]
    )
    gamma = torch.nn.functional.one_hot(index, K + 1)[:, :K] * weight[:, None]
    return Moments.of(SufficientStatistics.collect(x, gamma, torch.zeros(K, D, dtype=x.dtype), form))


def assert_same(a, b, tolerance=1e-10):
    for name in ("mass", "mean", "covariance"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=tolerance, atol=tolerance)


@every_maker
@settings(max_examples=25)
@given(stream=rows)
def test_a_total_over_chunks_is_that_of_all_rows(form, make, stream):
    batches = chunks(*stream)
    assert_same(folded(TOTAL, batches, form, make), weighted(batches, lambda t: 1.0, form))


@every_maker
@settings(max_examples=25)
@given(stream=rows, rate=st.floats(0.05, 0.999))
def test_forgetting_weighs_a_row_of_t_batches_ago_by_the_rate_to_the_t(form, make, stream, rate):
    batches = chunks(*stream)
    steps = [t for t, (_, index) in enumerate(batches) if (index < K).any()]  # the others are no steps
    ago = {t: len(steps) - 1 - i for i, t in enumerate(steps)}
    wanted = weighted(batches, lambda t: (1 - rate) * rate ** ago.get(t, 0), form)
    assert_same(folded(decay(rate), batches, form, make), wanted)


@every_maker
@settings(max_examples=25)
@given(stream=rows)
def test_the_latest_batch_replaces_the_components_it_has(form, make, stream):
    batches = chunks(*stream)
    found = folded(LATEST, batches, form, make)
    steps = [(x, index) for x, index in batches if (index < K).any()]
    for k in range(K):
        having = [collected(x, index, form) for x, index in steps if (index == k).any()]
        last = having[-1] if having else empty(form)
        torch.testing.assert_close(found.mean[k], last.mean[k], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found.covariance[k], last.covariance[k], rtol=1e-10, atol=1e-10)
        count = int((steps[-1][1] == k).sum()) if steps else 0
        assert float(found.mass[k]) == count


@every_maker
@pytest.mark.parametrize("accumulator", [TOTAL, LATEST, decay(0.9)], ids=str)
def test_a_component_without_rows_stays_to_the_last_bit(form, make, accumulator):
    start = accumulator.fold(empty(form), make(*chunks(0, [30], absent=0)[0], form))
    x, _ = chunks(1, [20])[0]
    state = start
    for _ in range(50):
        state = accumulator.fold(state, make(x, torch.tensor([0, K]).repeat(10), form))
    assert torch.equal(state.mean[1:], start.mean[1:])
    assert torch.equal(state.covariance[1:], start.covariance[1:])


def test_ten_thousand_absences_change_no_bit_and_take_the_mass_to_zero():
    x = torch.randn(8, D, generator=torch.Generator().manual_seed(0))
    first, later = (assign_rows(x, torch.tensor(i), K) for i in ([0, 1, 2] * 2 + [0, 1], [0, 1] * 4))
    accumulator = decay(0.95)
    start = accumulator.fold(Moments.empty(torch.zeros(K, D), DIAGONAL), first)
    mean, mass, masses = start.mean, start.mass, []
    for _ in range(10_000):
        mean, mass, *_ = accumulator.move(mean, mass, later)
        masses.append(mass[2])
    masses = torch.stack(masses)
    assert torch.equal(mean[2], start.mean[2])
    assert float(masses[masses > 0].min()) >= NO_MASS
    assert 0.9 * float(masses[masses > 0].min()) < NO_MASS
    assert float(masses[-1]) == 0


@every_maker
@pytest.mark.parametrize("accumulator", [TOTAL, LATEST, decay(0.9)], ids=str)
def test_a_batch_without_rows_changes_nothing(form, make, accumulator):
    state = accumulator.fold(empty(form), make(*chunks(0, [30], absent=0)[0], form))
    x, _ = chunks(1, [5])[0]
    after = accumulator.fold(state, make(x, torch.full((5,), K), form))
    for name in ("mass", "mean", "covariance"):
        assert torch.equal(getattr(after, name), getattr(state, name))
    centroids, mass, *_ = accumulator.move(state.mean, state.mass, make(x, torch.full((5,), K), form))
    assert torch.equal(centroids, state.mean)
    assert torch.equal(mass, state.mass)


@every_maker
@pytest.mark.parametrize("accumulator", [TOTAL, LATEST, decay(0.9)], ids=str)
def test_centroids_move_as_the_means_do(form, make, accumulator):
    state = empty(form)
    mean, mass = state.mean, state.mass
    for x, index in chunks(2, [20, 3, 11, 7]):
        batch = make(x, index, form)
        mean, mass, *_ = accumulator.move(mean, mass, batch)
        state = accumulator.fold(state, batch)
        assert torch.equal(mean, state.mean)
        assert torch.equal(mass, state.mass)


@every_maker
@pytest.mark.parametrize("accumulator", [TOTAL, LATEST, decay(0.9)], ids=str)
def test_folding_changes_neither_the_state_nor_what_it_gave_before(form, make, accumulator):
    batches = chunks(3, [20, 9, 14])
    states, copies = [empty(form)], []
    for x, index in batches:
        copies.append([t.clone() for t in (states[-1].mass, states[-1].mean, states[-1].covariance)])
        states.append(accumulator.fold(states[-1], make(x, index, form)))
    for state, copy in zip(states, copies, strict=False):
        assert all(map(torch.equal, (state.mass, state.mean, state.covariance), copy))


@every_maker
@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_covariances_stay_positive_semi_definite_and_symmetric(form, make, seed):
    state = Moments.empty(torch.zeros(K, D), form)
    for x, index in chunks(seed, [5, 2, 9, 1, 4], offset=50.0):
        state = decay(0.7).fold(state, make(x.float(), index, form))
    if form is not DENSE:
        assert (state.covariance >= 0).all()
        return
    torch.testing.assert_close(state.covariance, state.covariance.mT, rtol=1e-6, atol=1e-6)
    smallest = torch.linalg.eigvalsh(state.covariance.double())[:, 0]
    assert (smallest >= -1e-6 * torch.einsum("kii->k", state.covariance.double())).all()


@every_maker
def test_a_thousand_spreads_from_zero_keep_their_digits_in_float32(form, make):
    """Folds about the means: at offset 1000 with spread 3 nothing but the rows' own rounding is lost."""
    batches = chunks(4, [40] * 30, absent=0.0)
    far = [((x + 1000).float(), index) for x, index in batches]
    state = Moments.empty(torch.zeros(K, D), form)
    for x, index in far:
        centre = x.mean(0)
        rows_of_batch = make(x - centre, index, form)
        if make is collected:
            rows_of_batch = Moments(
                rows_of_batch.mass, rows_of_batch.mean + centre, rows_of_batch.covariance, form
            )
        else:
            rows_of_batch = rows_of_batch.about(centre)
        state = decay(0.9).fold(state, rows_of_batch)
    wanted = folded(decay(0.9), [(x.double() - 1000, index) for x, index in far], form)
    torch.testing.assert_close(state.covariance.double(), wanted.covariance, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(state.mean.double(), wanted.mean + 1000, rtol=0, atol=1e-3)


@pytest.mark.parametrize("rate", [0.5, 0.95, 0.99, 0.9999])
def test_constant_rows_are_exact_at_every_step(rate):
    point = torch.tensor([1234.5678, -0.1])
    state = Moments.empty(torch.zeros(K, D), DENSE)
    for n in (4, 1, 7, 30):
        state = decay(rate).fold(
            state, assign_rows(point.expand(n, D) - point, torch.arange(n) % K, K).about(point)
        )
        assert (state.mean[state.mass > 0] == point).all()
        assert not state.covariance.any()

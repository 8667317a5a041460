"""Nearest centroids, Lloyd's iterations and first centroids: against loops, scikit-learn and the laws of sampling."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from stream.stream_oracles import DEVICES, no_host_reads

from mixturelab.inference.assigners import lloyd, n_candidates, nearest, seed

seeds = st.integers(0, 10_000)


def rows_and_centroids(random_seed, n=30, k=5, d=3):
    rng = np.random.default_rng(random_seed)
    centroids = 2 * rng.normal(size=(k, d))
    x = centroids[rng.integers(0, k, n)] + rng.normal(size=(n, d))
    return torch.from_numpy(x), torch.from_numpy(centroids + 0.3 * rng.normal(size=(k, d)))


def uniform_numbers(random_seed, k, n, dtype=torch.float64):
    return torch.rand(k, n, generator=torch.Generator().manual_seed(random_seed), dtype=dtype)


def slow_nearest(x, centroids, started):
    """Row by row, centroid by centroid."""
    out = []
    for row in x:
        distance = [((row - c) ** 2).sum() if s else np.inf for c, s in zip(centroids, started, strict=True)]
        out.append(int(np.argmin(distance)))
    return out


# ------------------------------------------------------------------------------------------- nearest


@given(random_seed=seeds, bits=st.lists(st.booleans(), min_size=5, max_size=5))
def test_the_nearest_centroid_among_those_that_have_started(random_seed, bits):
    x, centroids = rows_and_centroids(random_seed)
    started = torch.tensor(bits)
    started[random_seed % 5] = True
    found = nearest(x, centroids, started)
    assert found.tolist() == slow_nearest(x.numpy(), centroids.numpy(), started.tolist())


def test_equal_centroids_are_taken_in_their_order():
    x, _ = rows_and_centroids(0)
    found = nearest(x, torch.zeros(4, 3, dtype=torch.float64), torch.tensor([False, True, True, True]))
    assert found.tolist() == [1] * 30


# --------------------------------------------------------------------------------------------- Lloyd


def slow_lloyd(x, live, centroids, started, iterations):
    """Assign; then move each centroid to its rows' mean and assign again."""
    k, centroids = len(centroids), centroids.copy()
    index = np.where(live, slow_nearest(x, centroids, started), k)
    for _ in range(iterations - 1):
        for c in range(k):
            if (index == c).any():
                centroids[c] = x[index == c].mean(0)
        index = np.where(live, slow_nearest(x, centroids, started), k)
    return index.tolist()


@given(random_seed=seeds, iterations=st.integers(1, 6), all_live=st.booleans(), all_started=st.booleans())
def test_lloyd_is_the_loop(random_seed, iterations, all_live, all_started):
    x, centroids = rows_and_centroids(random_seed)
    rng = np.random.default_rng(random_seed)
    live, started = (
        all_live | (rng.random(30) < 0.7),
        all_started | (np.arange(5) == 0) | (rng.random(5) < 0.5),
    )
    found = lloyd(
        x, None if all_live else torch.from_numpy(live), centroids, torch.from_numpy(started), iterations
    )
    assert found.tolist() == slow_lloyd(x.numpy(), live, centroids.numpy(), started, iterations)


@given(random_seed=seeds, iterations=st.integers(2, 20))
def test_lloyd_is_scikit_learns_kmeans(random_seed, iterations):
    """It ends with an assignment after its last move, so that it is given one move less than we have assignments."""
    x, centroids = rows_and_centroids(random_seed, n=80, k=3)
    started = torch.ones(3, dtype=torch.bool)
    if any(len(set(slow_lloyd(x.numpy(), True, centroids.numpy(), started, i))) < 3 for i in range(1, 5)):
        return  # it gives a cluster without rows another row; ours stays where it is
    peer = KMeans(3, init=centroids.numpy(), n_init=1, max_iter=iterations - 1, tol=0.0).fit(x.numpy())
    assert lloyd(x, None, centroids, started, iterations).tolist() == peer.labels_.tolist()


def test_a_centroid_without_rows_stays_where_it_is():
    x = torch.tensor([[0.0], [1.0], [10.0]])
    centroids = torch.tensor([[0.5], [50.0], [11.0]])
    index = lloyd(x, None, centroids, torch.ones(3, dtype=torch.bool), 3)
    assert index.tolist() == [0, 0, 2]
    with_rows = torch.tensor([[0.0], [1.0], [49.0]])
    assert lloyd(with_rows, None, centroids, torch.ones(3, dtype=torch.bool), 3).tolist() == [0, 0, 1]


def test_the_cost_never_rises_with_more_iterations():
    x, centroids = rows_and_centroids(3, n=200, k=5)
    started = torch.ones(5, dtype=torch.bool)

    def cost(iterations):
        index = lloyd(x, None, centroids, started, iterations)
        return sum(
            float(((x[index == k] - x[index == k].mean(0)) ** 2).sum())
            for k in range(5)
            if (index == k).any()
        )

    costs = [cost(i) for i in range(1, 12)]
    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(costs))
    assert costs[-1] < costs[0]


# ------------------------------------------------------------------------------------ first centroids


@given(random_seed=seeds, n=st.integers(1, 20), k=st.integers(1, 8), distinct=st.integers(1, 20))
def test_first_centroids_are_distinct_live_rows(random_seed, n, k, distinct):
    """As many as there are distinct live rows, no two the same; the others have not started."""
    rng = np.random.default_rng(random_seed)
    x = torch.from_numpy(rng.normal(size=(distinct, 2))[rng.integers(0, distinct, n)])
    live = torch.from_numpy(rng.random(n) < 0.7)
    nothing = torch.zeros(k, 2, dtype=torch.float64)
    centroids, started = seed(
        x, live, nothing, torch.zeros(k, dtype=torch.bool), uniform_numbers(random_seed, k, n)
    )
    rows = {tuple(row) for row in x[live].tolist()}
    chosen = [tuple(row) for row in centroids[started].tolist()]
    assert len(chosen) == len(set(chosen)) == min(k, len(rows))
    assert set(chosen) <= rows
    assert not centroids[~started].any()


@given(random_seed=seeds)
def test_what_has_started_stays_and_others_begin_away_from_it(random_seed):
    x, centroids = rows_and_centroids(random_seed)
    started = torch.tensor([True, False, True, False, False])
    centroids = torch.where(started[:, None], x[[0, 1, 2, 3, 4]], 99.0)
    live = torch.ones(30, dtype=torch.bool)
    found, begun = seed(x, live, centroids, started, uniform_numbers(random_seed, 5, 30))
    assert begun.all()
    assert torch.equal(found[started], centroids[started])
    assert len(torch.unique(found, dim=0)) == 5


def test_separated_clusters_get_a_centroid_each_whatever_is_drawn():
    """Greedy sampling by squared distance: with clusters this far apart chance has no say."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 6
    x = torch.from_numpy(1000 * np.eye(6)[labels] + 0.01 * rng.normal(size=(60, 6)))
    live = torch.ones(60, dtype=torch.bool)
    for draw in range(100):
        nothing, none = torch.zeros(6, 6, dtype=torch.float64), torch.zeros(6, dtype=torch.bool)
        found, _ = seed(x, live, nothing, none, uniform_numbers(draw, 6, 60))
        assert sorted(found.argmax(1).tolist()) == list(range(6))


def test_rows_are_drawn_in_proportion_to_their_squared_distance():
    """One candidate would give the D² law itself; of two, the better one wins: known for three rows on a line."""
    x = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    started, centroids = torch.tensor([True, False]), torch.tensor([[0.0], [0.0]], dtype=torch.float64)
    assert n_candidates(2) == 2
    live = torch.ones(3, dtype=torch.bool)
    chosen = [float(seed(x, live, centroids, started, uniform_numbers(i, 2, 3))[0][1]) for i in range(50)]
    assert set(chosen) == {3.0}  # both are drawn (without replacement), and 3 leaves 1 where 1 leaves 4
    only, lone = torch.tensor([True, True, False]), torch.zeros(1, 1, dtype=torch.float64)
    first = [
        float(seed(x, only, lone, torch.zeros(1, dtype=torch.bool), uniform_numbers(i, 1, 3))[0])
        for i in range(200)
    ]
    assert set(first) == {0.0, 1.0}  # where nothing has started the candidates are any live rows


def test_the_first_of_many_equally_good_rows_is_drawn_evenly():
    """Twelve corners of a regular polygon, all alike: each is drawn about as often."""
    angle = torch.arange(12, dtype=torch.float64) * 2 * math.pi / 12
    x = torch.stack([angle.cos(), angle.sin()], 1)
    live, none = torch.ones(12, dtype=torch.bool), torch.zeros(1, dtype=torch.bool)
    counts = np.zeros(12)
    for draw in range(600):
        found, _ = seed(x, live, torch.zeros(1, 2, dtype=torch.float64), none, uniform_numbers(draw, 1, 12))
        counts[int((x - found).abs().sum(1).argmin())] += 1
    assert counts.sum() == 600
    assert (
        counts > 0
    ).sum() >= 10  # rounding of the cosines decides between candidates; none is shut out for good


@pytest.mark.parametrize("extreme", [0.0, 1 - 2**-24, 1 - 2**-53])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_numbers_at_the_ends_are_no_trouble(extreme, dtype):
    x, _ = rows_and_centroids(0, n=10)
    uniform = torch.full((3, 10), extreme, dtype=dtype)
    nothing, none = torch.zeros(3, 3, dtype=dtype), torch.zeros(3, dtype=torch.bool)
    found, started = seed(x.to(dtype), torch.ones(10, dtype=torch.bool), nothing, none, uniform)
    assert started.all()
    assert torch.isfinite(found).all()
    assert len(torch.unique(found, dim=0)) == 3


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_the_scale_of_the_rows_does_not_matter(scale):
    x, _ = rows_and_centroids(0, n=40)
    x = x.float() * scale
    live, none = torch.ones(40, dtype=torch.bool), torch.zeros(5, dtype=torch.bool)
    found, started = seed(x, live, torch.zeros(5, 3), none, uniform_numbers(1, 5, 40, torch.float32))
    assert started.all()
    assert len(torch.unique(found, dim=0)) == 5


def test_no_live_row_begins_nothing():
    x, centroids = rows_and_centroids(0)
    started = torch.tensor([True, False, False, True, False])
    found, begun = seed(x, torch.zeros(30, dtype=torch.bool), centroids, started, uniform_numbers(0, 5, 30))
    assert torch.equal(begun, started)
    assert torch.equal(found, centroids)


@DEVICES
def test_nothing_is_read_by_the_host(device):
    x, centroids = (t.to(device) for t in rows_and_centroids(0))
    live, started = (
        torch.ones(30, dtype=torch.bool, device=device),
        torch.ones(5, dtype=torch.bool, device=device),
    )
    uniform = uniform_numbers(0, 5, 30).to(device)
    with no_host_reads(device):
        index = lloyd(x, live, centroids, started, 3)
        found, begun = seed(x, live, centroids, ~started, uniform)
    assert int(index.max()) < 5
    assert bool(begun.all())
    assert bool(torch.isfinite(found).all())

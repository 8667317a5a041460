"""The two directions against plain formulas: B's first eigenvectors, the nearest turn, and Bayes' rule."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from scipy.stats import multivariate_normal

from mixturelab.watch.projection import aligned, project, soft_assignments, two_directions

D, K, N = 6, 4, 80


@pytest.fixture
def mixture():
    rng = np.random.default_rng(3)
    half = 0.3 * rng.normal(size=(K, D, D))
    pi = np.array([0.1, 0.2, 0.3, 0.4])
    mu = rng.normal(size=(K, D))
    sigma = half @ half.transpose(0, 2, 1) + 0.05 * np.eye(D)
    return {name: torch.tensor(value) for name, value in [("pi", pi), ("mu", mu), ("Sigma", sigma)]}


@pytest.fixture
def rows():
    return torch.tensor(np.random.default_rng(4).normal(size=(N, D)))


def between(mixture):
    pi, mu = mixture["pi"].numpy(), mixture["mu"].numpy()
    offsets = mu - pi @ mu
    return np.einsum("k,kd,ke->de", pi, offsets, offsets)


def test_they_are_the_first_two_eigenvectors_of_b(mixture, rows):
    axes = project(rows, mixture)["axes"].numpy()
    wanted = np.linalg.eigh(between(mixture))[1][:, :-3:-1]
    np.testing.assert_allclose(np.abs(axes.T @ wanted), np.eye(2), atol=1e-12)


def test_points_means_and_ellipses_are_projected_about_the_mixture_s_mean(mixture, rows):
    found = project(rows, mixture)
    axes, centre = found["axes"].numpy(), (mixture["pi"] @ mixture["mu"]).numpy()
    np.testing.assert_allclose(found["points"], (rows.numpy() - centre) @ axes, atol=1e-12)
    np.testing.assert_allclose(found["means"], (mixture["mu"].numpy() - centre) @ axes, atol=1e-12)
    for k in range(K):
        np.testing.assert_allclose(
            found["covariances"][k], axes.T @ mixture["Sigma"][k].numpy() @ axes, atol=1e-12
        )
    total = np.cov(rows.numpy().T, bias=True)
    np.testing.assert_allclose(found["shares"], np.diag(axes.T @ total @ axes) / np.trace(total), rtol=1e-12)


def test_responsibilities_are_bayes_rule(mixture, rows):
    gamma = project(rows, mixture)["responsibilities"].numpy()
    joint = np.stack(
        [
            pi * multivariate_normal(mu, sigma).pdf(rows)
            for pi, mu, sigma in zip(*(mixture[name].numpy() for name in ("pi", "mu", "Sigma")), strict=True)
        ],
        axis=1,
    )
    np.testing.assert_allclose(gamma, joint / joint.sum(1, keepdims=True), atol=2e-4)  # a ridge is added
    np.testing.assert_allclose(gamma.sum(1), 1)


def test_diagonal_covariances_give_what_their_matrices_give(mixture, rows):
    diagonal = {**mixture, "Sigma": mixture["Sigma"].diagonal(dim1=1, dim2=2)}
    whole = {**mixture, "Sigma": torch.diag_embed(diagonal["Sigma"])}
    for name, value in project(rows, whole).items():
        torch.testing.assert_close(project(rows, diagonal)[name], value)


def test_without_covariances_the_nearest_mean_has_all_and_there_are_no_ellipses(mixture, rows):
    found = project(rows, {**mixture, "Sigma": None})
    nearest = ((rows[:, None] - mixture["mu"]) ** 2).sum(2).argmin(1)
    torch.testing.assert_close(found["responsibilities"].argmax(1), nearest)
    assert found["covariances"].isnan().all()


def test_a_component_of_no_weight_has_no_rows(mixture, rows):
    pi = torch.tensor([0.0, 0.5, 0.5, 0.0]).double()
    mu = mixture["mu"].clone()
    mu[0] = rows[0]
    gamma = project(rows, {**mixture, "pi": pi, "mu": mu})["responsibilities"]
    assert not gamma[:, [0, 3]].any()
    torch.testing.assert_close(gamma.sum(1), torch.ones(N).double())


def test_without_any_mixture_the_embeddings_own_widest_directions_are_taken(rows):
    found = project(rows, {})
    wanted = np.linalg.eigh(np.cov(rows.numpy().T))[1][:, :-3:-1]
    np.testing.assert_allclose(np.abs(found["axes"].numpy().T @ wanted), np.eye(2), atol=1e-10)
    assert found["responsibilities"].shape == (N, 0)


def test_where_b_is_0_the_embeddings_own_widest_directions_are_taken(mixture, rows):
    equal = {**mixture, "mu": mixture["mu"][:1].expand(K, D)}
    torch.testing.assert_close(project(rows, equal)["axes"].abs(), project(rows, {})["axes"].abs())


def test_where_b_has_one_direction_the_second_is_the_embeddings_widest_at_right_angles(rows):
    line = torch.zeros(3, D).double()
    line[:, 2] = torch.tensor([-1.0, 0.0, 1.0])
    axes = two_directions(rows, torch.full((3,), 1 / 3).double(), line)
    others = rows.clone()
    others[:, 2] = 0
    wanted = np.linalg.eigh(np.cov(others.numpy().T))[1][:, -1]
    assert abs(axes[2, 0]) == pytest.approx(1)
    assert abs(float(axes[:, 1] @ torch.tensor(wanted))) == pytest.approx(1)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_few_dimensions_and_few_rows_give_two_directions_all_the_same(d, n):
    same = torch.ones(n, d)
    found = project(same, {"pi": torch.ones(1), "mu": torch.ones(1, d), "Sigma": torch.zeros(1, d, d)})
    axes = found["axes"]
    torch.testing.assert_close(axes.mT @ axes, torch.diag(torch.tensor([1.0, float(d > 1)])).double())
    for part in found.values():
        assert part.isfinite().all()
    assert not found["points"].any()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_or_mirrored_plane_is_turned_back(mirrored):
    before = torch.tensor(np.linalg.qr(np.random.default_rng(0).normal(size=(D, 2)))[0])
    turn = Rotation.from_euler("z", 130, degrees=True).as_matrix()[:2, :2] @ np.diag(
        [1, -1 if mirrored else 1]
    )
    torch.testing.assert_close(aligned(before @ torch.tensor(turn), before), before)


def test_no_other_turn_is_nearer():
    rng = np.random.default_rng(1)
    before, now = (torch.tensor(np.linalg.qr(rng.normal(size=(D, 2)))[0]) for _ in range(2))
    best = float((aligned(now, before) - before).norm())
    for angle in np.linspace(0, 2 * np.pi, 73):
        for side in (1, -1):
            turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            turn = turn @ torch.diag(torch.tensor([1.0, side])).double()
            assert float((now @ turn - before).norm()) >= best - 1e-12


def test_from_view_to_view_nothing_jumps(mixture, rows):
    """Eigenvectors turn round by themselves; points that move a little move a little on the page."""
    rng, last = np.random.default_rng(5), None
    for _ in range(30):
        mixture = {**mixture, "mu": mixture["mu"] + 0.01 * torch.tensor(rng.normal(size=(K, D)))}
        found = project(rows, mixture, None if last is None else last["axes"])
        if last is not None:
            assert float((found["points"] - last["points"]).norm(dim=1).max()) < 0.35
        last = found


def test_float32_and_float64_agree(mixture, rows):
    small = project(rows.float(), {name: value.float() for name, value in mixture.items()})
    large = project(rows, mixture, small["axes"])
    torch.testing.assert_close(small["points"], large["points"], atol=1e-5, rtol=1e-5)
    assert soft_assignments(rows, *(mixture[name] for name in ("pi", "mu", "Sigma"))).dtype == torch.float64

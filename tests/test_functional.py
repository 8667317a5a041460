"""The public functions on arrays and tensors."""

import numpy as np
import pytest
import torch
from oracles import FAMILIES, log_joint, random_mixture
from scipy.special import logsumexp, softmax

import mixturelab
from mixturelab.exceptions import ArgumentError

X = np.random.default_rng(1).normal(size=(20, 2)) * 4


@pytest.mark.parametrize("family", FAMILIES)
def test_functions_equal_scipy_for_arrays_and_tensors(family):
    mixture = random_mixture(np.random.default_rng(0), family)
    joint = log_joint(X, *mixture, family)
    tensors = [torch.from_numpy(np.asarray(v)) for v in mixture]
    for name, wanted in [
        ("log_joint", joint),
        ("log_density", logsumexp(joint, axis=1)),
        ("responsibilities", softmax(joint, axis=1)),
    ]:
        function = getattr(mixturelab, name)
        found = function(X, *mixture, covariance_type=family)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-300)
        tensor = function(torch.from_numpy(X), *tensors, covariance_type=family)
        assert isinstance(tensor, torch.Tensor)
        np.testing.assert_array_equal(tensor.numpy(), found)


@pytest.mark.parametrize("d", [2, 40])
def test_gradients_flow(d):
    weights, means, covariances = random_mixture(np.random.default_rng(0), "full", d=d)
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(3, d))).requires_grad_()
    total = mixturelab.log_density(x, weights, means, covariances).sum()
    (gradient,) = torch.autograd.grad(total, x)
    # ∇ log p(x) = −Σ_k γ_k Σ_k⁻¹ (x − μ_k)
    gamma = mixturelab.responsibilities(x.detach().numpy(), weights, means, covariances)
    wanted = [
        -sum(g[k] * np.linalg.solve(covariances[k], row - means[k]) for k in range(3))
        for g, row in zip(gamma, x.detach().numpy(), strict=True)
    ]
    np.testing.assert_allclose(gradient, np.array(wanted), rtol=1e-9, atol=1e-12)


def test_the_family_must_be_said_where_shapes_are_the_same():
    """With K = D, a tied and a diag covariance look alike and mean different things."""
    weights, means, covariances = np.array([0.5, 0.5]), np.eye(2) * 3, np.array([[2.0, 0.5], [0.5, 1.0]])
    tied, diag = (
        mixturelab.responsibilities(X, weights, means, covariances, family) for family in ("tied", "diag")
    )
    assert np.abs(tied - diag).max() > 0.01


def test_float32_stays_float32():
    mixture = random_mixture(np.random.default_rng(0), "full")
    assert mixturelab.responsibilities(X.astype(np.float32), *mixture).dtype == np.float32


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 5)), r"x has shape \(3, 5\); wanted \[N, 2\]"),
        (np.zeros(2), r"x has shape \(2,\)"),
        (np.array([[0, np.nan]]), "x holds a NaN"),
    ],
)
def test_bad_rows_are_named(x, message):
    with pytest.raises(ArgumentError, match=message):
        mixturelab.log_density(x, *random_mixture(np.random.default_rng(0), "full"))


def test_parameters_may_be_finer_than_rows():
    """A correlation of 1 − 1e-9 is a covariance in float64 and singular in float32."""
    r = 1 - 1e-9
    found = mixturelab.log_density(np.zeros((1, 2), np.float32), [1.0], [[0, 0]], [[[1, r], [r, 1]]])
    assert found.dtype == np.float32
    assert float(found[0]) == pytest.approx(-np.log(2 * np.pi) - 0.5 * np.log(1 - r**2), rel=1e-4)


def test_half_precision_rows_and_tensors_among_arrays():
    weights, means, covariances = random_mixture(np.random.default_rng(0), "full")
    half = torch.from_numpy(X).bfloat16()
    wanted = mixturelab.log_density(half.double().numpy(), weights, means, covariances)
    np.testing.assert_allclose(mixturelab.log_density(half, weights, means, covariances), wanted, rtol=1e-5)
    mu = torch.from_numpy(means).requires_grad_()
    mixturelab.log_density(X, weights, mu, covariances).sum().backward()
    assert mu.grad.shape == (3, 2)
    with pytest.raises(ArgumentError, match="complex"):
        mixturelab.log_density(torch.zeros(1, 2, dtype=torch.complex64), weights, means, covariances)

"""Slow and obvious versions of everything clever: loops over rows and components, written from the formulas."""

import numpy as np
from scipy.stats import multivariate_normal

FAMILIES = ("full", "tied", "diag", "spherical")


def dense(covariances: np.ndarray, family: str, k: int, d: int) -> np.ndarray:
    """[K, D, D] whatever the family."""
    expand = {
        "full": lambda: covariances,
        "tied": lambda: np.stack([covariances] * k),
        "diag": lambda: np.stack([np.diag(v) for v in covariances]),
        "spherical": lambda: np.stack([v * np.eye(d) for v in covariances]),
    }
    return expand[family]()


def random_mixture(rng: np.random.Generator, family: str, k: int = 3, d: int = 2, spread: float = 3.0):
    """Weights, means and covariances of a family, well conditioned."""
    a = rng.normal(size=(k, d, d))
    full = a @ a.swapaxes(1, 2) / d + 0.3 * np.eye(d)
    covariances = {
        "full": full,
        "tied": full[0],
        "diag": full.diagonal(axis1=1, axis2=2).copy(),
        "spherical": full.diagonal(axis1=1, axis2=2).mean(1),
    }[family]
    weights = rng.dirichlet(np.full(k, 5.0))
    return weights, spread * rng.normal(size=(k, d)), covariances


def log_joint(x, weights, means, covariances, family) -> np.ndarray:
    """log π_k + log N(x_n | μ_k, Σ_k), by scipy."""
    k, d = means.shape
    sigma = dense(covariances, family, k, d)
    parts = [np.log(weights[j]) + multivariate_normal(means[j], sigma[j]).logpdf(x) for j in range(k)]
    return np.stack([np.atleast_1d(p) for p in parts], axis=1)


def e_step(x, weights, means, covariances, family):
    """Responsibilities and total log-likelihood, row by row."""
    joint = log_joint(x, weights, means, covariances, family)
    gamma, total = np.empty_like(joint), 0.0
    for n, row in enumerate(joint):
        top = row.max()
        evidence = top + np.log(np.exp(row - top).sum())
        gamma[n] = np.exp(row - evidence)
        total += evidence
    return gamma, total


def m_step(x, gamma, family, reg_covar=0.0):
    """Weights, means and covariances from responsibilities, sum by sum."""
    (n, d), k = x.shape, gamma.shape[1]
    mass, means, scatter = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for j in range(k):
        mass[j] = gamma[:, j].sum()
        means[j] = sum(gamma[i, j] * x[i] for i in range(n)) / mass[j]
        for i in range(n):
            residual = x[i] - means[j]
            scatter[j] += gamma[i, j] * np.outer(residual, residual)
    covariances = {
        "full": lambda: scatter / mass[:, None, None] + reg_covar * np.eye(d),
        "tied": lambda: scatter.sum(0) / n + reg_covar * np.eye(d),
        "diag": lambda: scatter.diagonal(axis1=1, axis2=2) / mass[:, None] + reg_covar,
        "spherical": lambda: scatter.trace(axis1=1, axis2=2) / (d * mass) + reg_covar,
    }[family]()
    return mass / n, means, covariances

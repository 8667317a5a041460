"""Numbers that a picture of Gaussians is drawn from: marginals, and regions at a stated probability mass."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from mixturelab.model.covariance import family_of

Array = NDArray[np.float64]


def to_numpy(values: Any) -> Array:
    """A float64 array of a list, an array or a tensor on any device."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def covariance_matrices(model: Any) -> Array:
    """A fitted mixture's covariances as K full matrices, [K, D, D], whatever its family.

    Parameters
    ----------
    model : GaussianMixture
        Ours or scikit-learn's: ``means_``, ``covariances_`` and ``covariance_type`` are read.
    """
    k, d = to_numpy(model.means_).shape
    stored = torch.from_numpy(to_numpy(model.covariances_))
    return family_of(model.covariance_type).form.dense(stored, k, d).numpy()


def ellipse(mean: ArrayLike, covariance: ArrayLike, mass: float, n_points: int = 181) -> Array:
    """The closed curve within which a two-dimensional Gaussian has that probability.

    The squared Mahalanobis distance of a Gaussian in two dimensions is chi-squared with two degrees of
    freedom, so the curve is the circle of radius sqrt(chi2.ppf(mass, 2)), stretched by the covariance.

    Parameters
    ----------
    mean : array-like [2]
    covariance : array-like [2, 2]
    mass : float
        Between 0 and 1, both excluded.
    n_points : int
        Points on the curve, the first repeated at the end.

    Returns
    -------
    ndarray [n_points, 2]

    Raises
    ------
    ValueError
        If ``mass`` is not between 0 and 1.
    """
    radius = np.sqrt(chi2.ppf(checked_mass(mass), 2))
    angle = np.linspace(0.0, 2 * np.pi, n_points)
    variance, axes = np.linalg.eigh(to_numpy(covariance))
    stretched = axes * np.sqrt(np.clip(variance, 0.0, None))
    return to_numpy(mean) + radius * np.column_stack([np.cos(angle), np.sin(angle)]) @ stretched.T


def interval(mean: float, variance: float, mass: float) -> tuple[float, float]:
    """The interval about the mean within which a one-dimensional Gaussian has that probability."""
    half = float(norm.ppf((1 + checked_mass(mass)) / 2) * np.sqrt(variance))
    return mean - half, mean + half


def checked_mass(mass: float) -> float:
    """That probability, if it is one that a region can have."""
    if not 0.0 < mass < 1.0:
        raise ValueError(f"mass is {mass!r}; wanted a probability between 0 and 1, both excluded")
    return mass

"""The mixture's mathematics as plain functions on NumPy arrays or torch tensors; nothing is fitted here."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixturelab.arrays import as_tensor, from_numpy, to_kind
from mixturelab.exceptions import ArgumentError
from mixturelab.model import density
from mixturelab.model.linalg import accumulation_dtype
from mixturelab.model.params import MixtureParameters, make_parameters


def responsibilities(
    x: Any, weights: Any, means: Any, covariances: Any, covariance_type: str = "full"
) -> Any:
    """γ_nk = π_k N(x_n | μ_k, Σ_k) / Σ_j π_j N(x_n | μ_j, Σ_j): how far each component answers for each row.

    Computed from log densities with log-sum-exp, so that it does not underflow (Bishop 2006, eq. 9.23).

    Parameters
    ----------
    x : array or Tensor [N, D]
        Rows, in any units. A torch tensor gives a torch tensor on the same device, through which gradients flow.
    weights : array or Tensor [K]
        π_k ≥ 0, summing to one.
    means : array or Tensor [K, D]
        μ_k, in the units of x.
    covariances : array or Tensor
        Σ_k, in squared units: [K, D, D] for "full", [D, D] for "tied", [K, D] for "diag", [K] for "spherical".
    covariance_type : str
        The family. It has to be said: with K = D, tied and diag have the same shape.

    Returns
    -------
    array or Tensor [N, K]
        Each row sums to one.

    Raises
    ------
    ArgumentError
        If a shape does not fit, a value is not finite or the weights do not sum to one.
    CollapsedComponentError
        If a covariance is not positive definite.
    """
    rows, parameters, kind = _prepare(x, weights, means, covariances, covariance_type)
    return to_kind(density.posterior(rows, parameters), kind)


def log_density(x: Any, weights: Any, means: Any, covariances: Any, covariance_type: str = "full") -> Any:
    """Log p(x_n) = log Σ_k π_k N(x_n | μ_k, Σ_k), in nats.

    Parameters
    ----------
    x, weights, means, covariances, covariance_type
        As for `responsibilities`.

    Returns
    -------
    array or Tensor [N]

    Raises
    ------
    ArgumentError
        If a shape does not fit, a value is not finite or the weights do not sum to one.
    CollapsedComponentError
        If a covariance is not positive definite.
    """
    rows, parameters, kind = _prepare(x, weights, means, covariances, covariance_type)
    return to_kind(density.log_density(rows, parameters), kind)


def log_joint(x: Any, weights: Any, means: Any, covariances: Any, covariance_type: str = "full") -> Any:
    """Log π_k + log N(x_n | μ_k, Σ_k), in nats: what responsibilities are the softmax of.

    Parameters
    ----------
    x, weights, means, covariances, covariance_type
        As for `responsibilities`.

    Returns
    -------
    array or Tensor [N, K]

    Raises
    ------
    ArgumentError
        If a shape does not fit, a value is not finite or the weights do not sum to one.
    CollapsedComponentError
        If a covariance is not positive definite.
    """
    rows, parameters, kind = _prepare(x, weights, means, covariances, covariance_type)
    return to_kind(density.log_joint(rows, parameters), kind)


def _prepare(
    x: Any, weights: Any, means: Any, covariances: Any, covariance_type: str
) -> tuple[Tensor, MixtureParameters, Any]:
    """Rows, checked parameters in float64 (rows may be coarser than what describes them), and the kind to answer in."""
    rows = _differentiable(x)
    rows = rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
    fine = accumulation_dtype(rows.device)
    pi, mu, sigma = (_differentiable(v).to(rows.device, fine) for v in (weights, means, covariances))
    parameters = make_parameters(pi, mu, sigma, covariance_type)
    if rows.ndim != 2 or rows.shape[1] != parameters.n_features:
        raise ArgumentError(
            f"x has shape {tuple(rows.shape)}; wanted [N, {parameters.n_features}] as means has"
        )
    if not bool(torch.isfinite(rows).all()):
        raise ArgumentError("x holds a NaN or an infinity; wanted finite numbers")
    tensors = [value for value in (x, weights, means, covariances) if isinstance(value, Tensor)]
    return rows, parameters, tensors[0] if tensors else x


def _differentiable(value: Any) -> Tensor:
    """As a floating tensor that keeps its graph, if it has one."""
    if not isinstance(value, Tensor):
        return as_tensor(from_numpy(np.asarray(value)))
    if value.is_complex():
        raise ArgumentError(f"a tensor of {value.dtype} was given; wanted real numbers")
    return value if value.is_floating_point() else value.double()

"""Embeddings and their mixture brought into two directions, which turn as little as they can from view to view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mixturelab.model.covariance import family_of
from mixturelab.model.density import posterior
from mixturelab.model.params import MixtureParameters
from mixturelab.watch.view import View

__all__ = ["aligned", "project", "soft_assignments", "two_directions"]

# A variance below this share of the largest is rounding: the direction is not taken.
_ROUNDING = 1e-6
# Added to each variance before a covariance is inverted, as a share of their mean: components may be flat.
_RIDGE = 1e-6


def project(rows: Tensor, mixture: Mapping[str, Any], before: Tensor | None = None) -> dict[str, Tensor]:
    """What a `View` shows: points, responsibilities, and each component's weight, mean and covariance.

    Parameters
    ----------
    rows : Tensor [N, D]
        Finite embeddings.
    mixture : mapping
        ``pi``, ``mu`` and ``Sigma`` as `MixtureStats.compute` gives them; empty if there is none.
    before : Tensor [D, 2], optional
        The directions of the last view.
    """
    rows = rows.detach().cpu().double()
    pi, mu, sigma = _parts(mixture, rows)
    centre = pi @ mu if len(pi) else rows.mean(0)
    axes = two_directions(rows, pi, mu - centre)
    if before is not None and before.shape == axes.shape:
        axes = aligned(axes, before.to(axes))
    centred = rows - rows.mean(0)
    total = centred.square().sum()
    return {
        "points": (rows - centre) @ axes,
        "responsibilities": soft_assignments(rows, pi, mu, sigma),
        "weights": pi,
        "means": (mu - centre) @ axes,
        "covariances": _flat(sigma, axes, len(pi)),
        "axes": axes,
        "shares": (centred @ axes).square().sum(0) / total.clamp(min=torch.finfo(total.dtype).tiny),
    }


def _parts(mixture: Mapping[str, Any], rows: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    if not mixture:
        return rows.new_empty(0), rows.new_empty(0, rows.shape[1]), None
    pi, mu, sigma = (mixture[name] for name in ("pi", "mu", "Sigma"))
    return _on_host(pi), _on_host(mu), None if sigma is None else _on_host(sigma)


def _on_host(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double()


# ---------------------------------------------------------------------------------------------- directions
def two_directions(
    rows: Float[Tensor, "N D"], pi: Float[Tensor, "K"], offsets: Float[Tensor, "K D"]
) -> Tensor:
    """The two along which the means lie furthest apart, [D, 2]: the first eigenvectors of B.

    Where the means lie at one point, or along one line, the embeddings' own widest directions take their place.

    Parameters
    ----------
    rows : Tensor [N, D]
    pi : Tensor [K]
    offsets : Tensor [K, D]
        The means less their mean.
    """
    centred = rows - rows.mean(0)
    between = _widest(offsets * pi.sqrt()[:, None], scale=float(centred.square().sum() / max(len(rows), 1)))
    within = _widest(centred - centred @ between @ between.mT, scale=0.0)
    found = torch.cat([between, within], dim=1)[:, :2]
    return found if found.shape[1] == 2 else _completed(found)


def _completed(found: Tensor) -> Tensor:
    """With any others at right angles; with zeros where there is one dimension only."""
    others = torch.eye(len(found), 2).to(found)
    basis = torch.linalg.qr(torch.cat([found, others], dim=1)[:, :2])[0]
    return torch.nn.functional.pad(basis, (0, 2 - basis.shape[1]))


def _widest(rows: Tensor, scale: float) -> Tensor:
    """At most two directions in which the rows have any extent, [D, 0 to 2]."""
    if not len(rows):
        return rows.new_empty(rows.shape[1], 0)
    _, lengths, directions = torch.linalg.svd(rows, full_matrices=False)
    least = _ROUNDING * max(float(lengths[0]) ** 2, scale)
    count = int((lengths[:2].square() > max(least, torch.finfo(rows.dtype).tiny)).sum())
    return directions[:count].mT


def aligned(axes: Float[Tensor, "D A"], before: Float[Tensor, "D A"]) -> Tensor:
    """The same plane, with its axes turned or mirrored to lie as near to those before as they can.

    The orthogonal Procrustes problem: of all orthogonal R, the one with the least ‖AR − A₀‖ is UVᵀ, with AᵀA₀ = USVᵀ.

    References
    ----------
    Schönemann (1966), A generalized solution of the orthogonal Procrustes problem, Psychometrika 31, 1-10.
    """
    u, _, v = torch.linalg.svd(axes.mT @ before)
    return axes @ (u @ v)


# ------------------------------------------------------------------------------------------- components
def soft_assignments(rows: Tensor, pi: Tensor, mu: Tensor, sigma: Tensor | None) -> Float[Tensor, "N K"]:
    """γ_nk under the mixture; where it keeps no covariances, 1 for the nearest mean. Components of weight 0 have 0."""
    gamma = rows.new_zeros(len(rows), len(pi))
    live = (pi > 0).nonzero().squeeze(1)
    if len(live) and len(rows):
        gamma[:, live] = _posterior(rows, pi[live], mu[live], None if sigma is None else sigma[live])
    return gamma


def _posterior(rows: Tensor, pi: Tensor, mu: Tensor, sigma: Tensor | None) -> Tensor:
    if sigma is None:
        nearest = torch.cdist(rows, mu).argmin(1)
        return torch.nn.functional.one_hot(nearest, len(mu)).to(rows)
    family = family_of("full" if sigma.ndim == 3 else "diag")
    variances = sigma.diagonal(dim1=1, dim2=2) if sigma.ndim == 3 else sigma
    ridge = _RIDGE * float(variances.mean()) + torch.finfo(rows.dtype).tiny ** 0.5
    return posterior(rows, MixtureParameters(pi, mu, family.form.add_diagonal(sigma, ridge), family))


def _flat(sigma: Tensor | None, axes: Tensor, n_components: int) -> Tensor:
    """AᵀΣA of each component, [K, 2, 2]."""
    if sigma is None:
        return axes.new_full((n_components, 2, 2), torch.nan)
    if sigma.ndim == 2:
        return torch.einsum("da,kd,db->kab", axes, sigma, axes)
    return axes.mT @ sigma @ axes


def view_of(parts: Mapping[str, Tensor], **about: Any) -> View:
    """The parts as arrays, with what is known of the run."""
    arrays: dict[str, Any] = {name: part.numpy() for name, part in parts.items()}
    return View(**arrays, **about)

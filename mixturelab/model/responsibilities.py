"""From the log-joint to responsibilities, log evidence and entropy; never sees x."""

import torch
from jaxtyping import Float
from torch import Tensor


def normalise_(log_joint: Float[Tensor, "K B"]) -> tuple[Float[Tensor, "K B"], Float[Tensor, "B"]]:
    """Responsibilities and log evidence of a chunk, overwriting the log-joint (log-sum-exp over components).

    γ_kn = exp(l_kn − log Σ_j exp l_jn) (Bishop 2006, eq. 9.23). Subtracting the largest log-joint first keeps
    the sum between 1 and K, so that nothing underflows to 0/0.
    """
    largest = log_joint.amax(0, keepdim=True)
    joint = log_joint.sub_(largest).exp_()
    total = joint.sum(0, keepdim=True)
    return joint.div_(total), (largest + total.log()).squeeze(0)


def log_evidence(log_joint: Float[Tensor, "N K"]) -> Float[Tensor, "N"]:
    """Log p(x_n) = log Σ_k exp l_nk."""
    return torch.logsumexp(log_joint, dim=1)


def from_log_joint(log_joint: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
    """γ_nk; a row so far away that every log-joint is −∞ carries no information and gets 1/K everywhere."""
    lost = torch.isneginf(log_joint).all(dim=1, keepdim=True)
    return torch.softmax(torch.where(lost, 0.0, log_joint), dim=1)


def entropy(responsibilities: Float[Tensor, "N K"]) -> Float[Tensor, "N"]:
    """−Σ_k γ_nk log γ_nk in nats: 0 for a certain assignment, log K for none at all."""
    return -torch.special.xlogy(responsibilities, responsibilities).sum(dim=1)

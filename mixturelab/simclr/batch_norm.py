"""Batch normalisation whose batch may lie on several processes: the moments are those of all their rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixturelab.simclr.processes import Processes

__all__ = ["BatchNorm2d", "share_moments"]


class BatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d`, to the last bit, unless `processes` is set; then training normalises by all rows.

    If each process normalised its own part, the network would compute something else than one process does on the
    whole batch: noisier moments, and embeddings that depend on how the batch was divided. `torch.nn.SyncBatchNorm`
    does the same as this layer, but on GPUs only. The names in the state are the same in all three.

    Attributes
    ----------
    processes : Processes or None
        Those that hold the other rows of the batch; each must take part in every pass.
    """

    processes: Processes | None = None

    def forward(self, input: Tensor) -> Tensor:
        """[N, C, H, W] → the same, normalised."""
        if self.processes is None or not self.training:
            return super().forward(input)
        mean, variance, count = _moments_of_all(input, self.processes)
        self._remember(mean, variance * count / (count - 1))
        return _Normalised.apply(
            input, self.weight, self.bias, mean, variance, count, self.eps, self.processes
        )

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """The moments that are used after training, as torch keeps them: with n − 1 under the variance."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var), self.momentum)


def share_moments(network: nn.Module, processes: Processes | None) -> None:
    """Let every normalisation of a network be over the rows of these processes; None: over its own."""
    for module in network.modules():
        if isinstance(module, BatchNorm2d):
            module.processes = processes


@torch.no_grad()
def _moments_of_all(x: Tensor, processes: Processes) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [C], variance [C] and the number of values a channel has, from one exchange of 2C + 1 numbers.

    With w the processes' shares of the values:  m = Σ w m_r  and  v = Σ w (v_r + (m_r − m)²).  Sums of squares would
    lose what is small beside the mean; this does not.
    """
    n = x.numel() // x.shape[1]
    dtype = x.dtype if x.dtype == torch.float64 else torch.float32
    mean, variance = (torch.zeros(x.shape[1], dtype=dtype, device=x.device) for _ in range(2))
    # With momentum 1 its running moments are those of x: three times faster on a CPU than torch.var_mean.
    functional.batch_norm(x, mean, variance, training=True, momentum=1.0)
    told = processes.gather(torch.cat([mean.new_full((1,), n), mean, variance * ((n - 1) / n)]))
    counts, (means, variances) = told[:, :1], told[:, 1:].chunk(2, dim=1)
    share = counts / counts.sum()
    mean = (share * means).sum(dim=0)
    return mean, (share * (variances + (means - mean).square())).sum(dim=0), counts.sum()


class _Normalised(torch.autograd.Function):
    """y = γ x̂ + β with x̂ = (x − m)/√(v + ε), where m and v depend on the x of all processes.

    With g the gradient at y, dγ = Σ g x̂ and dβ = Σ g over the own rows: torch's layer with given moments finds them.
    They are what this process adds, as its gradients of all other weights; `DistributedDataParallel` brings them
    together. For dx the sums over the n values of all processes are needed, one exchange of 2C numbers:
    dx = γ/√(v + ε) · (g − Σ g/n − x̂ Σ g x̂/n).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, count: Tensor,
        eps: float, processes: Processes,
    ) -> Tensor:  # fmt: skip
        ctx.affine = [tensor.detach().requires_grad_() for tensor in (weight, bias)]
        ctx.x, ctx.mean, ctx.scale = x.detach(), mean, (variance + eps).rsqrt()
        ctx.count, ctx.processes = count, processes
        with torch.enable_grad():
            gamma, beta = ctx.affine
            ctx.y = functional.batch_norm(ctx.x, mean, variance, gamma, beta, eps=eps)
        return ctx.y.detach()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        own = torch.autograd.grad(ctx.y, ctx.affine, gradients[0])
        of_weight, of_bias = ctx.processes.sum(torch.stack(own)) / ctx.count
        factor = ctx.affine[0].detach() * ctx.scale
        slope = factor * ctx.scale * of_weight
        still = factor * of_bias - slope * ctx.mean
        moved = gradients[0] * _channels(factor) - _channels(still)
        moved = torch.addcmul(moved, ctx.x, _channels(slope), value=-1).to(ctx.x.dtype)
        return moved, *own, None, None, None, None, None


def _channels(values: Tensor) -> Tensor:
    """[C] as [1, C, 1, 1]."""
    return values[None, :, None, None]

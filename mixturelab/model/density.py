"""log π_k + log N(x | μ_k, Σ_k), accurate at any offset; sampling; marginals and conditionals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mixturelab.model import linalg
from mixturelab.model.covariance import FAMILIES
from mixturelab.model.forms import Form
from mixturelab.model.params import MixtureParameters, log_constant
from mixturelab.model.responsibilities import from_log_joint, log_evidence

# Numbers held at once by a chunk: about what a core's cache holds, and far more where launches are what costs.
_CHUNK_NUMBERS = {"cpu": 2**20}
_ACCELERATOR_NUMBERS = 2**26


def chunk_rows(numbers_per_row: int, device: torch.device) -> int:
    """How many rows to take at a time, so that the work of a chunk stays in the fast memory."""
    numbers = _CHUNK_NUMBERS.get(device.type, _ACCELERATOR_NUMBERS)
    most = 16384 if device.type == "cpu" else 2**20
    return max(1024, min(most, numbers // max(1, numbers_per_row)))


def chunks(x: Float[Tensor, "N D"], rows: int) -> Iterator[Float[Tensor, "_ D"]]:
    """The rows of x, in order, ``rows`` at a time (views)."""
    return iter(x.split(rows))


class LogJoint:
    """log π_k + log N(x | μ_k, Σ_k) as a function of rows, through whitened residuals.

    The residual x − μ_k is formed first, so that an offset common to data and means costs no digits. Rows are taken
    in the given dtype; the factorisation is done in the parameters' own precision.
    """

    def __init__(self, parameters: MixtureParameters, dtype: torch.dtype):
        self.form: Form = parameters.family.form
        self.constant = log_constant(parameters).to(dtype)[:, None]
        self.means = parameters.means.to(dtype)[:, :, None]
        self.whitener = parameters.whitener.to(dtype)
        # Fresh memory for each chunk would take as long as the arithmetic: two buffers are filled again and again.
        self._buffers = [self.means.new_empty(0), self.means.new_empty(0)]

    def __call__(self, x: Float[Tensor, "D B"]) -> tuple[Float[Tensor, "K B"], Float[Tensor, "K D B"]]:
        """The log-joint of a chunk and its whitened residuals y = W_k(x − μ_k), valid until the next call."""
        if linalg.is_traced(x, self.constant, self.means, self.whitener):
            y = self.form.apply(self.whitener, x - self.means)
            return self.constant - 0.5 * y.square().sum(1), y
        residual, y = (self.buffer(i, x.shape[1]) for i in (0, 1))
        torch.sub(x, self.means, out=residual)
        self.form.apply(self.whitener, residual, out=y)
        squares = torch.mul(y, y, out=residual)
        return torch.sub(self.constant, squares.sum(1), alpha=0.5), y

    def buffer(self, which: int, rows: int) -> Float[Tensor, "K D _"]:
        """One of the two buffers, as [K, D, rows]; the first is free between calls."""
        k, d, _ = self.means.shape
        if self._buffers[which].numel() < k * d * rows:
            self._buffers[which] = self.means.new_empty(k * d * rows)
        return self._buffers[which][: k * d * rows].view(k, d, rows)


def log_joint(x: Float[Tensor, "N D"], parameters: MixtureParameters) -> Float[Tensor, "N K"]:
    """Log π_k + log N(x_n | μ_k, Σ_k) for every row and component, in nats."""
    return _by_chunk(x, parameters, lambda joint: joint)


def log_density(x: Float[Tensor, "N D"], parameters: MixtureParameters) -> Float[Tensor, "N"]:
    """Log p(x_n) = log Σ_k π_k N(x_n | μ_k, Σ_k), in nats."""
    return _by_chunk(x, parameters, log_evidence)


def posterior(x: Float[Tensor, "N D"], parameters: MixtureParameters) -> Float[Tensor, "N K"]:
    """The responsibilities γ_nk = p(k | x_n)."""
    return _by_chunk(x, parameters, from_log_joint)


def assignment(x: Float[Tensor, "N D"], parameters: MixtureParameters) -> Int[Tensor, "N"]:
    """The most responsible component of each row."""
    return _by_chunk(x, parameters, lambda joint: joint.argmax(1))


def _by_chunk(x: Tensor, parameters: MixtureParameters, reduce: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply ``reduce`` to the log-joint [B, K] of each chunk: memory beyond x and the result does not grow."""
    evaluate = LogJoint(parameters, x.dtype)
    rows = chunk_rows(parameters.means.numel(), x.device)
    return torch.cat([reduce(evaluate(chunk.T)[0].T) for chunk in chunks(x, rows)])


def sample(
    parameters: MixtureParameters, n_samples: int, generator: torch.Generator
) -> tuple[Float[Tensor, "N D"], Tensor]:
    """Rows drawn from the mixture, and the component that each came from (ancestral sampling)."""
    labels = torch.multinomial(parameters.weights, n_samples, replacement=True, generator=generator)
    means = parameters.means
    noise = torch.randn(
        n_samples, means.shape[1], generator=generator, dtype=means.dtype, device=generator.device
    )
    factor = torch.linalg.cholesky(parameters.dense_covariances())
    return means[labels] + (factor[labels] @ noise.to(means.device)[:, :, None]).squeeze(-1), labels


def marginal(parameters: MixtureParameters, features: Sequence[int]) -> MixtureParameters:
    """The mixture of some of the features: a full family with the rows and columns picked out."""
    index = torch.as_tensor(list(features), device=parameters.means.device)
    covariances = parameters.dense_covariances()[:, index][:, :, index]
    return MixtureParameters(parameters.weights, parameters.means[:, index], covariances, FAMILIES["full"])


def conditional(
    parameters: MixtureParameters, features: Sequence[int], values: Float[Tensor, "P"]
) -> MixtureParameters:
    """The mixture of the other features, given the values of these (Bishop 2006, eqs. 2.81 and 2.82)."""
    given = torch.as_tensor(list(features), device=parameters.means.device)
    rest = torch.as_tensor(
        [d for d in range(parameters.n_features) if d not in set(features)], device=given.device
    )
    sigma = parameters.dense_covariances()
    cross = sigma[:, rest][:, :, given]
    gain = torch.linalg.solve(sigma[:, given][:, :, given], cross.mT).mT  # Σ_ab Σ_bb⁻¹
    means = parameters.means[:, rest] + (gain @ (values - parameters.means[:, given])[:, :, None]).squeeze(-1)
    covariances = sigma[:, rest][:, :, rest] - gain @ cross.mT
    weights = posterior(values[None], marginal(parameters, features))[0]
    return MixtureParameters(weights, means, (covariances + covariances.mT) / 2, FAMILIES["full"])

"""What one update gives back: the mixture at that moment, readable as keys and as attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mixturelab.model import linalg
from mixturelab.model.assigned import one_hot
from mixturelab.model.forms import SCALAR, Form

if TYPE_CHECKING:
    from mixturelab.stream.state import State

_KEYS = ("pi", "mu", "Sigma", "B", "R", "valid")


class Snapshot(Mapping[str, Any]):
    """A mixture of embeddings after an update; it does not change when the estimator goes on.

    Keys and attributes: ``pi`` [K], ``mu`` [K, D], ``Sigma`` [K, D, D] ([K, D] for covariance="diag", None for
    "none"), ``B`` [D, D], ``R`` [N, K] and ``valid`` [K]. What is not asked for is not computed; a
    snapshot that is kept keeps what it may yet need.
    """

    def __init__(self, state: State, form: Form, index: Tensor) -> None:
        self._mass, self.mu, self._covariance = state.mass, state.mean, state.covariance
        self.valid: Bool[Tensor, "K"] = state.seen
        self._form, self._index = form, index

    @cached_property
    def pi(self) -> Float[Tensor, "K"]:
        """The components' shares of the rows: ≥ 0, they sum to one."""
        return mixing_weights(self._mass)

    @cached_property
    def Sigma(self) -> Tensor | None:
        """The covariances about the means (divided by the number of rows); symmetric to the last bit."""
        if self._form is SCALAR:
            return None
        with exactly(self.mu):
            covariance = self._covariance.value
            return linalg.symmetric(covariance) if self._form.is_matrix else covariance

    @cached_property
    def B(self) -> Float[Tensor, "D D"]:
        """The covariance between components, Σ π(μ − μ̄)(μ − μ̄)ᵀ with μ̄ = Σ πμ."""
        with exactly(self.mu):
            spread = scaled_offsets(self.pi, self.mu)
            return linalg.symmetric(spread.mT @ spread)

    @cached_property
    def R(self) -> Float[Tensor, "N K"]:
        """The batch's responsibilities, 0 or 1; a row that was dropped has zeros only."""
        return one_hot(self._index, len(self.valid), self.mu.dtype).mT.contiguous()

    def __getitem__(self, key: str) -> Any:
        if key not in _KEYS:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(_KEYS)

    def __len__(self) -> int:
        return len(_KEYS)

    def __repr__(self) -> str:
        k, d = self.mu.shape
        return f"Snapshot(K={k}, D={d}, rows={len(self._index)})"


def mixing_weights(mass: Any) -> Any:
    """π_k = N_k / Σ_j N_j; zeros if there is no mass. Of tensors and of arrays alike."""
    total = mass.sum()
    return mass / (total + (total == 0))


def scaled_offsets(pi: Any, mu: Any) -> Any:
    """√π_k (μ_k − μ̄), [K, D]: the rows whose products are B (over components) and its Gram matrix (over features).

    Of tensors and of arrays alike.
    """
    # About one of the means first: the mean of means far from zero is rounded, and equal means give zero.
    centred = mu - mu[pi.argmax()[None]]
    return (centred - pi @ centred) * (pi**0.5)[:, None]


def is_plain(like: Tensor) -> bool:
    """Whether sums of it are in its own dtype, and may be written into."""
    return not (torch.is_autocast_enabled(like.device.type) or torch.is_inference_mode_enabled())


@contextmanager
def exactly(like: Tensor) -> Iterator[None]:
    """No gradients and no autocast, and ordinary tensors within inference mode: wherever this is called from."""
    kind = like.device.type
    with ExitStack() as contexts:  # entered only where they change something: this runs at every update
        contexts.enter_context(torch.no_grad())
        if torch.is_inference_mode_enabled():
            contexts.enter_context(torch.inference_mode(False))
        if torch.is_autocast_enabled(kind):
            contexts.enter_context(torch.autocast(device_type=kind, enabled=False))
        yield

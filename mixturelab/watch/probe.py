"""A fixed sample of images that a training process looks at now and then, without a trace in its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixturelab.watch.projection import project, view_of
from mixturelab.watch.view import Status, View

__all__ = ["MOST_IMAGES", "Probe", "Trains", "embeddings_of"]

MOST_IMAGES = 500


class Trains(Protocol):
    """What is asked of a trainer; `mixturelab.simclr.Trainer` has it."""

    network: Any
    images: Tensor
    estimator: Any
    step: int
    n_steps: int


class Probe:
    """Embeddings of the same images again and again, with the mixture of the moment.

    Parameters
    ----------
    embed : callable () -> Tensor [N, D]
        Their embeddings now, as the mixture sees them. It must leave the training as it is: `embeddings_of` does.
    mixture : callable () -> mapping
        As `MixtureStats.compute`.
    """

    def __init__(self, embed: Callable[[], Tensor], mixture: Callable[[], Mapping[str, Any]]) -> None:
        self._embed, self._mixture = embed, mixture
        self._axes: Tensor | None = None

    @classmethod
    def of(cls, trainer: Trains) -> Self:
        """The probe of a run: at most 500 of its images, evenly spaced, as they are, with rows of length 1."""
        images = trainer.images[:: -(-len(trainer.images) // MOST_IMAGES)]

        def embed() -> Tensor:
            return functional.normalize(embeddings_of(trainer.network, images).float(), dim=1)

        return cls(embed, trainer.estimator.compute)

    def view(
        self, step: int, n_steps: int = 0, status: Status = "training", steps_per_second: float = float("nan")
    ) -> View | None:
        """The view now; None if there is nothing to be seen, since the embeddings are not finite.

        Parameters
        ----------
        step, n_steps, status, steps_per_second
            As `View` has them.
        """
        with torch.no_grad():
            rows, mixture = self._embed(), self._mixture()
            if rows.ndim != 2 or not bool(torch.isfinite(rows).all()):
                return None
            parts = project(rows, mixture, self._axes)
        self._axes = parts["axes"]
        return view_of(parts, step=step, n_steps=n_steps, status=status, steps_per_second=steps_per_second)


def embeddings_of(network: nn.Module, images: Tensor) -> Tensor:
    """What a network makes of images [N, ...]: the last of its outputs if it has several, [N, D].

    In eval mode and without gradients; the modes of its modules, the statistics of its normalisations, the weights and
    the global random state are left as they were.

    Parameters
    ----------
    network : torch.nn.Module
        One that is wrapped for several processes is asked without the others.
    images : Tensor [N, ...]
        On the network's device.
    """
    network = getattr(network, "module", network) if _is_wrapped(network) else network
    modes = {module: module.training for module in network.modules()}
    devices = [images.device] if images.device.type == "cuda" else []
    network.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            found = network(images)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return found if isinstance(found, Tensor) else found[-1]


def _is_wrapped(network: nn.Module) -> bool:
    return isinstance(network, (nn.parallel.DistributedDataParallel, nn.DataParallel))

"""How embeddings reach the estimator: a context around a training step, and a hook on any module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

if TYPE_CHECKING:
    from mixturelab.stream.mixture_stats import MixtureStats

_ACTIVE: ContextVar[MixtureStats | None] = ContextVar("active_mixture", default=None)


@contextmanager
def active_mixture(
    estimator: MixtureStats | None, *, step: int | None = None, epoch: int = 0
) -> Iterator[MixtureStats | None]:
    """Within this context, losses feed their embeddings to the estimator.

    Contexts nest: the innermost one counts, and None switches feeding off. A new thread starts without any:
    enter it in the thread that trains.

    Parameters
    ----------
    estimator : MixtureStats or None
    step, epoch : int, optional
        With a step, it is logged when the context ends without an exception.

    Examples
    --------
    >>> with active_mixture(estimator):  # doctest: +SKIP
    ...     loss = nt_xent(z1, z2)
    """
    token = _ACTIVE.set(estimator)
    try:
        yield estimator
    finally:
        _ACTIVE.reset(token)
    if estimator is not None and step is not None:
        estimator.log_step(step=step, epoch=epoch)


def feed(embeddings: Tensor, labels: Tensor | None = None) -> None:
    """Give embeddings [N, D] to the active estimator, if there is one: what a loss calls."""
    estimator = _ACTIVE.get()
    if estimator is not None:
        estimator.update(embeddings, labels=labels)


def mixture_hook(
    module: nn.Module,
    estimator: MixtureStats | None = None,
    *,
    output: Callable[[Any], Tensor] | None = None,
    labels: Callable[[], Tensor | None] | None = None,
) -> RemovableHandle:
    """Feed what a module puts out, while it trains: for losses that do not feed the estimator themselves.

    Parameters
    ----------
    module : torch.nn.Module
        Its forward passes in training mode are counted, each as one update.
    estimator : MixtureStats, optional
        Default: the active one at the time of the pass.
    output : callable, optional
        Makes embeddings [N, D] of the module's output. Default: the output itself.
    labels : callable, optional
        Gives the labels of the current batch.

    Returns
    -------
    RemovableHandle
        Its ``remove()`` ends it; it is a context manager too.
    """

    def after_forward(module: nn.Module, inputs: Any, result: Any) -> None:
        if module.training:
            target = _ACTIVE.get() if estimator is None else estimator
            if target is not None and target.enabled:
                embeddings = result if output is None else output(result)
                target.update(embeddings, labels=None if labels is None else labels())

    return module.register_forward_hook(after_forward)

"""The one loop: the only file that knows `tol` or an iteration number, and says why it stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from jaxtyping import Float
from torch import Tensor

from mixturelab.inference.em import em_step
from mixturelab.model.linalg import threads_for
from mixturelab.model.params import MixtureParameters
from mixturelab.model.quadratic import DataSummary, summarise


class Status(Enum):
    """Why a fit stopped."""

    CONVERGED = "converged"
    MAX_ITER = "max_iter"
    COLLAPSED = "collapsed"
    INITIALISED = "initialised"


@dataclass(frozen=True)
class History:
    """The course of a fit.

    Attributes
    ----------
    log_likelihood : tuple of float
        Mean log-likelihood per row, in nats, at the start of each iteration.
    status : Status
        Why it stopped, as a value.
    reason : str
        Why it stopped, in a sentence.
    """

    log_likelihood: tuple[float, ...]
    status: Status
    reason: str

    def __len__(self) -> int:
        return len(self.log_likelihood)


@dataclass(frozen=True, eq=False)
class FitResult:
    """The parameters a run of EM ended with, the mass of each component, and how it got there."""

    parameters: MixtureParameters
    mass: Tensor
    history: History

    @property
    def lower_bound(self) -> float:
        """The last log-likelihood per row, of the parameters before the last M-step; −∞ if none was made."""
        return self.history.log_likelihood[-1] if len(self.history) else -math.inf

    @property
    def n_iter(self) -> int:
        """Iterations made."""
        return len(self.history)


Callback = Callable[[int, float, float], None]


def fit(
    x: Float[Tensor, "N D"],
    initial: MixtureParameters,
    *,
    reg_covar: float = 1e-6,
    tol: float = 1e-3,
    max_iter: int = 100,
    previous: float = -math.inf,
    summary: DataSummary | None = None,
    callback: Callback | None = None,
) -> FitResult:
    """Iterate EM from given parameters.

    Parameters
    ----------
    x : Tensor [N, D]
    initial : MixtureParameters
    reg_covar : float
        Added to the diagonal of every covariance.
    tol : float
        Stop when the mean log-likelihood per row changes by less than this, in nats.
    max_iter : int
        Stop after as many iterations. With 0 the start is returned as it is.
    previous : float
        The log-likelihood per row before the first iteration, to go on where an earlier run stopped.
    callback : callable (iteration, log-likelihood, change), optional
        Called after each iteration.
    """
    work = len(x) * initial.means.numel() * initial.n_features
    with threads_for(work, x.device):
        summary = summary or summarise(x)
        return _iterate(x, initial, summary, reg_covar, tol, max_iter, previous, callback)


def _iterate(
    x: Tensor,
    initial: MixtureParameters,
    summary: DataSummary,
    reg_covar: float,
    tol: float,
    max_iter: int,
    last: float,
    callback: Callback | None,
) -> FitResult:
    parameters, mass = initial, initial.weights * len(x)
    trace: list[float] = []
    for iteration in range(1, max_iter + 1):
        new, total, mass_now = em_step(x, parameters, summary, reg_covar)
        current = total / len(x)
        change, last = current - last, current
        trace.append(current)
        if not math.isfinite(current) or not bool(new.is_positive):
            return FitResult(parameters, mass, _collapsed(trace, iteration, current))
        parameters, mass = new, mass_now
        if callback is not None:
            callback(iteration, current, change)
        if abs(change) < tol:
            return FitResult(parameters, mass, _converged(trace, iteration, change, tol))
    return FitResult(parameters, mass, _exhausted(trace, max_iter, tol))


def _converged(trace: list[float], iteration: int, change: float, tol: float) -> History:
    reason = f"Converged at iteration {iteration}: the mean log-likelihood changed by {abs(change):.2g} < tol={tol:g}."
    return History(tuple(trace), Status.CONVERGED, reason)


def _collapsed(trace: list[float], iteration: int, current: float) -> History:
    what = (
        "a covariance became singular (a component shrank onto repeated or too few rows)"
        if math.isfinite(current)
        else f"the log-likelihood is {current} (every component is too far from some row)"
    )
    reason = (
        f"Stopped at iteration {iteration}: {what}. Raise reg_covar, lower n_components, or start elsewhere."
    )
    return History(tuple(trace if math.isfinite(current) else trace[:-1]), Status.COLLAPSED, reason)


def _exhausted(trace: list[float], max_iter: int, tol: float) -> History:
    if max_iter == 0:
        return History((), Status.INITIALISED, "max_iter=0: the starting parameters, no iteration made.")
    last = (
        f"the last change was {abs(trace[-1] - trace[-2]):.2g}"
        if len(trace) > 1
        else "there was one iteration"
    )
    reason = (
        f"Stopped at max_iter={max_iter} before the mean log-likelihood changed by less than tol={tol:g}: {last}. "
        "Raise max_iter or tol."
    )
    return History(tuple(trace), Status.MAX_ITER, reason)

"""The one loop: the only file that knows `tol` or an iteration number, and says why it stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from mixturelab.inference.em import em_update
from mixturelab.inference.variational import vb_step
from mixturelab.model.conjugate import ConjugateMixture
from mixturelab.model.linalg import threads_for
from mixturelab.model.modes import ParameterPrior
from mixturelab.model.params import MixtureParameters
from mixturelab.model.quadratic import DataSummary, summarise
from mixturelab.model.suffstats import SufficientStatistics


class Status(Enum):
    """Why a fit stopped."""

    CONVERGED = "converged"
    MAX_ITER = "max_iter"
    COLLAPSED = "collapsed"
    INITIALISED = "initialised"
    STREAMING = "streaming"


@dataclass(frozen=True)
class History:
    """The course of a fit.

    Attributes
    ----------
    log_likelihood : tuple of float
        What the fit maximises, per row, in nats, at the start of each iteration: the log-likelihood; with a prior the
        log-likelihood plus the log prior; for variational Bayes the evidence lower bound.
    status : Status
        Why it stopped, as a value.
    reason : str
        Why it stopped, in a sentence.
    """

    log_likelihood: tuple[float, ...]
    status: Status
    reason: str

    @property
    def lower_bound(self) -> tuple[float, ...]:
        """The same numbers by the name that fits them all."""
        return self.log_likelihood

    def __len__(self) -> int:
        return len(self.log_likelihood)


# What is iterated: point estimates, or a posterior.
State = TypeVar("State", MixtureParameters, ConjugateMixture)


@dataclass(frozen=True, eq=False)
class FitResult(Generic[State]):
    """The parameters (or posterior) a run ended with, the mass of each component, and how it got there.

    `statistics` are those of the last M-step; None if none was made.
    """

    parameters: State
    mass: Tensor
    history: History
    statistics: SufficientStatistics | None = None

    @property
    def lower_bound(self) -> float:
        """The last log-likelihood (or bound) per row, before the last M-step; −∞ if none was made."""
        return self.history.log_likelihood[-1] if len(self.history) else -math.inf

    @property
    def n_iter(self) -> int:
        """Iterations made."""
        return len(self.history)


Callback = Callable[[int, float, float], None]
# From a state: the next one, what is maximised at the given one (summed over rows), and what the next was made from.
Step = Callable[[State], tuple[State, float, SufficientStatistics]]


@dataclass(frozen=True)
class _Rule:
    """When to stop, and what the number that says so is called."""

    n_rows: int
    tol: float
    max_iter: int
    quantity: str


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
    prior: ParameterPrior | None = None,
) -> FitResult[MixtureParameters]:
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
    summary : DataSummary, optional
        Of the same rows, if it is known already.
    callback : callable (iteration, log-likelihood, change), optional
        Called after each iteration.
    prior : ParameterPrior, optional
        Go to the most probable parameters (MAP); the log prior is then part of every log-likelihood above.
    """
    known = summary or summarise(x)
    quantity = "mean log-likelihood" if prior is None else "log-likelihood plus log prior, per row,"

    def step(parameters: MixtureParameters) -> tuple[MixtureParameters, float, SufficientStatistics]:
        return em_update(x, parameters, known, reg_covar, prior)

    with threads_for(len(x) * initial.means.numel() * initial.n_features, x.device):
        rule = _Rule(len(x), tol, max_iter, quantity)
        return _iterate(step, initial, initial.weights * len(x), rule, previous, callback)


def fit_posterior(
    x: Float[Tensor, "N D"],
    initial: ConjugateMixture,
    prior: ConjugateMixture,
    *,
    reg_covar: float = 0.0,
    tol: float = 1e-3,
    max_iter: int = 100,
    previous: float = -math.inf,
    summary: DataSummary | None = None,
    callback: Callback | None = None,
) -> FitResult[ConjugateMixture]:
    """Iterate variational Bayes from a given posterior.

    Parameters
    ----------
    x : Tensor [N, D]
    initial, prior : ConjugateMixture
    reg_covar : float
        Added to the squared deviations of every row. With 0 the bound never falls; with more it may, by about as much.
    tol : float
        Stop when the evidence lower bound per row changes by less than this, in nats.
    max_iter, previous, summary, callback
        As for `fit`, with the bound in the log-likelihood's place.
    """
    known = summary or summarise(x)

    def step(posterior: ConjugateMixture) -> tuple[ConjugateMixture, float, SufficientStatistics]:
        return vb_step(x, posterior, prior, known, reg_covar)

    with threads_for(len(x) * initial.means.numel() * x.shape[1], x.device):
        rule = _Rule(len(x), tol, max_iter, "evidence lower bound per row")
        return _iterate(step, initial, initial.weights.mean * len(x), rule, previous, callback)


def _iterate(
    step: Step[State], initial: State, mass: Tensor, rule: _Rule, last: float, callback: Callback | None
) -> FitResult[State]:
    state, sums = initial, None
    trace: list[float] = []
    for iteration in range(1, rule.max_iter + 1):
        new, total, sums_now = step(state)
        current = total / rule.n_rows
        change, last = current - last, current
        trace.append(current)
        if not math.isfinite(current) or not bool(new.is_positive):
            return FitResult(state, mass, _collapsed(trace, iteration, current, rule), sums)
        state, mass, sums = new, sums_now.mass, sums_now
        if callback is not None:
            callback(iteration, current, change)
        if abs(change) < rule.tol:
            return FitResult(state, mass, _converged(trace, iteration, change, rule), sums)
    return FitResult(state, mass, _exhausted(trace, rule), sums)


def _converged(trace: list[float], iteration: int, change: float, rule: _Rule) -> History:
    by = f"{abs(change):.2g} < tol={rule.tol:g}"
    reason = f"Converged at iteration {iteration}: the {rule.quantity} changed by {by}."
    return History(tuple(trace), Status.CONVERGED, reason)


def _collapsed(trace: list[float], iteration: int, current: float, rule: _Rule) -> History:
    what = (
        "a covariance became singular (a component shrank onto repeated or too few rows)"
        if math.isfinite(current)
        else f"the {rule.quantity.removeprefix('mean ')} is {current} (every component is too far from some row)"
    )
    reason = (
        f"Stopped at iteration {iteration}: {what}. Raise reg_covar, lower n_components, or start elsewhere."
    )
    return History(tuple(trace if math.isfinite(current) else trace[:-1]), Status.COLLAPSED, reason)


def _exhausted(trace: list[float], rule: _Rule) -> History:
    if rule.max_iter == 0:
        return History((), Status.INITIALISED, "max_iter=0: the starting parameters, no iteration made.")
    last = (
        f"the last change was {abs(trace[-1] - trace[-2]):.2g}"
        if len(trace) > 1
        else "there was one iteration"
    )
    reason = (
        f"Stopped at max_iter={rule.max_iter} before the {rule.quantity} changed by less than tol={rule.tol:g}: "
        f"{last}. Raise max_iter or tol."
    )
    return History(tuple(trace), Status.MAX_ITER, reason)

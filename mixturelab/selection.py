"""Choose K and the covariance family: criteria, a sweep with restarts, and which fits may not win."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import check_random_state

from mixturelab.arrays import as_tensor, constant_columns
from mixturelab.estimators import GaussianMixture
from mixturelab.exceptions import ArgumentError, CollapsedComponentError, ConvergenceWarning, DataError
from mixturelab.model.covariance import FAMILIES, family_of

if TYPE_CHECKING:
    import pandas as pd

RIDGE = 1e-6  # of the smallest variance, or of 1 where that is larger

# Criteria, and whether a lower value is better.
CRITERIA = {"bic": True, "aic": True, "icl": True, "heldout": False, "cv": False}


@dataclass(frozen=True)
class Candidate:
    """One line of the table: a fit, or the reason why there is none.

    Attributes
    ----------
    log_likelihood : float
        Mean per row, in nats.
    bic, aic, icl : float
        Lower is better.
    heldout, cv : float
        Mean log-likelihood per row of rows not fitted, higher is better; NaN unless it is the criterion.
    smallest_variance : float
        The smallest eigenvalue of any component's covariance.
    smallest_count : float
        The smallest expected number of rows of any component.
    spurious : bool
        Whether the fit describes a few rows, not a group; it never wins.
    reason : str
        Why, in a sentence.
    """

    covariance_type: str
    n_components: int
    n_parameters: int
    log_likelihood: float = math.nan
    bic: float = math.nan
    aic: float = math.nan
    icl: float = math.nan
    heldout: float = math.nan
    cv: float = math.nan
    converged: bool = False
    n_iter: int = 0
    smallest_variance: float = math.nan
    smallest_count: float = math.nan
    spurious: bool = False
    reason: str = ""


@dataclass(frozen=True)
class SelectionResult:
    """The table of a sweep and its winner.

    Attributes
    ----------
    candidates : tuple of Candidate
        A line for the best honest fit of each K and family, and one more for a degenerate fit that
        scores better than it.
    best : GaussianMixture
        The winner, fitted to all rows.
    best_candidate : Candidate
        Its line.
    criterion : str
    """

    candidates: tuple[Candidate, ...]
    best: GaussianMixture = field(repr=False)
    best_candidate: Candidate
    criterion: str

    @property
    def lower_is_better(self) -> bool:
        """Whether a lower value of the criterion is the better one."""
        return CRITERIA[self.criterion]

    @property
    def best_row(self) -> dict[str, Any]:
        """The winner's line as a dictionary."""
        return asdict(self.best_candidate)

    @property
    def table(self) -> pd.DataFrame:
        """One row a candidate, in the order of the sweep; columns that were not asked for are left out."""
        import pandas as pd

        frame = pd.DataFrame([asdict(c) for c in self.candidates])
        unused = [c for c in ("heldout", "cv") if c != self.criterion]
        return frame.drop(columns=unused)


def select(
    X: Any,
    n_components: int | Iterable[int] = range(1, 10),
    covariance_type: str | Sequence[str] = tuple(FAMILIES),
    criterion: str = "bic",
    *,
    n_init: int = 5,
    tol: float = 1e-6,
    max_iter: int = 1000,
    reg_covar: float | None = None,
    init_params: str = "kmeans",
    test_size: float = 0.25,
    n_splits: int = 5,
    random_state: Any = None,
    device: Any = None,
    dtype: Any = "float64",
    progress: bool = False,
) -> SelectionResult:
    """Fit every K and family from several starts, and choose by a criterion.

    A fit whose smallest variance is within 10 times `reg_covar`, or with a component of fewer than D + 1 rows,
    describes those rows and not a group. Its likelihood can be made as large as one likes, so it is
    shown in the table with its reason and never wins.

    Parameters
    ----------
    X : array-like, DataFrame or Tensor [N, D]
    n_components : int or iterable of int
        The K to try. Those above the number of rows are listed as impossible.
    covariance_type : str or sequence of str
        The families to try.
    criterion : {"bic", "aic", "icl", "heldout", "cv"}
        BIC, AIC and ICL have scikit-learn's sign: **lower is better** (R's mclust prints the negative).
        "heldout" and "cv" are mean log-likelihoods per row that was not fitted: higher is better.
    n_init : int
        Starts for each K and family.
    tol : float
        Change of the mean log-likelihood per row at which EM stops; at most 1e-6, since criteria of fits that are
        not finished cannot be compared.
    reg_covar : float, optional
        Added to the diagonal of every covariance. By default 1e-6 or, where a column's variance is below 1, 1e-6 of
        the smallest, so that small units are not taken for degenerate fits.
    dtype : str
        float64: criteria are compared to a precision that float32 does not reach.
    max_iter, init_params, device
        As in `GaussianMixture`.
    test_size : float
        Share of rows held out for "heldout".
    n_splits : int
        Folds of "cv".
    random_state : int, RandomState or None
    progress : bool
        Show a progress bar.

    Returns
    -------
    SelectionResult

    Raises
    ------
    ArgumentError
        If an argument has a value it cannot have.
    DataError
        If a column is constant (every fit would be degenerate), or no fit is honest.
    """
    ks, families = _grid(n_components, covariance_type)
    _check(criterion, tol, n_init, test_size, n_splits)
    seed = check_random_state(random_state).randint(2**31 - 1)
    settings = {
        "n_init": n_init,
        "tol": tol,
        "max_iter": max_iter,
        "reg_covar": reg_covar,
        "init_params": init_params,
    }
    sweep = _Sweep(X, criterion, seed, settings | {"device": device, "dtype": dtype}, test_size, n_splits)
    lines: list[tuple[Candidate, GaussianMixture | None]] = []
    for family, k in _bar([(family, k) for family in families for k in ks], progress):
        lines += sweep.lines(family, k)
    return _crown(lines, criterion)


def _grid(n_components: Any, covariance_type: Any) -> tuple[list[int], list[str]]:
    ks = list(n_components) if np.iterable(n_components) else [n_components]
    families = [covariance_type] if isinstance(covariance_type, str) else list(covariance_type)
    if not ks or any(not isinstance(k, Integral) or isinstance(k, bool) or k < 1 for k in ks):
        raise ArgumentError(f"n_components is {ks!r}; wanted one or more integers ≥ 1")
    if not families or not all(isinstance(family, str) for family in families):
        raise ArgumentError(
            f"covariance_type is {covariance_type!r}; wanted one or more of {sorted(FAMILIES)}"
        )
    return [int(k) for k in ks], [family_of(f).name for f in families]


def _check(criterion: str, tol: float, n_init: int, test_size: float, n_splits: int) -> None:
    if not isinstance(criterion, str) or criterion not in CRITERIA:
        raise ArgumentError(f"criterion is {criterion!r}; wanted one of {list(CRITERIA)}")
    if not 0 <= tol <= 1e-6:
        raise ArgumentError(f"tol is {tol!r}; wanted 0 to 1e-6, so that finished fits are compared")
    if not 0 < test_size < 1:
        raise ArgumentError(f"test_size is {test_size!r}; wanted a share between 0 and 1")
    if not isinstance(n_splits, Integral) or n_splits < 2:
        raise ArgumentError(f"n_splits is {n_splits!r}; wanted 2 or more")
    if not isinstance(n_init, Integral) or n_init < 1:
        raise ArgumentError(f"n_init is {n_init!r}; wanted an integer ≥ 1")


class _Sweep:
    """Fits of one data set under one criterion."""

    def __init__(
        self, X: Any, criterion: str, seed: int, settings: dict[str, Any], test_size: float, n_splits: int
    ):
        self.X, self.criterion, self.seed, self.settings = X, criterion, seed, settings
        self.test_size, self.n_splits = test_size, n_splits
        frame = GaussianMixture()
        self.x, _ = frame._rows(X, reset=True)  # checked and numeric, whatever X is
        self.names = getattr(frame, "feature_names_in_", None)
        variances = self.x.to(torch.float64 if self.x.device.type != "mps" else torch.float32).var(
            0, correction=0
        )
        constant = constant_columns(self.x, self.names)
        if constant:
            raise DataError(
                f"X column(s) {constant} hold one value only: drop them, every fit would be degenerate"
            )
        if criterion == "cv" and n_splits > len(self.x):
            raise ArgumentError(f"n_splits is {n_splits}; wanted at most the {len(self.x)} rows of X")
        if settings["reg_covar"] is None:
            settings["reg_covar"] = RIDGE * min(1.0, float(variances.min()))

    def lines(self, family: str, k: int) -> list[tuple[Candidate, GaussianMixture | None]]:
        """The best honest fit, and a degenerate one that scores better than it."""
        if k > len(self.x):
            reason = f"{k} components need at least as many rows; there are {len(self.x)}"
            return [(self._empty(family, k, reason), None)]
        models = self._restarts(self.X, family, k)
        if not models:
            return [
                (self._empty(family, k, "every start collapsed onto repeated rows: raise reg_covar"), None)
            ]
        honest = [m for m in models if not m.spurious_]
        spurious = sorted((m for m in models if m.spurious_), key=lambda m: -m.lower_bound_)
        shown = honest[:1]
        if spurious and (not honest or spurious[0].lower_bound_ > honest[0].lower_bound_):
            shown.append(spurious[0])
        return [(self._candidate(m), m) for m in shown]

    def _restarts(self, X: Any, family: str, k: int) -> list[GaussianMixture]:
        model = GaussianMixture(k, covariance_type=family, random_state=self.seed, **self.settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # k-means on repeated rows; told in the table
            try:
                return model.fit_restarts(X)
            except (
                CollapsedComponentError
            ):  # every start was singular: a line of the table, not the end of it
                return []

    def _candidate(self, model: GaussianMixture) -> Candidate:
        k = model.n_components
        n, p = len(self.x), model._n_parameters()
        log_likelihood = model.score(self.X)
        deviance = -2 * log_likelihood * n
        bic = deviance + p * math.log(n)
        smallest = as_tensor(model._parameters(torch.float64, torch.device("cpu")).smallest_variance)
        extra = {} if model.spurious_ else self._unseen(model.covariance_type, k)
        return Candidate(
            model.covariance_type,
            k,
            p,
            log_likelihood,
            bic=bic,
            aic=deviance + 2 * p,
            icl=bic + 2 * model.assignment_entropy(self.X),
            converged=model.converged_,
            n_iter=model.n_iter_,
            smallest_variance=float(smallest.min()),
            smallest_count=float(model.weights_.min()) * n,
            spurious=bool(model.spurious_),
            reason="; ".join(model.spurious_),
            **extra,
        )

    def _empty(self, family: str, k: int, reason: str) -> Candidate:
        d = self.x.shape[1]
        p = family_of(family).n_parameters(k, d) + k * d + k - 1
        return Candidate(family, k, p, spurious=True, reason=reason)

    def _unseen(self, family: str, k: int) -> dict[str, float]:
        """The criterion's value where it needs fits to a part of the rows."""
        if self.criterion == "heldout":
            parts = [
                train_test_split(np.arange(len(self.x)), test_size=self.test_size, random_state=self.seed)
            ]
        elif self.criterion == "cv":
            parts = list(
                KFold(self.n_splits, shuffle=True, random_state=self.seed).split(np.arange(len(self.x)))
            )
        else:
            return {}
        return {self.criterion: self._mean_unseen(family, k, parts)}

    def _mean_unseen(self, family: str, k: int, parts: list[Any]) -> float:
        """Mean log-likelihood per unseen row; NaN if a part's every fit is degenerate."""
        total = 0.0
        for train, test in parts:
            models = self._restarts(self.x[train], family, k) if k <= len(train) else []
            if not models or models[0].spurious_:
                return math.nan
            total += models[0].score(self.x[test]) * len(test)
        return total / sum(len(test) for _, test in parts)


def _crown(lines: list[tuple[Candidate, GaussianMixture | None]], criterion: str) -> SelectionResult:
    """The honest fit with the best value; of equal ones the one with fewer parameters."""
    sign = 1 if CRITERIA[criterion] else -1
    finalists = [
        (sign * getattr(c, criterion), c.n_parameters, i)
        for i, (c, model) in enumerate(lines)
        if model is not None and not c.spurious and math.isfinite(getattr(c, criterion))
    ]
    candidates = tuple(c for c, _ in lines)
    if not finalists:
        reasons = {c.reason for c in candidates if c.reason} or {
            f"those to a part of the rows, which {criterion!r} needs, are degenerate"
        }
        raise DataError(
            f"no fit of X is honest: {'; '.join(sorted(reasons)[:3])}. Try fewer components or more rows"
        )
    winner, model = lines[min(finalists)[2]]
    assert model is not None
    return SelectionResult(candidates, model, winner, criterion)


def _bar(items: list[tuple[str, int]], progress: bool) -> Iterable[tuple[str, int]]:
    if not progress:
        return items
    from tqdm.auto import tqdm

    return tqdm(items, desc="fitting", unit="model")

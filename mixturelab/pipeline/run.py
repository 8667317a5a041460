"""The steps between a table and its artifacts: choose, fit, score."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mixturelab.estimators import GaussianMixture
from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.pipeline.tables import Table
from mixturelab.selection import SelectionResult, select

if TYPE_CHECKING:
    import pandas as pd

# How fits are made here unless something else is asked for: finished, so that they can be compared.
TOL = 1e-6
MAX_ITER = 1000
N_INIT = 5
# More for a comparison: with 10 starts the tempting degenerate fits are usually found, and shown as such.
N_INIT_SELECT = 10
MAX_COMPONENTS = 9


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run found, before anything is written.

    Attributes
    ----------
    table : Table
    model : GaussianMixture
        Fitted to all rows.
    selection : SelectionResult or None
        The comparison it won, if there was one.
    settings : dict
        What was asked for, the seed among it.
    notes : tuple of str
        Warnings, each once.
    """

    table: Table
    model: GaussianMixture
    selection: SelectionResult | None
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def fit_table(
    table: Table,
    n_components: int,
    covariance_type: str = "full",
    *,
    seed: int = 0,
    n_init: int = N_INIT,
    tol: float = TOL,
    max_iter: int = MAX_ITER,
    reg_covar: float = 1e-6,
) -> Outcome:
    """Fit one mixture.

    Raises
    ------
    DataError
        If there is one row, or fewer than components.
    """
    _check_rows(table, n_components)
    settings: dict[str, Any] = dict(n_init=n_init, tol=tol, max_iter=max_iter, reg_covar=reg_covar)
    model = GaussianMixture(n_components, covariance_type=covariance_type, random_state=seed, **settings)
    with _noted() as notes:
        _place_in(table, lambda: model.fit(table.frame))
    asked = {"n_components": n_components, "covariance_type": covariance_type, "seed": seed, **settings}
    return Outcome(table, model, None, asked, tuple(notes))


def select_table(
    table: Table,
    n_components: Sequence[int] | None = None,
    covariance_type: Sequence[str] = ("full", "tied", "diag", "spherical"),
    criterion: str = "bic",
    *,
    seed: int = 0,
    n_init: int = N_INIT_SELECT,
    reg_covar: float | None = None,
    progress: bool = False,
) -> Outcome:
    """Choose K and the family, and keep the winner's fit.

    Parameters
    ----------
    table : Table
    n_components : sequence of int, optional
        Default: 1 to 9, or to the number of rows if there are fewer.
    covariance_type, criterion, n_init
        As for `mixturelab.select`.
    seed : int
    reg_covar : float, optional
        Added to the diagonal of each covariance. Default: that of `mixturelab.select`.
    progress : bool
        Show a progress bar on standard error.

    Raises
    ------
    DataError
        If there is one row, or fewer than the largest K asked for.
    """
    ks = list(n_components or component_range(table))
    _check_rows(table, max(ks))
    asked: dict[str, Any] = {
        "n_components": ks,
        "covariance_type": list(covariance_type),
        "criterion": criterion,
    }
    given: dict[str, Any] = {"n_init": n_init}
    if reg_covar is not None:
        given["reg_covar"] = reg_covar
    with _noted() as notes:
        result = _place_in(
            table,
            lambda: select(
                table.frame,
                **asked,
                **given,
                tol=TOL,
                max_iter=MAX_ITER,
                random_state=seed,
                progress=progress,
            ),
        )
    # Without a choice of the user's the winner knows what was used.
    asked |= {"seed": seed, "tol": TOL, "max_iter": MAX_ITER, "reg_covar": result.best.reg_covar, **given}
    return Outcome(table, result.best, result, asked, tuple(notes))


def component_range(table: Table, low: int = 1, high: int | None = None) -> list[int]:
    """The K to try: from low to high, or to 9 but no more than there are rows.

    Raises
    ------
    ArgumentError
        If there is none between them.
    """
    last = min(MAX_COMPONENTS, len(table)) if high is None else high
    if last < low:
        raise ArgumentError(
            f"max_components is {last}, less than min_components, {low}; wanted {low} or more"
        )
    return list(range(low, last + 1))


def rowwise(model: GaussianMixture, X: Any) -> pd.DataFrame:
    """What a fitted mixture says of each row, one line a row; rows count from 1, components from 0."""
    import pandas as pd

    gamma = np.asarray(model.predict_proba(X))
    frame = pd.DataFrame(
        {
            "row": np.arange(1, len(gamma) + 1),
            "component": gamma.argmax(axis=1),
            "log_density": np.asarray(model.score_samples(X)),
            "uncertainty": 1 - gamma.max(axis=1),
        }
    )
    names = [f"responsibility_{k}" for k in range(gamma.shape[1])]
    return pd.concat([frame, pd.DataFrame(gamma, columns=names)], axis=1)


def _check_rows(table: Table, n_components: int) -> None:
    if len(table) < 2:
        raise DataError(f"{table.path}: there is 1 row; a mixture needs at least 2")
    if n_components > len(table):
        raise ArgumentError(
            f"n_components is {n_components}, more than the {len(table)} rows of {table.path}; "
            f"wanted 1 to {len(table)}"
        )


_T = TypeVar("_T")


def _place_in(table: Table, work: Callable[[], _T]) -> _T:
    """Run it; an error about the data names the file."""
    try:
        return work()
    except DataError as error:
        raise DataError(f"{table.path}: {error}") from None


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Warnings become notes of the report, there once this ends: each once, none on the screen."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield notes
    notes += dict.fromkeys(" ".join(str(entry.message).split()) for entry in seen)

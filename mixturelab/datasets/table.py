"""What a table is once it is loaded: numbers, names, units, provenance, and the truth if it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dataset", "MixtureTruth"]


@dataclass(frozen=True, eq=False)
class MixtureTruth:
    """The mixture that made a synthetic table.

    Attributes
    ----------
    weights : ndarray [K]
        Mixing weights; they sum to 1.
    means : ndarray [K, D]
        Component means.
    covariances : ndarray [K, D, D]
        Component covariances.
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]

    def __repr__(self) -> str:
        n_components, n_features = self.means.shape
        return f"MixtureTruth({n_components} components in {n_features} dimensions)"


@dataclass(frozen=True, eq=False)
class Dataset:
    """One table and everything that must be known to use it honestly.

    Attributes
    ----------
    name : str
        The name that `load_dataset` knows.
    frame : DataFrame [N, D]
        The features, one named column each.
    data : ndarray [N, D], float64
        The same numbers; the array is yours to change.
    feature_names, units : tuple of str, length D
        The columns of `data`; a unit is "" where there is none or none is stated.
    target : ndarray [N] of int, or None
        The group of each row, as an index into `target_names`. A mixture never sees it.
    target_names : tuple of str
        The groups; empty where `target` is None.
    source, licence, description : str
        Who measured it, what you may do with it, and what it is.
    extra : DataFrame [N, ...] or None
        Columns that describe a row but are not features (the island of a penguin).
    truth : MixtureTruth or None
        The mixture that made the rows, for synthetic tables.
    notes : tuple of str
        What was done on loading: rows left out, values corrected.
    """

    name: str
    frame: pd.DataFrame
    data: NDArray[np.float64]
    feature_names: tuple[str, ...]
    units: tuple[str, ...]
    target: NDArray[np.int64] | None
    target_names: tuple[str, ...]
    source: str
    licence: str
    description: str
    extra: pd.DataFrame | None = None
    truth: MixtureTruth | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        rows, columns = self.data.shape
        groups = f", {len(self.target_names)} groups" if self.target is not None else ""
        return f"Dataset({self.name!r}: {rows} rows, {columns} feature{'s' * (columns != 1)}{groups})"

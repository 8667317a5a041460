"""`load_dataset`: a table by its name, with its features, its groups and its provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mixturelab.datasets import synthetic
from mixturelab.datasets.table import Dataset
from mixturelab.datasets.tables import TABLES, Table
from mixturelab.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["dataset_names", "load_dataset"]

_BY_NAME = {table.name: table for table in TABLES}
_ALSO_CALLED = {"faithful": "old_faithful"}  # R's name


def dataset_names() -> tuple[str, ...]:
    """All names that `load_dataset` knows: the real tables first, then the synthetic ones."""
    return (*_BY_NAME, *synthetic.NAMED)


def load_dataset(
    name: str, *, keep_missing: bool = False, n_samples: int | None = None, random_state: int | None = None
) -> Dataset:
    """Load a table by its name; nothing is downloaded.

    Parameters
    ----------
    name : str
        A real table: "old_faithful", "penguins", "crabs", "galaxies", "iris", "wine", "digits" or
        "breast_cancer". A synthetic one, with its truth: "overlapping", "anisotropic", "unequal_sizes"
        or "two_moons". R's "faithful" is understood as "old_faithful".
    keep_missing : bool
        Keep the rows whose features have missing values (as NaN). They are dropped by default, because a
        Gaussian mixture cannot use them; `notes` says how many were.
    n_samples, random_state : int, optional
        Only for synthetic tables: the number of rows (500) and the seed (0).

    Returns
    -------
    Dataset
        Numbers, names, units and provenance.

    Raises
    ------
    DataError
        The name is unknown (the message lists the known ones), or an option does not go with the table.
    """
    name = _ALSO_CALLED.get(name, name)
    if name in synthetic.NAMED:
        _refuse("keep_missing", keep_missing, name, "a synthetic table has no missing values")
        rows, seed = 500 if n_samples is None else n_samples, 0 if random_state is None else random_state
        return synthetic.NAMED[name](rows, seed)
    if name not in _BY_NAME:
        raise DataError(f"no data set is called {name!r}; there are: {', '.join(dataset_names())}")
    _refuse("n_samples", n_samples is not None, name, "a real table has the rows it has")
    _refuse("random_state", random_state is not None, name, "nothing in a real table is drawn at random")
    return _load(_BY_NAME[name], keep_missing)


def _refuse(option: str, given: bool, name: str, why: str) -> None:
    if given:
        raise DataError(f"{option} does not go with the data set {name!r}: {why}")


def _load(table: Table, keep_missing: bool) -> Dataset:
    raw = table.read()
    features = raw[[column.in_file or column.name for column in table.columns]].astype(np.float64)
    features.columns = [column.name for column in table.columns]
    complete = features.notna().all(axis=1)
    notes = table.notes
    if not keep_missing and not complete.all():
        notes = (*notes, f"{int((~complete).sum())} of {len(raw)} rows left out: their features are missing")
        raw, features = (frame[complete].reset_index(drop=True) for frame in (raw, features))
    target, target_names = _groups(raw, table.group)
    return Dataset(
        name=table.name,
        frame=features,
        data=features.to_numpy(dtype=np.float64, copy=True),
        feature_names=tuple(features.columns),
        units=tuple(column.unit for column in table.columns),
        target=target,
        target_names=target_names,
        source=table.source,
        licence=table.licence,
        description=table.description,
        extra=raw[list(table.extra)].copy() if table.extra else None,
        notes=notes,
    )


def _groups(raw: pd.DataFrame, columns: tuple[str, ...]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The group of each row; groups are numbered in the order in which the table first names them."""
    if not columns:
        return None, ()
    names = [" ".join(map(str, row)) for row in raw[list(columns)].itertuples(index=False)]
    order = list(dict.fromkeys(names))
    if all(group.isdecimal() for group in order):
        order.sort(key=int)
    index = {group: number for number, group in enumerate(order)}
    return np.asarray([index[group] for group in names], dtype=np.int64), tuple(order)

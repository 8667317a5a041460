"""Where a model came from, as its file says it: the training data's checksum, metrics, and what a user adds."""

import hashlib
from typing import Any

import numpy as np

from mixturelab.exceptions import ArgumentError
from mixturelab.persistence import values
from mixturelab.persistence.assemble import Model, host
from mixturelab.persistence.layout import CHECKSUM


def record(model: Model, data: Any, metrics: Any, provenance: dict[str, Any]) -> dict[str, Any]:
    """The provenance as it was given; what a file cannot hold would be lost without a word."""
    if metrics is not None and not isinstance(metrics, dict):
        raise ArgumentError(f"metrics is a {type(metrics).__name__}; wanted a dict of figures by name")
    kept = provenance | ({} if metrics is None else {"metrics": metrics})
    if data is not None:
        kept["training_data"] = data if isinstance(data, dict) else _data(data, model.means_.shape[1])
    for name, value in kept.items():
        values.require_form(name, value)
    return {"seed": model.random_state} | kept


def _data(rows: Any, width: int) -> dict[str, Any]:
    try:
        shape = np.shape(np.asarray(host(rows), np.float64))
    except (ValueError, TypeError):
        raise ArgumentError(
            "training_data is not all numbers; wanted the table that the model was fitted to"
        ) from None
    if len(shape) != 2 or shape[1] != width:
        raise ArgumentError(
            f"training_data has shape {shape}; wanted (N, {width}), the table that the model was fitted to"
        )
    dtypes = [str(kind) for kind in rows.dtypes] if hasattr(rows, "dtypes") else [str(host(rows).dtype)]
    n_rows, n_features = shape
    kinds = dtypes[0] if len(set(dtypes)) == 1 else dtypes
    return {"n_rows": n_rows, "n_features": n_features, "dtype": kinds, CHECKSUM: data_checksum(rows)}


def data_checksum(X: Any) -> str:
    """SHA-256 of a table's shape, as "(N, D)", and its numbers, as little-endian float64 row by row."""
    rows = np.ascontiguousarray(host(X), dtype="<f8")
    return hashlib.sha256(repr(rows.shape).encode() + rows.tobytes()).hexdigest()

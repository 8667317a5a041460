"""Which columns of a table are the model's features: matched by name, or by position where the model has no names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixturelab.exceptions import DataError

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]


def positions(available: Sequence[str], wanted: Sequence[str] | None, n_features: int) -> list[int]:
    """Where each feature of the model stands in a table.

    Parameters
    ----------
    available : sequence of str
        The table's columns, in order.
    wanted : sequence of str or None
        The model's feature names; None if it has none, and then the table must have `n_features` columns.
    n_features : int

    Raises
    ------
    DataError
        Naming what is missing, there twice or too many, and what there is.
    """
    if wanted is None:
        if len(available) != n_features:
            raise DataError(
                f"{len(available)} columns ({listed(available)}); the model has {n_features} features and no names "
                "to match them by"
            )
        return list(range(n_features))
    places: dict[str, int] = {}
    for place, name in enumerate(available):
        if name in places and name in wanted:
            raise DataError(f"column {name!r} is there twice; the model needs it once")
        places[name] = place
    missing = [name for name in wanted if name not in places]
    if missing:
        raise DataError(f"no column {listed(missing)}; the columns are {listed(available)}")
    return [places[name] for name in wanted]


def listed(names: Sequence[str], most: int = 20) -> str:
    """The first names, in quotes, and how many more there are."""
    shown = ", ".join(repr(name)[:60] for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "") if names else "none"


def matrix(table: pa.Table | pa.RecordBatch, wanted: Sequence[str] | None, n_features: int) -> Floats:
    """The model's features out of an Arrow table, [N, D] in float64; a null is NaN.

    Raises
    ------
    DataError
        If a feature is missing or is not a number.
    """
    places = positions(table.schema.names, wanted, n_features)
    out = np.empty((table.num_rows, n_features))
    for feature, place in enumerate(places):
        out[:, feature] = numbers(table.column(place), table.schema.names[place])
    return out


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers: integers, floats, decimals or booleans, also as a dictionary."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return is_number(kind.value_type)
    types = pa.types
    return (
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    )


def numbers(column: pa.ChunkedArray | pa.Array, name: str) -> Floats:
    """An Arrow column in float64; a null is NaN.

    Raises
    ------
    DataError
        If it holds something else than numbers.
    """
    import pyarrow as pa

    kind = column.type
    if not is_number(kind):
        raise DataError(f"column {name!r} holds {kind}; wanted numbers")
    if pa.types.is_dictionary(kind):
        return numbers(column.cast(kind.value_type), name)
    if not pa.types.is_float64(kind):
        column = column.cast(pa.uint8() if pa.types.is_boolean(kind) else kind).cast(pa.float64(), safe=False)
    return column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)

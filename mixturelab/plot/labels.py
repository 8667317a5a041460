"""Words on a picture: axis labels with units, numbers as people write them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

Units = Mapping[str, str] | Sequence[str] | None


def unpacked(X: Any, names: Sequence[str] | None, units: Units) -> tuple[Any, Sequence[str] | None, Units]:
    """A Dataset as its table, its names and its units; anything else as it came."""
    if not (hasattr(X, "frame") and hasattr(X, "units")):
        return X, names, units
    return X.frame, names or X.feature_names, X.units if units is None else units


def named(model: Any, X: Any) -> Any:
    """X as the model wants it: with column names exactly if it was fitted with them."""
    fitted_names = getattr(model, "feature_names_in_", None)
    if isinstance(X, torch.Tensor) or (fitted_names is not None and hasattr(X, "columns")):
        return X
    return np.asarray(X) if fitted_names is None else pd.DataFrame(np.asarray(X), columns=fitted_names)


def feature_labels(model: Any, X: Any, names: Sequence[str] | None, units: Units) -> list[str]:
    """Axis labels of all D features: names from the argument, the table or the model, then the unit."""
    n_features = np.shape(model.means_)[1]
    found = names or _names(X) or _names(model) or [f"feature {d}" for d in range(n_features)]
    if len(found) != n_features:
        raise ValueError(f"feature_names has {len(found)} names; the mixture has {n_features} features")
    return [axis_label(name, _unit(units, name, d)) for d, name in enumerate(found)]


def axis_label(name: str, unit: str | None) -> str:
    """``bill_length`` and ``mm`` as ``bill length (mm)``."""
    words = str(name).replace("_", " ")
    return f"{words} ({unit})" if unit else words


def _names(owner: Any) -> list[str] | None:
    for attribute in ("columns", "feature_names_in_", "feature_names"):
        names = getattr(owner, attribute, None)
        if names is not None:
            return [str(name) for name in names]
    return None


def _unit(units: Units, name: str, index: int) -> str | None:
    if units is None:
        return None
    return units.get(name) if isinstance(units, Mapping) else units[index]


def short(value: float) -> str:
    """A number with three significant digits, without an exponent where one is not needed."""
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.2e}".replace("-", "−")
    rounded = float(f"{value:.3g}")
    text = f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.3g}"
    return text.replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage: 0.9 as ``90 %``."""
    return f"{100 * share:.3g} %"


def plural(count: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(items: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"

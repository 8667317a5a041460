"""The header of a model file: what it says of a model, and how it is made from one."""

import platform
from importlib import metadata
from typing import Any

import numpy as np

from mixturelab.persistence import layout, values
from mixturelab.persistence.layout import CHECKSUM, TENSORS, checksum
from mixturelab.persistence.values import storable

__all__ = [
    "CHECKSUM",
    "KEY",
    "SCHEMA",
    "SCHEMA_VERSION",
    "TENSORS",
    "build",
    "checksum",
    "storable",
    "versions",
]

SCHEMA = "mixturelab.gaussian_mixture"
# 2: BayesianGaussianMixture, priors, the schedule of partial_fit; the constructor's arrays are tensors.
SCHEMA_VERSION = 2
# One key: safetensors does not promise the order of several, and equal models shall have equal bytes.
KEY = "mixturelab"

_PACKAGES = ("numpy", "scikit-learn", "scipy", "safetensors")


def build(
    model: Any, settings: dict[str, Any], tensors: dict[str, np.ndarray], provenance: dict[str, Any]
) -> dict[str, Any]:
    """The header of a fitted model, as JSON can hold it."""
    n_components, n_features = tensors["means"].shape
    names = getattr(model, "feature_names_in_", None)
    header = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "estimator": type(model).__name__,
        "covariance_type": model.covariance_type,
        "n_components": n_components,
        "n_features": n_features,
        "feature_names": None if names is None else [str(name) for name in names],
        "dtypes": {name: tensor.dtype.name for name, tensor in tensors.items()},
        "arrays": "numpy" if isinstance(model.means_, np.ndarray) else "torch",
        "settings": settings,
        "fit": _fit(model),
        "provenance": {"versions": versions(), **storable(provenance)},
    }
    return header | {CHECKSUM: layout.checksum(header, tensors)}


def _fit(model: Any) -> dict[str, Any]:
    return {
        "converged": bool(model.converged_),
        "n_iter": int(model.n_iter_),
        "lower_bound": values.from_real(float(model.lower_bound_)),
        "log_likelihood": [values.from_real(float(value)) for value in model.history_.log_likelihood],
        "status": model.history_.status.value,
        "reason": model.history_.reason,
        "spurious": list(getattr(model, "spurious_", ())),
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that the numbers came from."""
    import torch

    from mixturelab import __version__

    return {
        "mixturelab": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _PACKAGES},
        "torch": str(torch.__version__),  # with the build, such as +cpu, which the metadata may leave out
    }

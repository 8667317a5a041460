"""Every library as one thing to the benchmarks: `fit(x)` from given parameters, then weights, means, covariances.

tgmm and gmmx are no dependencies of ours: each is a side of the table where it can be imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.mixture import GaussianMixture as Theirs

from mixturelab import GaussianMixture as Ours

Parameters = tuple[np.ndarray, np.ndarray, np.ndarray]
# (iterations, rows) -> a function that fits and returns the parameters it ends with
Side = Callable[[int, np.ndarray], Callable[[], Parameters]]


def sides(k: int, family: str, start: dict[str, np.ndarray], dtype: str) -> dict[str, Side]:
    """Those that are installed and know the family, by name; ours first."""
    settings = {"covariance_type": family, "tol": 0.0, **start}
    found: dict[str, Side] = {
        "mixturelab": lambda m, x: _scikit(Ours(k, max_iter=m, dtype=dtype, **settings), x),
        "scikit-learn": lambda m, x: _scikit(Theirs(k, max_iter=m, **settings), x),
    }
    if family == "full" and _is_installed("tgmm"):
        found["tgmm"] = lambda m, x: _tgmm(k, start, m, x)
    if family == "full" and _is_installed("gmmx", "jax"):
        found["gmmx"] = lambda m, x: _gmmx(start, m, x)
    return found


def _is_installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) for name in names)


def _scikit(model: Any, x: np.ndarray) -> Callable[[], Parameters]:
    def run() -> Parameters:
        model.fit(x)
        return model.weights_, model.means_, model.covariances_

    return run


def _tgmm(k: int, start: dict[str, np.ndarray], iterations: int, x: np.ndarray) -> Callable[[], Parameters]:
    from tgmm import GaussianMixture

    given = {name: torch.from_numpy(value) for name, value in _parameters(start).items()}
    model = GaussianMixture(
        n_components=k,
        n_features=x.shape[1],
        max_iter=iterations,
        tol=1e-300,  # 0 is refused
        reg_covar=1e-6,
        init_weights=given["weights"],
        init_means=given["means"],
        init_covariances=given["covariances"],
        device="cpu",
    )
    rows = torch.from_numpy(x)

    def run() -> Parameters:
        model.fit(rows)
        return model.weights_.numpy(), model.means_.numpy(), model.covariances_.numpy()

    return run


def _gmmx(start: dict[str, np.ndarray], iterations: int, x: np.ndarray) -> Callable[[], Parameters]:
    import jax
    from gmmx import EMFitter, GaussianMixtureModelJax

    given = {
        name: value.astype(np.float32) for name, value in _parameters(start).items()
    }  # float64 is refused
    begin = GaussianMixtureModelJax.from_squeezed(
        means=given["means"],
        covariances=given["covariances"],
        weights=given["weights"],
        covariance_type="full",
    )
    fitter, rows = (
        EMFitter(max_iter=iterations, tol=-1.0, reg_covar=1e-6),
        jax.numpy.asarray(x, dtype=np.float32),
    )
    fitter.fit(rows, begin)  # compiled here, once, outside the time

    def run() -> Parameters:
        end = jax.block_until_ready(fitter.fit(rows, begin).gmm)
        return end.weights_numpy, end.means_numpy, np.asarray(end.covariances.values_dense).squeeze()

    return run


def _parameters(start: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        "weights": start["weights_init"],
        "means": start["means_init"],
        "covariances": np.linalg.inv(start["precisions_init"]),
    }

"""Starting responsibilities by scikit-learn's methods, with its own random draws.

The same `random_state` gives the same start as `sklearn.mixture.GaussianMixture` (up to 50,000 rows; from there on
a random subsample of that size is used).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from sklearn.cluster import KMeans, kmeans_plusplus
from torch import Tensor

MOST_ROWS = 50_000
METHODS = ("kmeans", "k-means++", "random", "random_from_data")


def subsample(x: Float[Tensor, "N D"], random_state: np.random.RandomState) -> Float[Tensor, "_ D"]:
    """All rows if they are no more than `MOST_ROWS`, else that many drawn without replacement, in order."""
    if len(x) <= MOST_ROWS:
        return x
    rows = np.sort(random_state.choice(len(x), MOST_ROWS, replace=False))
    return x[torch.from_numpy(rows).to(x.device)]


def start_responsibilities(
    x: Float[Tensor, "N D"], n_components: int, method: str, random_state: np.random.RandomState
) -> Float[Tensor, "N K"]:
    """Starting responsibilities by one of `METHODS`.

    kmeans: 0/1 by one run of k-means. random: uniform numbers, normalised by row. random_from_data and
    k-means++: all zero but for K rows, drawn uniformly or by D² sampling, that carry one component each.
    """
    n = len(x)
    if method == "random":
        drawn = random_state.uniform(size=(n, n_components))
        return torch.from_numpy(drawn / drawn.sum(axis=1, keepdims=True)).to(x)
    if method == "random_from_data":
        return _one_hot(random_state.choice(n, size=n_components, replace=False), n, x)
    host = x.cpu().numpy()
    if method == "k-means++":
        return _one_hot(kmeans_plusplus(host, n_components, random_state=random_state)[1], n, x)
    labels = KMeans(n_clusters=n_components, n_init=1, random_state=random_state).fit(host).labels_
    return torch.nn.functional.one_hot(torch.from_numpy(labels).long(), n_components).to(x)


def _one_hot(rows: np.ndarray, n: int, like: Tensor) -> Tensor:
    out = torch.zeros(n, len(rows), dtype=like.dtype, device=like.device)
    out[
        torch.from_numpy(np.asarray(rows)).long().to(like.device), torch.arange(len(rows), device=like.device)
    ] = 1
    return out

"""Clustering-quality proxies, from scikit-learn: what hard labels say about how well groups separate."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics
from sklearn.utils import check_random_state

from mixturelab.exceptions import ArgumentError


def quality(
    X: Any, labels: Any, true_labels: Any = None, *, max_rows: int = 20_000, random_state: Any = 0
) -> dict[str, float]:
    """Silhouette, Davies–Bouldin and Calinski–Harabasz of a hard labelling; with truth also the adjusted Rand index.

    They are proxies: they reward compact, well separated, equally shaped groups, whatever the likelihood says.

    Parameters
    ----------
    X : array-like or Tensor [N, D]
    labels : array-like [N] of int
        For a mixture, `model.predict(X)`.
    true_labels : array-like [N], optional
    max_rows : int
        The silhouette, quadratic in N, is estimated on as many rows drawn at random if there are more. Two rows of
        every label are among them, as far as there is room, and rows are weighted so that each label counts
        as it does in all rows.
    random_state : int or RandomState
        Draws those rows.

    Returns
    -------
    dict
        ``silhouette`` (−1 to 1, higher is better), ``davies_bouldin`` (≥ 0, lower is better), ``calinski_harabasz``
        (≥ 0, higher is better), ``adjusted_rand`` (1 is perfect, 0 chance). NaN for the first three where
        there are fewer than 2 labels or as many as rows: they are not defined there. `max_rows` so small that this
        holds for the rows drawn gives NaN for the silhouette.

    Raises
    ------
    ArgumentError
        If the lengths differ.
    """
    rows, found = _host(X), _host(labels)
    if len(rows) != len(found):
        raise ArgumentError(f"labels has {len(found)} entries; wanted {len(rows)}, one for each row of X")
    out = _internal(rows, found, max_rows, random_state)
    if true_labels is not None:
        truth = _host(true_labels)
        if len(truth) != len(found):
            raise ArgumentError(f"true_labels has {len(truth)} entries; wanted {len(found)}")
        out["adjusted_rand"] = float(metrics.adjusted_rand_score(truth, found))
    return out


def _internal(rows: np.ndarray, labels: np.ndarray, max_rows: int, random_state: Any) -> dict[str, float]:
    if not 2 <= len(np.unique(labels)) < len(rows):
        return dict.fromkeys(("silhouette", "davies_bouldin", "calinski_harabasz"), float("nan"))
    return {
        "silhouette": _silhouette(rows, labels, max_rows, random_state),
        "davies_bouldin": float(metrics.davies_bouldin_score(rows, labels)),
        "calinski_harabasz": float(metrics.calinski_harabasz_score(rows, labels)),
    }


def _silhouette(rows: np.ndarray, labels: np.ndarray, max_rows: int, random_state: Any) -> float:
    if len(rows) <= max_rows:
        return float(metrics.silhouette_score(rows, labels))
    drawn, weights = _sample(labels, max_rows, random_state)
    if not 2 <= len(np.unique(labels[drawn])) < len(drawn):
        return float("nan")
    return float(np.average(metrics.silhouette_samples(rows[drawn], labels[drawn]), weights=weights))


def _sample(labels: np.ndarray, size: int, random_state: Any) -> tuple[np.ndarray, np.ndarray]:
    """Indices of rows drawn at random, two of each label before all others, and for how many rows each stands."""
    order = check_random_state(random_state).permutation(len(labels))
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    is_first = _rank_among_equals(codes[order]) < 2
    drawn = np.concatenate([order[is_first], order[~is_first]])[:size]
    return drawn, (counts / np.maximum(np.bincount(codes[drawn], minlength=len(counts)), 1))[codes[drawn]]


def _rank_among_equals(codes: np.ndarray) -> np.ndarray:
    """For each entry, how many equal ones come before it."""
    grouped = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))
    ranks = np.empty(len(codes), dtype=int)
    ranks[grouped] = np.arange(len(codes)) - (ends - np.bincount(codes))[codes[grouped]]
    return ranks


def _host(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)

"""Synthetic tables with their truth, from a seeded generator: mixtures, two moons, a stream that drifts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixturelab.datasets.table import Dataset, MixtureTruth
from mixturelab.exceptions import DataError

__all__ = ["NAMED", "StreamBatch", "make_drifting_stream", "make_mixture", "make_two_moons"]

RandomState = int | np.random.Generator
MADE_HERE = "Made by mixturelab from a seeded generator"


@dataclass(frozen=True, eq=False)
class StreamBatch:
    """One batch of a stream.

    Attributes
    ----------
    step : int
        Number of the batch, from 0.
    data : ndarray [B, D]
        The rows.
    labels : ndarray [B] of int
        The component that made each row.
    truth : MixtureTruth
        The mixture at this step.
    """

    step: int
    data: NDArray[np.float64]
    labels: NDArray[np.int64]
    truth: MixtureTruth


def make_mixture(
    n_samples: int,
    weights: ArrayLike,
    means: ArrayLike,
    covariances: ArrayLike,
    random_state: RandomState,
    *,
    name: str = "mixture",
    description: str = "Rows drawn from a Gaussian mixture whose parameters are known.",
) -> Dataset:
    """Draw rows from a Gaussian mixture and keep the truth.

    Parameters
    ----------
    n_samples : int
        Number of rows N.
    weights : array-like [K]
        Mixing weights, not negative, with sum 1.
    means : array-like [K, D]
        Component means.
    covariances : array-like [K, D, D]
        Component covariances, symmetric and positive definite.
    random_state : int or numpy Generator
        Where the randomness comes from; the same seed gives the same rows.

    Returns
    -------
    Dataset
        `target` holds the component of each row, `truth` the parameters.

    Raises
    ------
    DataError
        An argument has the wrong shape or is no valid mixture.
    """
    truth = _checked_truth(weights, means, covariances)
    data, labels = _draw(truth, _checked_size("n_samples", n_samples), _generator(random_state))
    groups = tuple(f"component {number}" for number in range(len(truth.weights)))
    return _dataset(name, data, labels, groups, description, truth)


def make_two_moons(n_samples: int, random_state: RandomState, *, noise: float = 0.12) -> Dataset:
    """Two half circles that reach into each other: two groups that are not Gaussian.

    Parameters
    ----------
    n_samples : int
        Number of rows; the first moon has the odd one.
    random_state : int or numpy Generator
        Where the randomness comes from.
    noise : float
        Standard deviation of the scatter about the half circles, whose radius is 1.

    Returns
    -------
    Dataset
        `target` is the moon of each row; `truth` is None, because no Gaussian mixture made it.
    """
    rows, generator = _checked_size("n_samples", n_samples), _generator(random_state)
    labels = np.arange(rows) % 2
    angle = generator.uniform(0.0, np.pi, size=rows)
    upper = np.column_stack([np.cos(angle), np.sin(angle)])
    lower = np.column_stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)])
    data = np.where(labels[:, None] == 0, upper, lower) + noise * generator.standard_normal((rows, 2))
    description = "Two noisy half circles: groups that are not Gaussian."
    return _dataset("two_moons", data, labels, ("upper moon", "lower moon"), description, None)


def make_drifting_stream(
    n_steps: int, batch_size: int, random_state: RandomState, *, speed: float = 0.02
) -> Iterator[StreamBatch]:
    """Yield batches of a mixture in two dimensions that changes while you look.

    Three components: the first stands still, the second moves along x by `speed` a step, and the third gives
    half of its weight to the first, evenly over the stream.

    Parameters
    ----------
    n_steps : int
        Number of batches.
    batch_size : int
        Rows in a batch.
    random_state : int or numpy Generator
        Where the randomness comes from.
    speed : float
        How far the second component moves in one step; its standard deviation is 0.5.

    Yields
    ------
    StreamBatch
        Rows, labels and the mixture that made them.
    """
    steps, rows = _checked_size("n_steps", n_steps), _checked_size("batch_size", batch_size)
    generator = _generator(random_state)
    covariances = np.stack([0.3 * np.eye(2), 0.25 * np.eye(2), np.array([[0.5, 0.3], [0.3, 0.4]])])
    for step in range(steps):
        given = 0.15 * step / max(steps - 1, 1)
        truth = MixtureTruth(
            weights=np.array([0.3 + given, 0.4, 0.3 - given]),
            means=np.array([[-2.0, 0.0], [-1.0 + speed * step, 2.5], [2.5, -1.5]]),
            covariances=covariances,
        )
        yield StreamBatch(step, *_draw(truth, rows, generator), truth)


def _overlapping(n_samples: int, random_state: RandomState) -> Dataset:
    return make_mixture(
        n_samples,
        weights=[0.5, 0.5],
        means=[[-1.0, 0.0], [1.0, 0.0]],
        covariances=[np.eye(2), np.eye(2)],
        random_state=random_state,
        name="overlapping",
        description="Two round components two standard deviations apart: one row in six is across the line.",
    )


def _anisotropic(n_samples: int, random_state: RandomState) -> Dataset:
    return make_mixture(
        n_samples,
        weights=[0.4, 0.35, 0.25],
        means=[[0.0, 0.0], [0.0, 2.0], [4.0, 1.0]],
        covariances=[[[2.0, 0.6], [0.6, 0.25]], [[2.0, 0.6], [0.6, 0.25]], [[0.15, -0.1], [-0.1, 0.6]]],
        random_state=random_state,
        name="anisotropic",
        description="Three long, tilted components: k-means cuts them across, a full covariance does not.",
    )


def _unequal_sizes(n_samples: int, random_state: RandomState) -> Dataset:
    return make_mixture(
        n_samples,
        weights=[0.85, 0.1, 0.05],
        means=[[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]],
        covariances=[2.0 * np.eye(2), 0.3 * np.eye(2), 0.1 * np.eye(2)],
        random_state=random_state,
        name="unequal_sizes",
        description="One broad component with most of the rows and two small, narrow ones beside it.",
    )


NAMED: dict[str, Callable[[int, RandomState], Dataset]] = {
    "overlapping": _overlapping,
    "anisotropic": _anisotropic,
    "unequal_sizes": _unequal_sizes,
    "two_moons": make_two_moons,
}


def _draw(
    truth: MixtureTruth, rows: int, generator: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    labels = generator.choice(len(truth.weights), size=rows, p=truth.weights)
    whitened = generator.standard_normal((rows, truth.means.shape[1]))
    roots = np.linalg.cholesky(truth.covariances)
    return truth.means[labels] + np.einsum("nij,nj->ni", roots[labels], whitened), labels.astype(np.int64)


def _dataset(
    name: str,
    data: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: tuple[str, ...],
    description: str,
    truth: MixtureTruth | None,
) -> Dataset:
    import pandas as pd

    names = tuple(f"x{number}" for number in range(1, data.shape[1] + 1))
    return Dataset(
        name=name,
        frame=pd.DataFrame(data, columns=list(names), copy=True),
        data=data,
        feature_names=names,
        units=("",) * len(names),
        target=labels,
        target_names=groups,
        source=MADE_HERE,
        licence="MIT, as mixturelab",
        description=description,
        truth=truth,
    )


def _checked_truth(weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> MixtureTruth:
    truth = MixtureTruth(*(np.array(value, dtype=np.float64) for value in (weights, means, covariances)))
    n_components = truth.weights.size
    n_features = truth.means.shape[1] if truth.means.ndim == 2 else 0
    _expect_shape("weights", truth.weights, (n_components,))
    _expect_shape("means", truth.means, (n_components, n_features))
    _expect_shape("covariances", truth.covariances, (n_components, n_features, n_features))
    if truth.weights.min() < 0 or abs(truth.weights.sum() - 1) > 1e-9:
        raise DataError(f"weights must be at least 0 and sum to 1; got {truth.weights.tolist()}")
    for index, covariance in enumerate(truth.covariances):
        if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance).min() <= 0:
            raise DataError(f"covariances[{index}] is not symmetric and positive definite")
    return truth


def _expect_shape(argument: str, value: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    if value.shape != shape or value.size == 0:
        raise DataError(f"{argument} has shape {value.shape}; wanted {shape} to go with the other arguments")


def _checked_size(argument: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise DataError(f"{argument} must be a whole number of at least 1; got {value!r}")
    return int(value)


def _generator(random_state: RandomState) -> np.random.Generator:
    if random_state is None:
        raise DataError("random_state must be a seed or a numpy Generator; None could not be repeated")
    return np.random.default_rng(random_state)

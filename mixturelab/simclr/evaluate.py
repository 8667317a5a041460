"""What an embedding is worth: clustering, one labelled example a class, neighbours of clean and of moved images."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mixturelab.exceptions import ArgumentError, ConvergenceWarning, DataError
from mixturelab.simclr.augment import Augmentation, views
from mixturelab.simclr.data import ImageSet

__all__ = ["PERTURBATION", "Evaluation", "embed", "evaluate", "evaluate_raw", "knn_accuracy"]

# How images are moved for `perturbed_knn`: fixed, so that figures can be compared. An eighth is a pixel of the digits.
PERTURBATION = Augmentation(
    rotation=25, scale=0, shift=0.125, shear=0, warp=0, contrast=0, brightness=0, noise=0
)

_CHUNK = 1024  # images in one forward pass
_FOLDS = 5
_NEIGHBOURS = 5
_STARTS = 10  # of k-means
_DRAWS = 200  # of one labelled example a class

Rows = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Evaluation:
    """Four figures of an embedding, each 1 at best.

    Attributes
    ----------
    kmeans_ari : float
        Adjusted Rand index between the labels and the best of ten k-means runs with as many clusters as classes.
    one_shot : float
        Accuracy of the nearest labelled example when each class has one, over all other images; mean of 200 draws.
    perturbed_knn : float
        Accuracy of five nearest neighbours for images that were turned by up to 25° and shifted by up to an eighth of
        their side, among the other images as they are (five folds: an image is never among its own neighbours).
    knn : float
        The same for images as they are.
    """

    kmeans_ari: float
    one_shot: float
    perturbed_knn: float
    knn: float


def embed(net: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings of images [N, C, H, W]: h [N, embedding] and z [N, projection], float32 on the CPU.

    In eval mode, without gradients, some images at a time; the network is left in the mode it was in.
    """
    device = next(net.parameters()).device
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad():
            parts = [net(chunk.to(device)) for chunk in images.split(_CHUNK)]
    finally:
        for module, mode in modes.items():
            module.training = mode
    h, z = (torch.cat([part[i].float().cpu() for part in parts]) for i in (0, 1))
    return h, z


def evaluate(net: nn.Module, data: ImageSet, seed: int = 0, layer: Literal["h", "z"] = "z") -> Evaluation:
    """Evaluate a network's normalised embeddings of labelled images.

    Parameters
    ----------
    net : torch.nn.Module
        Gives h and z, as `SimCLRNet` does.
    data : ImageSet
        With labels of two classes or more.
    seed : int
        Of the perturbation, k-means, the folds and the draws: the same seed gives the same figures.
    layer : {"z", "h"}
        Which of the two to judge.

    Raises
    ------
    ArgumentError
        There is no such layer.
    DataError
        There are no labels, or one class, or fewer images than folds; or the embeddings hold NaN or infinity.
    """
    if layer not in ("h", "z"):
        raise ArgumentError(f"layer is {layer!r}; wanted 'h' or 'z'")
    labels, which = _labels(data), ("h", "z").index(layer)
    both = (data.images, _moved(data.images, seed))
    clean, moved = (functional.normalize(embed(net, images)[which], dim=1).numpy() for images in both)
    if not (np.isfinite(clean).all() and np.isfinite(moved).all()):
        raise DataError(f"{layer} holds NaN or infinity: the network's weights are no longer usable")
    return _evaluation(clean, moved, labels, seed)


def evaluate_raw(data: ImageSet, seed: int = 0) -> Evaluation:
    """The same figures of the pixels themselves, as they are: what a network has to beat.

    Raises
    ------
    DataError
        There are no labels, or one class, or fewer images than folds.
    """
    labels = _labels(data)
    clean, moved = (images.flatten(1).numpy() for images in (data.images, _moved(data.images, seed)))
    return _evaluation(clean, moved, labels, seed)


def knn_accuracy(reference: Rows, query: Rows, labels: Labels, seed: int = 0) -> float:
    """Share of rows of `query` that their five nearest neighbours classify correctly.

    Both arrays [N, D] embed the same images, row for row. The neighbours of a row come from the four fifths of
    `reference` that lie in other folds, so that no image is its own neighbour.
    """
    from sklearn.model_selection import KFold
    from sklearn.neighbors import KNeighborsClassifier

    right = np.zeros(len(labels), dtype=bool)
    for others, fold in KFold(_FOLDS, shuffle=True, random_state=seed).split(reference):
        model = KNeighborsClassifier(min(_NEIGHBOURS, len(others))).fit(reference[others], labels[others])
        right[fold] = model.predict(query[fold]) == labels[fold]
    return float(right.mean())


def _labels(data: ImageSet) -> Labels:
    if data.labels is None:
        raise DataError(f"the images {data.name!r} have no labels; an evaluation needs them")
    labels = data.labels.numpy()
    n_classes = len(np.unique(labels))
    if n_classes < 2 or len(labels) < max(_FOLDS, n_classes + 1):
        wanted = f"two classes or more, {_FOLDS} images or more, and more images than classes"
        raise DataError(f"the images {data.name!r}: {len(labels)} of {n_classes} class(es); wanted {wanted}")
    return labels


def _moved(images: Tensor, seed: int) -> Tensor:
    return views(images, PERTURBATION, torch.Generator().manual_seed(seed))


def _evaluation(clean: Rows, moved: Rows, labels: Labels, seed: int) -> Evaluation:
    return Evaluation(
        kmeans_ari=_kmeans_ari(clean, labels, seed),
        one_shot=_one_shot(clean, labels, seed),
        perturbed_knn=knn_accuracy(clean, moved, labels, seed),
        knn=knn_accuracy(clean, clean, labels, seed),
    )


def _kmeans_ari(rows: Rows, labels: Labels, seed: int) -> float:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    model = KMeans(len(np.unique(labels)), n_init=_STARTS, random_state=seed)
    with warnings.catch_warnings():
        # A collapsed embedding has fewer distinct rows than clusters: that is a result here, not a problem.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(adjusted_rand_score(labels, model.fit_predict(rows)))


def _one_shot(rows: Rows, labels: Labels, seed: int) -> float:
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    draws = [np.array([rng.choice(rows_of_class) for rows_of_class in members]) for _ in range(_DRAWS)]
    return float(np.mean([_nearest_example(rows, labels, examples) for examples in draws]))


def _nearest_example(rows: Rows, labels: Labels, examples: NDArray[np.int64]) -> float:
    """Accuracy over all rows but the examples; ‖x − e‖² = ‖x‖² − 2 x·e + ‖e‖², and ‖x‖² decides nothing."""
    chosen = rows[examples]
    distance = (chosen**2).sum(axis=1) - 2 * rows @ chosen.T
    right = labels[examples][distance.argmin(axis=1)] == labels
    return float(np.delete(right, examples).mean())

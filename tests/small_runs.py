"""A run that takes no time: 40 grey images of 8x8 in four classes, five steps an epoch, a narrow network."""

import numpy as np

from mixturelab.simclr.config import RunConfig
from mixturelab.simclr.data import ImageSet, image_set

N_IMAGES, N_CLASSES, PER_EPOCH, N_STEPS = 40, 4, 5, 10


def small_data(seed: int = 0, labels: bool = True) -> ImageSet:
    """Each class is a bar in another place, with noise."""
    rng = np.random.default_rng(seed)
    classes = np.arange(N_IMAGES) % N_CLASSES
    images = 0.3 * rng.random((N_IMAGES, 8, 8))
    for image, k in zip(images, classes, strict=True):
        image[2 * k : 2 * k + 2] += 0.6
    return image_set(images, classes if labels else None, name="bars")


def small_config(**changes) -> RunConfig:
    """Two epochs of five steps, with a mixture of four components that says everything each step."""
    config = RunConfig(
        epochs=2,
        batch_size=8,
        checkpoint_every=4,
        network={"width": 4, "embedding": 8, "projection": 8},
        runtime={"mixture": {"enabled": True, "K": N_CLASSES, "diagnostics_every": 3}},
    )
    return config.changed(changes)


def mixture(**options) -> dict:
    """Changes of the mixture alone."""
    return {"runtime": {"mixture": options}}

"""A small SimCLR that really learns, on one CPU thread, and that hosts `MixtureStats`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixturelab.simclr.augment import Augmentation, views
    from mixturelab.simclr.config import RunConfig, load_config
    from mixturelab.simclr.data import ImageSet, image_set, load_images
    from mixturelab.simclr.encoder import SimCLRNet
    from mixturelab.simclr.evaluate import Evaluation, embed, evaluate_raw
    from mixturelab.simclr.experiments import EXPERIMENTS, experiment
    from mixturelab.simclr.ntxent import alignment, nt_xent
    from mixturelab.simclr.processes import Processes
    from mixturelab.simclr.result import RunResult
    from mixturelab.simclr.run import train
    from mixturelab.simclr.signals import embedding_std, rank_me, uniformity
    from mixturelab.simclr.trainer import Step, Trainer

__all__ = [
    "EXPERIMENTS",
    "Augmentation",
    "Evaluation",
    "ImageSet",
    "Processes",
    "RunConfig",
    "RunResult",
    "SimCLRNet",
    "Step",
    "Trainer",
    "alignment",
    "embed",
    "embedding_std",
    "evaluate_raw",
    "experiment",
    "image_set",
    "load_config",
    "load_images",
    "nt_xent",
    "rank_me",
    "train",
    "uniformity",
    "views",
]

# `evaluate` is left to its module, mixturelab.simclr.evaluate: here the name is the module.
# Where each name lives: fetched when it is first used, so that `mixturelab --help` does not wait for torch.
_HOMES = {
    "EXPERIMENTS": "experiments",
    "Augmentation": "augment",
    "Evaluation": "evaluate",
    "ImageSet": "data",
    "Processes": "processes",
    "RunConfig": "config",
    "RunResult": "result",
    "SimCLRNet": "encoder",
    "Step": "trainer",
    "Trainer": "trainer",
    "alignment": "ntxent",
    "embed": "evaluate",
    "embedding_std": "signals",
    "evaluate_raw": "evaluate",
    "experiment": "experiments",
    "image_set": "data",
    "load_config": "config",
    "load_images": "data",
    "nt_xent": "ntxent",
    "rank_me": "signals",
    "train": "run",
    "uniformity": "signals",
    "views": "augment",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mixturelab.simclr' has no attribute {name!r}")
    value = getattr(import_module(f"mixturelab.simclr.{_HOMES[name]}"), name)
    globals()[name] = value  # asked for once only
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

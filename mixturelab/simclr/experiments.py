"""Runs that go well or wrong in a known way: each is a change of the settings, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mixturelab.exceptions import ArgumentError
from mixturelab.settings import suggestion
from mixturelab.simclr.augment import Augmentation
from mixturelab.simclr.config import RunConfig

__all__ = ["EXPERIMENTS", "experiment"]

EXPERIMENTS: dict[str, Mapping[str, Any]] = {
    "healthy": {},
    # So hot that every negative pushes alike: the embeddings fall into few directions.
    "low_rank_collapse": {"temperature": 50.0},
    # Nothing pushes any more: all embeddings fall onto one point.
    "complete_collapse": {"negatives_until": 150},
    # Two equal views: the loss asks for nothing but to tell single images apart.
    "no_augmentation": {"augmentation": asdict(Augmentation.none())},
}


def experiment(name: str, config: RunConfig) -> RunConfig:
    """The settings with an experiment's change made to them.

    Parameters
    ----------
    name : {"healthy", "low_rank_collapse", "complete_collapse", "no_augmentation"}
    config : RunConfig

    Raises
    ------
    ArgumentError
        If there is no experiment of that name.
    """
    if name not in EXPERIMENTS:
        guess = suggestion(str(name), EXPERIMENTS)
        hint = f"did you mean {guess}? " if guess else ""
        raise ArgumentError(f"experiment is {name!r}; {hint}wanted one of {', '.join(EXPERIMENTS)}")
    return config.changed(EXPERIMENTS[name])

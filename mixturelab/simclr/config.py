"""The settings of a SimCLR run, from YAML or keywords; the mixture's own are its section `runtime.mixture`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
import yaml
from pydantic import AfterValidator, BeforeValidator, Field, create_model

from mixturelab.exceptions import ArgumentError
from mixturelab.settings import Integer, Real, Settings, read_yaml
from mixturelab.simclr.augment import Augmentation
from mixturelab.stream.config import MixtureSettings

__all__ = ["NetworkSettings", "RunConfig", "RuntimeSettings", "flat", "load_config"]

Count = Annotated[Integer, Field(ge=1)]
Positive = Annotated[Real, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[Real, Field(ge=0, allow_inf_nan=False)]


def _device(name: str) -> str:
    try:
        kind = torch.device(name).type
    except RuntimeError:
        kind = ""
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"{name!r} is not a device; wanted cpu, cuda or cuda:0, cuda:1, …")
    return name


def _strengths(value: Any) -> Any:
    return asdict(value) if isinstance(value, Augmentation) else value


# The strengths of `Augmentation`, one setting each: they are declared once, there.
AugmentationSettings: Any = create_model(
    "AugmentationSettings",
    __base__=Settings,
    **{field.name: (NotNegative, field.default) for field in fields(Augmentation)},  # type: ignore[call-overload]
)


class NetworkSettings(Settings):
    """Sizes of `SimCLRNet`.

    Attributes
    ----------
    width : int
        Channels of the first convolution.
    embedding, projection : int
        Lengths of h and of z.
    """

    width: Count = 32
    embedding: Count = 64
    projection: Count = 32


class RuntimeSettings(Settings):
    """What runs beside the training.

    Attributes
    ----------
    mixture : MixtureSettings
        Disabled unless it says otherwise.
    """

    mixture: MixtureSettings = MixtureSettings()


class RunConfig(Settings):
    """All that decides what a SimCLR run does; equal settings on one machine give equal numbers.

    Attributes
    ----------
    data : str
        "digits", "mnist", or the path of a .npy or .npz file or of a folder of images.
    device : str
        "cpu", "cuda" or "cuda:0", "cuda:1", … With several processes "cuda" gives each the GPU of its number.
    seed : int
        Of the first weights, the order of the images and the augmentation.
    epochs, batch_size : int
        Images; each step sees two views of a batch. What is left of an epoch after the last whole batch waits.
        Several processes divide the batch between them, so that the same settings make the same run.
    learning_rate, weight_decay : float
        Of AdamW; the learning rate falls to 0 along half a cosine.
    temperature : float
        τ of the loss.
    negatives_until : int or None
        The step from which on the loss has no negatives (`alignment`). None: never.
    augmentation : AugmentationSettings
        Also an `Augmentation`.
    network : NetworkSettings
    checkpoint_every : int
        Steps between two checkpoints.
    threads : int or None
        Threads of torch on the CPU during the run; so small a network is fastest on one. None: as they are.
    precision : {"float32", "bf16"}
        bf16: the network runs under autocast.
    runtime : RuntimeSettings
        With several processes the mixture is always that of the whole batch, whatever its `cross_rank` says.

    Raises
    ------
    ArgumentError
        One line that names the key, what came and what was wanted.
    """

    data: Annotated[str, Field(min_length=1)] = "digits"
    device: Annotated[str, AfterValidator(_device)] = "cpu"
    seed: Annotated[Integer, Field(ge=0, le=2**32 - 1)] = 0
    epochs: Count = 60
    batch_size: Annotated[Integer, Field(ge=2)] = 256
    learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 1e-4
    temperature: Positive = 0.2
    negatives_until: Annotated[Integer, Field(ge=0)] | None = None
    augmentation: Annotated[AugmentationSettings, BeforeValidator(_strengths)] = AugmentationSettings()
    network: NetworkSettings = NetworkSettings()
    checkpoint_every: Count = 50
    threads: Count | None = 1
    precision: Literal["float32", "bf16"] = "float32"
    runtime: RuntimeSettings = RuntimeSettings()

    @property
    def strengths(self) -> Augmentation:
        """`augmentation` as `views` takes it."""
        return Augmentation(**self.augmentation.model_dump())

    def changed(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """The same with some values replaced; what is not named inside a section stays as it is.

        Parameters
        ----------
        changes : mapping, optional
            Nested as the YAML is: ``{"runtime": {"mixture": {"K": 4}}}``.
        **more
            The same as keywords: ``config.changed(epochs=5)``.

        Raises
        ------
        ArgumentError
        """
        return self.parse(_merged(self.model_dump(), {**(changes or {}), **more}))

    @classmethod
    def from_yaml(cls, source: str | os.PathLike[str]) -> Self:
        """Settings from a YAML file, or from YAML text.

        Raises
        ------
        ArgumentError
        """
        return cls.parse(read_yaml(source))

    def to_yaml(self) -> str:
        """All settings, the defaults too; `load_config` reads them back."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


def load_config(path: str | os.PathLike[str], changes: Mapping[str, Any] | None = None) -> RunConfig:
    """Settings from a YAML file.

    Parameters
    ----------
    path : path
    changes : mapping, optional
        Values that replace the file's, nested as in it.

    Raises
    ------
    ArgumentError
        One line: the file, the key with what came and what was wanted, or the line that is not YAML.
    """
    document = read_yaml(Path(path))
    try:
        config = RunConfig.parse(document)
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from None
    return config.changed(changes)


def flat(config: RunConfig) -> dict[str, Any]:
    """Every setting under its dotted key: ``{"runtime.mixture.K": 10, …}``."""
    return dict(_leaves(config.model_dump()))


def _leaves(section: Mapping[str, Any], prefix: str = "") -> Any:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _merged(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in changes.items():
        value = _section(value)
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def _section(value: Any) -> Any:
    """Settings that were handed over ready-made, as the mapping they are."""
    return value.model_dump() if isinstance(value, Settings) else _strengths(value)

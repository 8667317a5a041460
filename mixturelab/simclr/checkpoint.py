"""A run at the end of a step, as bytes: written whole or not at all, read without running anything in it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from mixturelab.exceptions import ArgumentError, DataError, ModelFileError
from mixturelab.simclr.config import RunConfig, flat
from mixturelab.simclr.data import ImageSet
from mixturelab.simclr.trainer import Trainer

__all__ = ["FREE", "check_agreement", "encode", "fingerprint", "read_checkpoint"]

_FORMAT = 1
# What a resumed run may have otherwise: it changes no number.
FREE = frozenset({"checkpoint_every"})


def encode(trainer: Trainer) -> bytes:
    """The trainer's state, its settings, and which images it has seen."""
    settings = {"config": trainer.config.to_yaml(), "data": fingerprint(trainer.data)}
    buffer = io.BytesIO()
    torch.save({"format": _FORMAT, **settings, "state": trainer.state_dict()}, buffer)
    return buffer.getvalue()


def fingerprint(data: ImageSet) -> str:
    """A checksum of images and labels."""
    digest = hashlib.sha256(repr(tuple(data.images.shape)).encode())
    for tensor in (data.images, data.labels):
        if tensor is not None:
            digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `encode` wrote: ``config`` (YAML), ``data`` (a checksum) and ``state``.

    Raises
    ------
    DataError
        If the file cannot be read.
    ModelFileError
        If it is damaged or something else.
    """
    try:
        content = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception:  # a damaged file raises whatever its bytes happen to mean
        raise ModelFileError(f"{path} is damaged, or no checkpoint of a SimCLR run") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ModelFileError(f"{path} is no checkpoint of a SimCLR run that this version can read")
    return content


def check_agreement(config: RunConfig, before: RunConfig, folder: Path) -> None:
    """Raise if the run in the folder was made with other settings.

    Raises
    ------
    ArgumentError
        It names the first such key, with both values.
    """
    now, then = flat(config), flat(before)
    for key, value in now.items():
        if key not in FREE and value != then[key]:
            raise ArgumentError(
                f"{key} is {value!r}; the run in {folder} has {then[key]!r}: "
                "resume it with its own settings, or choose another folder"
            )

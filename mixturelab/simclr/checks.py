"""What is looked at before a run: that the device is there, and that data and settings go together."""

from __future__ import annotations

import torch

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.simclr.config import RunConfig
from mixturelab.simclr.data import ImageSet
from mixturelab.simclr.processes import Processes

__all__ = ["check_run"]


def check_run(config: RunConfig, data: ImageSet, processes: Processes | None = None) -> None:
    """Raise now what would go wrong later.

    Raises
    ------
    ArgumentError
        A device that is not there, fewer images than a batch or in a batch than processes, labels beyond K.
    DataError
        No labels where the mixture is to be that of the classes.
    """
    _check_device(config.device, processes)
    if config.batch_size > len(data.images):
        raise ArgumentError(
            f"batch_size is {config.batch_size}; the data {data.name!r} have {len(data.images)} images: "
            f"wanted 2 to {len(data.images)}"
        )
    if processes is not None and config.batch_size < processes.size:
        raise ArgumentError(
            f"batch_size is {config.batch_size}; there are {processes.size} processes: wanted an image for each"
        )
    if config.runtime.mixture.needs_labels:
        _check_labels(config, data)


def _check_device(name: str, processes: Processes | None) -> None:
    device = torch.device(name) if processes is None else processes.device(name)
    if device.type == "cpu":
        return
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise ArgumentError(f"device is {name!r}; torch sees no CUDA device here: wanted cpu")
    if (device.index or 0) >= count:
        if processes is not None:
            raise ArgumentError(
                f"device is {name!r}; torch sees {count} here: wanted as many processes on a machine, or cpu"
            )
        known = ", ".join(f"cuda:{i}" for i in range(count))
        raise ArgumentError(f"device is {name!r}; torch sees {count} here: wanted cpu, {known}")


def _check_labels(config: RunConfig, data: ImageSet) -> None:
    mixture = config.runtime.mixture
    key = "mode" if mixture.mode == "label_supervised" else "assigner"
    if data.labels is None:
        raise DataError(
            f"runtime.mixture.{key} is label_supervised; the data {data.name!r} have no labels: wanted labelled "
            "images, or mode ema with assigner kmeans_online"
        )
    used = data.labels[data.labels != mixture.ignore_index]
    if len(used) and int(used.min()) < 0:
        raise DataError(
            f"the data {data.name!r} have the label {int(used.min())}; wanted labels from 0, "
            f"or runtime.mixture.ignore_index ({mixture.ignore_index}) for rows to leave out"
        )
    if len(used) and int(used.max()) >= mixture.K:
        raise ArgumentError(
            f"runtime.mixture.K is {mixture.K}; the data {data.name!r} have labels up to {int(used.max())}: "
            f"wanted K ≥ {int(used.max()) + 1}"
        )

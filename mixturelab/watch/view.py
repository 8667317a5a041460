"""A view of the embeddings at one step: points, responsibilities and components in two directions, as a small file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mixturelab.exceptions import DataError, ModelFileError

__all__ = ["VIEW", "Status", "View", "decode", "encode", "read_view"]

VIEW = "view.safetensors"
_FORMAT = 1
_NAMES = ("points", "responsibilities", "weights", "means", "covariances", "axes", "shares")

Array = NDArray[np.floating[Any]]
Status = Literal["training", "finished", "interrupted"]


@dataclass(frozen=True, eq=False)
class View:
    """Some embeddings and their mixture in two directions.

    Attributes
    ----------
    step, n_steps : int
        The step that was the last, and how many there will be; 0 if that is not known.
    points : ndarray [N, 2]
        Embeddings less the mixture's mean.
    responsibilities : ndarray [N, K]
    weights : ndarray [K]
    means : ndarray [K, 2]
    covariances : ndarray [K, 2, 2]
        NaN where the mixture keeps none.
    axes : ndarray [D, 2]
        The two directions, of length 1.
    shares : ndarray [2]
        Of the variance of the embeddings that are shown, along each direction.
    status : {"training", "finished", "interrupted"}
        Of the run, when this was written.
    steps_per_second : float
        NaN if that is not known.
    """

    step: int
    n_steps: int
    points: Array
    responsibilities: Array
    weights: Array
    means: Array
    covariances: Array
    axes: Array
    shares: Array
    status: Status = "training"
    steps_per_second: float = field(default=float("nan"))

    @property
    def reach(self) -> float:
        """The largest coordinate of a point or a mean."""
        live = self.means[self.weights > 0]
        return float(max(np.abs(self.points).max(initial=0.0), np.abs(live).max(initial=0.0)))


def encode(view: View) -> bytes:
    """A view as bytes, a few dozen KiB."""
    parts = {name: np.ascontiguousarray(getattr(view, name), dtype=np.float32) for name in _NAMES}
    about = {"format": _FORMAT, "step": view.step, "n_steps": view.n_steps, "status": view.status}
    return save(parts, {"view": json.dumps({**about, "steps_per_second": repr(view.steps_per_second)})})


def decode(content: bytes) -> View:
    """The view that bytes hold; nothing in them is run.

    Raises
    ------
    ModelFileError
        If they are damaged, or something else.
    """
    try:
        about = _header(content)
        parts = load(content)
        view = View(
            **{name: parts[name] for name in _NAMES},
            step=int(about["step"]),
            n_steps=int(about["n_steps"]),
            status=about["status"],
            steps_per_second=float(about["steps_per_second"]),
        )
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelFileError(f"{VIEW} is damaged, or no view of a run: {error}") from None
    _check(view, about)
    return view


def _header(content: bytes) -> dict[str, Any]:
    """What the file says of itself. The format begins with the length of a JSON text, eight bytes."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return json.loads(header["__metadata__"]["view"])


def _check(view: View, about: dict[str, Any]) -> None:
    n, k, d = len(view.points), len(view.weights), len(view.axes)
    wanted = {
        "points": (n, 2), "responsibilities": (n, k), "weights": (k,), "means": (k, 2),
        "covariances": (k, 2, 2), "axes": (d, 2), "shares": (2,),
    }  # fmt: skip
    found = {name: getattr(view, name).shape for name in _NAMES}
    is_known = about.get("format") == _FORMAT and view.status in ("training", "finished", "interrupted")
    if found != wanted or not is_known or not np.isfinite(view.points).all():
        raise ModelFileError(f"{VIEW} is no view of a run that this version can read")


def read_view(path: str | os.PathLike[str]) -> View:
    """The view in a file, or in a run's folder.

    Parameters
    ----------
    path : path

    Raises
    ------
    DataError
        If there is none, or it cannot be read.
    ModelFileError
        If it is damaged, or something else.
    """
    path = Path(path)
    path = path / VIEW if path.is_dir() else path
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None

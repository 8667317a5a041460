"""Which tensors a model file holds, of which shapes; and their table checked before any of them is read."""

import hashlib
import math
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from mixturelab.exceptions import ModelFileError
from mixturelab.model.covariance import family_of
from mixturelab.model.forms import SHARED
from mixturelab.persistence import values
from mixturelab.priors import PROCESS

BAYESIAN = "BayesianGaussianMixture"
# The covariances are what people read, and the Cholesky factors of the precisions what densities are computed from:
# in float32 neither can be had from the other without loss.
TENSORS = ("weights", "means", "covariances", "precisions_cholesky")
POSTERIOR = ("weight_concentration", "mean_precision", "degrees_of_freedom")
# Where the constructor's arrays are.
SETTING = "settings."
CHECKSUM = "sha256"

_CODES = {"F32": "float32", "F64": "float64"}
_CHUNK = 1 << 20
_ENTRY = {"dtype", "shape", "data_offsets"}

Shapes = dict[str, tuple[int, ...]]


class Place(NamedTuple):
    """One tensor of a file: its type, its shape and where its bytes begin, counted from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def n_bytes(self) -> int:
        """How many there are."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


# -------------------------------------------------------------------------------------------- what there must be
def fitted_shapes(header: dict[str, Any]) -> Shapes:
    """The fitted tensors of a model like this."""
    k, d = header["n_components"], header["n_features"]
    form = family_of(header["covariance_type"]).form
    shapes: Shapes = {"weights": (k,), "means": (k, d)}
    shapes |= dict.fromkeys(("covariances", "precisions_cholesky"), form.shape(k, d))
    if header["estimator"] == BAYESIAN:
        is_process = header["settings"]["weight_concentration_prior_type"] == PROCESS
        numbers: Shapes = dict.fromkeys((f"{name}_prior" for name in POSTERIOR), ())
        shapes |= {"weight_concentration": (2, k) if is_process else (k,), "mean_precision": (k,)}
        shapes |= {"degrees_of_freedom": () if form is SHARED else (k,), **numbers, "mean_prior": (d,)}
        shapes |= {"covariance_prior": one_shape(header["covariance_type"], d)}
    return shapes


def one_shape(covariance_type: str, n_features: int) -> tuple[int, ...]:
    """The covariance of one component in this family."""
    form = family_of(covariance_type).form
    return form.shape(1, n_features) if form is SHARED else form.shape(1, n_features)[1:]


def setting_shapes(covariance_type: str, k: int, d: int) -> Shapes:
    """The constructor's arrays: what each must look like for K components and D features."""
    one = one_shape(covariance_type, d)
    return {
        "weights_init": (k,),
        "means_init": (k, d),
        "precisions_init": family_of(covariance_type).form.shape(k, d),
        "mean_prior": (d,),
        "covariance_prior": one,
        "prior.mean": (d,),
        "prior.covariance": one,
    }


def shapes_of(header: dict[str, Any]) -> Shapes:
    """Every tensor that the header promises."""
    arrays = setting_shapes(header["covariance_type"], header["n_components"], header["n_features"])
    settings = header["settings"]
    flat = settings | {f"prior.{name}": value for name, value in (settings.get("prior") or {}).items()}
    pointed = {SETTING + name for name in arrays if flat.get(name) == pointer(name)}
    return fitted_shapes(header) | {name: arrays[name.removeprefix(SETTING)] for name in pointed}


def pointer(name: str) -> dict[str, str]:
    """What stands in the settings for an array that is a tensor of the file."""
    return {"tensor": SETTING + name}


# ---------------------------------------------------------------------------------------------- what there is
def places(table: dict[str, Any], header: dict[str, Any], n_bytes: int) -> dict[str, Place]:
    """Where each tensor is, if the table says what the header says and fills a body of so many bytes exactly.

    Raises
    ------
    ModelFileError
    """
    wanted = shapes_of(header)
    if set(table) != set(wanted):
        raise ModelFileError(f"holds the tensors {_short(sorted(table))}; wanted {_short(sorted(wanted))}")
    if set(header["dtypes"]) != set(wanted):
        raise ModelFileError(
            f"has dtypes of {_short(sorted(header['dtypes']))} in its header; wanted {_short(sorted(wanted))}"
        )
    known = {name: _place(name, table[name], header["dtypes"][name], wanted[name]) for name in wanted}
    _require_whole(known, n_bytes)
    return known


def _place(name: str, entry: Any, dtype: str, shape: tuple[int, ...]) -> Place:
    if not isinstance(entry, dict) or set(entry) != _ENTRY:
        raise ModelFileError(f"is damaged: its table does not say where {name} is")
    code = entry["dtype"]
    if (_CODES.get(code) if isinstance(code, str) else None) != dtype:
        raise ModelFileError(f"holds {name} as {_short(code)}; its header says {dtype}")
    if not _are_ints(entry["shape"]) or tuple(entry["shape"]) != shape:
        raise ModelFileError(f"holds {name} of shape {_short(entry['shape'])}; its header says {list(shape)}")
    offsets = entry["data_offsets"]
    place = Place(dtype, shape, offsets[0] if _are_ints(offsets) and offsets else -1)
    if not _are_ints(offsets) or offsets != [place.start, place.start + place.n_bytes]:
        raise ModelFileError(f"is damaged: {name} is at {_short(offsets)}; wanted {place.n_bytes} bytes")
    return place


def _require_whole(known: dict[str, Place], n_bytes: int) -> None:
    """No overlap, no gap, nothing after the end."""
    end = 0
    for name, place in sorted(known.items(), key=lambda item: (item[1].start, item[1].n_bytes)):
        if place.start != end:
            raise ModelFileError(f"is damaged: {name} begins at byte {_short(place.start)}; wanted {end}")
        end += place.n_bytes
    if n_bytes < end:
        raise ModelFileError(f"is cut short: its numbers have {n_bytes} bytes; wanted {end}")
    if n_bytes > end:
        raise ModelFileError(f"is damaged: its numbers have {n_bytes} bytes; wanted {end}")


def _are_ints(value: Any) -> bool:
    return isinstance(value, list) and all(type(entry) is int and entry >= 0 for entry in value)


def _short(value: Any) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 200 else shown[:200] + "…"


# -------------------------------------------------------------------------------------------------- reading
def read(file: BinaryIO, begin: int, known: dict[str, Place]) -> dict[str, np.ndarray]:
    """The tensors, each into memory of its own."""
    return {name: _read_one(file, begin, place) for name, place in known.items()}


def _read_one(file: BinaryIO, begin: int, place: Place) -> np.ndarray:
    array = np.empty(place.shape, np.dtype(place.dtype).newbyteorder("<"))
    file.seek(begin + place.start, os.SEEK_SET)
    if file.readinto(array.reshape(-1).view(np.uint8)) != place.n_bytes:  # type: ignore[attr-defined]
        raise ModelFileError("is cut short: it became smaller while it was read")
    return array.astype(place.dtype, copy=False)


def require_plausible(file: BinaryIO, begin: int, known: dict[str, Place], n_features: int) -> None:
    """Raise if a number is not finite or a variance not positive: in pieces, before memory for all is asked for.

    Raises
    ------
    ModelFileError
    """
    for name, place in known.items():
        for first, rows in _rows(file, begin, place, n_features):
            if not np.isfinite(rows).all():
                raise ModelFileError(f"holds {name} with a NaN or an infinity; wanted finite numbers")
            if (
                name in ("covariances", "precisions_cholesky")
                and not (_variances(first, rows, place) > 0).all()
            ):
                raise ModelFileError(f"holds {name} that are not positive definite")


def _rows(file: BinaryIO, begin: int, place: Place, n_features: int) -> Iterator[tuple[int, np.ndarray]]:
    """Some rows of D numbers at a time, and the number of the first; of arrays without such rows single numbers."""
    width = n_features if place.shape[-1:] == (n_features,) else 1
    n_rows, kind = math.prod(place.shape) // width, np.dtype(place.dtype).newbyteorder("<")
    step = max(1, _CHUNK // (width * kind.itemsize))
    file.seek(begin + place.start, os.SEEK_SET)
    for first in range(0, n_rows, step):
        count = min(step, n_rows - first)
        yield first, np.frombuffer(_take(file, count * width * kind.itemsize), kind).reshape(count, width)


def _take(file: BinaryIO, n_bytes: int) -> bytes:
    found = file.read(n_bytes)
    if len(found) != n_bytes:
        raise ModelFileError("is cut short: it became smaller while it was read")
    return found


def _variances(first: int, rows: np.ndarray, place: Place) -> np.ndarray:
    """Those of these rows: on the diagonals of matrices, or all."""
    if place.shape[-2:] != (rows.shape[1], rows.shape[1]) or len(place.shape) < 2:
        return rows
    index = np.arange(len(rows))
    return rows[index, (first + index) % rows.shape[1]]


def checksum(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    """SHA-256 of all that a file says: its header without this entry, then every tensor by name.

    It finds damage, not fraud: whoever can change a file can change its checksum too.
    """
    digest = _digest_of(header)
    for name in sorted(tensors):
        little = np.asarray(tensors[name], dtype=tensors[name].dtype.newbyteorder("<"), order="C")
        _announce(digest, name, little.dtype.name, little.shape)
        digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def checksum_on_disk(file: BinaryIO, begin: int, header: dict[str, Any], known: dict[str, Place]) -> str:
    """The same of tensors that have not been read: a wrong file shall not cost memory."""
    digest = _digest_of(header)
    for name in sorted(known):
        place = known[name]
        _announce(digest, name, place.dtype, place.shape)
        file.seek(begin + place.start, os.SEEK_SET)
        for start in range(0, place.n_bytes, _CHUNK):
            digest.update(_take(file, min(_CHUNK, place.n_bytes - start)))
    return digest.hexdigest()


def _digest_of(header: dict[str, Any]) -> Any:
    rest = {name: value for name, value in header.items() if name != CHECKSUM}
    return hashlib.sha256(values.text(rest).encode())


def _announce(digest: Any, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    digest.update(f"\n{name} {dtype} {shape}\n".encode())

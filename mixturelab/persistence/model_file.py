"""Model files: safetensors with a header that says what is in them; a pickle only if the user trusts it."""

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import safetensors.numpy
import torch
from safetensors import SafetensorError
from sklearn.utils.validation import check_is_fitted

from mixturelab.checks import check_settings
from mixturelab.estimators import GaussianMixture
from mixturelab.exceptions import MixtureLabError, ModelFileError
from mixturelab.files import write_atomically
from mixturelab.inference.fit import History, Status
from mixturelab.model.covariance import family_of
from mixturelab.persistence import header as headers

# A mixture of 1,000 full components in 500 dimensions is 2 GB; a larger file is refused unread.
MAX_BYTES = 4 << 30
MAX_HEADER_BYTES = 64 << 20
# How many roundings may lie between the covariances and the Cholesky factors of their inverses.
_ROUNDINGS = 100


# ----------------------------------------------------------------------------------------------------- saving
def save(model: GaussianMixture, path: str | os.PathLike[str], **provenance: Any) -> Path:
    """Save a fitted mixture as safetensors: parameters, settings and where they came from.

    The file is written beside its name and then renamed. Equal models with equal provenance in an equal
    environment give equal bytes: there is no date in the file unless you put one there. A prior, the schedule of
    `partial_fit` and what it remembers are not kept: pickle the model for those.

    Parameters
    ----------
    model : GaussianMixture
        Fitted.
    path : path
        By custom ``*.safetensors``. Its folder must exist.
    **provenance
        Anything that JSON can hold, kept in the header: ``metrics={"bic": ...}``, ``source="..."``. With
        ``training_data=X`` (array-like [N, D]) the header gets the number of rows and the checksum of X, not X.
        The versions of the packages and the seed are added.

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        If the model is not a `GaussianMixture`.
    NotFittedError
        If it has not been fitted.
    OSError
        If the file cannot be written.
    """
    return write_atomically(path, encode(model, **provenance))


def encode(model: GaussianMixture, **provenance: Any) -> bytes:
    """The bytes that `save` writes."""
    _require_fitted(model)
    tensors = {name: _host(getattr(model, f"{name}_")) for name in headers.TENSORS}
    record = headers.build(model, tensors, _provenance(model, provenance))
    return safetensors.numpy.save(tensors, headers.encode(record))


def save_joblib(model: GaussianMixture, path: str | os.PathLike[str]) -> Path:
    """Save a fitted mixture with joblib, for programs that expect that.

    Loading such a file runs code from it: share the safetensors file instead.
    """
    return write_atomically(path, encode_joblib(model))


def encode_joblib(model: GaussianMixture) -> bytes:
    """The bytes that `save_joblib` writes."""
    _require_fitted(model)
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue()


def _require_fitted(model: Any) -> None:
    if not isinstance(model, GaussianMixture):
        raise TypeError(f"model is a {type(model).__name__}; wanted a fitted mixturelab.GaussianMixture")
    check_is_fitted(model)


def _host(value: Any) -> np.ndarray:
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    return np.ascontiguousarray(array)


def _provenance(model: GaussianMixture, given: dict[str, Any]) -> dict[str, Any]:
    record = {"seed": model.random_state, **given}
    if "training_data" in given:
        rows = _host(given["training_data"])
        record["training_data"] = {"n_rows": len(rows), "sha256": data_checksum(rows)}
    return record


def data_checksum(X: Any) -> str:
    """SHA-256 of a table's numbers, as little-endian float64 row by row: of the values, not of their file."""
    rows = np.ascontiguousarray(_host(X), dtype="<f8")
    return hashlib.sha256(repr(rows.shape).encode() + rows.tobytes()).hexdigest()


# ---------------------------------------------------------------------------------------------------- loading
def load(path: str | os.PathLike[str], trust: bool = False) -> GaussianMixture:
    """Load a mixture. Nothing in the file is run, unless it is a pickle and you say that you trust it.

    Everything is checked before the model is made: the schema, that shapes and types agree, that the
    content has the checksum in the header (so that a flipped bit is found), that the weights are
    probabilities and the covariances symmetric and positive definite.

    Parameters
    ----------
    path : path
        A file from `save`; with ``trust=True`` also one from joblib or pickle.
    trust : bool, default=False
        Whether a joblib or pickle file may be opened. **Opening one runs whatever code its author put into
        it**: say True only for files that you made, or whose maker you trust as you trust a program.

    Returns
    -------
    GaussianMixture
        Fitted. What the header says of its origin is in ``provenance_``.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is damaged, foreign or not trusted: one line that names it and says why.
    """
    raw = _read(Path(path))
    if _is_pickle(raw, Path(path)):
        return _unpickled(raw, Path(path), trust)
    with _naming(path):
        header, tensors = _unpack(raw)
        return _assemble(header, tensors)


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file says of itself: schema, shapes, settings, fit and provenance.

    Raises
    ------
    ModelFileError
        As for `load`: the whole file is checked, so that what is described can also be loaded.
    """
    raw = _read(Path(path))
    if _is_pickle(raw, Path(path)):
        _unpickled(raw, Path(path), trust=False)
    with _naming(path):
        header, tensors = _unpack(raw)
        _assemble(header, tensors)
    return header


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name in front of what is wrong with it, as one line."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{path} {error}") from None
    except MixtureLabError as error:
        raise ModelFileError(f"{path} does not hold a valid mixture: {_one_line(error)}") from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ModelFileError(f"{path} is a folder; wanted a model file")
        if path.stat().st_size > MAX_BYTES:
            raise ModelFileError(
                f"{path} is larger than {MAX_BYTES >> 30} GiB; not a model file that we read"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"{path} does not exist") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None


# How pickles begin, plain and as joblib compresses them.
_PICKLES = (b"\x80", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_PICKLE_SUFFIXES = (".joblib", ".pkl", ".pickle")


def _is_pickle(raw: bytes, path: Path) -> bool:
    # A safetensors file may begin with any byte (a length), but has a brace in the ninth place.
    return raw[8:9] != b"{" and (path.suffix in _PICKLE_SUFFIXES or raw.startswith(_PICKLES))


def _unpickled(raw: bytes, path: Path, trust: bool) -> GaussianMixture:
    if not trust:
        raise ModelFileError(
            f"{path} is a joblib or pickle file: opening it would run code from it, so it is refused; load the "
            ".safetensors file instead, or, if you made this file, say so: load(path, trust=True)"
        )
    try:
        model = joblib.load(io.BytesIO(raw))
    except Exception as error:  # a damaged pickle can raise anything
        raise ModelFileError(
            f"{path} is a damaged pickle: {type(error).__name__}: {_one_line(error)}"
        ) from None
    if not isinstance(model, GaussianMixture):
        raise ModelFileError(f"{path} holds a {type(model).__name__}; wanted a mixturelab.GaussianMixture")
    return model


def _unpack(raw: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    header = headers.decode(_header_bytes(raw))
    try:
        tensors = safetensors.numpy.load(raw)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ModelFileError(f"is damaged: {_one_line(error)}") from None
    _check_tensors(header, tensors)
    return header, tensors


def _header_bytes(raw: bytes) -> bytes:
    """The JSON at the beginning of a safetensors file: eight bytes say how long it is."""
    if not raw:
        raise ModelFileError("is empty; wanted a model file")
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 10 or raw[8:9] != b"{" or not 2 <= length <= MAX_HEADER_BYTES:
        raise ModelFileError("is not a mixturelab model file (safetensors); was it made by another program?")
    if length > len(raw) - 8:
        raise ModelFileError("is cut short: its header is not whole")
    return raw[8 : 8 + length]


def _check_tensors(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    if set(tensors) != set(headers.TENSORS):
        raise ModelFileError(f"holds the tensors {sorted(tensors)}; wanted {sorted(headers.TENSORS)}")
    for name, tensor in tensors.items():
        if tensor.dtype.name != header["dtypes"][name]:
            raise ModelFileError(
                f"holds {name} as {tensor.dtype.name}; its header says {header['dtypes'][name]}"
            )
    wanted = (header["n_components"], header["n_features"])
    if tensors["means"].shape != wanted:
        raise ModelFileError(f"holds means of shape {tensors['means'].shape}; its header says {wanted}")
    if headers.checksum(header, tensors) != header[headers.CHECKSUM]:
        raise ModelFileError("is damaged: its content does not have the checksum that its header says")


def _assemble(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> GaussianMixture:
    """The model: checked in float64 whatever its own precision, as it is computed with."""
    weights, means, covariances, root = (tensors[name].astype(np.float64) for name in headers.TENSORS)
    model = GaussianMixture.from_parameters(weights, means, covariances, header["covariance_type"])
    _check_root(root, covariances, model, np.finfo(tensors["covariances"].dtype).eps)
    model.set_params(**_settings(header["settings"]))
    check_settings(model)
    _restore_arrays(model, header, tensors)
    _restore_fit(model, header["fit"])
    if header["feature_names"] is not None:
        model.feature_names_in_ = np.array(header["feature_names"], dtype=object)
    model.provenance_ = header["provenance"]
    return model


def _check_root(root: np.ndarray, covariances: np.ndarray, model: GaussianMixture, eps: float) -> None:
    """Raise unless Lᵀ Σ L = 1 for the Cholesky factors L of the precisions, within the rounding of Σ and L."""
    wanted = model.precisions_cholesky_.shape
    if root.shape != wanted or not np.isfinite(root).all():
        raise ModelFileError(
            f"holds precisions_cholesky of shape {root.shape}; wanted finite numbers in {wanted}"
        )
    if family_of(model.covariance_type).form.is_matrix:
        size = np.linalg.norm(covariances, axis=(-2, -1)) * np.linalg.norm(root, axis=(-2, -1)) ** 2
        error = np.linalg.norm(
            root.swapaxes(-1, -2) @ covariances @ root - np.eye(root.shape[-1]), axis=(-2, -1)
        )
        fits = np.array_equal(root, np.triu(root)) and (np.diagonal(root, axis1=-2, axis2=-1) > 0).all()
    else:
        size, error, fits = np.ones(1), np.abs(root**2 * covariances - 1), (root > 0).all()
    if not fits or (error > _ROUNDINGS * eps * np.maximum(size, 1)).any():
        raise ModelFileError("holds precisions_cholesky that do not belong to its covariances")


def _settings(stored: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments; one that had no form in JSON (a generator, a function) keeps its default."""
    kept = {name: value for name, value in stored.items() if not headers.had_no_form(value)}
    return {name: _array(name, value) if isinstance(value, list) else value for name, value in kept.items()}


def _array(name: str, value: list[Any]) -> np.ndarray:
    try:
        return np.array(value, dtype=float)
    except (ValueError, TypeError, OverflowError):  # an integer larger than any float overflows
        raise ModelFileError(f"has a {name} in its header that is no array of numbers") from None


def _restore_arrays(model: GaussianMixture, header: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    dtype = tensors["means"].dtype
    arrays = {f"{name}_": tensor.copy() for name, tensor in tensors.items()}
    root = tensors["precisions_cholesky"].astype(np.float64)
    is_matrix = family_of(header["covariance_type"]).form.is_matrix
    arrays["precisions_"] = (root @ root.swapaxes(-1, -2) if is_matrix else root**2).astype(dtype)
    for name, array in arrays.items():
        setattr(model, name, torch.from_numpy(array) if header["arrays"] == "torch" else array)


def _restore_fit(model: GaussianMixture, fit: dict[str, Any]) -> None:
    trace = tuple(headers.real(value) for value in fit["log_likelihood"])
    model.history_ = History(trace, Status(fit["status"]), fit["reason"])
    model.converged_, model.n_iter_ = fit["converged"], fit["n_iter"]
    model.lower_bound_, model.lower_bounds_ = headers.real(fit["lower_bound"]), list(trace)
    model.spurious_ = tuple(fit["spurious"])

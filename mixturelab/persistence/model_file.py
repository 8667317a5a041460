"""Model files: safetensors with a header that says what is in them; a pickle only if the user trusts it."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors.numpy
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from mixturelab.bayes import BayesianGaussianMixture
from mixturelab.estimators import GaussianMixture
from mixturelab.exceptions import ArgumentError, MixtureLabError, ModelFileError
from mixturelab.files import write_atomically
from mixturelab.persistence import header as headers
from mixturelab.persistence import layout, rules, settings, source, values
from mixturelab.persistence import provenance as provenances
from mixturelab.persistence.assemble import Model, assemble, tensors_of


# ----------------------------------------------------------------------------------------------------- saving
def save(
    model: Model,
    path: str | os.PathLike[str],
    *,
    training_data: Any = None,
    metrics: dict[str, Any] | None = None,
    **provenance: Any,
) -> Path:
    """Save a fitted mixture as safetensors: parameters or posterior, settings and where they came from.

    The file is written beside its name and then renamed. Equal models with equal provenance in an equal
    environment give equal bytes: there is no date in the file unless you put one there. A `Prior` and the schedule of
    `partial_fit` are kept as settings; what a stream remembers is not: after loading, the first batch of
    `partial_fit` is all that it remembers, and what a `Prior` left out is chosen anew. Pickle the model to go on with
    a stream.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
        Fitted.
    path : path
        By custom ``*.safetensors``. Its folder must exist.
    training_data : array-like [N, D], DataFrame, Tensor or dict, optional
        What the model was fitted to. The header gets the number of rows and columns, their types and the checksum of
        the numbers (`data_checksum`), not the numbers. A dict is what such a header says, and is kept as it is.
    metrics : dict, optional
        Figures by name, such as ``{"bic": model.bic(X)}``.
    **provenance
        Anything else that JSON can hold: ``source="..."``, ``fit_seconds=1.2``. The versions of the packages and the
        seed are added. What the file of a loaded model said is written again only if you give it:
        ``save(model, path, **model.provenance_)``.

    Returns
    -------
    Path

    Raises
    ------
    TypeError
        If the model is none of these.
    NotFittedError
        If it has not been fitted.
    ArgumentError
        If a setting, the metrics or the provenance cannot be kept, the training data are no table of numbers with the
        model's features, or the fitted attributes are no mixture.
    OSError
        If the file cannot be written.
    """
    return write_atomically(path, encode(model, training_data=training_data, metrics=metrics, **provenance))


def encode(
    model: Model, *, training_data: Any = None, metrics: dict[str, Any] | None = None, **provenance: Any
) -> bytes:
    """The bytes that `save` writes."""
    _require_fitted(model, type(model) in (GaussianMixture, BayesianGaussianMixture))
    described, arrays = settings.describe(model, headers.SCHEMA_VERSION)
    tensors = tensors_of(model) | arrays
    record = provenances.record(model, training_data, metrics, provenance)
    header = _checked(headers.build, model, described, tensors, record)
    _checked(rules.check, header)
    _checked(assemble, header, tensors)
    text = _checked(_bounded, values.text(header))
    return safetensors.numpy.save(tensors, {headers.KEY: text})


def _checked(function: Any, *arguments: Any) -> Any:
    """What could not be loaded is not saved."""
    try:
        return function(*arguments)
    except MixtureLabError as error:
        raise ArgumentError(
            f"the model cannot be saved, since its file could not be loaded: it {error}"
        ) from None
    except UnicodeEncodeError:
        raise ArgumentError(
            "the model cannot be saved: its header would hold text that is not Unicode"
        ) from None


def _bounded(text: str) -> str:
    values.parse(text)
    # In the file each quotation mark has a backslash before it; the table of the tensors takes the rest.
    size = len(text.encode()) + text.count('"') + text.count("\\") + (16 << 10)
    if size > values.MAX_BYTES:
        raise ModelFileError(f"has a header of {size:,} bytes; wanted at most {values.MAX_BYTES:,}")
    return text


def save_joblib(model: Model, path: str | os.PathLike[str]) -> Path:
    """Save a fitted mixture with joblib, for programs that expect that.

    Loading such a file runs code from it: share the safetensors file instead.
    """
    return write_atomically(path, encode_joblib(model))


def encode_joblib(model: Model) -> bytes:
    """The bytes that `save_joblib` writes."""
    import joblib

    _require_fitted(model, isinstance(model, Model))
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue()


def _require_fitted(model: Any, is_ours: bool) -> None:
    # Not a subclass, where loading would give back what it is derived from.
    if not is_ours:
        raise TypeError(f"model is a {type(model).__name__}; wanted a fitted {_WANTED}")
    check_is_fitted(model)


_WANTED = "mixturelab.GaussianMixture or BayesianGaussianMixture"


# ---------------------------------------------------------------------------------------------------- loading
def load(path: str | os.PathLike[str], trust: bool = False) -> Model:
    """Load a mixture. Nothing in the file is run, unless it is a pickle and you say that you trust it.

    Everything is checked before the model is made: the schema, that shapes, types and sizes agree (before memory is
    asked for), that the content has the checksum in the header (so that a flipped bit is found), that the weights are
    probabilities, the covariances symmetric and positive definite, and a posterior one that can be.

    Parameters
    ----------
    path : path
        A file from `save`, of this or an earlier schema version; with ``trust=True`` also one from joblib or pickle.
    trust : bool, default=False
        Whether a joblib or pickle file may be opened. **Opening one runs whatever code its author put into
        it**: say True only for files that you made, or whose maker you trust as you trust a program.

    Returns
    -------
    GaussianMixture or BayesianGaussianMixture
        Fitted. What the header says of its origin is in ``provenance_``.

    Raises
    ------
    ModelFileError
        If there is no such file, or it is damaged, foreign or not trusted: one line that names it and says why.
    """
    return _load(Path(path), trust)[1]


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file says of itself: schema, shapes, settings, fit and provenance.

    Raises
    ------
    ModelFileError
        As for `load`: the whole file is checked, so that what is described can also be loaded.
    """
    return load_described(path)[0]


def load_described(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Model]:
    """`read_header` and `load` from one reading of the file; never of a pickle.

    Raises
    ------
    ModelFileError
        As for `load`.
    """
    header, model = _load(Path(path), trust=False)
    assert header is not None  # only a trusted pickle has none
    return header, model


def _load(path: Path, trust: bool) -> tuple[dict[str, Any] | None, Model]:
    with source.opened(path) as file, _naming(path):
        begin = file.read(16)
        file.seek(0)
        if source.is_pickle(begin, path):
            return None, _unpickled(file, trust)
        header, tensors = _unpack(file, begin, os.fstat(file.fileno()).st_size)
        return header, assemble(header, tensors)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name in front of what is wrong with it, as one line."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{path} {error}") from None
    except MixtureLabError as error:
        raise ModelFileError(f"{path} does not hold a valid mixture: {_one_line(error)}") from None


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


# What a message may quote of a file.
_LONGEST = 400


def _unpack(file: BinaryIO, begin: bytes, size: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and tensors; these are read only if the header, the table and the size of the file agree."""
    raw = _table(file, begin, size)
    start = 8 + len(raw)
    header, table = _parsed(raw)
    places = layout.places(table, header, size - start)
    if layout.checksum_on_disk(file, start, header, places) != header[layout.CHECKSUM]:
        raise ModelFileError("is damaged: its content does not have the checksum that its header says")
    layout.require_plausible(file, start, places, header["n_features"])
    return header, layout.read(file, start, places)


def _table(file: BinaryIO, begin: bytes, size: int) -> bytes:
    """The JSON at the beginning of a safetensors file: eight bytes say how long it is."""
    if not begin:
        raise ModelFileError("is empty; wanted a model file")
    if source.is_archive(begin):
        raise ModelFileError("is a zip archive (of torch or NumPy, perhaps), not a mixturelab model file")
    length = int.from_bytes(begin[:8], "little")
    if len(begin) < 10 or begin[8:9] != b"{" or not 2 <= length <= values.MAX_BYTES:
        raise ModelFileError("is not a mixturelab model file (safetensors); was it made by another program?")
    file.seek(8)
    raw = file.read(length)
    if len(raw) < length or size < 8 + length:
        raise ModelFileError("is cut short: its header is not whole")
    return raw


def _parsed(raw: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our header, checked, and the table of the tensors, as it is."""
    table = values.parse(raw)
    metadata = table.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not isinstance(metadata.get(headers.KEY), str):
        raise ModelFileError("is a safetensors file of another program: it has no mixturelab header")
    header = values.parse(metadata[headers.KEY])
    rules.check(header)
    return header, table


# ---------------------------------------------------------------------------------------------------- pickles
def _unpickled(file: BinaryIO, trust: bool) -> Model:
    if not trust:
        raise ModelFileError(
            "is a joblib or pickle file: opening it would run code from it, so it is refused; load the "
            ".safetensors file instead, or, if you made this file, say so: load(path, trust=True), or --trust where a "
            "command has it"
        )
    import joblib

    try:
        model = joblib.load(file)
    except Exception as error:  # a damaged pickle can raise anything
        raise ModelFileError(f"is a damaged pickle: {type(error).__name__}: {_one_line(error)}") from None
    if not isinstance(model, Model):
        raise ModelFileError(f"holds a {type(model).__name__}; wanted a {_WANTED}")
    try:
        check_is_fitted(model)
    except NotFittedError:
        raise ModelFileError(f"holds a {type(model).__name__} that is not fitted") from None
    return model

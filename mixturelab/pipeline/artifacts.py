"""What a run leaves behind: the model twice, its numbers, its rows and its pictures; all files or none."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixturelab.exceptions import DataError
from mixturelab.persistence import encode, encode_joblib, write_all_atomically, write_atomically
from mixturelab.persistence.header import storable, versions
from mixturelab.pipeline.run import Outcome, rowwise
from mixturelab.quality import quality

if TYPE_CHECKING:
    import pandas as pd

MODEL = "gaussian_mixture.safetensors"
_DPI = 150


def artifacts(outcome: Outcome) -> dict[str, bytes]:
    """The content of every file, by name. Equal inputs in an equal environment give equal bytes.

    Parameters
    ----------
    outcome : Outcome
        Of `fit_table` or `select_table`; only after the second there are files about the selection.

    Returns
    -------
    dict
        ``metrics.json`` lists the checksums of the others, so that a file of another run is recognised.
    """
    model, frame = outcome.model, outcome.table.frame
    found = metrics(outcome)
    provenance = {"source": found["data"], "metrics": found["criteria"], "seed": outcome.settings["seed"]}
    files = {
        MODEL: encode(model, training_data=outcome.table.data, asked=outcome.settings, **provenance),
        "gaussian_mixture.joblib": encode_joblib(model),
        "responsibilities.csv": csv_bytes(rowwise(model, frame)),
    }
    if outcome.selection is not None:
        files["selection.csv"] = csv_bytes(outcome.selection.table)
    files |= _pictures(outcome)
    found["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files["metrics.json"] = json_bytes(found)
    return files


def write_artifacts(outcome: Outcome, folder: str | os.PathLike[str]) -> list[Path]:
    """Write `artifacts` into a folder, which is made if need be.

    Raises
    ------
    DataError
        If the folder cannot be written: one line; no file of the run is there then.
    """
    check_folder(folder)
    try:
        return write_all_atomically(folder, artifacts(outcome))
    except OSError as error:
        raise DataError(_cannot_write(folder, error)) from None


def write_file(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write one file, whole or not at all.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    try:
        return write_atomically(path, content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Raise early, before a long fit, if nothing could be written there; makes nothing.

    Raises
    ------
    DataError
    """
    nearest = Path(folder).absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise DataError(f"{folder} cannot be a folder: {nearest} is a file")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DataError(f"{folder} cannot be written: no permission to write in {nearest}")


def _cannot_write(folder: str | os.PathLike[str], error: OSError) -> str:
    return f"{error.filename or folder} cannot be written: {error.strerror or error}; nothing was changed"


def metrics(outcome: Outcome) -> dict[str, Any]:
    """The numbers of a run: likelihood, criteria, clustering proxies, the history, and where they came from."""
    model, frame = outcome.model, outcome.table.frame
    labels = model.predict(frame)
    return {
        "data": _data(outcome),
        "model": {"n_components": model.n_components, "covariance_type": model.covariance_type},
        "criteria": _criteria(outcome),
        "quality": quality(outcome.table.data, labels),
        "fit": _fit(model),
        "selection": _selection(outcome),
        "settings": outcome.settings,
        "notes": outcome.notes,
        "versions": versions(),
    }


def _data(outcome: Outcome) -> dict[str, Any]:
    table = outcome.table
    return {
        "file": table.path.name,
        "sha256": table.sha256,
        "n_rows": len(table),
        "columns": table.columns,
        "skipped": dict(table.skipped),
    }


def _criteria(outcome: Outcome) -> dict[str, float]:
    """Log-likelihood (mean per row and total, in nats) and the criteria, for which lower is better."""
    model, frame = outcome.model, outcome.table.frame
    mean = model.score(frame)
    return {
        "log_likelihood_per_row": mean,
        "log_likelihood": mean * len(frame),
        "aic": model.aic(frame),
        "bic": model.bic(frame),
        "icl": model.icl(frame),
    }


def _fit(model: Any) -> dict[str, Any]:
    return {
        "converged": model.converged_,
        "n_iter": model.n_iter_,
        "status": model.history_.status.value,
        "reason": model.history_.reason,
        "history": model.history_.log_likelihood,
        "spurious": model.spurious_,
    }


def _selection(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.selection is None:
        return None
    return {"criterion": outcome.selection.criterion, "winner": outcome.selection.best_row}


def _pictures(outcome: Outcome) -> dict[str, bytes]:
    """PNG files; none where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return {}
    from mixturelab import plot

    figures = {
        "soft_assignments.png": plot.soft_assignments(outcome.model, outcome.table.frame),
        "convergence.png": plot.convergence(outcome.model),
    }
    if outcome.selection is not None:
        figures["selection_curve.png"] = plot.selection_curve(outcome.selection)
    return {name: plot.png(figure, dpi=_DPI) for name, figure in figures.items()}


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A table as CSV; numbers in full, so that reading them gives the same numbers."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


def json_bytes(value: Any) -> bytes:
    """JSON for people and programs: sorted, indented, a NaN as null."""
    return (json.dumps(storable(value), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()

"""The short report at the end of a run, as plain text that any terminal can show."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mixturelab.persistence import load_described
from mixturelab.pipeline.artifacts import metrics
from mixturelab.pipeline.run import Outcome

_LABEL = 13
_WIDTH = 100
# Rows with a largest responsibility from here on are called clear.
CERTAIN = 0.9


def report(outcome: Outcome, files: Sequence[Path] = ()) -> str:
    """What was read, chosen, fitted and written, in a few lines."""
    found = metrics(outcome)
    lines = [f"A Gaussian mixture for {outcome.table.path}", ""]
    lines += _entry("data", _data_words(found["data"]))
    if outcome.selection is not None:
        lines += _entry("choice", _choice_words(outcome.selection))
    lines += _entry("fit", _fit_words(found))
    lines += _entry("components", _component_words(outcome.model))
    lines += _entry("certainty", [_certainty_words(outcome)])
    lines += _entry("quality", _quality_words(found["quality"]))
    lines += _entry("note", outcome.notes)
    lines += _entry("written", _written_words(files))
    return "\n".join(lines)


def _entry(label: str, sentences: Iterable[str]) -> list[str]:
    """A label, and beside it each sentence on lines of its own."""
    lines = [line for sentence in sentences for line in textwrap.wrap(sentence, _WIDTH - _LABEL)]
    labels = [label] + [""] * len(lines)
    return [f"{name:<{_LABEL}}{line}".rstrip() for name, line in zip(labels, lines, strict=False)]


def _data_words(data: dict[str, Any]) -> Iterable[str]:
    columns = data["columns"]
    yield f"{data['n_rows']:,} rows, {_count(len(columns), 'numeric column')}: {', '.join(columns)}"
    if data["skipped"]:
        yield "left out: " + ", ".join(f"{name} ({why})" for name, why in data["skipped"].items())


def _count(number: int, noun: str, many: str | None = None) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {many or noun + 's'}"


def _choice_words(selection: Any) -> Iterable[str]:
    best, *others = (f"{_fit_name(row)} with {_value(row, selection)}" for row in _ranked(selection))
    name = selection.criterion.upper() if selection.lower_is_better else selection.criterion
    yield f"{name} over {_tried(selection.table)}: {best} wins" + "".join(f", before {o}" for o in others[:1])
    for row in _tempting(selection)[:3]:
        yield f"{_fit_name(row)} with {_value(row, selection)} is spurious: {row['reason']}"


def _tried(table: Any) -> str:
    low, high = table["n_components"].min(), table["n_components"].max()
    ks = f"K = {low} to {high}" if low < high else f"K = {low}"
    return f"{ks} and {_count(table['covariance_type'].nunique(), 'family', 'families')}"


def _ranked(selection: Any) -> list[dict[str, Any]]:
    """Honest fits, the best first."""
    sign = 1 if selection.lower_is_better else -1
    table = selection.table[~selection.table["spurious"].astype(bool)].dropna(subset=[selection.criterion])
    return sorted(table.to_dict("records"), key=lambda row: sign * row[selection.criterion])


def _tempting(selection: Any) -> list[dict[str, Any]]:
    """Spurious fits that would have won, the best first."""
    sign = 1 if selection.lower_is_better else -1
    table = selection.table[selection.table["spurious"].astype(bool)].dropna(subset=[selection.criterion])
    limit = sign * selection.best_row[selection.criterion]
    rows = [row for row in table.to_dict("records") if sign * row[selection.criterion] < limit]
    return sorted(rows, key=lambda row: sign * row[selection.criterion])


def _fit_name(row: dict[str, Any]) -> str:
    return f"{row['covariance_type']}, K = {row['n_components']}"


def _value(row: dict[str, Any], selection: Any) -> str:
    return number(row[selection.criterion])


def number(value: float) -> str:
    """A criterion: one decimal where it is large, four digits where it is not."""
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def _fit_words(found: dict[str, Any]) -> Iterable[str]:
    model, criteria, fit = found["model"], found["criteria"], found["fit"]
    yield f"{_fit_name(model)}; {fit['reason']}"
    yield (
        f"log-likelihood {number(criteria['log_likelihood'])} ({criteria['log_likelihood_per_row']:.4f} a row), "
        f"AIC {number(criteria['aic'])}, BIC {number(criteria['bic'])}, ICL {number(criteria['icl'])}"
    )
    for sentence in fit["spurious"]:
        yield f"not to be trusted: {sentence}"


def _component_words(model: Any, most: int = 12) -> Iterable[str]:
    names = feature_names(model)
    for k, (weight, mean) in enumerate(zip(model.weights_[:most], model.means_[:most], strict=True)):
        parts = [f"{name} {value:.4g}" for name, value in zip(names[:4], mean[:4], strict=True)]
        more = ", ..." if len(names) > 4 else ""
        yield f"{k}: weight {weight:.3f}, mean {', '.join(parts)}{more}"
    if len(model.weights_) > most:
        yield f"and {len(model.weights_) - most} more"


def feature_names(model: Any) -> list[str]:
    """The names a model was fitted with, or numbers."""
    return [str(name) for name in getattr(model, "feature_names_in_", range(model.n_features_in_))]


def _certainty_words(outcome: Outcome) -> str:
    largest = np.asarray(outcome.model.predict_proba(outcome.table.frame)).max(axis=1)
    clear = int((largest >= CERTAIN).sum())
    return f"{clear:,} of {len(largest):,} rows belong to one component with a responsibility of {CERTAIN} or more"


def _quality_words(found: dict[str, float]) -> Iterable[str]:
    if np.isnan(found["silhouette"]):
        return
    yield (
        f"silhouette {found['silhouette']:.3f}, Davies-Bouldin {found['davies_bouldin']:.3f}, "
        f"Calinski-Harabasz {number(found['calinski_harabasz'])} (proxies, of hard labels)"
    )


def _written_words(files: Sequence[Path]) -> Iterable[str]:
    if not files:
        return
    names = [path.name for path in files]
    yield f"{files[0].parent}: {', '.join(names)}"
    if not any(name.endswith(".png") for name in names):
        yield "no pictures: matplotlib is not installed (pip install 'mixturelab[plot]')"


def selection_rows(selection: Any) -> list[tuple[list[str], str]]:
    """The table of a comparison for the screen: its cells, and how the line is marked.

    Returns
    -------
    list of (cells, mark)
        Cells: family, K, parameters, log-likelihood a row, the criterion, remark. Mark: "winner", "spurious"
        or "".
    """
    return [(_cells(row, selection), _mark(row, selection)) for row in selection.table.to_dict("records")]


def _cells(row: dict[str, Any], selection: Any) -> list[str]:
    numbers = [row["log_likelihood"], row[selection.criterion]]
    shown = [
        "-" if np.isnan(value) else form.format(value) for value, form in zip(numbers, _FORMS, strict=True)
    ]
    return [row["covariance_type"], str(row["n_components"]), str(row["n_parameters"]), *shown, row["reason"]]


_FORMS = ("{:.4f}", "{:,.4f}")


def _mark(row: dict[str, Any], selection: Any) -> str:
    if row["spurious"]:
        return "spurious"
    best = selection.best_row
    return "winner" if all(row[key] == best[key] for key in ("covariance_type", "n_components")) else ""


def describe_file(path: str | os.PathLike[str]) -> str:
    """What a model file holds and where it came from, in a few lines.

    Raises
    ------
    ModelFileError
        If it is not a whole and valid model file; a pickle is refused.
    """
    return f"{path}: " + describe_model(*load_described(path))


def describe_model(header: dict[str, Any], model: Any) -> str:
    """The same of a header and its model."""
    fit, provenance = header["fit"], header["provenance"]
    form = f"{header['dtypes']['means']}, schema {header['schema_version']}"
    lines = [f"{header['estimator']}, {_fit_name(header)} ({form})", ""]
    names = header["feature_names"] or [f"{header['n_features']}, without names"]
    lines += _entry("features", [_listed(names)])
    doubts = [f"not to be trusted: {sentence}" for sentence in fit["spurious"]]
    lines += _entry("fit", map(_plain, [fit["reason"], *doubts]))
    lines += _entry("prior", _prior_words(header, model))
    lines += _entry("components", map(_plain, _component_words(model)))
    lines += _entry("origin", map(_plain, _origin_words(provenance)))
    lines += _entry("versions", [_plain(_flat(provenance.get("versions", {})))])
    return "\n".join(lines)


def _prior_words(header: dict[str, Any], model: Any) -> Iterable[str]:
    settings = header["settings"]
    if header["estimator"] == "BayesianGaussianMixture":
        kind = settings["weight_concentration_prior_type"].replace("_", " ")
        used = int((np.asarray(model.weights_) >= 0.01).sum())
        yield f"{kind}, concentration {model.weight_concentration_prior_:.4g}"
        yield f"{used} of {model.n_components} components weigh 0.01 or more"
    elif settings.get("prior"):
        given = {name: value for name, value in settings["prior"].items() if value is not None}
        yield _flat({name: "given" if isinstance(value, dict) else value for name, value in given.items()})


def _listed(names: list[str], most: int = 40) -> str:
    shown = ", ".join(_plain(name, 60) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _plain(text: str, most: int = 500) -> str:
    """What a stranger's file says, for a terminal: not too long, and nothing in it that a terminal would obey."""
    short = text if len(text) <= most else text[:most] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def _origin_words(provenance: dict[str, Any]) -> Iterable[str]:
    for name in sorted(set(provenance) - {"versions"}):
        yield f"{name}: {_flat(provenance[name])}"


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_flat(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        return " ".join(map(_flat, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)

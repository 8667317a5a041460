"""From rows to the three answers about them: as JSON, or as the columns of a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import torch
from numpy.typing import NDArray

from mixturelab.scoring import Scorer, Scores
from mixturelab.serve.refusal import Feature, Refusal
from mixturelab.serve.work import Deadline

__all__ = ["ANSWERS", "LARGEST", "Answer", "json_bytes", "score_rows"]

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]
# Beyond it, squares begin to overflow.
LARGEST = 1e100
# Rows between two looks at the clock.
_PART = 16_384


@dataclass(frozen=True)
class Answer:
    """One of the endpoints that take rows.

    Attributes
    ----------
    as_json : callable
        Scores → what the JSON answer holds; arrays may be in it.
    as_columns : callable
        Scores → the columns of the table, by name.
    """

    as_json: Callable[[Scores], dict[str, Any]]
    as_columns: Callable[[Scores], Columns]


def _responsibility_columns(scores: Scores) -> Columns:
    by_component = np.ascontiguousarray(scores.responsibilities.T)
    return {f"responsibility_{k}": column for k, column in enumerate(by_component)}


def _labels(scores: Scores) -> Columns:
    return {"component": scores.component, "uncertainty": scores.uncertainty}


ANSWERS = {
    "/responsibilities": Answer(
        lambda scores: {"responsibilities": np.ascontiguousarray(scores.responsibilities)},
        _responsibility_columns,
    ),
    "/predict": Answer(_labels, _labels),
    "/score": Answer(
        lambda scores: {"log_density": scores.log_density, "mean": float(scores.log_density.mean())},
        lambda scores: {"log_density": scores.log_density},
    ),
}


def json_bytes(content: dict[str, Any]) -> bytes:
    """As JSON; every float64 is read back as the same number."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def score_rows(
    scorer: Scorer, x: Floats, name: Callable[[int], Feature], deadline: Deadline | None = None
) -> Scores:
    """The scores of rows, whose numbers and densities are finite.

    Parameters
    ----------
    scorer : Scorer
    x : ndarray [N, D]
    name : callable
        What the feature of a position is called.
    deadline : Deadline, optional

    Raises
    ------
    Refusal
        422, naming the first row and feature that are not finite or too far away to be scored; 503 if time is over.
    """
    if not (x.max() <= LARGEST and x.min() >= -LARGEST):  # so put, it is true of NaN as well
        _refuse_unusable(x, np.abs(x) <= LARGEST, name)
    rows = torch.from_numpy(x)  # shares the memory
    scores = scorer(rows) if len(x) <= _PART else _in_parts(scorer, rows, deadline)
    if not math.isfinite(scores.log_density.sum()):
        _refuse_unusable(x, np.isfinite(scores.log_density)[:, None], name)
    return scores


def _in_parts(scorer: Scorer, x: torch.Tensor, deadline: Deadline | None) -> Scores:
    log_density, gamma = np.empty(len(x)), np.empty((len(x), scorer.n_components))
    for start in range(0, len(x), _PART):
        if deadline is not None:
            deadline.check()
        part, end = scorer(x[start : start + _PART]), start + _PART
        log_density[start:end], gamma[start:end] = part.log_density, part.responsibilities
    return Scores(log_density, gamma)


def _refuse_unusable(x: Floats, is_good: NDArray[np.bool_], name: Callable[[int], Feature]) -> None:
    """Refuse the first row that is not good, naming its first feature that is not, or else the one farthest out."""
    bad = np.flatnonzero(~is_good.all(axis=1))
    if not len(bad):
        return  # each density is finite, though their sum is not
    row = int(bad[0])
    feature = int(np.argmax(np.where(is_good[row], 0, np.nan_to_num(np.abs(x[row]), nan=np.inf))))
    value, label = x[row, feature], name(feature)
    wanted = "too far from the model to be scored" if np.isfinite(value) else "wanted a finite number"
    raise Refusal(422, f"row {row}, feature {label!r}: {value:g}; {wanted}", row, label)

"""The description of the service for programs: OpenAPI 3.1, with an example for each body, of this very model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mixturelab
from mixturelab.scoring import Scorer
from mixturelab.serve.answers import ANSWERS, LARGEST
from mixturelab.serve.settings import Settings
from mixturelab.serve.tables import FORMATS

__all__ = ["schema"]

Schema = dict[str, Any]
_NUMBER: Schema = {"type": "number"}
_VALUE: Schema = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NAMES: Schema = {"type": ["array", "null"], "items": {"type": "string"}}
_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "row", "feature"],
            "properties": {
                "message": {"type": "string"},
                "row": {"type": ["integer", "null"], "description": "From 0."},
                "feature": {"type": ["string", "integer", "null"]},
            },
        }
    },
}
_SUMMARIES = {
    "/responsibilities": "How probable it is, for each row, that each component drew it",
    "/predict": "The most responsible component of each row, and how uncertain that is",
    "/score": "The log density of each row, in nats, and their mean",
}


def schema(scorer: Scorer, settings: Settings, example: Sequence[float]) -> Schema:
    """The whole description.

    Parameters
    ----------
    scorer : Scorer
    settings : Settings
    example : sequence of float [D]
        A row that the model scores.
    """
    with_token = settings.token is not None
    components: Schema = {"schemas": {"Error": _ERROR}}
    if with_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mixturelab",
            "version": mixturelab.__version__,
            "description": "Scores of one Gaussian mixture. Components, rows and features count from 0.",
        },
        "paths": _paths(scorer, settings, example, with_token),
        "components": components,
        **({"security": [{"token": []}]} if with_token else {}),
    }


def _paths(scorer: Scorer, settings: Settings, example: Sequence[float], with_token: bool) -> Schema:
    errors = _errors(("401",) if with_token else ())
    content: Schema = {
        "application/json": {"schema": _rows(scorer, settings), "examples": _row_examples(scorer, example)},
        **{kind: {"schema": _binary("A table with the model's features as columns.")} for kind in FORMATS},
    }
    rows = {path: {"post": _rows_operation(path, scorer, content, with_token)} for path in ANSWERS}
    return {
        **rows,
        "/sample": {"post": _sample_operation(scorer, settings, with_token)},
        "/model": {
            "get": _get("The model's parameters, the limits, and what its file says", _model(), errors)
        },
        "/health": {"get": _open(_get("Whether the service is alive", _status("ok"), {}))},
        "/ready": {"get": _open(_get("Whether it takes requests", _status("ready"), _errors(("503",))))},
        "/metrics": {"get": _get_text("What it counts, for Prometheus", errors)},
    }


# --------------------------------------------------------------------------------------------- what is posted
def _rows_operation(path: str, scorer: Scorer, content: Schema, with_token: bool) -> Schema:
    answers: Schema = {
        "application/json": {"schema": _answer(path, scorer.n_components)},
        **{kind: {"schema": _binary("The same as a table.")} for kind in FORMATS},
    }
    return _post(_SUMMARIES[path], path.strip("/"), content, answers, with_token)


def _rows(scorer: Scorer, settings: Settings) -> Schema:
    d = scorer.n_features
    most = settings.json_rows(d, scorer.n_components)
    by_position: Schema = {"type": "array", "items": _VALUE, "minItems": d, "maxItems": d}
    forms = [_list(by_position, most)]
    if scorer.feature_names is not None:
        names = list(scorer.feature_names)
        by_name = {
            "type": "object",
            "properties": dict.fromkeys(names, _VALUE),
            "required": names,
            "additionalProperties": False,
        }
        forms.append(_list(by_name, most))
    rows = {"anyOf": forms} if len(forms) > 1 else forms[0]
    return {
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": rows},
        "additionalProperties": False,
    }


def _list(row: Schema, most: int) -> Schema:
    return {"type": "array", "items": row, "minItems": 1, "maxItems": most}


def _row_examples(scorer: Scorer, example: Sequence[float]) -> Schema:
    row = [float(f"{value:.6g}") for value in example]
    found: Schema = {"by position": {"value": {"rows": [row]}}}
    if scorer.feature_names is not None:
        found["by name"] = {"value": {"rows": [dict(zip(scorer.feature_names, row, strict=True))]}}
    return found


def _answer(path: str, n_components: int) -> Schema:
    share = {"type": "number", "minimum": -1e-9, "maximum": 1 + 1e-9}
    row = {"type": "array", "items": share, "minItems": n_components, "maxItems": n_components}
    return {
        "/responsibilities": _object({"responsibilities": {"type": "array", "items": row}}),
        "/predict": _object(
            {
                "component": {"type": "array", "items": _COUNT},
                "uncertainty": {"type": "array", "items": share},
            }
        ),
        "/score": _object({"log_density": {"type": "array", "items": _NUMBER}, "mean": _NUMBER}),
    }[path]


def _sample_operation(scorer: Scorer, settings: Settings, with_token: bool) -> Schema:
    most = settings.samples(scorer.n_features)
    body = {
        "type": "object",
        "required": ["n"],
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": most},
            "seed": {
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": 2**32 - 1,
                "description": "Equal seeds give equal rows.",
            },
        },
        "additionalProperties": False,
    }
    content: Schema = {"application/json": {"schema": body, "example": {"n": 5, "seed": 0}}}
    answer = _object(
        {
            "feature_names": _NAMES,
            "rows": {"type": "array", "items": {"type": "array", "items": _NUMBER}},
            "component": {"type": "array", "items": _COUNT},
        }
    )
    answers: Schema = {"application/json": {"schema": answer}}
    return _post("Rows drawn from the mixture", "sample", content, answers, with_token)


def _post(summary: str, name: str, content: Schema, answers: Schema, with_token: bool) -> Schema:
    statuses = ("400", "408", "413", "415", "422", "503", *(("401",) if with_token else ()))
    return {
        "summary": summary,
        "operationId": name,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "The answer.", "content": answers}, **_errors(statuses)},
    }


# ------------------------------------------------------------------------------------------------ what is got
def _get(summary: str, answer: Schema, errors: Schema) -> Schema:
    content = {"application/json": {"schema": answer}}
    return {
        "summary": summary,
        "responses": {"200": {"description": "The answer.", "content": content}, **errors},
    }


def _get_text(summary: str, errors: Schema) -> Schema:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "summary": summary,
        "responses": {"200": {"description": "The counters.", "content": content}, **errors},
    }


def _open(operation: Schema) -> Schema:
    return {**operation, "security": []}


def _status(word: str) -> Schema:
    return _object({"status": {"const": word}})


def _model() -> Schema:
    numbers = {"type": "array", "items": _NUMBER}
    matrix = {"type": "array", "items": numbers}
    return _object(
        {
            "covariance_type": {"enum": ["full", "tied", "diag", "spherical"]},
            "n_components": _COUNT,
            "n_features": _COUNT,
            "feature_names": _NAMES,
            "weights": numbers,
            "means": matrix,
            "covariances": {"type": ["array", "null"], "items": matrix},
            "limits": _object(dict.fromkeys(("rows", "bytes", "samples", "seconds"), _NUMBER)),
            "header": {"type": ["object", "null"]},
        }
    )


def _errors(statuses: tuple[str, ...]) -> Schema:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": _ERRORS[status], "content": content} for status in statuses}


_ERRORS = {
    "400": "The body is not what its Content-Type says.",
    "401": "No token, or a wrong one.",
    "408": "The body came too slowly.",
    "413": "The body is too long, or there are too many rows.",
    "415": "The Content-Type is none that is read here.",
    "422": "The rows cannot be scored; the message names the row and the feature.",
    "503": "The time is over, or there are too many requests.",
}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _binary(description: str) -> Schema:
    return {"type": "string", "format": "binary", "description": description}

"""The FastAPI application that serves one mixture."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import mixturelab
from mixturelab.mixture_estimator import MixtureEstimator
from mixturelab.persistence import load, read_header
from mixturelab.scoring import Scorer
from mixturelab.serve import openapi, page
from mixturelab.serve.answers import ANSWERS, json_bytes
from mixturelab.serve.endpoints import JSON, Endpoint, RowsEndpoint, SampleEndpoint, describe
from mixturelab.serve.gate import Gate
from mixturelab.serve.logs import JsonLog
from mixturelab.serve.metrics import Metrics
from mixturelab.serve.receiving import Receiver
from mixturelab.serve.refusal import error_body
from mixturelab.serve.settings import Settings
from mixturelab.serve.state import State
from mixturelab.serve.work import Workers

__all__ = ["create_app"]

_PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


def create_app(
    model: MixtureEstimator | str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    trust: bool = False,
    log: JsonLog | None = None,
) -> FastAPI:
    """An ASGI application that answers for one mixture.

    Parameters
    ----------
    model : GaussianMixture, BayesianGaussianMixture or path
        Fitted; or the model file.
    settings : Settings, optional
        The limits.
    trust : bool, default=False
        Whether a path may be that of a joblib or pickle file: opening one runs whatever is in it.
    log : JsonLog, optional
        Where the log goes; by default nowhere.

    Returns
    -------
    FastAPI
        Its ``state.service`` is a `State`.

    Raises
    ------
    ModelFileError
        If the file cannot be loaded.
    NotFittedError
        If the model has not been fitted.
    """
    settings = settings or Settings()
    header, model = _loaded(model, trust)
    scorer = Scorer(model)
    state, workers = State(log or JsonLog(None)), Workers(settings)
    state.metrics.describe(
        covariance_type=model.covariance_type,
        n_components=str(scorer.n_components),
        n_features=str(scorer.n_features),
    )
    pages = page.files()
    posts = _posts(model, scorer, settings, workers)
    gets = _gets(json_bytes(describe(model, scorer, settings, header)), state, pages)
    app = Service(
        title="mixturelab",
        version=mixturelab.__version__,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # it would redirect to wherever the Host header says
        telemetry={"tracing": False, "metrics": False, "logs": False},  # this service counts by itself
        lifespan=_lifespan(state, workers),
        routes=[
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in gets.items()),
        ],
        exception_handlers={HTTPException: _unknown, Exception: _failed},
    )
    schema = openapi.schema(scorer, settings, np.asarray(model.means_, dtype=float)[0].tolist())
    app.openapi = lambda: schema  # type: ignore[method-assign]
    app.state.service = state
    endpoints = {*posts, *gets, "/openapi.json"} - set(pages)
    app.gate = Gate(app.answer, posts, settings, state, endpoints, pages)
    return app


class Service(FastAPI):
    """A FastAPI application with a gate in front of all its own middleware."""

    gate: Gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await self.gate(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What FastAPI does."""
        await super().__call__(scope, receive, send)


def _loaded(model: Any, trust: bool) -> tuple[dict[str, Any] | None, MixtureEstimator]:
    if isinstance(model, MixtureEstimator):
        return None, model
    path = Path(model)
    loaded = load(path, trust=trust)
    # A pickle has no header.
    header = read_header(path) if hasattr(loaded, "provenance_") and not _is_pickle(path) else None
    return header, loaded


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(9)[8:9] != b"{"


_MESSAGES = {404: "there is nothing at this address", 405: "this address does not know this method"}


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = error_body(_MESSAGES.get(error.status_code, "the request cannot be answered"))
    return Response(body, error.status_code, error.headers, JSON)


async def _failed(request: Request, error: Exception) -> Response:
    return Response(
        error_body("something went wrong in the service; its log says where"), 500, media_type=JSON
    )


def _lifespan(state: State, workers: Workers) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state.is_ready = True
        try:
            yield
        finally:
            state.is_ready = False
            workers.close()
            state.log.flush()

    return lifespan


def _posts(
    model: MixtureEstimator, scorer: Scorer, settings: Settings, workers: Workers
) -> dict[str, Endpoint]:
    receiver = Receiver(settings)
    rows = {path: RowsEndpoint(path, scorer, settings, receiver, workers) for path in ANSWERS}
    return {**rows, "/sample": SampleEndpoint(model, settings, receiver, workers)}


def _gets(description: bytes, state: State, pages: Mapping[str, tuple[bytes, str]]) -> dict[str, Any]:
    return {
        "/model": _constant(description),
        "/health": _constant(json_bytes({"status": "ok"})),
        "/ready": _ready(state),
        "/metrics": _metrics(state.metrics),
        **{path: _constant(content, kind, _PAGE_HEADERS) for path, (content, kind) in pages.items()},
    }


def _constant(content: bytes, media_type: str = JSON, headers: Mapping[str, str] | None = None) -> Any:
    async def constant(request: Request) -> Response:
        return Response(content, media_type=media_type, headers=headers)

    return constant


def _ready(state: State) -> Any:
    async def ready(request: Request) -> Response:
        if state.is_ready:
            return Response(json_bytes({"status": "ready"}), media_type=JSON)
        return Response(error_body("the service is starting or shutting down"), 503, media_type=JSON)

    return ready


def _metrics(metrics: Metrics) -> Any:
    async def exposition(request: Request) -> Response:
        content, media_type = metrics.text()
        return Response(content, media_type=media_type)

    return exposition

"""The endpoints: what is read from a request, where it is computed, and what is answered."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from mixturelab.mixture_estimator import MixtureEstimator
from mixturelab.scoring import Scorer
from mixturelab.serve import answers
from mixturelab.serve.answers import ANSWERS, json_bytes
from mixturelab.serve.bodies import RowReader, read_sample
from mixturelab.serve.gate import LONG, send_reply
from mixturelab.serve.receiving import Headers, Receiver, headers_of
from mixturelab.serve.refusal import Refusal
from mixturelab.serve.settings import Settings
from mixturelab.serve.tables import FORMATS, TableReader
from mixturelab.serve.work import Deadline, Workers

__all__ = ["JSON", "Endpoint", "RowsEndpoint", "SampleEndpoint", "describe"]

JSON = "application/json"
# What is computed between two requests, and not in a thread: at most so many bytes, and so many multiplications (a
# few milliseconds). A thread of its own would take longer to start than a row to score.
_INLINE_BYTES, _INLINE_PRODUCTS = 16_384, 2_000_000
# Larger covariances are no answer to a GET.
_MAX_COVARIANCES = 1_000_000
# A work's result: the body, its media type and how many rows it is about.
Reply = tuple[bytes | memoryview, str, int]
Work = Callable[[Deadline | None], Reply]


class Endpoint:
    """Reads a request, has it computed here or in a thread, and answers.

    Parameters
    ----------
    receiver : Receiver
    workers : Workers
    """

    def __init__(self, receiver: Receiver, workers: Workers) -> None:
        self._receiver, self._workers = receiver, workers
        self._inline_bytes = _INLINE_BYTES

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request."""
        headers = headers_of(scope)
        media_type = _media_type(headers)
        self.require(media_type)
        if _is_short(headers, self._inline_bytes):
            await self._answer(scope, receive, send, headers, media_type)
        else:
            with self._receiver.room(headers):
                await self._answer(scope, receive, send, headers, media_type)

    async def _answer(self, scope: Any, receive: Any, send: Any, headers: Headers, media_type: str) -> None:
        body = await self._receiver.body(receive, headers)
        exchange = scope["mixturelab"]
        exchange.bytes_in = len(body)
        work = self.work(body, media_type, headers)
        if self.is_small(body, media_type):
            content, kind, exchange.rows = work(None)
        else:
            content, kind, exchange.rows = await self._workers.run(work)
        if len(content) <= LONG:
            await send_reply(send, 200, content, kind.encode())
        else:
            with self._receiver.answer(len(content)):
                await send_reply(send, 200, content, kind.encode())

    def require(self, media_type: str) -> None:
        """Raise a `Refusal` unless bodies of this kind are read here."""
        raise NotImplementedError

    def is_small(self, body: bytes, media_type: str) -> bool:
        """Whether to compute it at once."""
        raise NotImplementedError

    def work(self, body: bytes, media_type: str, headers: Headers) -> Work:
        """What is to be computed."""
        raise NotImplementedError


class RowsEndpoint(Endpoint):
    """``/responsibilities``, ``/predict`` or ``/score``.

    Parameters
    ----------
    path : str
        One of the keys of `ANSWERS`.
    scorer : Scorer
    settings : Settings
    receiver, workers
        As in `Endpoint`.
    """

    def __init__(
        self, path: str, scorer: Scorer, settings: Settings, receiver: Receiver, workers: Workers
    ) -> None:
        super().__init__(receiver, workers)
        self._answer_of, self._scorer = ANSWERS[path], scorer
        d, k = scorer.n_features, scorer.n_components
        self._json = RowReader(scorer.feature_names, d, settings.json_rows(d, k))
        self._tables = TableReader(scorer, settings.rows(d, k), settings.max_bytes, workers.parquet)
        # A row takes at least two bytes a number, and K·D² multiplications.
        products_a_byte = max(1, scorer.n_components * scorer.n_features // 2)
        self._inline_bytes = min(_INLINE_BYTES, _INLINE_PRODUCTS // products_a_byte)

    def require(self, media_type: str) -> None:
        """JSON, Arrow or Parquet."""
        if media_type != JSON and media_type not in FORMATS:
            wanted = ", ".join((JSON, *FORMATS))
            raise Refusal(415, f"the Content-Type is none that is read here; wanted one of {wanted}")

    def is_small(self, body: bytes, media_type: str) -> bool:
        """A few rows of JSON; tables take longer to open than a thread to start."""
        return media_type == JSON and len(body) <= self._inline_bytes

    def work(self, body: bytes, media_type: str, headers: Headers) -> Work:
        """Read, score, write."""
        return partial(self._reply, body, media_type, _answered_as(media_type, headers))

    def _reply(self, body: bytes, read_as: str, write_as: str, deadline: Deadline | None) -> Reply:
        rows = self._json(body) if read_as == JSON else FORMATS[read_as].read(self._tables, body)
        scores = answers.score_rows(self._scorer, rows, self._json.feature, deadline)
        if write_as == JSON:
            return json_bytes(self._answer_of.as_json(scores)), JSON, len(rows)
        return FORMATS[write_as].write(self._answer_of.as_columns(scores)), write_as, len(rows)


class SampleEndpoint(Endpoint):
    """``/sample``: rows drawn from the mixture.

    Parameters
    ----------
    model : GaussianMixture or BayesianGaussianMixture
    settings : Settings
    receiver, workers
        As in `Endpoint`.
    """

    def __init__(
        self, model: MixtureEstimator, settings: Settings, receiver: Receiver, workers: Workers
    ) -> None:
        super().__init__(receiver, workers)
        self._model = model
        names = getattr(model, "feature_names_in_", None)
        self._names = None if names is None else list(map(str, names))
        self._most = settings.samples(np.shape(model.means_)[1])

    def require(self, media_type: str) -> None:
        """JSON alone."""
        if media_type != JSON:
            raise Refusal(415, f"the Content-Type is none that is read here; wanted {JSON}")

    def is_small(self, body: bytes, media_type: str) -> bool:
        """Never: a few bytes can ask for many rows."""
        return False

    def work(self, body: bytes, media_type: str, headers: Headers) -> Work:
        """Read, draw, write."""
        return partial(self._reply, *read_sample(body, self._most))

    def _reply(self, n: int, seed: int | None, deadline: Deadline | None) -> Reply:
        # A copy for each request: the seed is the request's, the model everybody's.
        model = copy.copy(self._model).set_params(random_state=secrets.randbits(32) if seed is None else seed)
        rows, component = (np.ascontiguousarray(array) for array in model.sample(n))
        content = {"feature_names": self._names, "rows": rows.astype(np.float64), "component": component}
        return json_bytes(content), JSON, n


def _media_type(headers: Headers) -> str:
    """The Content-Type without its parameters, but "" if they name another encoding than UTF-8."""
    text = headers.get(b"content-type", b"").decode("latin-1").lower()
    if text == JSON:  # as nearly always
        return JSON
    kind, _, parameters = text.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
            return ""
    return kind.strip()


def _answered_as(read_as: str, headers: Headers) -> str:
    """The format that Accept names, else that of the request."""
    accepted = headers.get(b"accept", b"").decode("latin-1").lower()
    if accepted in ("", "*/*") or read_as in accepted:
        return read_as
    return next((kind for kind in (JSON, *FORMATS) if kind in accepted), read_as)


def _is_short(headers: Headers, limit: int) -> bool:
    length = headers.get(b"content-length", b"")
    return length.isdigit() and len(length) < 10 and int(length) <= limit


# ------------------------------------------------------------------------------------------------------ /model
def describe(model: MixtureEstimator, scorer: Scorer, settings: Settings, header: Any) -> dict[str, Any]:
    """What ``GET /model`` answers: the parameters, the limits, and what the model's file says of its fit."""
    k, d = scorer.n_components, scorer.n_features
    parameters = model._parameters(torch.float64, torch.device("cpu"))
    weights, means = (
        np.asarray(getattr(model, f"{name}_"), dtype=np.float64) for name in ("weights", "means")
    )
    dense = parameters.dense_covariances() if k * d * d <= _MAX_COVARIANCES else None
    return {
        "covariance_type": model.covariance_type,
        "n_components": k,
        "n_features": d,
        "feature_names": None if scorer.feature_names is None else list(scorer.feature_names),
        "weights": np.ascontiguousarray(weights),
        "means": np.ascontiguousarray(means),
        "covariances": None if dense is None else np.ascontiguousarray(dense.numpy()),
        "limits": {
            "rows": settings.rows(d, k),
            "json_rows": settings.json_rows(d, k),
            "bytes": settings.max_bytes,
            "samples": settings.samples(d),
            "seconds": settings.seconds,
        },
        "header": header,
    }

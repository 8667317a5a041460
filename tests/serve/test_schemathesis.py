"""Requests made from the service's own description, good and bad: none is answered 5xx, all as the description says."""

import collections
import os

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from serve.clients import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the server is ended by a POSIX signal"),
]
TOKEN = "correct-horse-battery"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}
# For each kind of request to each address that takes a body.
CASES = 60


@pytest.fixture(scope="module")
def operations(geyser_file):
    """Those of a server with a token, from its own description."""
    with serving(geyser_file, {"token": TOKEN, "log_requests": False, "max_samples": 1000}) as server:
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=SHOWN)
        yield {
            operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())
        }


POSTS = ("POST /responsibilities", "POST /predict", "POST /score", "POST /sample")
GETS = ("GET /model", "GET /health", "GET /ready", "GET /metrics")


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", POSTS)
def test_made_requests_are_answered_as_described(operations, label, mode, record_property):
    """Status, content type and body are described; bad values are refused, good ones taken; the token is needed."""
    statuses: collections.Counter[int] = collections.Counter()

    @hypothesis.given(operations[label].as_strategy(generation_mode=mode))
    @hypothesis.settings(max_examples=CASES, suppress_health_check=list(hypothesis.HealthCheck))
    def ask(case):
        answer = case.call(headers=SHOWN)
        statuses[answer.status_code] += 1
        case.validate_response(answer, headers=SHOWN)

    ask()
    record_property("schemathesis", dict(statuses))
    assert sum(statuses.values()) >= CASES
    assert max(statuses) < 500
    # In a bad request, the body may be good and the token bad: which of the two is for the description to judge.
    assert mode is GenerationMode.NEGATIVE or set(statuses) == {200}


@pytest.mark.parametrize("label", GETS)
def test_what_is_got_is_as_described(operations, label):
    case = operations[label].Case()
    case.call_and_validate(headers=SHOWN)


def test_every_operation_is_tried(operations):
    assert set(operations) == {*POSTS, *GETS}

"""Who may ask, how much, for how long; what is counted and logged; and that a failure tells nothing."""

import asyncio
import io
import json
import threading
import time

import numpy as np
import pytest
from serve.clients import GEYSER, Client, client_of

from mixturelab import GaussianMixture
from mixturelab.exceptions import ArgumentError
from mixturelab.serve import answers
from mixturelab.serve.app import create_app
from mixturelab.serve.logs import JsonLog
from mixturelab.serve.refusal import Refusal
from mixturelab.serve.settings import Settings
from mixturelab.serve.work import Workers

GOOD = {"rows": [[4.0, 80.0]]}
TOKEN = "correct-horse-battery"


# ------------------------------------------------------------------------------------------------------ bytes
def converse(app, parts, headers=(), path="/score"):
    """One request whose body comes in parts; a number among them is a pause in seconds, None leaves."""
    sent, waiting = [], iter(parts)

    async def receive():
        part = next(waiting, b"")
        if isinstance(part, float):
            await asyncio.sleep(part)
            part = next(waiting, b"")
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": part != b""}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers], "scheme": "http",
        "server": ("localhost", 80), "client": ("localhost", 1), "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    if not sent:
        return None, None
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_a_body_too_long_is_413_before_it_is_read(geyser):
    app = create_app(geyser, Settings(max_bytes=1000))

    def never():
        raise AssertionError("the body was read")
        yield

    assert converse(app, never(), [(b"content-length", b"1001")])[0] == 413
    assert converse(app, never(), [(b"content-length", b"9" * 30)])[0] == 413


def test_a_body_too_long_that_says_no_length_is_413(geyser):
    """It is read no further than to the limit."""
    app, taken = create_app(geyser, Settings(max_bytes=1000)), []

    def parts():
        for _ in range(1000):
            taken.append(1)
            yield b"[" * 100

    assert converse(app, parts())[0] == 413
    assert len(taken) == 11


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_in_parts_is_a_body(geyser, size):
    body = json.dumps({"rows": GEYSER.to_numpy().tolist()}).encode()
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    app = create_app(geyser)
    assert converse(app, parts) == converse(app, [body])
    assert converse(app, parts)[0] == 200


@pytest.mark.parametrize("parts", [[1.0, b"{"], [b'{"rows": [', 1.0, b"[4, 80]]}"], [b" ", 0.1] * 10])
def test_a_slow_client_is_408(geyser, parts):
    began = time.monotonic()
    status, body = converse(create_app(geyser, Settings(receive_seconds=0.3)), parts)
    assert (status, time.monotonic() - began < 0.9) == (408, True)
    assert b"0.3 seconds" in body


def test_a_client_that_leaves_is_let_go(geyser):
    app = create_app(geyser)
    assert converse(app, [b'{"rows"', None]) == (None, None)
    assert converse(app, [None]) == (None, None)
    assert 'status="499"' in Client(app).get("/metrics").text


def test_bodies_hold_a_bounded_amount_together(geyser):
    """Four bodies of unknown length at once are the most; when they are gone there is room again."""
    app = create_app(geyser, Settings(receive_seconds=5))

    async def one(inside: asyncio.Event, leave: asyncio.Event):
        sent = []

        async def receive():
            inside.set()
            await leave.wait()
            return {"type": "http.request", "body": json.dumps(GOOD).encode(), "more_body": False}

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
        scope = {"type": "http", "method": "POST", "path": "/score", "headers": headers, "query_string": b""}
        await app(scope, receive, send)
        return sent[0]["status"]

    async def many():
        leave = asyncio.Event()
        held = []
        for _ in range(4):
            inside = asyncio.Event()
            held.append(asyncio.create_task(one(inside, leave)))
            await inside.wait()
        refused = await one(asyncio.Event(), leave)
        leave.set()
        return refused, [await task for task in held], await one(asyncio.Event(), leave)

    assert asyncio.run(many()) == (503, [200] * 4, 200)


# ------------------------------------------------------------------------------------------------------- time
class Stuck:
    """Scores rows when it is told to."""

    def __init__(self, scorer):
        self.scorer, self.go, self.calls = scorer, threading.Event(), 0

    def __call__(self, x):
        self.calls += 1
        self.go.wait(10)
        return self.scorer(x)

    def __getattr__(self, name):
        return getattr(self.scorer, name)


@pytest.fixture
def stuck(monkeypatch):
    """Scorers of applications made from now on wait; the list holds them."""
    made = []
    original = answers.score_rows

    def waiting(scorer, *rest):
        if not made:
            made.append(Stuck(scorer))
        return original(made[0], *rest)

    monkeypatch.setattr(answers, "score_rows", waiting)
    yield made
    for scorer in made:
        scorer.go.set()


MANY = {"rows": [[4.0, 80.0]] * 5000}


def test_an_answer_that_takes_too_long_is_503(geyser, stuck):
    client = client_of(geyser, Settings(seconds=0.3))
    began = time.monotonic()
    status, error = client.error("/score", MANY)
    assert (status, time.monotonic() - began < 2) == (503, True)
    assert "0.3 seconds" in error["message"]
    stuck[0].go.set()
    assert client.post("/score", MANY).status_code == 200


def test_the_queue_has_an_end(geyser, stuck):
    """One is computed, one waits, the third is told to come back; /health is answered meanwhile."""
    client = client_of(geyser, Settings(seconds=5, workers=1, waiting=1))
    found = []
    threads = [threading.Thread(target=lambda: found.append(client.post("/score", MANY))) for _ in range(2)]
    for thread in threads:
        thread.start()
    while not stuck or client.get("/metrics").text.count("in_progress 3.0") == 0:
        time.sleep(0.01)
    refused = client.post("/score", MANY)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert client.get("/health").status_code == 200
    stuck[0].go.set()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in found] == [200, 200]
    assert client.post("/score", MANY).status_code == 200


def test_work_that_nobody_waits_for_ends_at_its_next_part():
    parts = []

    def endless(deadline):
        for part in range(1000):
            deadline.check()
            parts.append(part)
            time.sleep(0.05)

    async def run():
        with pytest.raises(Refusal):
            await Workers(Settings(seconds=0.2)).run(endless)

    asyncio.run(run())
    done = len(parts)
    time.sleep(0.2)
    assert len(parts) <= done + 1 < 20


# ------------------------------------------------------------------------------------------------------ token
def test_without_the_token_nothing_of_the_model_is_told(geyser):
    client = client_of(geyser, Settings(token=TOKEN))
    wrong = [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": f"Basic {TOKEN}"},
             {"authorization": TOKEN}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": f"Bearer {TOKEN[:-1]}"},
             {"authorization": f"Bearer {TOKEN.upper()}"}, {"authorization": "Bearer \xff"}]  # fmt: skip
    for headers in wrong:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        for method, path in [("POST", "/score"), ("GET", "/model"), ("GET", "/metrics"), ("GET", "/openapi.json"),
                             ("POST", "/sample"), ("GET", "/nothing")]:  # fmt: skip
            answer = client.ask(method, path, headers=encoded)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert TOKEN not in answer.text


def test_with_the_token_everything_is(geyser):
    client = client_of(geyser, Settings(token=TOKEN))
    for scheme in ("Bearer", "bearer"):
        right = {"authorization": f"{scheme} {TOKEN}"}
        assert client.post("/score", GOOD, **right).status_code == 200
        assert client.get("/metrics", headers=right).status_code == 200
    assert "bearer" in client.get("/openapi.json", headers=right).text


@pytest.mark.parametrize("path", ["/health", "/ready", "/"])
def test_what_tells_nothing_needs_no_token(geyser, path):
    assert client_of(geyser, Settings(token=TOKEN)).get(path).status_code in (200, 503)


def test_the_token_is_compared_in_constant_time(geyser, monkeypatch):
    """By the function that promises it, whatever was shown."""
    compared = []
    from mixturelab.serve import gate

    monkeypatch.setattr(gate.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    client = client_of(geyser, Settings(token=TOKEN))
    client.get("/model")
    client.get("/model", headers={"authorization": "Bearer x"})
    assert len(compared) == 2


# ------------------------------------------------------------------------------------------------------- host
def test_another_host_is_refused(geyser):
    """Else a page elsewhere could make its own name lead here and read the answers."""
    client = client_of(geyser, Settings(hosts=("localhost", "127.0.0.1", "[::1]")))
    for host in ("localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:1", "[::1]", "[::1]:8000"):
        assert client.get("/health", headers={"host": host}).status_code == 200
    for host in ("example.org", "localhost.example.org", "", "[::2]:80", "127.0.0.1.example.org:80"):
        assert client.get("/health", headers={"host": host}).status_code == 421


# -------------------------------------------------------------------------------------------------- what is told
def test_a_failure_tells_nothing_and_the_service_goes_on(geyser, monkeypatch):
    written = io.StringIO()
    log = JsonLog(written)
    client = client_of(geyser, log=log)

    def fails(*_):
        raise KeyError("secret 4.567")

    with monkeypatch.context() as context:
        context.setattr(answers, "score_rows", fails)
        status, error = client.error("/score", {"rows": [[4.567, 80.0]]})
    assert status == 500
    assert "secret" not in error["message"]
    log.flush()
    failed = next(
        line for line in map(json.loads, written.getvalue().splitlines()) if line["event"] == "failed"
    )
    assert failed["error"] == "KeyError"
    assert failed["reference"] in error["message"]
    assert any("test_limits.py" in frame for frame in failed["where"])
    assert "4.567" not in written.getvalue()
    assert client.post("/score", GOOD).status_code == 200


def test_the_log_says_what_happened_and_holds_no_data(geyser):
    written = io.StringIO()
    log = JsonLog(written)
    client = client_of(geyser, Settings(token=TOKEN), log)
    right = {"authorization": f"Bearer {TOKEN}"}
    client.post("/score", {"rows": [[4.5678, 80.4321]] * 3}, **right)
    client.post("/score", {"rows": [{"eruptions": "4.5678", "secretname": 1}]}, **right)
    client.post("/score", {"rows": [[4.5678, 1e308]]}, **right)
    client.get("/secretname/4.5678?secretname=4.5678", headers=right)
    client.ask("SECRETNAME", "/score", headers=right)
    client.get("/model", headers={"authorization": "Bearer secretname"})
    log.flush()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line["endpoint"], line["status"], line["rows"]) for line in lines] == [
        ("/score", 200, 3), ("/score", 422, 0), ("/score", 422, 0), ("other", 404, 0), ("/score", 405, 0),
        ("/model", 401, 0),
    ]  # fmt: skip
    assert all(line["event"] == "request" and line["milliseconds"] > 0 for line in lines)
    for secret in ("4.5678", "80.4321", "secretname", "SECRETNAME", TOKEN, "eruptions"):
        assert secret not in written.getvalue()


def test_the_log_can_be_left_out(geyser):
    written = io.StringIO()
    log = JsonLog(written)
    client_of(geyser, Settings(log_requests=False), log).get("/health")
    log.flush()
    assert written.getvalue() == ""


def test_a_log_that_cannot_be_written_stops_nothing(geyser):
    stream = io.StringIO()
    log = JsonLog(stream)
    stream.close()
    client = client_of(geyser, log=log)
    assert client.get("/health").status_code == 200
    log.flush()
    assert client.get("/health").status_code == 200
    log.flush()


def test_requests_are_counted(geyser):
    client = client_of(geyser)
    for _ in range(3):
        client.post("/score", {"rows": [[4.0, 80.0]] * 5})
    client.post("/score", {"rows": []})
    client.post("/sample", {"n": 7})
    client.get("/one")
    client.get("/two")
    text = client.get("/metrics").text
    for line in (
        'mixturelab_requests_total{endpoint="/score",status="200"} 3.0',
        'mixturelab_requests_total{endpoint="/score",status="422"} 1.0',
        'mixturelab_requests_total{endpoint="other",status="404"} 2.0',
        'mixturelab_rows_total{endpoint="/score"} 15.0',
        'mixturelab_rows_total{endpoint="/sample"} 7.0',
        'mixturelab_request_duration_seconds_count{endpoint="/score"} 4.0',
        "mixturelab_requests_in_progress 1.0",
        'mixturelab_model_info{covariance_type="full",n_components="2",n_features="2"} 1.0',
    ):
        assert line in text.splitlines()
    assert "process_resident_memory_bytes" in text


def test_two_applications_count_for_themselves(geyser):
    first, second = client_of(geyser), client_of(geyser)
    first.get("/health")
    assert "/health" not in second.get("/metrics").text


# --------------------------------------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    ("name", "value"),
    [("max_rows", 0), ("max_bytes", -1), ("max_samples", 0), ("seconds", 0), ("seconds", float("nan")), ("workers", 0),
     ("waiting", -1), ("receive_seconds", float("inf")), ("max_rows", True), ("max_rows", "5"), ("token", "short"),
     ("token", "with space"), ("token", "with\nline"), ("token", "ünicode-token")],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_named(name, value):
    with pytest.raises(ArgumentError, match=name) as caught:
        Settings(**{name: value})
    assert name != "token" or value not in str(caught.value)


def test_settings_do_not_show_the_token():
    assert TOKEN not in repr(Settings(token=TOKEN))


def test_rows_are_limited_by_what_an_answer_may_hold():
    settings = Settings()
    assert settings.rows(16, 16) == settings.max_rows
    assert settings.rows(2, 10_000) * 10_000 * 8 <= 1 << 28
    assert Settings(max_rows=10).rows(1, 1) == 10


def test_answers_are_the_same_from_many_threads(geyser):
    """Requests at once do not disturb one another."""
    client = client_of(geyser)
    rng = np.random.default_rng(0)
    bodies = [(rng.normal(size=(n, 2)) * [1, 10] + [3, 70]).tolist() for n in (1, 10, 3000, 2, 5000, 1)]
    expected = [client.post("/responsibilities", {"rows": rows}).json() for rows in bodies]
    found: list = [None] * len(bodies)

    def ask(place):
        found[place] = client.post("/responsibilities", {"rows": bodies[place]}).json()

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


# -------------------------------------------------------------------------------------------- of two, which counts
@pytest.mark.parametrize("name", [b"host", b"authorization"])
def test_a_header_that_is_there_twice_is_400(geyser, name):
    """A proxy in front may have looked at the other one."""
    app = create_app(geyser, Settings(token=TOKEN, hosts=("localhost",)))
    shown = (b"authorization", f"Bearer {TOKEN}".encode())
    again = shown if name == b"authorization" else (b"host", b"localhost")
    body = json.dumps(GOOD).encode()
    assert converse(app, [body], [shown])[0] == 200
    status, answer = converse(app, [body], [shown, again])
    assert status == 400
    assert name in answer


@pytest.mark.parametrize(
    "host", ["localhost:@example.org", "localhost:80:example.org", "localhost:a", "[::1]x"]
)
def test_a_host_of_another_form_is_refused(geyser, host):
    client = client_of(geyser, Settings(hosts=("localhost", "[::1]")))
    assert client.get("/health", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("path", ["/health/", "/score/", "/page/page.css/"])
def test_nothing_is_redirected(geyser, path):
    """To where it would go is what the Host header says, which anyone can write."""
    answer = client_of(geyser).get(path, headers={"host": "example.org"})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


# ------------------------------------------------------------------------------------------------ slow readers
def test_answers_that_nobody_takes_hold_a_bounded_amount_together(geyser):
    """Until they are taken, further long ones are refused; short ones are not."""
    app = create_app(geyser, Settings(max_bytes=1 << 18))  # room for 1 MiB of answers
    taken, headers = asyncio.Event(), [(b"content-type", b"application/json"), (b"host", b"localhost")]

    async def ask(path, content):
        sent = []

        async def receive():
            return {"type": "http.request", "body": json.dumps(content).encode(), "more_body": False}

        async def send(message):
            # As the server does: while there is more to send than the connection takes, the next message waits.
            if len(sent) > 1 and len(sent[1]["body"]) > 1 << 16:
                await taken.wait()
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        await app(scope, receive, send)
        return sent[0]["status"]

    async def many():
        long = [asyncio.create_task(ask("/sample", {"n": 10_000})) for _ in range(6)]  # 400 kB each
        done, waiting = await asyncio.wait(long, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 4:
            done, waiting = await asyncio.wait(long, timeout=0.05)
        short = await ask("/score", GOOD)
        taken.set()
        return [task.result() for task in done], short, [await task for task in waiting]

    assert asyncio.run(many()) == ([503] * 4, 200, [200] * 2)


def test_what_is_said_of_json_rows_is_what_is_taken():
    """A wide model takes fewer rows as JSON than as a table: the description and the specification say how many."""
    wide = client_of(GaussianMixture(1).fit(np.random.default_rng(0).normal(size=(40, 32))))
    limits = wide.get("/model").json()["limits"]
    assert limits["json_rows"] == 2**22 // 32 < limits["rows"]
    schema = wide.get("/openapi.json").json()["paths"]["/score"]["post"]["requestBody"]["content"][
        "application/json"
    ]
    assert f'"maxItems": {limits["json_rows"]}' in json.dumps(schema)
    many = {"rows": [[0] * 32] * (limits["json_rows"] + 1)}
    assert wide.error("/score", many)[0] == 413

"""A real server in a process of its own: its start, its end, and clients that are slow, silent or gone."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from serve.clients import GEYSER, ROOT, Server, one_thread, serving

from mixturelab.exceptions import ArgumentError, ModelFileError
from mixturelab.serve import command, run
from mixturelab.serve.run import find_token, serve

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and /proc are POSIX's")

GOOD = json.dumps({"rows": [[4.0, 80.0]]}).encode()
JSON = {"content-type": "application/json"}


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port))


def say(server: Server, text: bytes, wait: float = 5.0) -> bytes:
    """Send bytes as they are, and read until the server closes, or is silent for so long."""
    with connected(server) as connection:
        connection.sendall(text)
        return heard(connection, wait)


def heard(connection: socket.socket, wait: float) -> bytes:
    connection.settimeout(wait)
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except (TimeoutError, ConnectionResetError):
        pass
    return b"".join(parts)


def head(path: str = "/score", **headers: str) -> bytes:
    lines = {"host": "localhost", "content-type": "application/json", **headers}
    return "\r\n".join(
        [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "", ""]
    ).encode()


def is_well(server: Server) -> bool:
    return httpx.post(f"{server.url}/score", content=GOOD, headers=JSON).status_code == 200


def test_it_answers_on_loopback_alone(server):
    assert server.url.startswith("http://127.0.0.1:")
    assert is_well(server)
    assert httpx.get(f"{server.url}/ready").json() == {"status": "ready"}
    listening = Path(f"/proc/{server.process.pid}/net/tcp").read_text()
    mine = [
        line.split()[1]
        for line in listening.splitlines()[1:]
        if line.split()[1].endswith(f":{server.port:04X}")
    ]
    assert all(address.startswith("0100007F:") for address in mine)


def test_it_does_not_say_what_it_is_made_of(server):
    assert "server" not in httpx.get(f"{server.url}/health").headers


def test_a_page_elsewhere_cannot_ask(server):
    assert httpx.get(f"{server.url}/model", headers={"host": "example.org"}).status_code == 421
    preflight = httpx.options(f"{server.url}/score", headers={"origin": "http://example.org"})
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_a_connection_serves_many_requests(server):
    with httpx.Client() as client:
        answers = {client.post(f"{server.url}/score", content=GOOD, headers=JSON).text for _ in range(50)}
    assert len(answers) == 1


def test_pipelined_requests_are_answered_in_order(server):
    one = head(**{"content-length": str(len(GOOD))}) + GOOD
    last = head(**{"content-length": str(len(GOOD)), "connection": "close"}) + GOOD
    answer = say(server, one * 4 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 5


def test_chunked_bodies_are_read_and_limited(server):
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, GOOD[i : i + 1]) for i in range(len(GOOD))) + b"0\r\n\r\n"
    whole = head(**{"transfer-encoding": "chunked", "connection": "close"})
    assert b"200 OK" in say(server, whole + chunks)
    too_long = b"%x\r\n%b\r\n" % (1 << 16, b" " * (1 << 16))
    assert b" 413 " in say(server, whole + too_long * 20)
    assert is_well(server)


@pytest.mark.parametrize(
    "text",
    [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9.9\r\n\r\n",
     b"POST /score HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
     b"POST /score HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
     b"POST /score HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"\0" * 5000,
     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
     b"GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
     b"GET http://[ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
     b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
     b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"],
)  # fmt: skip
def test_what_is_not_http_is_refused(server, text):
    answer = say(server, text, wait=0.3)
    assert b" 200 OK" not in answer or text.startswith(b"GET / HTTP/1.1\r\nhost")
    assert b" 500 " not in answer
    assert b"Traceback" not in answer
    assert is_well(server)


@pytest.mark.parametrize("text", [b"", b"POST /score HT", head(**{"content-length": "50"}) + b'{"rows"'])
def test_a_client_that_says_no_more_is_told_so_and_let_go(server, text):
    """At any point of its request: the server of these tests waits two seconds."""
    began = time.monotonic()
    answer = say(server, text, wait=30)
    assert time.monotonic() - began < 25
    assert b" 408 " in answer
    assert is_well(server)


def test_a_client_that_drips_is_let_go(server):
    """A byte at a time keeps nothing open."""
    with connected(server) as connection:
        began = time.monotonic()
        try:
            for byte in head(**{"x-long": "y" * 500}):
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
                assert time.monotonic() - began < 20
        except OSError:
            pass
    assert is_well(server)


def test_clients_that_leave_are_forgotten(server):
    for text in [
        head(**{"content-length": "50"}) + b'{"rows"',
        head(**{"content-length": str(len(GOOD))}) + GOOD,
    ] * 20:
        with connected(server) as connection:
            connection.sendall(text)
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
            )  # leave with a reset
    assert is_well(server)
    deadline = time.monotonic() + 20
    while "requests_in_progress 1.0" not in httpx.get(f"{server.url}/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_slow_do_not_keep_others_waiting(server):
    slow = [connected(server) for _ in range(100)]
    try:
        for connection in slow:
            connection.sendall(head(**{"content-length": "50"}))
        began = time.monotonic()
        assert all(is_well(server) for _ in range(10))
        assert time.monotonic() - began < 10
    finally:
        for connection in slow:
            connection.close()


def test_a_health_check_without_a_host_is_answered(server):
    """HTTP/1.0 has none, and no browser speaks it; in HTTP/1.1 it must be there."""
    assert b" 200 OK" in say(server, b"GET /health HTTP/1.0\r\n\r\n")
    assert b" 421 " in say(server, b"GET /health HTTP/1.0\r\nhost: example.org\r\n\r\n")
    assert b" 200 OK" not in say(server, b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n")


def test_trailers_are_no_headers(server):
    """They come after the headers have been looked at."""
    chunk = b"%x\r\n%b\r\n0\r\n" % (len(GOOD), GOOD)
    whole = head(**{"transfer-encoding": "chunked", "connection": "close"}) + chunk
    for trailer in (b"content-type: text/plain", b"host: example.org", b"content-encoding: gzip"):
        assert b"200 OK" in say(server, whole + trailer + b"\r\n\r\n")
    other = head(**{"transfer-encoding": "chunked", "connection": "close", "host": "example.org"}) + chunk
    assert b" 421 " in say(server, other + b"host: localhost\r\n\r\n")


def test_too_many_connections_are_told_so(server):
    """As all errors are; those far beyond the limit are closed; when they are gone all is well."""
    with contextlib.ExitStack() as many:
        for _ in range(150):
            many.enter_context(connected(server))
        answer = say(server, head(**{"content-length": str(len(GOOD))}) + GOOD)
        assert b" 503 " in answer
        assert set(json.loads(answer.partition(b"\r\n\r\n")[2])["error"]) == {"message", "row", "feature"}
        for _ in range(128):
            many.enter_context(connected(server))
        assert heard(many.enter_context(connected(server)), 5) == b""
    deadline = time.monotonic() + 20
    while not is_well(server):
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------------ start and end
@pytest.mark.parametrize(
    ("host", "name"), [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]"), ("localhost", "localhost")]
)
def test_it_answers_to_the_host_that_it_was_given(geyser, monkeypatch, host, name):
    """127.0.0.2 is this computer as well, and is what the user is told to open."""
    found = []
    monkeypatch.setattr(run, "_listen", lambda *_: socket.create_server(("127.0.0.1", 0)))
    monkeypatch.setattr(run, "_run", lambda app, settings, *_: found.append(settings.hosts))
    run.serve(geyser, host=host, port=0)
    assert {name, "localhost"} <= set(found[0])
    assert len({*found[0], "example.org"}) > len(set(found[0]))


def test_a_request_in_flight_is_finished(geyser_file):
    """Told to stop with half a body sent: the other half is taken, the answer given, nobody new let in.

    Who has nothing to ask does not hold the end up.
    """
    with serving(geyser_file) as server, httpx.Client() as kept_alive, contextlib.ExitStack() as open_ones:
        assert kept_alive.get(f"{server.url}/health").status_code == 200
        _silent, connection = (open_ones.enter_context(connected(server)) for _ in range(2))
        connection.sendall(head(**{"content-length": str(len(GOOD))}) + GOOD[:5])
        time.sleep(0.2)
        server.tell(signal.SIGTERM)
        time.sleep(0.4)
        with pytest.raises(OSError):  # noqa: PT011  (refused, or reset: both are)
            connected(server).close()
        connection.sendall(GOOD[5:])
        answer = heard(connection, 20)
        assert connection.recv(1) == b""  # closed, not kept alive
        began = time.monotonic()
        code, log = server.end(None)
    assert b"200 OK" in answer
    assert b'"log_density"' in answer
    assert (code, time.monotonic() - began < 12) == (0, True)
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events == ["started", "request", "request", "stopped"]


def test_what_takes_too_long_is_cut_off_with_503(geyser_file):
    with serving(geyser_file, grace=1.0) as server, connected(server) as connection:
        connection.sendall(head(**{"content-length": "50"}))
        time.sleep(0.2)
        server.tell(signal.SIGTERM)
        answer = heard(connection, 5)
        code, _ = server.end(None)
    assert b" 503 " in answer
    assert b"shutting down" in answer
    assert code == 1


def test_a_second_signal_ends_it_at_once(geyser_file):
    with serving(geyser_file) as server, connected(server) as connection:
        connection.sendall(head(**{"content-length": "50"}))
        time.sleep(0.2)
        began = time.monotonic()
        server.tell(signal.SIGINT)
        time.sleep(0.5)
        code, log = server.end(signal.SIGINT)
        assert (code, time.monotonic() - began < 20) == (1, True)
    assert "Traceback" not in log


def test_a_port_that_is_taken_is_said(geyser_file):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match=str(taken.getsockname()[1])),
    ):
        serve(geyser_file, port=taken.getsockname()[1])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_other_computers_may_not_ask_without_a_token(geyser_file, host):
    with pytest.raises(ArgumentError, match="token"):
        serve(geyser_file, host=host, port=0)


def test_a_host_that_is_none_is_said(geyser_file):
    with pytest.raises(ArgumentError, match="host"):
        serve(geyser_file, host="no such host.invalid", port=0)


def test_a_bad_model_file_is_said(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelFileError):
        serve(tmp_path / "bad.safetensors", port=0)


def test_the_token_comes_from_a_file_or_the_environment(tmp_path):
    path = tmp_path / "token"
    path.write_text("from-the-file\nmore\n")
    assert find_token(path, {"MIXTURELAB_TOKEN": "from-the-environment"}) == "from-the-file"
    assert find_token(None, {"MIXTURELAB_TOKEN": "from-the-environment"}) == "from-the-environment"
    assert find_token(None, {}) is None
    path.write_text("\n")
    with pytest.raises(ArgumentError, match="empty"):
        find_token(path)


def test_importing_the_package_imports_no_server():
    code = (
        "import sys, mixturelab, mixturelab.serve; print({'fastapi', 'uvicorn', 'orjson'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=one_thread()
    )
    assert done.stdout.strip() == "set()"


def test_without_the_extra_it_is_said_what_to_install(geyser_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "mixturelab.serve.run")
    monkeypatch.delattr("mixturelab.serve.run")
    with pytest.raises(ArgumentError, match=r"uvicorn.*mixturelab\[serve\]"):
        command.serve(geyser_file, {}, None, None, (), print)


# ------------------------------------------------------------------------------------------------------ memory
@pytest.mark.slow
def test_memory_stays_flat_under_requests_good_and_bad(server):
    rows = GEYSER.to_numpy().tolist()
    long, longer = (json.dumps({"rows": rows * times}).encode() for times in (1, 20))
    bodies = [GOOD, long, longer, b"{", b'{"rows":[[1]]}']

    def ask(times: int) -> None:
        with httpx.Client() as client:
            for number in range(times):
                client.post(f"{server.url}/responsibilities", content=bodies[number % 5], headers=JSON)

    ask(500)
    before = server.memory()
    threads = [threading.Thread(target=ask, args=(500,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.memory() < before + (16 << 20)

"""The service under load, beside the same endpoint written naively over scikit-learn; Arrow bodies; memory.

Single rows of 16 features, 16 full components, JSON over kept-alive connections. Both services run at once and take
turns under `wrk` (Debian's), which shares the processors with them. Latencies at half of a service's own peak come from
an open-loop client in this program: requests are due at a fixed rate whatever the answers do, and each is timed from
when it was due. Run it on a quiet machine:

    python benchmarks/serve.py [--rounds 3] [--seconds 5] [--connections 16] [--requests 200000] [--out FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import gc
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
from em_iteration import machine

from mixturelab import GaussianMixture, save

D = K = 16
PATH = "/responsibilities"
ARROW = "application/vnd.apache.arrow.stream"
OURS = """
import sys
from mixturelab.serve.run import serve
sys.exit(serve(sys.argv[1], port=int(sys.argv[2]), log=open(sys.argv[3], "w")))
"""


@dataclass
class Service:
    """One of the two, running."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    peaks: list[float] = field(default_factory=list)
    latencies: dict[str, float] = field(default_factory=dict)

    def ask(self, body: bytes, kind: str = "application/json") -> bytes:
        """One request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", PATH, body, {"content-type": kind})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{self.name} answered {answer.status}: {content[:200]!r}")
        return content

    def memory(self) -> float:
        """Resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else float("nan")

    def processor_seconds(self) -> float:
        """What it has used so far, of all processors."""
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------------------------------------- the services
def mixture() -> GaussianMixture:
    """Sixteen overlapping groups, each with a covariance of its own."""
    rng = np.random.default_rng(0)
    roots = np.eye(D) + 0.2 * rng.normal(size=(K, D, D))
    weights = rng.dirichlet(np.full(K, 5.0))
    return GaussianMixture.from_parameters(
        weights, 2 * rng.normal(size=(K, D)), roots @ roots.swapaxes(-1, -2)
    )


@contextlib.contextmanager
def running(folder: Path, model: GaussianMixture) -> Iterator[list[Service]]:
    """Both services, ours first, on free ports."""
    path = save(model, folder / "model.safetensors")
    np.savez(folder / "model.npz", weights=model.weights_, means=model.means_, covariances=model.covariances_)
    naive = Path(__file__).with_name("serve_naive.py")
    ports = free_ports(2)
    commands = {
        "mixturelab serve": ["-c", OURS, str(path), str(ports[0]), str(folder / "log")],
        "FastAPI, pydantic, scikit-learn": [str(naive), str(folder / "model.npz"), str(ports[1])],
    }
    services = [
        Service(name, subprocess.Popen([sys.executable, *command]), port)
        for (name, command), port in zip(commands.items(), ports, strict=True)
    ]
    try:
        for service in services:
            wait_for(service)
        yield services
    finally:
        for service in services:
            service.process.terminate()
            service.process.wait(20)


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [int(listener.getsockname()[1]) for listener in sockets]


def wait_for(service: Service, seconds: float = 60) -> None:
    """Return when it takes connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and service.process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", service.port), timeout=1),
        ):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{service.name} did not start")


# ---------------------------------------------------------------------------------------------------- the load
def wrk(service: Service, script: Path, seconds: float, connections: int) -> tuple[float, float, float]:
    """Requests a second, and the median and 99th percentile of the latency in ms."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", "-s", str(script)]
    text = subprocess.run(
        [*command, f"http://127.0.0.1:{service.port}{PATH}"], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{service.name} under load:\n{text}")
    numbers = {name: _milliseconds(text, name) for name in ("50%", "99%")}
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert rate is not None
    return float(rate[1]), numbers["50%"], numbers["99%"]


_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def _milliseconds(text: str, name: str) -> float:
    found = re.search(rf"^\s+{name}\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1]) * _UNITS[found[2]]


def write_script(folder: Path, body: bytes) -> Path:
    """What wrk is to post."""
    script = folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = '{body.decode()}'\n"
    )
    return script


def request_of(body: bytes) -> bytes:
    """The bytes of a request over a connection that is kept."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def answer_size(port: int, request: bytes) -> int:
    """Bytes of the answer with its head: all answers to one request are equally long."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        head, _, _ = connection.recv(1 << 16).partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert head.startswith(b"HTTP/1.1 200"), head
        assert length is not None
        return len(head) + 4 + int(length[1])


class OpenLoop:
    """Asks at a fixed rate over connections that are kept; what is due while all are busy waits, which is counted."""

    def __init__(self, request: bytes, size: int, rate: float, requests: int) -> None:
        self.request, self.size, self.rate, self.requests = request, size, rate, requests
        self.free: collections.deque[Line] = collections.deque()
        self.waiting: collections.deque[float] = collections.deque()
        self.milliseconds: list[float] = []
        self.done = asyncio.Event()

    async def run(self, port: int, connections: int) -> list[float]:
        """Milliseconds of each request, from when it was due."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Line(self), "127.0.0.1", port)
        began = time.perf_counter()
        for number in range(self.requests):
            moment = began + number / self.rate
            if (wait := moment - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self.waiting.append(moment)
            if self.free:
                self.free.popleft().ask()  # in turns: a service closes what is idle
        await asyncio.wait_for(self.done.wait(), 60)
        if len(self.milliseconds) < self.requests:
            raise RuntimeError("the service closed a connection")
        for line in self.free:
            line.transport.close()
        return self.milliseconds


class Line(asyncio.Protocol):
    """One of its connections. (A protocol, and not a stream: the client shall cost little beside the service.)"""

    transport: asyncio.Transport

    def __init__(self, load: OpenLoop) -> None:
        self.load, self.got, self.due = load, 0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready to ask."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self.load.free.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        """End, if the service did it."""
        self.load.done.set()

    def ask(self) -> None:
        """What has waited longest."""
        self.due = self.load.waiting.popleft()
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        """Time an answer that is whole, and ask on."""
        self.got += len(data)
        if self.got < self.load.size:
            return
        self.got = 0
        self.load.milliseconds.append(1e3 * (time.perf_counter() - self.due))
        if self.load.waiting:
            self.ask()
            return
        self.load.free.append(self)
        if len(self.load.milliseconds) == self.load.requests:
            self.load.done.set()


def open_loop(port: int, body: bytes, rate: float, seconds: float, connections: int) -> list[float]:
    """Milliseconds of each request from when it was due, at a fixed rate."""
    gc.collect()
    gc.freeze()  # the pauses shall be the service's, not this program's
    request = request_of(body)
    size = answer_size(port, request)

    async def run() -> list[float]:
        return await OpenLoop(request, size, rate, round(rate * seconds)).run(port, connections)

    with asyncio.Runner(loop_factory=event_loop()) as runner:
        return runner.run(run())


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.new_event_loop


# ------------------------------------------------------------------------------------------------ measurements
def compare(services: list[Service], script: Path, body: bytes, arguments: argparse.Namespace) -> list[str]:
    """Peak and half of it, of both, in turns."""
    for service in services:
        wrk(service, script, 1, arguments.connections)  # warm
    seen: dict[str, list[tuple[float, ...]]] = {service.name: [] for service in services}
    for _ in range(arguments.rounds):
        for service in services:
            before = service.processor_seconds()
            rate, median, tail = wrk(service, script, arguments.seconds, arguments.connections)
            cost = 1e6 * (service.processor_seconds() - before) / (rate * arguments.seconds)
            seen[service.name].append((rate, median, tail, cost))
    half: dict[str, list[tuple[float, float]]] = {service.name: [] for service in services}
    for _ in range(arguments.rounds):
        for service in services:
            target = statistics.median(row[0] for row in seen[service.name]) / 2
            took = open_loop(service.port, body, target, arguments.seconds, arguments.connections)
            half[service.name].append((statistics.median(took), float(np.quantile(took, 0.99))))
    return _rows(seen, half)


def _rows(seen: dict[str, list[tuple[float, ...]]], half: dict[str, list[tuple[float, float]]]) -> list[str]:
    lines = [
        "| service | requests/s | p50, p99 at the peak, ms | p50, p99 at half the peak, ms | processor µs a request |",
        "|---|---|---|---|---|",
    ]
    peaks = {}
    for name, rounds in seen.items():
        rate, median, tail, cost = (statistics.median(column) for column in zip(*rounds, strict=True))
        half_median, half_tail = (statistics.median(column) for column in zip(*half[name], strict=True))
        peaks[name] = rate
        lines.append(
            f"| {name} | {rate:,.0f} | {median:.2f}, {tail:.2f} | {half_median:.2f}, {half_tail:.2f} | {cost:.0f} |"
        )
    ours, theirs = peaks.values()
    return [*lines, "", f"- {ours / theirs:.1f} times the naive endpoint's requests a second"]


def arrow(service: Service, rounds: int) -> str:
    """Rows a second of a body of 100,000 rows, with its 16 responsibilities each as the answer."""
    n = 100_000
    x = np.random.default_rng(1).normal(size=(D, n))
    batch = pa.RecordBatch.from_arrays([pa.array(column) for column in x], names=[f"x{d}" for d in range(D)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    body, seconds = sink.getvalue().to_pybytes(), []
    for _ in range(max(5, rounds)):
        began = time.perf_counter()
        answer = service.ask(body, ARROW)
        seconds.append(time.perf_counter() - began)
        assert pa.ipc.open_stream(answer).read_all().num_rows == n
    middle = statistics.median(seconds)
    return f"- Arrow: {n:,} rows in and out in {1e3 * middle:.0f} ms, {n / middle:,.0f} rows a second"


def memory(service: Service, script: Path, requests: int, connections: int) -> str:
    """Resident memory before and after many requests."""
    asked = wrk(service, script, 5, connections)[0] * 5
    before, done = service.memory(), 0.0
    while done < requests:
        done += 5 * wrk(service, script, 5, connections)[0]
    after = service.memory()
    return (
        f"- memory: {before:.1f} MiB after {asked:,.0f} requests, {after:.1f} MiB after {done:,.0f} more "
        f"({1024 * (after - before) / done:+.4f} KiB a request)"
    )


def check(services: list[Service], body: bytes) -> str:
    """Both say the same."""
    first, second = (np.array(json.loads(service.ask(body))["responsibilities"]) for service in services)
    gap = float(abs(first - second).max())
    assert gap < 1e-9, gap
    return f"- their answers differ by {gap:.0e}"


def main() -> None:
    """Measure, show, and write if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.exit(2, "this needs wrk: apt-get install wrk\n")
    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name), mixture()
        row = np.asarray(model.means_)[0].round(3).tolist()
        body = json.dumps({"rows": [row]}).encode()
        script = write_script(folder, body)
        with running(folder, model) as services:
            same = check(services, body)
            lines = compare(services, script, body, arguments)
            lines += [same, arrow(services[0], arguments.rounds)]
            lines += [memory(services[0], script, arguments.requests, arguments.connections)]
    title = (
        f"Single rows, D = {D}, K = {K}, full covariances, JSON, {arguments.connections} connections, wrk on the same "
        f"processors. {machine()}, {versions()}."
    )
    text = "\n".join([title, "", *lines]) + "\n"
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")


def versions() -> str:
    """Those of what serves."""
    from importlib import metadata

    return ", ".join(
        f"{name} {metadata.version(name)}" for name in ("fastapi", "uvicorn", "httptools", "pyarrow")
    )


if __name__ == "__main__":
    main()

"""Clients and servers for the tests of the service: an application in this process, or a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from mixturelab import load_dataset
from mixturelab.serve.app import create_app
from mixturelab.serve.logs import JsonLog
from mixturelab.serve.settings import Settings

GEYSER = load_dataset("old_faithful").frame
FAMILIES = ("full", "tied", "diag", "spherical")
ROOT = Path(__file__).parents[2]


class Client:
    """Asks an application in this process, as a browser or a program would ask over the network."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.request(method, path, **options)

        return asyncio.run(asked())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, content: Any, kind: str = "application/json", **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask("POST", path, content=body, headers={"content-type": kind, **headers})

    def error(
        self, path: str, content: Any, kind: str = "application/json", **headers: str
    ) -> tuple[int, dict]:
        """The status and the error of an answer that has to be one."""
        answer = self.post(path, content, kind, **headers)
        assert answer.headers["content-type"] == "application/json"
        content = answer.json()
        assert set(content) == {"error"}, content
        assert set(content["error"]) == {"message", "row", "feature"}
        assert "Traceback" not in answer.text
        return answer.status_code, content["error"]


def client_of(model: Any, settings: Settings | None = None, log: JsonLog | None = None) -> Client:
    return Client(create_app(model, settings, log=log))


# ------------------------------------------------------------------------------------------------ real servers
SCRIPT = """
import json, sys
from mixturelab.serve import Settings
from mixturelab.serve.run import serve
model, settings, options = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
sys.exit(serve(model, Settings(**settings), port=0, say=lambda line: print(line, flush=True), **options))
"""


class Server:
    """A service in a process of its own, on a free loopback port."""

    def __init__(self, model: Path, settings: dict[str, Any], options: dict[str, Any]) -> None:
        command = [sys.executable, "-c", SCRIPT, str(model), json.dumps(settings), json.dumps(options)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=one_thread()
        )
        self._log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.process.stdout.readline().strip()  # type: ignore[union-attr]
        assert self.url, f"did not start: {self.end()[1]}"
        self.port = int(self.url.rpartition(":")[2])

    def _read(self) -> None:
        for line in self.process.stderr:  # type: ignore[union-attr]
            self._log.append(line)

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int | None = signal.SIGTERM, timeout: float = 30) -> tuple[int, str]:
        """Stop it, or wait until it stops: its exit code and its log."""
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(timeout)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join(10)
            self.process.stdout.close()  # type: ignore[union-attr]
            self.process.stderr.close()  # type: ignore[union-attr]
        return code, "".join(self._log)

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]


def one_thread() -> dict[str, str]:
    """The environment, with one thread for each library."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@contextlib.contextmanager
def serving(model: Path, settings: dict[str, Any] | None = None, **options: Any) -> Iterator[Server]:
    server = Server(model, settings or {}, options)
    try:
        yield server
    finally:
        server.end()

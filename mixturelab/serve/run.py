"""Serve a mixture: the socket, the server, and how both end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import torch
import uvicorn
from fastapi import FastAPI

from mixturelab.exceptions import ArgumentError
from mixturelab.mixture_estimator import MixtureEstimator
from mixturelab.serve.app import create_app
from mixturelab.serve.logs import JsonLog, LogHandler
from mixturelab.serve.protocol import PatientProtocol, close_the_slow
from mixturelab.serve.settings import Settings
from mixturelab.serve.state import State

__all__ = ["LOOPBACK_NAMES", "TOKEN_VARIABLE", "find_token", "serve"]

TOKEN_VARIABLE = "MIXTURELAB_TOKEN"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
# Exit codes.
_FINISHED, _CUT_OFF = 0, 1


def serve(
    model: MixtureEstimator | str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    trust: bool = False,
    open_to_all: bool = False,
    grace: float = 30.0,
    say: Callable[[str], None] = lambda line: None,
    log: TextIO | None = None,
) -> int:
    """Serve a mixture until SIGINT (Ctrl-C) or SIGTERM, then finish the requests that have begun.

    Parameters
    ----------
    model : GaussianMixture, BayesianGaussianMixture or path
    settings : Settings, optional
        On a loopback address, `hosts` of None becomes the names of this computer; `host` is always among them.
    host : str, default="127.0.0.1"
        A name or an address of this computer.
    port : int, default=8000
        0 for one that is free.
    trust : bool, default=False
        Whether the file may be a joblib file, which can run any code.
    open_to_all : bool, default=False
        Whether to serve without a token where other computers can ask.
    grace : float, default=30
        Seconds to finish requests in when told to stop. A second signal ends it at once.
    say : callable
        Gets the line with the address, once the service answers there.
    log : text file or None, optional
        Where the log goes; by default standard error.

    Returns
    -------
    int
        0 if all requests were finished, 1 if some were cut off.

    Raises
    ------
    ArgumentError
        If others could ask and there is no token.
    ModelFileError
        If the file cannot be loaded.
    OSError
        If the address cannot be had.
    """
    settings = settings or Settings()
    is_loopback = _is_loopback(host)
    if not is_loopback and settings.token is None and not open_to_all:
        raise ArgumentError(
            f"host is {host!r}, where other computers can ask, and there is no token: give one, or say that anyone "
            "may ask (--open-to-all)"
        )
    if is_loopback or settings.hosts is not None:
        hosts = LOOPBACK_NAMES if settings.hosts is None else settings.hosts
        settings = replace(settings, hosts=(*hosts, f"[{host}]" if ":" in host else host))
    journal = JsonLog(sys.stderr if log is None else log)
    with contextlib.closing(_listen(host, port)) as listener:
        app = create_app(model, settings, trust=trust, log=journal)
        address = _address(host, listener.getsockname()[1])
        return _run(app, settings, listener, grace, journal, lambda: say(address))


def _run(
    app: FastAPI,
    settings: Settings,
    listener: socket.socket,
    grace: float,
    log: JsonLog,
    started: Callable[[], None],
) -> int:
    torch.set_num_threads(1)  # single rows: a second thread would only be waited for
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=max(1, round(grace)),
    )
    server = Server(config, app.state.service, started, settings.receive_seconds)
    with _logged(log):
        log("started", pid=os.getpid())
        # What has been imported stays: to look through all of it for garbage would take tens of milliseconds each time.
        gc.collect()
        gc.freeze()
        try:
            server.run(sockets=[listener])
        finally:
            gc.unfreeze()
            log("stopped")
            log.close()
    return _CUT_OFF if app.state.service.was_cut_off else _FINISHED


class Server(uvicorn.Server):
    """uvicorn's server, which ends well on the first signal and at once on the second.

    Parameters
    ----------
    config : uvicorn.Config
    state : State
    started : callable
        Called when requests are answered.
    patience : float
        Seconds to wait for a client.
    """

    def __init__(
        self, config: uvicorn.Config, state: State, started: Callable[[], None], patience: float
    ) -> None:
        super().__init__(config)
        self._state, self._tell_started, self._patience = state, started, patience

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and tell."""
        await super().startup(sockets)
        if self.started:
            self._watch = asyncio.create_task(close_the_slow(self.server_state.connections, self._patience))
            self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, finish requests, end."""
        self._state.is_ready = False
        await super().shutdown(sockets)
        self._watch.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End on a signal. (uvicorn would raise it again when all is over, and the exit code would tell of a kill.)"""
        self.force_exit = self.should_exit
        self.should_exit = True


@contextlib.contextmanager
def _logged(log: JsonLog) -> Any:
    """What uvicorn says goes into our log."""
    handler, logger = LogHandler(log), logging.getLogger("uvicorn.error")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


# --------------------------------------------------------------------------------------------------- addresses
def _is_loopback(host: str) -> bool:
    found = [info[4][0] for info in _look_up(host, 0)]
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found)


def _look_up(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ArgumentError(
            f"host is {host!r}, which is no address of this computer: {error.strerror}"
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = _look_up(host, port)[0]
    try:
        return socket.create_server(address, family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"{host}, port {port}: {reason}") from None


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# ----------------------------------------------------------------------------------------------------- tokens
def find_token(file: Path | None, environment: dict[str, str] | os._Environ[str] = os.environ) -> str | None:
    """The token: the file's first line, or the variable ``MIXTURELAB_TOKEN``, or None.

    There is no option for the token itself: whoever may list this computer's processes could read it.

    Raises
    ------
    ArgumentError
        If the file is empty.
    OSError
        If it cannot be read.
    """
    if file is None:
        return environment.get(TOKEN_VARIABLE) or None
    lines = file.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0].strip():
        raise ArgumentError(f"the token file {file} is empty; wanted the token in its first line")
    return lines[0].strip()

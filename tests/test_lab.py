"""Opening the notebooks: what is started, and what is said when it cannot be."""

import importlib.util
import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mixturelab.exceptions import MixtureLabError
from mixturelab.lab import FIRST_NOTEBOOK, find_notebook, lab_command, open_lab

TEACHERS_EXTENSIONS = ("@jupyter/nbgrader", "@jupyter-notebook/lab-extension")
PAGE_CONFIG = re.compile(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', re.DOTALL)


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / FIRST_NOTEBOOK
    path.parent.mkdir()
    path.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', encoding="utf-8")
    return path


def test_the_notebook_is_found_from_a_folder_below(notebook):
    assert find_notebook(notebook.parent) == notebook
    assert find_notebook(notebook.parents[1]) == notebook


def test_a_folder_without_notebooks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("mixturelab.lab.__file__", str(tmp_path / "site" / "mixturelab" / "lab.py"))
    with pytest.raises(
        MixtureLabError, match=f"00_start_here.ipynb was not found in {re.escape(str(tmp_path))}"
    ):
        find_notebook(tmp_path)


def test_a_notebook_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MixtureLabError, match=r"nothing\.ipynb is not a file"):
        open_lab(tmp_path / "nothing.ipynb")


def test_without_jupyterlab_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MixtureLabError, match=r"JupyterLab is not installed .*`pip install "):
        open_lab()


def test_the_exit_code_is_jupyterlabs(notebook, monkeypatch):
    def fails(notebook: Path, *, browser: bool) -> list[str]:
        return [sys.executable, "-c", f"raise SystemExit({3 if browser else 4})"]

    monkeypatch.setattr("mixturelab.lab.lab_command", fails)
    assert open_lab(notebook) == 3
    assert open_lab(notebook, browser=False) == 4


def answer_of(address: str) -> bytes:
    """What a server says that prints its address a moment before it listens."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return answer.read()
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)
    raise TimeoutError(address)


# ------------------------------------------------------------------------------------- what a learner does not see


def options(notebook):
    return [part for part in lab_command(notebook) if "jpserver_extensions" in part]


def test_the_teacher_s_servers_are_off_where_nbgrader_is_installed(notebook, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: object() if name == "nbgrader" else find_spec(name)
    )
    off = [part.removeprefix("--ServerApp.jpserver_extensions=") for part in options(notebook)]
    assert off == [
        f"nbgrader.server_extensions.{name}=False"
        for name in ("formgrader", "assignment_list", "course_list", "validate_assignment")
    ]


def test_without_nbgrader_there_is_nothing_to_switch_off(notebook, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "nbgrader" else find_spec(name)
    )
    assert options(notebook) == []


def test_all_of_nbgrader_s_servers_are_known_to_us(notebook):
    spec = importlib.util.find_spec("nbgrader")
    if spec is None:
        pytest.skip("nbgrader is not installed (the extra `classroom`)")
    servers = Path(spec.origin).parent / "server_extensions"
    there = {path.parent.name for path in servers.glob("*/__init__.py")}
    off = {part.split("server_extensions.")[1].removesuffix("=False") for part in options(notebook)}
    assert off == there


@pytest.mark.slow
def test_jupyterlab_starts_and_serves_the_notebook(notebook):
    """The real program, without a window: its options are known to it, and the page opens on the notebook."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=secret"]
    process = subprocess.Popen(
        [*lab_command(notebook, browser=False), *options], stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    deadline = threading.Timer(60, process.kill)  # a server that says nothing must not hold up the tests
    deadline.start()
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"http://(?:localhost|127\.0\.0\.1):(\d+)/lab/tree/notebooks/\S+", line):
                break
        else:
            pytest.fail("".join(lines))
        assert found[0].split("?")[0].endswith(FIRST_NOTEBOOK.as_posix())
        server, token = f"http://127.0.0.1:{found[1]}", "token=secret"
        page = f"{server}/api/contents/{FIRST_NOTEBOOK.as_posix()}?content=0&{token}"
        assert json.loads(answer_of(page))["type"] == "notebook"
        settings = f"{server}/lab/api/settings/@jupyterlab"
        news = json.loads(answer_of(f"{settings}/apputils-extension:notification?{token}"))
        assert news["schema"]["properties"]["fetchNews"]["default"] == "false"
        documents = json.loads(answer_of(f"{settings}/docmanager-extension:plugin?{token}"))
        viewers = documents["schema"]["properties"]["defaultViewers"]["default"]
        assert viewers == {"markdown": "Markdown Preview"}  # a link to the glossary shows it, not its source
        shown = json.loads(PAGE_CONFIG.search(answer_of(f"{server}/lab?{token}").decode())[1])
        assert set(TEACHERS_EXTENSIONS) <= set(shown["disabledExtensions"])
        with pytest.raises(urllib.error.HTTPError, match="404"):
            answer_of(f"{server}/formgrader?{token}")
        assert not [line for line in lines if "nbgrader" in line]  # no time is spent on importing it
        assert not [line for line in lines if re.search(r"\[[EC] |[Uu]nrecognized|Config option", line)], (
            lines
        )
    finally:
        deadline.cancel()
        process.terminate()
        process.communicate(timeout=30)

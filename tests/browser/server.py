"""A JupyterLab for tests: on a free port, on a copy of the notebooks, with nothing of the user's, its token untold."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
# All cells in the page, and nothing saved or fetched by itself.
SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


def copy_without_outputs(folder: Path) -> None:
    """The learner's notebooks and what they link to; what has run in the page then shows by itself."""
    folder.mkdir()
    if (NOTEBOOKS / "reference").is_dir():
        shutil.copytree(NOTEBOOKS / "reference", folder / "reference")
    for path in NOTEBOOKS.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / path.name)


class Lab:
    """JupyterLab as a process of its own; `stop` ends it and its kernels."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.root = folder / "course"
        self.root.mkdir()
        copy_without_outputs(self.root / "notebooks")
        shutil.copytree(ROOT / "data", self.root / "data")  # a notebook may read a table of the repository
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.token = secrets.token_hex(16)
        self._log = (folder / "lab.log").open("wb")
        self._process = subprocess.Popen(
            self._command(),
            cwd=self.root,
            env=self._environment(),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _command(self) -> list[str]:
        settings = self.folder / "settings"
        settings.mkdir()
        (settings / "overrides.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"]
        command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.address.rpartition(':')[2]}"]
        command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.root}"]
        command += [f"--LabApp.app_settings_dir={settings}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--allow-root")
        return command

    def _environment(self) -> dict[str, str]:
        """The token is not among the arguments, which every process can read; no folder is the user's."""
        own = {"JUPYTER_TOKEN": self.token, "MIXTURELAB_PROGRESS": "off"}
        names = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"]
        names += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"]
        folders = {name: str(self.folder / name.lower()) for name in names}
        return os.environ | folders | own

    def ask(self, path: str, method: str = "GET") -> bytes:
        """The answer of the server's own interface."""
        request = urllib.request.Request(self.address + path, method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.ask("/api/status")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{self.log()}")

    def log(self) -> str:
        """What it said, without the token."""
        said = (self.folder / "lab.log").read_text(encoding="utf-8", errors="replace")
        return said.replace(self.token, "…")[-4000:]

    def end_kernels(self) -> None:
        """One notebook at a time: the last one's kernel gives its memory back."""
        for session in json.loads(self.ask("/api/sessions")):
            self.ask(f"/api/sessions/{session['id']}", "DELETE")

    def stop(self) -> None:
        """End the server, and with it the kernels."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

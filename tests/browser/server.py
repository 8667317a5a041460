"""A JupyterLab for tests, started as `mixturelab lab` does: on a copy of the notebooks, with nothing of the user's."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat

from mixturelab.lab import FIRST_NOTEBOOK, lab_command

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
# What differs from a learner's JupyterLab: all cells are in the page at once, and nothing is saved by itself.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


def copy_without_outputs(folder: Path) -> None:
    """The notebooks, the learner's and the teacher's, and what they link to; what has run in the page then shows."""
    (folder / "solutions").mkdir(parents=True)
    if (NOTEBOOKS / "reference").is_dir():
        shutil.copytree(NOTEBOOKS / "reference", folder / "reference")
    for path in [*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("solutions/*.ipynb")]:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / path.relative_to(NOTEBOOKS))


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
        self._write_settings()
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
        command = lab_command(self.root / FIRST_NOTEBOOK, browser=False)
        command += ["--expose-app-in-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"]
        return [*command, f"--ServerApp.port={self.address.rpartition(':')[2]}"]

    def _write_settings(self) -> None:
        """As a user sets them: they stand over the defaults that `mixturelab lab` gives."""
        for name, settings in SETTINGS.items():
            path = self.folder / "jupyterlab_settings_dir" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings), encoding="utf-8")

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

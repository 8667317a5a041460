"""Open the notebooks in JupyterLab: what `mixturelab lab` does."""

import importlib.util
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

from mixturelab.exceptions import MixtureLabError

# JupyterLab's defaults for a class: no question about its news, no look-up of newer versions, and no menus and buttons
# for teachers (page_config.json), which nbgrader, once installed, would show to everybody.
_SETTINGS = Path(__file__).resolve().parent / "lab_settings"
# What these menus and buttons would talk to: seconds of start-up, for nothing.
_TEACHERS_SERVERS = ("formgrader", "assignment_list", "course_list", "validate_assignment")
FIRST_NOTEBOOK = Path("notebooks", "00_start_here.ipynb")


def find_notebook(start: Path | None = None) -> Path:
    """The first notebook, looked for from `start` upwards and then beside the installed package.

    Parameters
    ----------
    start : Path, optional
        The folder to look from; the current one by default.

    Returns
    -------
    Path
        The notebook's absolute path.

    Raises
    ------
    MixtureLabError
        If no folder holds ``notebooks/00_start_here.ipynb``.
    """
    here = (start or Path.cwd()).resolve()
    beside_package = Path(__file__).resolve().parent.parent
    for folder in (here, *here.parents, beside_package):
        if (folder / FIRST_NOTEBOOK).is_file():
            return folder / FIRST_NOTEBOOK
    raise MixtureLabError(
        f"{FIRST_NOTEBOOK.as_posix()} was not found in {here} or above it: run this in a copy of the "
        "repository, which holds the notebooks"
    )


def lab_command(notebook: Path, *, browser: bool = True) -> list[str]:
    """The command that starts JupyterLab on a notebook, in this Python, with the repository as its root.

    Parameters
    ----------
    notebook : Path
        The notebook to open, inside the folder ``notebooks`` of a repository.
    browser : bool
        Whether JupyterLab opens a browser window itself.

    Returns
    -------
    list of str
        The program and its arguments.
    """
    repository = notebook.parent.parent
    page = urllib.parse.quote(notebook.relative_to(repository).as_posix())
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={repository}",
        f"--LabApp.default_url=/lab/tree/{page}",  # part of the address that is printed, too
        f"--LabApp.app_settings_dir={_SETTINGS}",
    ]
    if importlib.util.find_spec("nbgrader") is not None:
        modules = [f"nbgrader.server_extensions.{name}" for name in _TEACHERS_SERVERS]
        command += [f"--ServerApp.jpserver_extensions={module}=False" for module in modules]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container root is the only user there is
        command.append("--allow-root")
    return command


def open_lab(notebook: Path | None = None, *, browser: bool = True) -> int:
    """Run JupyterLab until the user ends it.

    Parameters
    ----------
    notebook : Path, optional
        The notebook to open; by default the first one.
    browser : bool
        Whether JupyterLab opens a browser window itself.

    Returns
    -------
    int
        JupyterLab's exit code.

    Raises
    ------
    MixtureLabError
        If JupyterLab is not installed, or the notebook is not there.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise MixtureLabError(
            "JupyterLab is not installed in this Python: "
            "`pip install -r requirements.txt` brings it, and so does `pip install -e '.[notebooks]'`"
        )
    if notebook is not None and not notebook.is_file():
        raise MixtureLabError(
            f"{notebook} is not a file: name a notebook, or none to open {FIRST_NOTEBOOK.name}"
        )
    process = subprocess.Popen(lab_command((notebook or find_notebook()).resolve(), browser=browser))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # Ctrl-C reaches JupyterLab too, which asks whether it is meant
            continue

"""How long a learner waits: from a clone to the first picture, and in each notebook from the kernel's start to its own.

    python benchmarks/cold_start.py                     each learner's notebook, and the slowest imports
    python benchmarks/cold_start.py 00_start_here       these notebooks
    python benchmarks/cold_start.py --clone             clone the repository, `make setup`, run its first notebook too
    python benchmarks/cold_start.py --clone --write     and write benchmarks/results/cold_start.md

A picture is a cell's output that shows one: an image, or a widget. Notebooks run as JupyterLab runs them, by a kernel
of their own, one cell after the other; the time that a browser needs to draw the page is not in the table. A clone
installs from pip's cache where that has the packages. Run it on a quiet machine.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "cold_start.md"
FIRST = "00_start_here"
PICTURES = ("image/png", "image/svg+xml", "image/gif", "application/vnd.jupyter.widget-view+json")
SAID = "first picture after"  # how a clone reports back
# What the notebooks' first cells import.
IMPORTS = (
    "mixturelab",
    "torch",
    "mixturelab.estimators",
    "mixturelab.plot",
    "mixturelab.exercises",
    "pandas",
)


@dataclass(frozen=True)
class Opening:
    """What a learner waits for in one notebook, in seconds."""

    notebook: str
    kernel: float
    first_picture: float | None  # from the kernel's start; None where the notebook shows no picture
    cells: int  # code cells that had run by then


# --------------------------------------------------------------------------------------------- one notebook
def shows_picture(cell: NotebookNode) -> bool:
    """Whether a cell that has run shows a picture or a widget."""
    return any(kind in output.get("data", {}) for output in cell.get("outputs", []) for kind in PICTURES)


def open_notebook(path: Path) -> Opening:
    """Start a kernel and run the cells up to the first picture.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []  # the stored pictures are not what we wait for
    place = {"metadata": {"path": str(path.parent)}}
    quiet = ["--IPKernelApp.log_level=ERROR"]
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=place, extra_arguments=quiet
    )
    started = time.perf_counter()
    with client.setup_kernel(env=os.environ | {"MIXTURELAB_PROGRESS": "off"}):
        kernel = time.perf_counter() - started
        code = 0
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            code += cell.cell_type == "code"
            if cell.cell_type == "code" and shows_picture(cell):
                return Opening(path.stem, kernel, time.perf_counter() - started, code)
    return Opening(path.stem, kernel, None, code)


def notebooks(names: list[str]) -> list[Path]:
    """The learner's notebooks of these names; all of them where none is given."""
    found = sorted((ROOT / "notebooks").glob("*.ipynb"))
    unknown = set(names) - {path.stem for path in found}
    if unknown:
        raise SystemExit(f"no such notebook: {', '.join(sorted(unknown))}")
    return [path for path in found if not names or path.stem in names]


# ------------------------------------------------------------------------------------------------ one clone
def from_clone() -> Iterator[tuple[str, float]]:
    """Clone, set up, open JupyterLab, and run the first notebook: each part's name and seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch, "mixturelab")
        yield "`git clone`", timed("git", "clone", "--quiet", str(ROOT), str(clone))
        yield "`make setup`", timed("make", "--silent", "setup", cwd=clone)
        python = clone / ".venv" / "bin" / "python"
        yield "JupyterLab answers", until_lab_answers(python, clone)
        yield f"`{FIRST}` up to its first picture", in_clone(python, clone)


def timed(*command: str, cwd: Path | None = None) -> float:
    """The seconds that a command takes; it must succeed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=inherited, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - started


def in_clone(python: Path, clone: Path) -> float:
    """The first notebook's first picture, in the clone's own environment."""
    script = shutil.copy(__file__, clone / "benchmarks")  # committed or not: the one that measures here
    command = [python, script, FIRST]
    done = subprocess.run(list(map(str, command)), cwd=clone, capture_output=True, text=True)
    said = re.search(rf"{FIRST}: {SAID} ([\d.]+) s", done.stdout)
    if said is None:
        raise SystemExit(f"the first notebook showed no picture:\n{done.stdout}{done.stderr}")
    return float(said[1])


def until_lab_answers(python: Path, clone: Path) -> float:
    """From `mixturelab lab` to the page that the browser asks for first."""
    started = time.perf_counter()
    command = [str(python), "-c", "from mixturelab.lab import open_lab; open_lab(browser=False)"]
    # A group of its own: JupyterLab is a process of the one that is started here, and has to end with it.
    server = subprocess.Popen(
        command,
        cwd=clone,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with server:
        try:
            for line in server.stdout or ():
                if address := re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/lab\S*", line):
                    answer(address[0])
                    return time.perf_counter() - started
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
    raise SystemExit("JupyterLab ended without an address")


def answer(address: str, patience: float = 120) -> None:
    """Wait until the page is there."""
    until = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(address, timeout=patience) as page:
                page.read()
                return
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


# ------------------------------------------------------------------------------------------------- imports
def import_seconds(module: str, rounds: int = 3) -> float:
    """The fastest of some imports, each in a process of its own, in seconds."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = (subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT) for _ in range(rounds))
    return min(map(float, runs))


# --------------------------------------------------------------------------------------------------- tables
def opening_table(openings: list[Opening]) -> str:
    """One row for each notebook."""
    rows = [
        f"| `{each.notebook}` | {each.kernel:.1f} | "
        + ("no picture" if each.first_picture is None else f"{each.first_picture:.1f}")
        + f" | {each.cells} |"
        for each in openings
    ]
    head = "| notebook | kernel ready, s | first picture, s | code cells run by then |"
    return "\n".join([head, "|---|---|---|---|", *rows])


def part_table(parts: list[tuple[str, float]]) -> str:
    """One row for each part of a cold start, and their sum."""
    rows = [f"| {name} | {seconds:.0f} |" for name, seconds in parts]
    total = f"| **from clone to first picture** | **{sum(seconds for _, seconds in parts):.0f}** |"
    return "\n".join(["| part | s |", "|---|---|", *rows, total])


def import_table(found: dict[str, float]) -> str:
    """One row for each module, imported alone."""
    rows = [f"| `import {name}` | {seconds:.2f} |" for name, seconds in found.items()]
    return "\n".join(["| in a fresh Python | s |", "|---|---|", *rows])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "notebooks", nargs="*", help="the learner's notebooks to open; by default all of them"
    )
    parser.add_argument(
        "--clone", action="store_true", help="also clone, set up, and open the first notebook"
    )
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    options = parser.parse_args()
    openings = []
    for path in notebooks(options.notebooks):
        openings.append(opening := open_notebook(path))
        picture = opening.first_picture
        wait = f"{SAID} {picture:.1f} s" if picture is not None else "no picture"
        print(f"{opening.notebook}: {wait} ({opening.cells} code cells)", flush=True)
    from em_iteration import machine  # only now: it imports what the notebooks wait for

    sections = [f"What a learner waits for. {machine()}.", opening_table(openings)]
    if not options.notebooks:
        sections.append(import_table({name: import_seconds(name) for name in IMPORTS}))
    if options.clone:
        sections.append(part_table(list(from_clone())))
    text = "\n\n".join(sections) + "\n"
    print(f"\n{text}")
    if options.write:
        RESULTS.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

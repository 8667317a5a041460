"""Write the notebooks from notebooks/source, run them, and store their outputs.

    python scripts/build_notebooks.py                    all of them
    python scripts/build_notebooks.py 00_start_here      these
    python scripts/build_notebooks.py --check            run nothing: say which stored cells differ from the source

A source (jupytext's percent format) holds text, code, stubs and solutions. From it come the learner's notebook,
notebooks/NN_name.ipynb, and the teacher's, notebooks/solutions/NN_name.ipynb. Most are lessons, made for a class of
50 minutes; PAGES names the others, which have no such frame:

- `# %% exercise="00.1"` is a cell to fill in. What stands between `### BEGIN SOLUTION` and `### END SOLUTION` is
  in the teacher's notebook only; what is left is the learner's stub, which has to run.
- `# %% check="00.1"` checks the answer. After it the build puts the hints, and for the learner the solution, behind
  clicks and as text: nobody runs it by accident.
- `# %% teacher=true` and `# %% [markdown] teacher=true` are cells of the teacher's notebook only.
- Relative links are written as seen from notebooks/; for the teacher's folder, one further down, they are rewritten.

Exercises done are not written to a file while a notebook is built. Both notebooks carry nbgrader's metadata: the
teacher's are an assignment as they are.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from mixturelab.exercises import all_exercises

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "notebooks" / "source"
LEARNER = ROOT / "notebooks"
TEACHER = LEARNER / "solutions"
REGION = re.compile(r"^[ \t]*### BEGIN SOLUTION\n(.*?)^[ \t]*### END SOLUTION\n?", re.MULTILINE | re.DOTALL)
PAGES = ("10_your_own_table", "concept_inventory")
LINK = re.compile(
    r"\]\((?!\w+:)([\w./-]+\.(?:md|ipynb|csv|png|py|txt))(#[^)\s]*)?\)"
)  # [words](a/path.md#place)
KERNEL = {"MIXTURELAB_PROGRESS": "off"}  # exercises done stay in the kernel's memory
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


# ----------------------------------------------------------------------------------------- source to cells
def read_source(path: Path) -> list[NotebookNode]:
    """The cells of a source; the comment above the first cell is about the file and is left out."""
    text = path.read_text(encoding="utf-8")
    return jupytext.reads(text[text.index("# %%") :], fmt="py:percent").cells


def learner_notebook(path: Path) -> NotebookNode:
    """The notebook with stubs; hints and solutions behind clicks."""
    cells = read_source(path)
    solutions = {cell.metadata["exercise"]: cell.source for cell in cells if "exercise" in cell.metadata}
    return _notebook(path.stem, [made for cell in cells for made in _for_learner(cell, solutions)])


def teacher_notebook(path: Path) -> NotebookNode:
    """The notebook with solutions and hidden tests."""
    made = [made for cell in read_source(path) for made in _for_teacher(cell)]
    for cell in made:
        if cell.cell_type == "markdown":
            cell.source = from_below(cell.source)
    return _notebook(path.stem, made)


def from_below(text: str) -> str:
    """Markdown whose relative links lead from solutions/ where they led from notebooks/.

    Links between notebooks stay as they are: the teacher's lead to each other.
    """
    return LINK.sub(_one_up, text)


def _one_up(link: re.Match[str]) -> str:
    path, place = link.group(1), link.group(2) or ""
    beside = "/" not in path and path.endswith(".ipynb")
    return f"]({'' if beside else '../'}{path}{place})"


def _for_learner(cell: NotebookNode, solutions: dict[str, str]) -> list[NotebookNode]:
    if "teacher" in cell.metadata:
        return []
    if "exercise" in cell.metadata:
        return [_code(REGION.sub("", cell.source).strip(), _solution_metadata(cell.metadata["exercise"]))]
    if "check" in cell.metadata:
        name = cell.metadata["check"]
        help_text = "\n\n".join([*_hints(name), _solution(solutions[name])])
        return [_code(cell.source, _check_metadata(name)), _markdown(help_text, {"tags": ["help"]})]
    return [cell]


def _for_teacher(cell: NotebookNode) -> list[NotebookNode]:
    if "exercise" in cell.metadata:
        return [_code(cell.source, _solution_metadata(cell.metadata["exercise"]))]
    if "check" in cell.metadata:
        name = cell.metadata["check"]
        hidden = f"### BEGIN HIDDEN TESTS\nassert {cell.source}.passed\n### END HIDDEN TESTS\n"
        checked = _code(hidden + cell.source, _check_metadata(name))
        return [checked, _markdown("\n\n".join(_hints(name)), {"tags": ["help"]})]
    cell.metadata.pop("teacher", None)
    return [cell]


def _hints(name: str) -> list[str]:
    hints = all_exercises()[name].hints
    return [_behind_click(f"Hint {number}", hint) for number, hint in enumerate(hints, start=1)]


def _solution(source: str) -> str:
    regions = REGION.findall(source)
    code = "\n".join(textwrap.dedent(region).strip() for region in regions)
    return _behind_click("Solution", f"```python\n{code}\n```")


def _behind_click(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def _solution_metadata(name: str) -> dict:
    return {"nbgrader": {**_nbgrader(name, "exercise"), "grade": False, "locked": False, "solution": True}}


def _check_metadata(name: str) -> dict:
    graded = {**_nbgrader(name, "check"), "grade": True, "locked": True, "points": 1, "solution": False}
    return {"nbgrader": graded}


def _nbgrader(name: str, role: str) -> dict:
    return {"grade_id": f"{role}-{name.replace('.', '-')}", "schema_version": 3, "task": False}


def _code(source: str, metadata: dict) -> NotebookNode:
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def _markdown(source: str, metadata: dict) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source, metadata=metadata)


def _notebook(stem: str, cells: list[NotebookNode]) -> NotebookNode:
    for number, cell in enumerate(cells):
        cell["id"] = f"{stem[:2]}-{number:03d}"  # the same in each build
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA)


# --------------------------------------------------------------------------------------- cells to outputs
def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells and keep what is the same in each run."""
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # how it talks to us is not the reader's concern
        resources={"metadata": {"path": str(folder)}},
    ).execute(env=os.environ | KERNEL)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            # A widget's number is new in each run and means nothing without its kernel; its picture stays.
            output.get("data", {}).pop(WIDGET, None)
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook


def build(path: Path) -> None:
    """Write one source's two notebooks."""
    for folder, made in [(LEARNER, learner_notebook(path)), (TEACHER, teacher_notebook(path))]:
        started = time.perf_counter()
        target = folder / f"{path.stem}.ipynb"
        target.parent.mkdir(exist_ok=True)
        nbformat.validate(made)
        text = nbformat.writes(execute(made, LEARNER)) + "\n"
        target.write_text(text, encoding="utf-8", newline="\n")
        print(f"{target.relative_to(ROOT)}: {len(made.cells)} cells in {time.perf_counter() - started:.0f} s")


# ------------------------------------------------------------------------------------------- stored or not
def drift(path: Path) -> list[str]:
    """Which stored notebooks of a source are missing or have other cells than the source gives."""
    found = []
    for folder, made in [(LEARNER, learner_notebook(path)), (TEACHER, teacher_notebook(path))]:
        target = folder / f"{path.stem}.ipynb"
        name = target.relative_to(ROOT).as_posix()
        if not target.is_file():
            found.append(f"{name} is missing")
        elif _essence(nbformat.read(target, as_version=4)) != _essence(made):
            found.append(f"{name} differs from its source")
    return found


def _essence(notebook: NotebookNode) -> list[tuple]:
    return [(cell.id, cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def sources(names: list[str] | None = None) -> list[Path]:
    """The sources of these names; all of them, lessons and pages, if none is given."""
    paths = sorted(SOURCE.glob("*.py"))
    unknown = set(names or []) - {path.stem for path in paths}
    if unknown:
        raise SystemExit(
            f"no source is called {', '.join(sorted(unknown))}; there are: {[p.stem for p in paths]}"
        )
    return [path for path in paths if not names or path.stem in names]


def lessons() -> list[Path]:
    """The sources of all lessons."""
    return [path for path in sources() if path.stem not in PAGES]


def main() -> None:
    """Build or check what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NN_name", help="which; all by default")
    parser.add_argument("--check", action="store_true", help="only say what differs from the source")
    asked = parser.parse_args()
    if not asked.check:
        for path in sources(asked.names):
            build(path)
        return
    found = [line for path in sources(asked.names) for line in drift(path)]
    sys.exit("\n".join([*found, "run `make notebooks`"]) if found else 0)


if __name__ == "__main__":
    main()

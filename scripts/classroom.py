"""Make a course folder for nbgrader from the notebooks, and look through what learners have handed in.

    python scripts/classroom.py                      artifacts/classroom, with all notebooks
    python scripts/classroom.py 01 02                ... with these
    python scripts/classroom.py --inspect 01         say what is damaged in submitted/*/01_*, before it is marked
    python scripts/classroom.py --inspect --repair   and put deleted cells back

What is made there: source/ (the teacher's, with solutions and hidden tests), release/ (the learners', by nbgrader
itself), handout/ (release/ as zip files), nbgrader_config.py and a README for the teacher. Each notebook is an
assignment of its own, its folder named like it, with the reference pages and the data that it links to beside it.

In source/ a check cell shows its remark and then asserts that the answer has passed: nbgrader takes marks for errors,
and the remark has to stand in the feedback. Hints stay in the release; solutions and the teacher's cells do not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import sysconfig
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parent))
import build_notebooks as books

COURSE = books.ROOT / "artifacts" / "classroom"
FILES = Path(__file__).resolve().parent / "classroom_files"
MADE = ("source", "release", "handout")  # what is made anew; what was handed in and marked stays
HIDDEN = """{check}
### BEGIN HIDDEN TESTS
from IPython.display import display as _show
from mixturelab.exercises import check as _check

_verdict = _{check}
_show(_verdict)
assert _verdict.passed, "no mark for this one: see the remark above"
### END HIDDEN TESTS"""


# ----------------------------------------------------------------------------------------------- source
def source_notebook(path: Path) -> NotebookNode:
    """The teacher's notebook, as nbgrader is to have it: the learner's text, solutions in the cells, graded checks.

    Parameters
    ----------
    path : Path
        A source in notebooks/source.

    Returns
    -------
    NotebookNode
        Without outputs.
    """
    teacher = {_grade_id(cell): cell.source for cell in books.teacher_notebook(path).cells if _grade_id(cell)}
    made = books.learner_notebook(path)
    for cell in made.cells:
        if books_role := cell.metadata.get("nbgrader"):
            cell.source = _graded(cell.source) if books_role["grade"] else teacher[_grade_id(cell)]
        elif "help" in cell.metadata.get("tags", []):
            cell.source = _hints_only(cell.source)
        elif cell.cell_type == "code":  # the file lies beside the notebook here, and not above it
            cell.source = cell.source.replace("in Path.cwd().parents", "in (Path.cwd(), *Path.cwd().parents)")
    return made


def _grade_id(cell: NotebookNode) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def _graded(check: str) -> str:
    return HIDDEN.format(check=check.strip())


def _hints_only(text: str) -> str:
    """Without the solution behind a click, which is the last."""
    return text.partition("<details><summary>Solution</summary>")[0].strip()


# ------------------------------------------------------------------------------------- what goes with it
def with_links(notebook: NotebookNode, chosen: set[str]) -> NotebookNode:
    """The notebook with its links to notebooks that are handed out; of others the words stay."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _relinked(cell.source, chosen)
    return notebook


def _relinked(text: str, chosen: set[str]) -> str:
    def one(link: re.Match[str]) -> str:
        words, stem = link.groups()
        return f"[{words}](../{stem}/{stem}.ipynb)" if stem in chosen else words

    return re.sub(r"\[([^\]]*)\]\((\w+)\.ipynb\)", one, text)


def carried(notebook: NotebookNode, folder: Path) -> None:
    """Copy what a notebook links to or reads into its folder: reference pages, and tables named in its code."""
    shutil.copytree(books.LEARNER / "reference", folder / "reference")
    (folder / "data").mkdir()
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    for table in sorted((books.ROOT / "data").iterdir()):
        if table.name == "README.md" or f'"{table.name}"' in code:
            shutil.copy(table, folder / "data" / table.name)
    for page in (folder / "reference").glob("*.md"):
        text = page.read_text(encoding="utf-8").replace("](../../data/", "](../data/")
        page.write_text(re.sub(r"\[([^\]]*)\]\((?:\.\./)+[\w./-]+\.ipynb\)", r"\1", text), encoding="utf-8")


# ------------------------------------------------------------------------------------------------ course
def prepare(paths: list[Path], course: Path) -> None:
    """Write the course folder; what has been handed in and marked there stays.

    Parameters
    ----------
    paths : list of Path
        Sources in notebooks/source.
    course : Path
        The folder.

    Raises
    ------
    SystemExit
        If nbgrader is not installed, or does not accept a notebook.
    """
    api = _nbgrader(course)
    for name in MADE:
        shutil.rmtree(course / name, ignore_errors=True)
    course.mkdir(parents=True, exist_ok=True)
    shutil.copy(FILES / "nbgrader_config.py", course)
    chosen = {path.stem for path in paths}
    listed = [_assignment(path, chosen, course, api) for path in paths]
    text = (FILES / "README.md").read_text(encoding="utf-8")
    text = text.replace("@assignments@", "\n".join(listed)).replace("@first@", paths[0].stem)
    (course / "README.md").write_text(text, encoding="utf-8")


def _assignment(path: Path, chosen: set[str], course: Path, api: Any) -> str:
    """Write one assignment, and give its line for the README."""
    notebook = with_links(source_notebook(path), chosen)
    folder = course / "source" / path.stem
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{path.stem}.ipynb")
    carried(notebook, folder)
    result = api.generate_assignment(path.stem)
    if not result["success"]:
        sys.exit(f"nbgrader does not accept {path.stem}:\n{result.get('log', '')}{result.get('error', '')}")
    (course / "handout").mkdir(exist_ok=True)
    shutil.make_archive(str(course / "handout" / path.stem), "zip", course / "release", path.stem)
    points = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells)
    print(f"{path.stem}: {points or 'no'} exercises to mark")
    return f"- `{path.stem}`: " + (
        f"{points} points" if points else "nothing to mark; read it, or discuss it"
    )


def _nbgrader(course: Path) -> Any:
    """The interface of nbgrader itself, with the settings of this course and nobody's else."""
    try:
        from nbgrader.apps import NbGraderAPI
    except ImportError:
        sys.exit("nbgrader is not installed: `pip install -e '.[classroom]'` brings it")
    from traitlets.config import Config

    settings = Config()
    settings.CourseDirectory.root = str(course)
    settings.CourseDirectory.course_id = "mixturelab"
    settings.ClearSolutions.code_stub = {"python": ""}
    settings.NbGraderAPI.log_level = "WARN"
    return NbGraderAPI(config=settings)


# ------------------------------------------------------------------------------------------- handed in
def inspect(course: Path, names: list[str], *, repair: bool = False) -> list[str]:
    """What is damaged in the submissions, in words.

    Parameters
    ----------
    course : Path
        A folder that `prepare` has made.
    names : list of str
        Which assignments, by the beginning of their names; all if there are none.
    repair : bool
        Whether deleted cells are put back. What was received stays beside the notebook.

    Returns
    -------
    list of str
        One sentence for each thing that a teacher should know; empty if all is well.
    """
    found = []
    for folder in sorted((course / "submitted").glob("*/*")):
        if folder.is_dir() and (not names or folder.name.startswith(tuple(names))):
            who = folder.relative_to(course).as_posix()
            found += [f"{who}: {words}" for words in _of_submission(course, folder, repair)]
    return found


def _of_submission(course: Path, folder: Path, repair: bool) -> list[str]:
    released = course / "release" / folder.name / f"{folder.name}.ipynb"
    if not released.is_file():
        return ["there is no assignment of that name; look at release/."]
    handed_in = folder / released.name
    if not handed_in.is_file():
        others = ", ".join(sorted(path.name for path in folder.glob("*.ipynb"))) or "no notebook"
        return [f"{released.name} is missing (there is: {others}). Rename it: nbgrader looks for that name."]
    try:
        with warnings.catch_warnings(action="ignore"):  # of doubled cell ids: they are mended while reading
            notebook = nbformat.read(handed_in, as_version=4)
            nbformat.validate(notebook)
    except Exception as error:  # whatever a learner's disk, mail or merge has made of it
        return [f"{handed_in.name} is not a notebook ({type(error).__name__}). Ask for it again."]
    wanted = [cell for cell in nbformat.read(released, as_version=4).cells if _grade_id(cell)]
    words = _differences(notebook, wanted)
    if repair and words:
        shutil.copy(handed_in, handed_in.with_name(handed_in.name + ".received"))
        nbformat.write(repaired(notebook, wanted), handed_in)
    return [line + " Mended." for line in words] if repair else words


def _differences(notebook: NotebookNode, wanted: list[NotebookNode]) -> list[str]:
    counts = Counter(_grade_id(cell) for cell in notebook.cells if _grade_id(cell))
    sources = {_grade_id(cell): cell.source for cell in notebook.cells}
    words = []
    for cell in wanted:
        name, what = _grade_id(cell), _in_words(_grade_id(cell))
        if not counts[name]:
            words.append(f"{what} has been deleted.")
        elif counts[name] > 1:
            words.append(f"{what} is there {counts[name]} times; the last one counts.")
        elif cell.metadata.nbgrader.locked and sources[name].strip() != cell.source.strip():
            words.append(f"{what} has been changed; the original counts.")
    known = {_grade_id(cell) for cell in wanted}
    return words + [f"{_in_words(name)} is not of this notebook." for name in counts if name not in known]


def _in_words(grade_id: str) -> str:
    role, _, name = grade_id.partition("-")
    return f"the {'check' if role == 'check' else 'answer'} cell of exercise {name.replace('-', '.')}"


def repaired(notebook: NotebookNode, wanted: list[NotebookNode]) -> NotebookNode:
    """The notebook with each wanted cell once: nbgrader stumbles over a second one, and over strangers.

    A lacking one is put after the wanted one before it; of copies the last is marked, the others become plain cells;
    a check cell that was changed is the original again.
    """
    originals = {_grade_id(cell): cell for cell in wanted}
    last = {_grade_id(cell): cell.id for cell in notebook.cells}
    for cell in notebook.cells:
        name = _grade_id(cell)
        if name and (name not in originals or cell.id != last[name]):
            del cell.metadata["nbgrader"]
        elif name and originals[name].metadata.nbgrader.locked:
            cell.source = originals[name].source
    place = 0
    for name, cell in originals.items():
        here = [n for n, other in enumerate(notebook.cells) if _grade_id(other) == name]
        if not here:
            note = nbformat.v4.new_markdown_cell(
                "*The next cell had been deleted. It was put back for marking.*"
            )
            notebook.cells[place:place] = [note, NotebookNode(cell | {"id": f"{cell.id}-back"})]
        place = here[-1] + 1 if here else place + 2
    return notebook


def chosen_sources(names: list[str]) -> list[Path]:
    """The sources whose names begin as asked; all if nothing is asked."""
    paths = books.sources()
    unknown = [name for name in names if not any(path.stem.startswith(name) for path in paths)]
    if unknown:
        raise SystemExit(
            f"no notebook begins with {', '.join(unknown)}; there are: {[path.stem for path in paths]}"
        )
    return [path for path in paths if not names or path.stem.startswith(tuple(names))]


def main() -> None:
    """Make a course, or inspect what was handed in, as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NN", help="which notebooks; all by default")
    parser.add_argument("--course", type=Path, default=COURSE, help="the course folder (%(default)s)")
    parser.add_argument("--inspect", action="store_true", help="only say what is damaged in submitted/")
    parser.add_argument("--repair", action="store_true", help="with --inspect: put deleted cells back")
    asked = parser.parse_args()
    course = asked.course.resolve()
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])  # for nbgrader
    if not asked.inspect:
        prepare(chosen_sources(asked.names), course)
        print(f"{course}: read its README.md first")
        return
    found = inspect(course, asked.names, repair=asked.repair)
    print("\n".join(found) or "nothing is damaged")
    sys.exit(bool(found) and not asked.repair)


if __name__ == "__main__":
    main()

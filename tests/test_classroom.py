"""The course folder for nbgrader: what is handed out, and what right, wrong and damaged submissions are given."""

import csv
import html
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from mixturelab.exercises import all_exercises
from mixturelab.exercises.result import marked

pytest.importorskip("nbgrader", reason="nbgrader is not installed (the extra `classroom`)")

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "classroom.py"
SPEC = importlib.util.spec_from_file_location("classroom", SCRIPT)
classroom = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(classroom)
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
PAGES = ("10_your_own_table", "concept_inventory")
STEMS = [path.stem for path in SOLUTIONS]
MARKED = (
    "00_start_here"  # the one that is marked completely; `python tests/test_classroom.py` does all of them
)
CHECK = re.compile(r'check\("([\d.]+)", (\w+)\)')

pytestmark = pytest.mark.slow
each = pytest.mark.parametrize("stem", STEMS)


def run(*command, cwd, wanted=0):
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | {"PATH": path}, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == wanted, done.stdout + done.stderr
    return done.stdout + done.stderr


def prepare(course, *names):
    return run(sys.executable, SCRIPT, "--course", course, *names, cwd=ROOT)


def nbgrader(course, *arguments, wanted=0):
    return run(sys.executable, "-m", "nbgrader", *arguments, cwd=course, wanted=wanted)


def read(path):
    return nbformat.read(path, as_version=4)


def grade_id(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def exercises_of(notebook):
    """Number and name of the answer, for each check."""
    return dict(
        CHECK.search(cell.source).groups() for cell in notebook.cells if grade_id(cell)[:5] == "check"
    )


# ------------------------------------------------------------------------------------------- submissions
def submit(course, learner, stem, cells_of):
    """The released notebook, changed and handed in."""
    notebook = read(course / "release" / stem / f"{stem}.ipynb")
    notebook.cells = [made for cell in notebook.cells for made in cells_of(cell)]
    folder = course / "submitted" / learner / stem
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{stem}.ipynb")


def right(stem):
    """Fills in what the teacher's notebook has."""
    solved = {grade_id(cell): cell.source for cell in read(ROOT / f"notebooks/solutions/{stem}.ipynb").cells}

    def cells_of(cell):
        if grade_id(cell).startswith("exercise"):
            cell.source = solved[grade_id(cell)]
        return [cell]

    return cells_of


def told(exercise):
    """The first registered wrong answer that has a message of its own."""
    return next(
        (n, mistake) for n, mistake in enumerate(all_exercises()[exercise].mistakes) if mistake.message
    )


def wrong(stem, names):
    """Answers each exercise with a registered mistake."""

    def cells_of(cell):
        if grade_id(cell).startswith("exercise"):
            exercise = grade_id(cell).removeprefix("exercise-").replace("-", ".")
            number, _ = told(exercise)
            cell.source = (
                "from mixturelab.exercises import all_exercises\n"
                f'{names[exercise]} = all_exercises()["{exercise}"].mistakes[{number}].answer'
            )
        return [cell]

    return cells_of


def damaged(stem):
    """Right, but the first check is deleted, the second doubled, the third turned into one that always passes."""
    solve = right(stem)

    def cells_of(cell):
        solve(cell)
        role, _, number = grade_id(cell).partition("-")
        if role == "check":
            if number.endswith("-1"):
                return []
            if number.endswith("-2"):
                return [cell, NotebookNode(cell | {"id": "twin"})]
            if number.endswith("-3"):
                cell.source = "True"
        return [cell]

    return cells_of


def scores(course, stem):
    """Each learner's mark in one assignment."""
    nbgrader(course, "export", "--to", "grades.csv")
    with (course / "grades.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == stem]
    return {row["student_id"]: float(row["score"]) for row in rows}


def mark(course, stem):
    """Hand in three times, mark, write the feedback; what nbgrader and our inspection say."""
    names = exercises_of(read(course / "release" / stem / f"{stem}.ipynb"))
    submit(course, "ada", stem, right(stem))
    submit(course, "bea", stem, wrong(stem, names))
    submit(course, "cleo", stem, damaged(stem))
    inspected = run(sys.executable, SCRIPT, "--course", course, "--inspect", stem, cwd=ROOT, wanted=1)
    run(sys.executable, SCRIPT, "--course", course, "--inspect", "--repair", stem, cwd=ROOT)
    said = nbgrader(course, "autograde", stem)
    nbgrader(course, "generate_feedback", stem)
    return names, inspected, said


def feedback(course, learner, stem):
    return (course / "feedback" / learner / stem / f"{stem}.html").read_text(encoding="utf-8")


def words_of(page):
    """A page's text: how an apostrophe or an end of line is spelled in HTML does not matter."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def verify(course, stem):
    """Full marks for right, none for wrong, the check's own words in the feedback."""
    names, inspected, said = mark(course, stem)
    found = scores(course, stem)
    assert found == {"ada": len(names), "bea": 0, "cleo": len(names)}
    page = words_of(feedback(course, "bea", stem))
    for exercise in names:
        assert words_of(marked(told(exercise)[1].message)) in page, exercise
        assert f"✗ {exercise} not yet" in page
    assert "✓" in feedback(course, "ada", stem)
    assert not re.search(r"✗ [\d.]+ not yet", feedback(course, "ada", stem))
    return inspected, said


# ------------------------------------------------------------------------------------------- handed out
@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """All notebooks, prepared once."""
    folder = tmp_path_factory.mktemp("classroom") / "course"
    prepare(folder)
    return folder


@each
def test_the_release_holds_the_learner_s_cells_and_no_solution(course, stem):
    notebook = read(course / "release" / stem / f"{stem}.ipynb")
    learner = read(ROOT / "notebooks" / f"{stem}.ipynb")
    text = "\n".join(cell.source for cell in notebook.cells)
    assert not re.search("BEGIN|HIDDEN|Solution</summary>|For the teacher|inventory_key", text)
    assert len(notebook.cells) == len(learner.cells)
    for made, wanted in zip(notebook.cells, learner.cells, strict=True):
        if made.cell_type == "code" and "Path.cwd()" not in made.source:
            stubs = [re.sub(r"\n\s*(?=\n|$)", "", cell.source).strip() for cell in (made, wanted)]
            assert stubs[0] == stubs[1]
        assert not made.get("outputs")


@each
def test_hints_stay(course, stem):
    notebook = read(course / "release" / stem / f"{stem}.ipynb")
    help_cells = [cell for cell in notebook.cells if "help" in cell.metadata.get("tags", [])]
    assert len(help_cells) == sum(grade_id(cell).startswith("check") for cell in notebook.cells)
    assert all("Hint 1" in cell.source for cell in help_cells)


@each
def test_the_metadata_are_what_nbgrader_wants(course, stem):
    from nbgrader.nbgraderformat import MetadataValidator

    for kind in ("source", "release"):
        notebook = read(course / kind / stem / f"{stem}.ipynb")
        MetadataValidator().validate_nb(notebook)
        graded = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
        assert bool(graded) == (stem not in PAGES)
        assert {cell.metadata.nbgrader.schema_version for cell in graded} <= {3}
        names = {name for name in all_exercises() if name.startswith(stem[:2])}
        assert set(exercises_of(notebook)) == names
    checks = [cell for cell in notebook.cells if grade_id(cell).startswith("check")]
    assert all(cell.metadata.deletable is cell.metadata.editable is False for cell in checks)


@each
def test_all_links_of_the_release_lead_somewhere(course, stem):
    folder = course / "release" / stem
    pages = {folder: read(folder / f"{stem}.ipynb").cells}
    texts = [(folder, cell.source) for cell in pages[folder] if cell.cell_type == "markdown"]
    texts += [(page.parent, page.read_text(encoding="utf-8")) for page in folder.rglob("*.md")]
    links = [(place, link) for place, text in texts for link in re.findall(r"\]\((?!\w+:|#)([^)#]+)", text)]
    assert len(links) >= 2
    # The table of the data's licences names files of the repository; those a notebook needs are here.
    links = [(place, link) for place, link in links if place.name != "data"]
    assert [link for place, link in links if not (place / link).exists()] == []


def test_each_assignment_is_a_zip_file_with_one_folder(course):
    for stem in STEMS:
        names = zipfile.ZipFile(course / "handout" / f"{stem}.zip").namelist()
        assert {name.split("/")[0] for name in names} == {stem}
        assert f"{stem}/{stem}.ipynb" in names
        assert f"{stem}/reference/glossary.md" in names


def test_the_capstone_finds_its_table_beside_it(course):
    folder = course / "release" / "10_your_own_table"
    cells = [
        cell.source for cell in read(folder / "10_your_own_table.ipynb").cells if "project" in cell.source
    ]
    assert len(cells) == 1
    code = "from pathlib import Path\nimport pandas as pd\n" + cells[0] + "\nprint(path)"
    assert Path(run(sys.executable, "-c", code, cwd=folder).strip()) == folder / "data" / "penguins.csv"


def test_the_readme_lists_each_assignment_with_its_points(course):
    text = (course / "README.md").read_text(encoding="utf-8")
    for stem in STEMS:
        assert f"`{stem}`: " in text
    assert f"`{MARKED}`: 7 points" in text
    assert "submitted/ada/00_start_here/00_start_here.ipynb" in text


def test_chosen_notebooks_link_to_each_other_only_and_submissions_stay(tmp_path):
    kept = tmp_path / "submitted" / "ada" / "note.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine", encoding="utf-8")
    prepare(tmp_path, "00", "01")
    assert sorted(path.name for path in (tmp_path / "release").iterdir()) == STEMS[:2]
    text = "\n".join(cell.source for cell in read(tmp_path / f"release/{STEMS[0]}/{STEMS[0]}.ipynb").cells)
    assert f"[01 Responsibilities](../{STEMS[1]}/{STEMS[1]}.ipynb)" in text
    assert "Notebook 02 proves it" in text  # words without a link
    assert kept.read_text(encoding="utf-8") == "mine"


def test_an_unknown_notebook_is_named(tmp_path):
    said = run(sys.executable, SCRIPT, "--course", tmp_path, "77", cwd=ROOT, wanted=1)
    assert "no notebook begins with 77; there are: ['00_start_here'" in said
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------- marked
@pytest.mark.timeout(1800)  # three runs of a notebook
def test_right_gets_all_marks_wrong_none_and_each_remark_is_in_the_feedback(course):
    inspected, said = verify(course, MARKED)
    assert inspected.splitlines() == [
        f"submitted/cleo/{MARKED}: the check cell of exercise 00.1 has been deleted.",
        f"submitted/cleo/{MARKED}: the check cell of exercise 00.2 is there 2 times; the last one counts.",
        f"submitted/cleo/{MARKED}: the check cell of exercise 00.3 has been changed; the original counts.",
    ]
    assert "The next cell had been deleted. It was put back for marking." in feedback(course, "cleo", MARKED)
    assert "currently treating" not in said.lower()  # no doubt of nbgrader's about a mark


# ------------------------------------------------------------------------------------------- inspection
@pytest.fixture
def small(course, tmp_path):
    """A course of one release, and nothing handed in yet."""
    shutil.copytree(course / "release" / MARKED, tmp_path / "release" / MARKED)
    return tmp_path


def inspect(course, *, repair=False):
    return classroom.inspect(course, [], repair=repair)


def test_a_whole_submission_is_not_complained_of(small):
    submit(small, "ada", MARKED, right(MARKED))
    assert inspect(small) == []


def test_files_that_cannot_be_marked_are_named(small):
    submit(small, "ada", MARKED, right(MARKED))
    folder = small / "submitted" / "ada" / MARKED
    (folder / f"{MARKED}.ipynb").rename(folder / f"{MARKED} (1).ipynb")
    broken = small / "submitted" / "bea" / MARKED / f"{MARKED}.ipynb"
    broken.parent.mkdir(parents=True)
    broken.write_text("<<<<<<< HEAD", encoding="utf-8")
    (small / "submitted" / "cleo" / "homework").mkdir(parents=True)
    ada, bea, cleo = inspect(small)
    assert f"{MARKED}.ipynb is missing (there is: {MARKED} (1).ipynb). Rename it" in ada
    assert "is not a notebook (NotJSONError). Ask for it again." in bea
    assert "submitted/cleo/homework: there is no assignment of that name" in cleo


def test_deleted_answer_and_check_cells_are_put_back_in_their_place(small):
    gone = ("exercise-00-1", "check-00-1", "check-00-7")
    submit(small, "ada", MARKED, lambda cell: [] if grade_id(cell) in gone else [cell])
    said = inspect(small, repair=True)
    assert [line.rpartition(": ")[2] for line in said] == [
        "the answer cell of exercise 00.1 has been deleted. Mended.",
        "the check cell of exercise 00.1 has been deleted. Mended.",
        "the check cell of exercise 00.7 has been deleted. Mended.",
    ]
    handed_in = small / "submitted" / "ada" / MARKED / f"{MARKED}.ipynb"
    released, mended = (
        [grade_id(cell) for cell in read(path).cells if grade_id(cell)]
        for path in (small / "release" / MARKED / f"{MARKED}.ipynb", handed_in)
    )
    assert mended == released
    assert handed_in.with_name(f"{MARKED}.ipynb.received").is_file()
    assert inspect(small) == []


def test_doubled_and_foreign_cells_are_made_plain_and_a_changed_check_is_the_original(small):
    def damage(cell):
        if grade_id(cell) == "exercise-00-2":
            first = NotebookNode(cell | {"id": "first", "source": "'an earlier try'"})
            return [NotebookNode(first | {"metadata": NotebookNode(cell.metadata)}), cell]
        if grade_id(cell) == "check-00-3":
            cell.source = "True"
        if grade_id(cell) == "check-00-7":
            cell.metadata.nbgrader.grade_id = "check-01-1"
        return [cell]

    submit(small, "ada", MARKED, damage)
    said = [line.rpartition(": ")[2] for line in inspect(small, repair=True)]
    assert said == [
        "the answer cell of exercise 00.2 is there 2 times; the last one counts. Mended.",
        "the check cell of exercise 00.3 has been changed; the original counts. Mended.",
        "the check cell of exercise 00.7 has been deleted. Mended.",
        "the check cell of exercise 01.1 is not of this notebook. Mended.",
    ]
    cells = read(small / "submitted" / "ada" / MARKED / f"{MARKED}.ipynb").cells
    assert [grade_id(cell) for cell in cells if cell.source == "'an earlier try'"] == [""]
    assert [cell.source for cell in cells if grade_id(cell) == "check-00-3"] == ['check("00.3", n_doubtful)']
    assert inspect(small) == []


def main():
    """By hand: mark three submissions of each lesson, or of those that are named."""
    import tempfile
    import time

    course = Path(tempfile.mkdtemp(prefix="classroom-"))
    chosen = [stem for stem in sys.argv[1:] or STEMS if stem not in PAGES]
    prepare(course, *chosen)
    for stem in chosen:
        started = time.perf_counter()
        try:
            verify(course, stem)
            found = "as wanted"
        except AssertionError as error:
            found = f"NOT as wanted: {str(error)[-2000:]}"
        print(f"{stem}: {found}, {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()

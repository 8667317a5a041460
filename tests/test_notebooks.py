"""The notebooks: equal to their source, run and stored, described in words, and fit for a classroom."""

import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from mixturelab.exercises import all_exercises

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "build_notebooks.py"
SPEC = importlib.util.spec_from_file_location("build_notebooks", SCRIPT)
build_notebooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build_notebooks)

SOURCES = build_notebooks.sources()
LESSONS = (
    build_notebooks.lessons()
)  # the others are pages: no frame of 50 minutes, no exercises that check themselves
LEARNER = sorted((ROOT / "notebooks").glob("*.ipynb"))
TEACHER = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
NOTEBOOKS = LEARNER + TEACHER
LESSON_STEMS = {path.stem for path in LESSONS}
LEARNER_LESSONS, TEACHER_LESSONS = (
    [path for path in paths if path.stem in LESSON_STEMS] for paths in (LEARNER, TEACHER)
)
MOST_IGNORED = 2  # cells of one notebook whose output is not compared

each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
each_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
each_notebook = pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "notebooks").as_posix()
)


def read(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def markdown(path):
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


def images(path):
    return [output for output in outputs(path) if "image/png" in output.get("data", {})]


# ------------------------------------------------------------------------------------- source and notebook


def test_each_source_has_its_two_notebooks_and_nothing_else_lies_there():
    names = [path.stem for path in SOURCES]
    assert names
    assert names[0] == "00_start_here"
    assert [path.stem for path in LEARNER] == names
    assert [path.stem for path in TEACHER] == names


@each_source
def test_stored_cells_are_those_of_the_source(source):
    assert build_notebooks.drift(source) == []


def test_drift_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(build_notebooks, "ROOT", tmp_path)
    for folder, name in [(tmp_path, "LEARNER"), (tmp_path / "solutions", "TEACHER")]:
        folder.mkdir(exist_ok=True)
        monkeypatch.setattr(build_notebooks, name, folder)
    source = SOURCES[0]
    assert build_notebooks.drift(source) == [
        "00_start_here.ipynb is missing",
        "solutions/00_start_here.ipynb is missing",
    ]
    nbformat.write(build_notebooks.teacher_notebook(source), tmp_path / "solutions" / "00_start_here.ipynb")
    changed = build_notebooks.learner_notebook(source)
    changed.cells[5].source += " "
    nbformat.write(changed, tmp_path / "00_start_here.ipynb")
    assert build_notebooks.drift(source) == ["00_start_here.ipynb differs from its source"]


@each_notebook
def test_every_code_cell_has_been_run_in_order_and_outputs_are_stored(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(bool(cell.outputs) for cell in cells) >= len(cells) / 2


@each_notebook
def test_no_cell_complains(path):
    for output in outputs(path):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"


@each_notebook
def test_nearly_all_outputs_are_compared(path):
    marked = [
        cell
        for cell in code_cells(path)
        if "nbval-ignore-output" in cell.metadata.get("tags", [])
        or re.search(r"^# *nbval", cell.source, re.IGNORECASE | re.MULTILINE)
    ]
    assert len(marked) <= MOST_IGNORED
    tags = {tag for cell in code_cells(path) for tag in cell.metadata.get("tags", [])}
    assert not any(re.search("nbval(?!-ignore-output$)|raises", tag, re.IGNORECASE) for tag in tags)


@each_notebook
def test_each_picture_has_its_own_words(path):
    words = [output.metadata.get("image/png", {}).get("alt", "") for output in images(path)]
    assert words or path.stem == "concept_inventory"
    assert all(len(text) >= 40 for text in words)
    assert len(set(words)) == len(words)


@each_notebook
def test_nothing_of_the_machine_is_stored(path):
    text = path.read_text(encoding="utf-8")
    kept = json.loads(text)
    for cell in kept["cells"]:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("image/png", None)
    text = json.dumps(kept)
    assert not re.search(
        r"/home/|/root|/tmp|/usr/|/Users/|C:\\\\|site-packages|ipykernel_\d|0x[0-9a-f]{6}", text
    )
    assert "widget-view" not in text
    assert kept["metadata"] == build_notebooks.METADATA


@each_notebook
def test_a_notebook_is_small_enough_to_send(path):
    assert path.stat().st_size < 1_500_000


# --------------------------------------------------------------------------------------------------- links

RELATIVE = re.compile(r"\]\((?!\w+:)([^)#\s]+)(?:#[^)\s]*)?\)")  # [words](path#place), not [words](https:...)


@each_notebook
def test_every_relative_link_leads_to_a_file(path):
    targets = RELATIVE.findall(markdown(path))
    assert targets
    assert [target for target in targets if not (path.parent / target).is_file()] == []


@each_source
def test_both_notebooks_of_a_source_link_to_the_same_pages(source):
    learner, teacher = (
        {
            (folder / target).resolve()
            for target in RELATIVE.findall(markdown(folder / f"{source.stem}.ipynb"))
        }
        for folder in (ROOT / "notebooks", ROOT / "notebooks" / "solutions")
    )
    pages = {target for target in learner if target.suffix != ".ipynb"}
    assert pages
    assert pages <= teacher


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("[a](reference/glossary.md)", "[a](../reference/glossary.md)"),
        ("[a](reference/glossary.md#Entropy), [b](../data/README.md)",
         "[a](../reference/glossary.md#Entropy), [b](../../data/README.md)"),
        ("[01](01_responsibilities.ipynb)", "[01](01_responsibilities.ipynb)"),
        ("[a](https://example.org/a.md) [b](#place)", "[a](https://example.org/a.md) [b](#place)"),
        ("the list `x[0](1.5)`, and $[1](x_n)$", "the list `x[0](1.5)`, and $[1](x_n)$"),
    ],
)  # fmt: skip
def test_links_are_rewritten_for_the_folder_below(written, wanted):
    assert build_notebooks.from_below(written) == wanted


def test_nothing_of_the_builder_s_own_progress_is_stored():
    assert build_notebooks.KERNEL == {"MIXTURELAB_PROGRESS": "off"}


# ------------------------------------------------------------------------------------------------ teaching


@each_source
def test_cells_are_short(source):
    cells = build_notebooks.read_source(source)
    lines = [len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code"]
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    words = [len(re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL).split()) for text in texts]
    assert statistics.median(lines) <= 4
    assert max(lines) <= 12
    assert statistics.median(words) <= 35 or source.stem == "concept_inventory"  # a question has four choices


@each_source
def test_glossary_and_bibliography_are_one_click_away(source):
    cells = [cell.source for cell in build_notebooks.read_source(source) if cell.cell_type == "markdown"]
    opening = next((text for text in cells[:6] if "reference/" in text), "")
    assert "[Glossary and notation](reference/glossary.md)" in opening
    assert "[Bibliography](reference/bibliography.md)" in opening


@each_lesson
def test_the_last_code_cell_shows_how_far_the_learner_is(source):
    code = [cell.source for cell in build_notebooks.read_source(source) if cell.cell_type == "code"]
    assert code[-1].strip() == f'progress("{source.stem[:2]}")'


@each_lesson
def test_the_frame_of_a_notebook_is_complete(source):
    text = "\n".join(
        cell.source for cell in build_notebooks.read_source(source) if cell.cell_type == "markdown"
    )
    for part in ["By the end you can", "You need", "Warm-up", "15-minute path", "50-minute path",
                 "90-minute path", "**Predict", "Self-quiz", "Further reading"]:  # fmt: skip
        assert part in text, f"{part} is missing"
    assert text.count("<details>") == text.count("</details>") >= 6


@each_lesson
def test_the_minutes_of_the_sections_fill_the_class(source):
    text = source.read_text(encoding="utf-8")
    rows = re.findall(r"^# \| \d+ [^|]+\| (\d+) \|([^|]*)\|([^|]*)\|", text, re.MULTILINE)
    minutes = [(int(number), "●" in short, "●" in middle) for number, short, middle in rows]
    assert sum(number for number, _, middle in minutes if middle) == 50
    assert 12 <= sum(number for number, short, _ in minutes if short) <= 18


# ----------------------------------------------------------------------------------------------- exercises


def exercises_in(source, kind):
    cells = build_notebooks.read_source(source)
    return [cell.metadata[kind] for cell in cells if kind in cell.metadata]


@each_lesson
def test_exercises_of_the_notebook_are_the_registered_ones(source):
    registered = [name for name in all_exercises() if name.split(".")[0] == source.stem[:2]]
    assert registered
    assert exercises_in(source, "exercise") == exercises_in(source, "check") == registered


@each_lesson
def test_titles_of_the_notebook_are_those_of_the_exercises(source):
    text = source.read_text(encoding="utf-8")
    for name in exercises_in(source, "exercise"):
        assert f"### Exercise {name} · {all_exercises()[name].title}\n" in text


@pytest.mark.parametrize("path", LEARNER_LESSONS, ids=lambda path: path.stem)
def test_the_learner_begins_with_stubs_and_finds_help_behind_clicks(path):
    cells = read(path).cells
    checks = [number for number, cell in enumerate(cells) if cell.source.startswith("check(")]
    assert checks
    for number in checks:
        assert "..." in cells[number - 1].source
        assert "not attempted yet" in cells[number].outputs[0].data["text/plain"]
        assert cells[number + 1].source.count("<details><summary>") >= 3
        assert "<summary>Solution</summary>" in cells[number + 1].source
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert "SOLUTION" not in code
    assert "HIDDEN" not in code


@pytest.mark.parametrize("path", TEACHER_LESSONS, ids=lambda path: path.stem)
def test_the_teacher_s_answers_pass_and_are_tested_out_of_sight(path):
    cells = code_cells(path)
    checks = [cell for cell in cells if "check(" in cell.source and "HIDDEN TESTS" in cell.source]
    assert len(checks) == len([name for name in all_exercises() if name.startswith(path.stem[:2])])
    for cell in checks:
        assert re.search(
            r"### BEGIN HIDDEN TESTS\nassert check\(.*\)\.passed\n### END HIDDEN TESTS", cell.source
        )
        assert cell.outputs[0].data["text/plain"].startswith("✓")
    assert "<summary>Solution</summary>" not in "\n".join(cell.source for cell in read(path).cells)


@pytest.mark.parametrize(
    "path", LEARNER_LESSONS + TEACHER_LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_nbgrader_s_metadata_is_complete(path):
    marked = [cell.metadata["nbgrader"] for cell in read(path).cells if "nbgrader" in cell.metadata]
    names = [mark["grade_id"] for mark in marked]
    assert marked
    assert len(set(names)) == len(names)
    for mark in marked:
        assert mark["schema_version"] == 3
        assert mark["task"] is False
        assert mark["grade"] is not mark["solution"]
        assert mark["locked"] is mark["grade"]
        assert mark.get("points", 0) == (1 if mark["grade"] else 0)


def test_the_solution_is_what_stands_in_the_region():
    source = "def f(x):\n    y = ...  # dots\n    ### BEGIN SOLUTION\n    y = 2\n    ### END SOLUTION\n    return y"
    assert build_notebooks._solution(source) == (
        "<details><summary>Solution</summary>\n\n```python\ny = 2\n```\n\n</details>"
    )
    assert build_notebooks.REGION.sub("", source) == "def f(x):\n    y = ...  # dots\n    return y"


# --------------------------------------------------------------------------------- on another processor


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("stem", ["07_mixtures_in_motion", "08_simclr_live"])
def test_what_training_prints_holds_with_other_instructions_and_threads(stem):
    """A trained network differs in its first digit between processors: what the notebook says of it must not."""
    other = {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    paths = [path for path in NOTEBOOKS if path.stem == stem]
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", "-p", "no:cacheprovider", "-q"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, paths), *options],
        env=os.environ | other,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(paths) == 2
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]

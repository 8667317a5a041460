"""The cold start's script: it stops at the first picture, and its tables hold what it measured.

How long anything takes is not tested: the tables in benchmarks/results say that, and from which machine they are.
"""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from benchmarks import cold_start

PNG = "display({'image/png': 'aGVsbG8='}, raw=True)"


def write_notebook(folder, *cells):
    """A notebook of these code cells, with a picture stored in the first, as if it had run before."""
    made = [nbformat.v4.new_markdown_cell("# Words"), *map(nbformat.v4.new_code_cell, cells)]
    made[1].outputs = [nbformat.v4.new_output("display_data", {"image/png": "aGVsbG8="})]
    path = folder / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return path


@pytest.mark.slow
def test_a_notebook_runs_up_to_its_first_picture_and_no_further(tmp_path):
    path = write_notebook(tmp_path, "print(1)", PNG, "open('too_far', 'w').close()")
    found = cold_start.open_notebook(path)
    assert (found.notebook, found.cells) == ("small", 2)  # the stored picture did not count
    assert 0 < found.kernel < found.first_picture
    assert not (tmp_path / "too_far").exists()


@pytest.mark.slow
def test_a_notebook_without_a_picture_runs_to_its_end(tmp_path):
    found = cold_start.open_notebook(write_notebook(tmp_path, "print(1)", "open('done', 'w').close()"))
    assert (found.first_picture, found.cells) == (None, 2)
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("image/png", True), ("application/vnd.jupyter.widget-view+json", True), ("text/html", False)],
)
def test_an_image_or_a_widget_is_a_picture(kind, expected):
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", {kind: "..."})])
    assert cold_start.shows_picture(cell) is expected


def test_each_learners_notebook_is_opened():
    folder = Path(cold_start.ROOT, "notebooks")
    assert {path.name for path in cold_start.notebooks([])} == {path.name for path in folder.glob("*.ipynb")}
    assert [path.stem for path in cold_start.notebooks(["00_start_here"])] == ["00_start_here"]
    with pytest.raises(SystemExit, match="no such notebook: 99_nothing"):
        cold_start.notebooks(["00_start_here", "99_nothing"])


def test_the_tables_hold_what_was_measured():
    openings = [cold_start.Opening("a", 1.04, 5.26, 3), cold_start.Opening("b", 2.0, None, 7)]
    assert cold_start.opening_table(openings).splitlines()[2:] == [
        "| `a` | 1.0 | 5.3 | 3 |",
        "| `b` | 2.0 | no picture | 7 |",
    ]
    assert cold_start.part_table([("one", 2.0), ("two", 40.4)]).splitlines()[-1] == (
        "| **from clone to first picture** | **42** |"
    )
    assert "| `import json` | 0.12 |" in cold_start.import_table({"json": 0.123})


def test_an_import_is_timed_in_a_python_of_its_own():
    assert 0 < cold_start.import_seconds("json", rounds=1) < 60


def test_a_part_that_fails_ends_the_measurement_with_its_words():
    with pytest.raises(SystemExit, match=r"(?s)failed:.*no such place"):
        cold_start.timed(sys.executable, "-c", "raise SystemExit('no such place')")


@pytest.mark.skipif(shutil.which("false") is None, reason="no program that fails at once")
def test_jupyterlab_that_ends_at_once_is_not_waited_for(tmp_path):
    with pytest.raises(SystemExit, match="JupyterLab ended without an address"):
        cold_start.until_lab_answers(Path(shutil.which("false")), tmp_path)

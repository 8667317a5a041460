"""Each notebook in a real JupyterLab, in a real browser: it runs, its widgets follow the keyboard, its help opens."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1800)]
NAMES = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
FAR_TOO_SLOW = 10_000  # milliseconds: a widget that hangs; how quick it is, is reported, not tested


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_its_widgets_move_and_its_help_opens(name, open_notebook, record_property):
    notebook = open_notebook(name)
    notebook.run_all()
    state = notebook.state()
    assert state["errors"] == []
    assert state["complaints"] == []
    assert state["ran"] == state["cells"]
    moved = [notebook.move_all(widget) for widget in notebook.widgets()]
    record_property("widgets", [one.summary() for one in moved])
    assert moved or not notebook.sliders()
    for one in moved:
        assert one.pictures > 1, f"no key changed the picture of {one.name}: {one.moves}"
        assert not one.dead(), f"in {one.name} these change nothing: {one.dead()}"
        assert max(move.picture or 0 for move in one.moves) < FAR_TOO_SLOW
    for number in range(min(3, notebook.details().count())):
        notebook.open_by_keyboard(notebook.details().nth(number))


def test_every_notebook_is_here():
    """So that the test above cannot pass by finding none."""
    assert "00_start_here.ipynb" in NAMES
    assert len(NAMES) >= 3


def test_a_wrong_and_a_right_answer_get_their_messages(open_notebook):
    """What a learner does: run all, type an answer, run it, read, look at a hint, type a better one."""
    notebook = open_notebook("00_start_here.ipynb")
    notebook.run_all()
    exercise = notebook.code_cell("weights = ...")
    verdict = notebook.code_cell('check("00.1"')
    assert "not attempted yet" in notebook.run_cell(verdict).inner_text()
    notebook.run_cell(exercise, "weights = counts")
    said = notebook.run_cell(verdict)
    assert "00.1 not yet" in said.inner_text()
    assert "divide each count by 272" in said.inner_text()
    assert said.locator("[role=status]").count() == 1
    notebook.open_by_keyboard(notebook.details("Hint 1").first)
    notebook.run_cell(exercise, "weights = counts / counts.sum()")
    said = notebook.run_cell(verdict)
    assert "00.1 correct" in said.inner_text()
    assert "never negative" in said.inner_text()
    said = notebook.run_cell(verdict, 'from mixturelab.exercises import progress\nprogress("00")')
    assert "Notebook 00: 1 of 7 exercises done" in said.inner_text()
    assert "open 00.2 A responsibility by hand" in " ".join(said.inner_text().split())


def test_an_endless_loop_is_ended_and_the_kernel_lives(open_notebook):
    notebook = open_notebook("00_start_here.ipynb")
    notebook.run_all()
    verdict = notebook.code_cell('check("00.1"')
    loop = "def endless(*arguments):\n    while True: pass\ncheck('00.2', endless, seconds=0.5)"
    assert "still running after 0.5 seconds" in notebook.run_cell(verdict, loop).inner_text()
    assert notebook.run_cell(verdict, "6 * 7").inner_text() == "42"

"""Each notebook in a real JupyterLab, in a real browser: it runs, answers, follows both hands, and can be read."""

from pathlib import Path

import pytest
from browser.answers import ANSWERS
from browser.looking import OURS
from browser.pages import NotebookPage
from browser.report import Report

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1800)]
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
FAR_TOO_SLOW = 10_000  # milliseconds: a widget that hangs; how quick it is, is reported, not tested
WIDE, NARROW = 1280, 800  # of the window, in pixels


@pytest.fixture(scope="module", params=NAMES, ids=lambda name: name.removesuffix(".ipynb"))
def visit(request, open_for_long):
    """A notebook in a page, run as a learner runs it; the tests below come to it one after the other, in this order."""
    with open_for_long(request.param) as notebook:
        notebook.look.set(WIDE, "light")
        notebook.run_all()
        yield notebook
        notebook.look.set(WIDE, "light")  # JupyterLab remembers the theme


def ran_without_complaint(notebook: NotebookPage, report: Report) -> None:
    """Every cell has a number, no output is an error or a warning, and every picture has its words."""
    state = notebook.state()
    shown = {"cells": state["cells"], "pictures": state["pictures"], "widgets": len(notebook.widgets())}
    report.add("Runs", notebook=notebook.name, **shown, seconds=f"{notebook.took:.0f}")
    assert state["errors"] == []
    assert state["complaints"] == []
    assert state["ran"] == state["cells"]
    assert state["wordless"] == 0, "a picture has no alternative text"


def moves_everything(notebook: NotebookPage, hand: str, report: Report) -> list[dict]:
    """Each control of each widget, by one hand; what follows how quickly goes into the report."""
    moved = [notebook.move_all(widget, hand) for widget in notebook.widgets()]
    assert moved or not notebook.sliders()
    for one in moved:
        report.moves += one.times()
        report.add("From hand to changed picture, in milliseconds", **one.summary())
    for one in moved:
        assert one.pictures > 1, f"nothing changed the picture of {one.name}: {one.moves}"
        assert not one.dead(), f"in {one.name} these change nothing: {one.dead()}"
        assert max(one.times()) < FAR_TOO_SLOW
    return [one.summary() for one in moved]


def can_be_read(notebook: NotebookPage, report: Report, scope: str = OURS) -> None:
    """The text of results and widgets stands out from what lies behind it."""
    texts = notebook.look.texts(scope)
    least = min((text.contrast for text in texts), default=None)
    row = {"notebook": notebook.name, "theme": notebook.look.theme(), "texts": len(texts)}
    report.add("Contrast of text in results and widgets", **row, least=least and f"{least:.1f}")
    faint = {
        (text.cell, text.text, round(text.contrast, 1), text.what) for text in texts if not text.readable
    }
    assert not faint


# ------------------------------------------------------------------------- one notebook after the other
def test_it_runs(visit, report):
    ran_without_complaint(visit, report)


def test_its_help_opens_by_keyboard(visit):
    for number in range(min(3, visit.details().count())):
        visit.open_by_keyboard(visit.details().nth(number))


def test_its_widgets_follow_the_keyboard(visit, report, record_property):
    record_property("widgets", moves_everything(visit, "keyboard", report))


def test_a_wrong_and_a_right_answer_get_their_messages(visit):
    """What a learner does: type an answer, run it, read, type a better one."""
    answer = next((one for one in ANSWERS if one.notebook == visit.name), None)
    assert answer is not None, f"answers.py has none for {visit.name}"
    exercise, verdict = visit.code_cell(answer.stub), visit.code_cell(answer.verdict)
    visit.run_cell(exercise, answer.wrong)
    said = visit.run_cell(verdict)
    assert answer.refused in said.inner_text()
    assert said.locator("[role=status]").count() == 1
    visit.run_cell(exercise, answer.right)
    assert answer.praised in visit.run_cell(verdict).inner_text()


def test_in_the_light_theme_it_can_be_read(visit, report):
    can_be_read(visit, report)
    visit.look.keep(report.folder, f"{Path(visit.name).stem}-{WIDE}-light")


def test_in_a_narrow_window_nothing_is_wider_than_its_place(visit, report):
    visit.look.set(NARROW, "light")
    visit.look.keep(report.folder, f"{Path(visit.name).stem}-{NARROW}-light")
    scrolled = visit.look.scrolled()
    for one in scrolled:
        report.add(f"What has to be scrolled at {NARROW} pixels", notebook=visit.name, **one)
    assert all(one["scrolls"] for one in scrolled)
    assert visit.look.wider() == []


def test_in_the_dark_theme_it_can_be_read(visit, report):
    visit.look.set(NARROW, "dark")
    can_be_read(visit, report)
    visit.look.keep(report.folder, f"{Path(visit.name).stem}-{NARROW}-dark")


def test_in_the_dark_theme_its_widgets_follow_the_mouse(visit, report, record_property):
    visit.look.set(NARROW, "dark")
    record_property("widgets", moves_everything(visit, "mouse", report))


def test_the_teacher_s_runs_too(visit, report):
    visit.look.set(NARROW, "dark")
    visit.turn_to(f"solutions/{visit.name}")
    visit.run_all()
    ran_without_complaint(visit, report)
    assert visit.look.wider() == []


def test_the_page_complained_of_nothing(visit, report):
    report.add("Complaints of the page", notebook=visit.name, all=len(visit.troubles.all))
    assert visit.troubles.unexpected() == []


# ---------------------------------------------------------------------------------- what is not a notebook
def test_every_notebook_is_here():
    """So that the tests above cannot pass by finding none."""
    assert "00_start_here.ipynb" in NAMES
    assert len(NAMES) >= 3
    assert [answer.notebook for answer in ANSWERS] == NAMES
    assert sorted(path.name for path in NOTEBOOKS.glob("solutions/*.ipynb")) == NAMES

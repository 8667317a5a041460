"""What a learner reads, in both themes and in a narrow window: verdicts, hints, progress, checklists, scores."""

import nbformat
import pytest
from browser.looking import OURS

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
# Every way in which a result of ours can look, a cell for each.
SHOWN = (
    "import pandas as pd\nfrom mixturelab.exercises import check, hint, progress\n"
    "from mixturelab.exercises.inventory import Key, inventory\n"
    "from mixturelab.exercises.own_table import REPORT_PARTS, check_report, check_table\n1",
    'check("00.1")',
    'check("00.1", [97, 175])',
    'check("00.1", [97 / 272, 175 / 272])',
    'check("no such exercise")',
    'hint("00.1")',
    'progress("00")',
    "progress()",
    'check_table(pd.DataFrame({"width": range(40), "height": [1.5] * 40}))',
    "check_report(dict.fromkeys(REPORT_PARTS, 'nine ' * 9))",
    'inventory("before", "a" * 10)',
    'inventory("after", "a?bc" * 2 + "dd")',
    'inventory("after", {})',
    "Key()",
    'pd.DataFrame({"a rather long name": [1.5, 2.5], "b": ["words", "more words"]})',
)


@pytest.fixture(scope="module")
def results(open_for_long, lab):
    """A notebook with all of them, run; the tests below come to it one after the other."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in SHOWN])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, lab.root / "notebooks" / "results.ipynb")
    with open_for_long("results.ipynb") as opened:
        opened.run_all()
        assert opened.state()["errors"] == []
        yield opened
        opened.look.set(1280, "light")  # JupyterLab remembers the theme


def test_results_can_be_read_and_fit_in_both_themes(results, report):
    for theme in ("light", "dark"):
        results.look.set(800, theme)
        texts = results.look.texts(OURS)
        assert {text.cell for text in texts} == set(range(1, len(SHOWN)))
        assert [text for text in texts if not text.readable] == []
        assert results.look.wider() == []
        results.look.keep(report.folder, f"results-800-{theme}")


def test_a_screen_reader_is_told_and_progress_names_what_is_open(results):
    verdict = results.code_cell('check("00.1", [97 / 272')
    assert verdict.locator("[role=status]").count() == 1
    said = " ".join(results.code_cell('progress("00")').locator(".jp-OutputArea-output").inner_text().split())
    assert "Notebook 00: 1 of 7 exercises done" in said
    assert "open 00.2 A responsibility by hand" in said


def test_the_colour_of_a_head_is_not_the_text_s(results):
    """Or else `color-mix` is not understood, and the contrast above was that of plain text."""
    for theme in ("light", "dark"):
        results.look.set(1280, theme)
        head = results.code_cell('check("00.1", [97, 175])').locator("strong").first
        colours = head.evaluate("one => [one, one.parentElement].map(each => getComputedStyle(each).color)")
        assert len(set(colours)) == 2


def test_an_endless_loop_is_ended_and_the_kernel_lives(results):
    cell = results.code_cell('check("no such exercise")')
    loop = "def endless(*arguments):\n    while True: pass\ncheck('00.2', endless, seconds=0.5)"
    assert "still running after 0.5 seconds" in results.run_cell(cell, loop).inner_text()
    assert results.run_cell(cell, "6 * 7").inner_text() == "42"

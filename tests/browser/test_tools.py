"""The tools of the browser tests see what they are there to see: faint text, what is too wide, and complaints."""

import nbformat
import pytest
from browser.looking import Look
from browser.troubles import ALLOWED, Troubles

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
OUTPUT = '<div class="jp-OutputArea-output jp-RenderedHTML" style="overflow: auto">{}</div>'
CELL = f'<div class="jp-Notebook"><div class="jp-Cell">{OUTPUT}</div></div>'


@pytest.fixture
def page(browser):
    """An empty page, 800 pixels wide."""
    with browser.new_context(viewport={"width": 800, "height": 600}) as context:
        yield context.new_page()


def contrast(page, html):
    page.set_content(CELL.format(html))
    (text,) = Look(page).texts()
    return text


# The first four are published ratios (WebAIM's contrast checker).
@pytest.mark.parametrize(
    ("style", "ratio"),
    [
        ("color: #000", 21.0),
        ("color: #767676", 4.54),
        ("color: #777777", 4.48),
        ("color: #ff0000", 4.0),
        ("color: #fff; background: #000", 21.0),
        ("color: rgba(0, 0, 0, 0.5)", 3.95),  # #7f7f7f or #808080
        ("color: #000; opacity: 0.5", 3.95),
        ("color: color-mix(in srgb, #fff 50%, #000)", 3.95),
    ],
)
def test_contrast_is_that_of_the_colours_that_are_seen(page, style, ratio):
    text = contrast(page, f'<p style="{style}">words</p>')
    assert text.contrast == pytest.approx(ratio, abs=0.06)
    assert text.readable == (ratio >= 4.5)


def test_what_lies_behind_a_text_may_be_far_above_it(page):
    text = contrast(page, '<div style="background: #111"><p><b style="color: #0072b2">words</b></p></div>')
    assert text.contrast == pytest.approx(3.6, abs=0.1)


@pytest.mark.parametrize("hidden", ["visibility: hidden", "display: none"])
def test_hidden_text_is_left_out(page, hidden):
    page.set_content(CELL.format(f'<p style="{hidden}">words</p>'))
    assert Look(page).texts() == []


def test_what_is_too_wide_is_found_with_its_cell(page):
    page.set_content(CELL.format('<div style="width: 900px">wide</div>') + CELL.format("<p>narrow</p>"))
    (found,) = Look(page).wider()
    assert (found["cell"], found["text"], found["inside"]) == (0, "wide", 900)
    page.set_content(CELL.format('<div style="width: 700px">narrow</div>'))
    assert Look(page).wider() == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("console.error('this is wrong')", "console: this is wrong"),
        ("setTimeout(() => { throw new Error('nobody caught this'); })", "raised: nobody caught this"),
        (
            "fetch('/api/nothing-of-this-name').then(() => null)",
            "request: GET /api/nothing-of-this-name: status 404",
        ),
        ("fetch('http://127.0.0.1:9/').catch(() => null)", "request: GET /: net::"),
    ],
)
def test_complaints_are_heard(page, lab, script, words):
    page.goto(f"{lab.address}/static/favicons/favicon.ico")
    troubles = Troubles(page)
    page.evaluate(script)
    page.wait_for_timeout(500)
    assert any(words in one for one in troubles.unexpected()), troubles.all


def test_jupyterlab_by_itself_complains_of_what_is_allowed_and_of_nothing_else(open_notebook, lab):
    """So that nothing is allowed that only our notebooks do."""
    empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    empty.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(empty, lab.root / "notebooks" / "empty.ipynb")
    notebook = open_notebook("empty.ipynb")
    notebook.run_all()
    assert notebook.troubles.unexpected() == []
    for each in ALLOWED:
        assert each.reason

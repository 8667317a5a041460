"""The parts of the page against oracles: its CSV, colours and densities, and how its files are served."""

import csv
import io
import itertools
import json
import random
import re
from contextlib import contextmanager
from urllib.parse import urlparse

import numpy as np
import pytest
from browser.service_pages import named

from mixturelab.plot import palette
from mixturelab.serve import page as page_files

pytestmark = pytest.mark.browser


# ------------------------------------------------------------------------------------------ the parts, against oracles
@contextmanager
def module(page, name):
    """A module of the page, to be called."""

    def call(body, argument=None):
        return page.evaluate(
            f"async (argument) => {{ const m = await import('/page/{name}.js'); {body} }}", argument
        )

    yield call


def test_the_colours_are_those_of_the_figures_and_mix_like_them(open_page, services):
    page = open_page(services("geyser"))
    gamma = np.random.default_rng(0).dirichlet(np.full(15, 0.4), 50)
    with module(page, "palette") as call:
        assert call("return m.COLOURS") == list(palette.COLOURS)
        assert [name for name, _ in call("return m.MARKERS")] == list(palette.MARKERS)
        mixed = call("return argument.map(m.mix)", gamma.tolist())
    found = np.array([[int(one) for one in re.findall(r"\d+", text)] for text in mixed])
    np.testing.assert_allclose(found, 255 * palette.mix(gamma), atol=0.51)


def test_records_are_read_as_pythons_csv_module_reads_them(open_page, services):
    """Random tables with quotes, delimiters and line ends inside cells, cut into pieces anywhere."""
    letters, chance = ["a", "1", " ", '"', ",", ";", "\t", "\n", "\r\n", "é", "𝒳", ""], random.Random(0)
    cases = []
    for delimiter, end in itertools.product(",;\t", ["\n", "\r\n", "\r"]):
        # Python's writer knows no line ends but its own: of those that end with another it quotes none by itself.
        style = {
            "delimiter": delimiter,
            "lineterminator": end,
            "quoting": csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL,
        }
        for _ in range(40):
            table = [["c0", "c1", "c2"], *([_cell(chance, letters) for _ in range(3)] for _ in range(5))]
            text = io.StringIO()
            csv.writer(text, **style).writerows(table)
            cases.append({"text": text.getvalue(), "step": chance.randint(1, 9), "table": table})
    page = open_page(services("geyser"))
    with module(page, "csv") as call:
        found = call(
            """return JSON.stringify(JSON.parse(argument).map(({ text, step }) => {
              const reader = new m.CsvReader(), records = [];
              for (let at = 0; at < text.length; at += step) records.push(...reader.push(text.slice(at, at + step)));
              return records.concat(reader.finish()).map((one) => one.cells);
            }))""",
            json.dumps(cases),
        )
    assert json.loads(found) == [case["table"] for case in cases]


def _cell(chance, letters):
    return "".join(chance.choices(letters, k=4))


def test_the_line_of_a_record_is_where_an_editor_shows_it(open_page, services):
    text = 'a,b\r\n1,"x\r\ny"\r\n\r\n  \r\n2,3\r4,"5\n6"\n7,8'
    page = open_page(services("geyser"))
    with module(page, "csv") as call:
        records = call("const r = new m.CsvReader(); return r.push(argument).concat(r.finish())", text)
    assert [one["line"] for one in records] == [1, 2, 6, 7, 9]


def test_the_densities_that_are_drawn_are_the_models(open_page, services):
    model = services.model("geyser")
    page = open_page(services("geyser"))
    grid = np.random.default_rng(0).uniform([1, 40], [6, 100], (50, 2))
    with module(page, "geometry") as call:
        found = call(
            """const model = await (await fetch("/model")).json();
            const parts = m.marginal(model, [0, 1]);
            return argument.map((at) => parts.reduce((sum, one) => sum + m.density(one, at), 0))""",
            grid.tolist(),
        )
        steps = call(
            "return [m.ticks([-0.7, 12.2], 6), m.rounded(3.14159, [0, 10]), m.ticks([1e6, 1e6 + 1e-3], 4)]"
        )
    np.testing.assert_allclose(np.log(found), model.score_samples(named(model, grid)), rtol=1e-9)
    assert steps[0] == [0, 5, 10] or steps[0] == [0, 2, 4, 6, 8, 10, 12]
    assert steps[1] == pytest.approx(3.14)
    assert len(set(steps[2])) == len(steps[2]) >= 2


# ------------------------------------------------------------------------------------------------------------ the files
def test_the_files_are_served_as_what_they_are_and_hold_nothing_inline(browser, services):
    files = page_files.files()
    context = browser.new_context()
    for path, (content, kind) in files.items():
        answer = context.request.get(services("geyser").rstrip("/") + path)
        assert (answer.status, answer.body(), answer.headers["content-type"]) == (200, content, kind)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'; img-src 'self' data:" in policy
        assert "unsafe" not in policy
    context.close()
    markup = files["/"][0].decode()
    assert {f"/{one}" for one in re.findall(r"(?:src|href)=\"(page/[^\"]+)", markup)} == set(files) - {"/"}
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", markup)
    for path, (content, _kind) in files.items():
        text = content.decode()
        addresses = {urlparse(one).netloc for one in re.findall(r"https?://[^\s'\"`)]+", text)}
        assert addresses <= {"www.w3.org"}, path  # a namespace, which no one fetches
        assert "innerHTML" not in text
        assert "insertAdjacentHTML" not in text
    assert json.dumps(sorted(files)).count("/page/") == len(files) - 1

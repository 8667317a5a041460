"""Slides from the notebooks: what is on them, what is left out, that they fit, and that they need no network."""

import hashlib
import importlib.util
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("slides", ROOT / "scripts" / "slides.py")
slides = importlib.util.module_from_spec(SPEC)
sys.modules["slides"] = slides  # dataclasses look their module up
SPEC.loader.exec_module(slides)

STEMS = [path.stem for path in slides.chosen_sources([])]
SHOWN = "01_responsibilities"
each = pytest.mark.parametrize("stem", STEMS)


def read(stem):
    return nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", as_version=4)


def show(stem):
    return slides.slide_show(stem, set(STEMS))


def text_of(notebook, kind="markdown"):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == kind)


def pages_of(notebook):
    """The cells of each slide."""
    found = []
    for cell in notebook.cells:
        if cell.metadata.slideshow.slide_type in ("slide", "subslide"):
            found.append([])
        found[-1].append(cell)
    return found


# -------------------------------------------------------------------------------------------- what is shown


def test_all_lessons_and_the_capstone_have_slides_and_the_inventory_has_none():
    assert [*STEMS, "concept_inventory"] == [path.stem for path in slides.books.sources()]


@each
def test_each_section_is_a_column(stem):
    sections = re.findall(r"^## ", text_of(read(stem)), re.MULTILINE)
    columns, pages = slides.counts(show(stem))
    assert columns == len(sections) + 1  # and the title's
    assert 30 <= pages <= 95


@each
def test_every_exercise_is_one_slide_without_stub_check_hint_or_solution(stem):
    made = show(stem)
    names = re.findall(r"^### Exercise (\S+)", text_of(read(stem)), re.MULTILINE)
    assert re.findall(r"^### Now you: Exercise (\S+)", text_of(made), re.MULTILINE) == names
    for page in pages_of(made):
        if page[0].source.startswith("### Now you"):
            assert len(page) == 1
    for word in ("BEGIN SOLUTION", "Solution</summary>", "Hint 1"):
        assert word not in text_of(made)
    assert not re.search(r'^check\("|^progress\(|= \.\.\.  #', text_of(made, "code"), re.MULTILINE)


@each
def test_every_picture_is_there_without_the_code_that_draws_it(stem):
    def pictures(notebook):
        return [
            output.data["image/png"]
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]

    made = show(stem)
    assert pictures(made) == pictures(read(stem))
    for cell in made.cells:
        if pictures(nbformat.v4.new_notebook(cells=[cell])):
            assert cell.metadata.transient.remove_source


@each
def test_nothing_that_answers_a_prompt_is_on_the_screen_with_it(stem):
    """After a prompt comes its answer as a fragment, or another slide."""
    made = show(stem)
    prompts = 0
    for page in pages_of(made):
        for before, after in pairwise(page):
            if before.cell_type == "markdown" and "**Predict" in before.source:
                prompts += 1
                assert after.metadata.slideshow.slide_type == "fragment"
        prompts += "**Predict" in page[-1].source
    story = [cell for cell in read(stem).cells if not slides._for_readers(cell)]
    assert prompts == sum("**Predict" in cell.source for cell in story) >= 3


@each
def test_no_answer_is_lost(stem):
    """What stands behind a click in the story comes with a key, or can be opened on the slide."""
    told = " ".join(text_of(show(stem)).split())
    for cell in read(stem).cells:
        if cell.cell_type == "markdown" and "help" not in cell.metadata.get("tags", []):
            for _, words in slides.DETAILS.findall(cell.source):
                plain = slides.LINK.sub(lambda link: slides._linked(link, set(STEMS)), words)
                assert " ".join(plain.split()) in told


def cells_of(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source) for source in sources])


def kinds(*sources):
    made = slides.deal_out(slides.pieces(cells_of(*sources), {"02_em"}))
    return [(cell.metadata.slideshow.slide_type, cell.source) for cell in made]


def test_a_prompt_and_its_answer_are_taken_apart():
    asked = "**Predict.** How many?\n\n<details><summary>Open</summary>\n\nTwo.\n\n</details>"
    assert kinds("# T", "Story.", asked, "Then.") == [
        ("slide", "# T"),
        ("-", "Story."),
        ("subslide", "**Predict.** How many?"),
        ("fragment", "Two."),
        ("subslide", "Then."),
    ]


def test_what_does_not_fit_goes_on_a_slide_of_its_own():
    long = " ".join(["words"] * 150)
    assert [kind for kind, _ in kinds("# T", long, "Short.", long)] == ["slide", "-", "-", "subslide"]


def test_links_to_slides_stay_and_others_become_words():
    (_, text) = kinds(
        "[EM](02_em.ipynb), [07](07_x.ipynb), [words](reference/glossary.md#em), [web](https://a.org)"
    )[0]
    assert text == "[EM](02_em.html), 07, words, [web](https://a.org)"


def test_a_formula_and_a_table_take_room():
    assert slides.height("One line.") < slides.height("$$x$$\n\nOne line.") < slides.height("| a |\n" * 6)


def test_unknown_slides_are_named():
    with pytest.raises(SystemExit, match="no slides begin with 77"):
        slides.chosen_sources(["77"])


# ------------------------------------------------------------------------------------------------ the page
@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One notebook's slides, with the files beside them."""
    made = tmp_path_factory.mktemp("slides")
    slides.write(slides.chosen_sources([SHOWN]), made)
    return made


LOADED = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']([^"']+)""")


def test_the_page_asks_for_nothing_but_the_files_beside_it(folder):
    html = (folder / f"{SHOWN}.html").read_text(encoding="utf-8")
    wanted = [link for link in LOADED.findall(html) if not link.startswith("data:")]
    assert len(wanted) == 4
    for link in wanted:
        assert (folder / link).is_file(), link
    assert not re.search(r"""(?:@import|url\()\s*["']?https?:|import\(|from ['"]https?:""", html)
    for style in folder.rglob("*.css"):
        css = re.sub(r"/\*.*?\*/", "", style.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"https?://(?!www\.w3\.org)|@import", css), style


def test_a_page_of_contents_links_to_the_slides_that_were_made(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="([^"]+)">([^<]+)<', text) == [
        (f"{SHOWN}.html", "01 · Responsibilities: who answers for this row?")
    ]


def test_a_notebook_that_is_not_built_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(slides.books, "ROOT", tmp_path)
    monkeypatch.setattr(slides.books, "LEARNER", tmp_path / "notebooks")
    with pytest.raises(
        SystemExit, match=r"notebooks/00_start_here.ipynb is missing: run `make notebooks` first"
    ):
        slides.slide_show("00_start_here", set())


def test_the_licences_of_what_is_carried_are_beside_it(folder):
    assert "MIT" in (folder / "assets/reveal/dist/reveal.css").read_text(encoding="utf-8")[:200]
    reveal = folder / "assets" / "reveal"
    assert "Permission is hereby granted" in (reveal / "LICENSE").read_text(encoding="utf-8")
    told = re.findall(
        r"`(dist/[\w.]+)`: `([0-9a-f]{64})`", (reveal / "README.md").read_text(encoding="utf-8")
    )
    assert [name for name, _ in told] == ["dist/reveal.js", "dist/reveal.css"]
    for name, digest in told:
        assert hashlib.sha256((reveal / name).read_bytes()).hexdigest() == digest
    assert (folder / "assets/mathjax/LICENSE").is_file()


def test_every_picture_has_its_words(folder):
    html = (folder / f"{SHOWN}.html").read_text(encoding="utf-8")
    pictures = re.findall(r"<img [^>]*>", html)
    assert len(pictures) >= 5
    for picture in pictures:
        assert len(re.search(r'alt="([^"]*)"', picture)[1]) >= 40


@pytest.mark.slow
@pytest.mark.browser
def test_in_a_browser_every_slide_fits_formulas_are_set_and_no_request_fails(folder):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on the path")
    trouble, asked = [], []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": slides.WIDTH, "height": slides.HEIGHT})
        page.on("console", lambda said: trouble.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("requestfailed", lambda request: trouble.append(request.url))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / f"{SHOWN}.html").as_uri())
        page.wait_for_function(
            "window.Reveal && Reveal.isReady() && window.MathJax && MathJax.startup.promise"
        )
        page.evaluate("() => MathJax.startup.promise.then(() => true)")
        places = page.evaluate(
            "() => Reveal.getSlides().map(s => Reveal.getIndices(s)).map(i => [i.h, i.v || 0])"
        )
        assert len(places) == slides.counts(show(SHOWN))[1]
        for h, v in places:
            size, height, width = page.evaluate(
                "([h, v]) => { Reveal.slide(h, v, 99); const s = Reveal.getCurrentSlide(); fit(s);"
                " return [parseFloat(getComputedStyle(s).fontSize), s.scrollHeight, s.scrollWidth]; }",
                [h, v],
            )
            assert size >= 22, (h, v)  # pixels: readable from the last row
            assert height <= slides.HEIGHT, (h, v)
            assert width <= slides.WIDTH, (h, v)
        assert page.locator("mjx-container").count() > 30
        assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
        browser.close()
    assert not trouble
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)

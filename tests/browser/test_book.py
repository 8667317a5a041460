"""The book in a headless Chromium: it fetches nothing from elsewhere, sets formulas, finds words, in both themes."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser.looking import CONTRAST
from built_book import built

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OPENED = (
    "index.html",
    "notebooks/04_model_selection.html",
    "notebooks/reference/glossary.html",
    "api/public.html",
    "benchmarks/em.html",
)
CHECKS = tuple(
    f".cell_output div[role=status] {tag}".strip() for tag in ("", "strong", "code")
)  # what checks say


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Path:
    return built(tmp_path_factory)


@pytest.fixture(scope="module")
def address(book) -> Iterator[str]:
    """The book on a local server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(book)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def open_page(browser, address):
    """Opens pages; whatever a page asked for elsewhere, did not get, or complained of fails the test at its end."""
    faults, contexts = [], []

    def opened(name: str, theme: str = "light", width: int = 1280, base: str = address):
        context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=theme)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "request", lambda one: faults.append(f"asks {one.url}") if is_elsewhere(one.url, base) else None
        )
        page.on("requestfailed", lambda one: faults.append(f"did not get {one.url}"))
        page.on(
            "response", lambda one: faults.append(f"{one.status}: {one.url}") if one.status >= 400 else None
        )
        page.on("console", lambda one: faults.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda one: faults.append(str(one)))
        page.goto(base + name)
        page.wait_for_load_state("networkidle")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def is_elsewhere(url: str, base: str) -> bool:
    return not url.startswith((base, "data:", "blob:"))


def wait_for_formulas(page) -> tuple[int, int]:
    """How many formulas are on the page, and how many are set."""
    written = page.locator(".bd-article .math").count()
    if written:
        page.wait_for_function("() => window.MathJax?.startup?.promise")
        page.evaluate("() => MathJax.startup.promise")
    return written, page.locator(".bd-article .math > mjx-container").count()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", OPENED)
def test_a_page_opens_without_a_fault_and_can_be_read(open_page, name, theme):
    page = open_page(name, theme)
    assert page.locator("html").get_attribute("data-theme") == theme
    written, found = wait_for_formulas(page)
    assert found == written
    assert written > 2 or not name.startswith(("index", "notebooks"))
    for place in (
        "h1",
        ".bd-article p",
        ".bd-sidebar-primary a.reference",
        ".bd-article td",
        ".caption-text",
        *CHECKS,
    ):
        for element in page.locator(place).all()[:5]:
            assert element.evaluate(CONTRAST) > 4.5, place


def test_every_formula_of_every_chapter_is_set(open_page, book):
    for path in sorted((book / "notebooks").rglob("*.html")):
        page = open_page(path.relative_to(book).as_posix())
        written, found = wait_for_formulas(page)
        assert found == written, path.name
        # A macro that is not known is shown in red, a formula that cannot be read in yellow.
        assert page.locator("mjx-merror, [data-mjx-error], mjx-container [fill=red]").count() == 0, path.name
        # What a screen reader gets.
        assert page.locator("mjx-container mjx-assistive-mml math").count() == found
        page.context.close()


def test_a_figure_is_loaded_has_its_words_and_lies_on_white_in_the_dark(open_page):
    page = open_page("notebooks/04_model_selection.html", "dark")
    figures = page.locator(".cell_output img")
    assert figures.count() > 5
    for figure in figures.all():
        assert figure.evaluate("(image) => image.complete && image.naturalWidth > 300")
        assert figure.evaluate("(image) => getComputedStyle(image).backgroundColor") == "rgb(255, 255, 255)"
        assert figure.evaluate("(image) => getComputedStyle(image).filter") == "none"
        assert len(figure.get_attribute("alt")) > 40


def test_an_answer_behind_a_click_opens(open_page):
    page = open_page("notebooks/01_responsibilities.html")
    answer = page.locator(".bd-article details").first
    words = answer.locator("p").first
    assert not words.is_visible()
    answer.locator("summary").click()
    assert words.is_visible()
    answer.locator("summary").press("Enter")
    assert not words.is_visible()


def test_the_theme_can_be_changed_by_hand(open_page):
    page = open_page("index.html")
    for wanted in ("Dark", "Light"):
        page.locator("button.theme-switch-button:visible").click()
        page.locator(".theme-change-button:visible", has_text=wanted).click()
        assert page.locator("html").get_attribute("data-theme") == wanted.lower()


@pytest.mark.parametrize("name", [*OPENED, "reproducibility.html", "benchmarks/simclr.html"])
def test_a_narrow_page_does_not_scroll_sideways(open_page, name):
    page = open_page(name, width=800)
    wait_for_formulas(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 800


@pytest.mark.parametrize("place", ["server", "disk"])
def test_search_finds_a_word_and_leads_to_it(open_page, book, address, place):
    base = address if place == "server" else f"{book.as_uri()}/"
    page = open_page("search.html?q=underflow", base=base)
    results = page.locator("#search-results ul.search a")
    results.first.wait_for()
    assert any("01_responsibilities" in one.get_attribute("href") for one in results.all())
    page.locator("#search-results a[href*='01_responsibilities']").first.click()
    page.wait_for_load_state("networkidle")
    assert "Responsibilities" in page.locator(".bd-article h1").inner_text()

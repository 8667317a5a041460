"""The book: it builds in silence and offline, holds what notebooks and package hold, and no link leads nowhere."""

import hashlib
import importlib
import inspect
import json
import re
import sys
import zlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from built_book import ROOT, Page, built, page
from typer.testing import CliRunner

import mixturelab
from mixturelab.cli import app

sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "docs" / "_ext")]
import alternative_text  # noqa: E402
import api_pages  # noqa: E402
import build_book  # noqa: E402
import command_page  # noqa: E402
import plain_docstrings  # noqa: E402
import short_signatures  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.md"))
MATHJAX = ROOT / "docs" / "_static" / "mathjax"
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
slow = pytest.mark.slow


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    return built(tmp_path_factory)


@pytest.fixture(scope="session")
def pages(book):
    """Every page by its path in the book."""
    return {
        path.relative_to(book).as_posix(): page(path)
        for path in sorted(book.rglob("*.html"))
        if is_page(path)
    }


def is_page(path: Path) -> bool:
    return "_static" not in path.parts  # the theme keeps parts of pages there


# ------------------------------------------------------------------------------------------------- what it holds
@slow
def test_every_page_is_there_and_no_solution(pages):
    wanted = {f"notebooks/{path.stem}.html" for path in NOTEBOOKS}
    wanted |= {
        f"notebooks/reference/{path.stem}.html" for path in (ROOT / "notebooks" / "reference").glob("*.md")
    }
    written = [path for path in (ROOT / "docs").rglob("*.md") if "_static" not in path.parts]
    wanted |= {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in written}
    wanted |= {"search.html", "genindex.html", "data/README.html"}
    assert wanted <= set(pages)
    assert not [name for name in pages if "solutions" in name]


@slow
@each_notebook
def test_every_figure_has_the_words_and_the_bytes_that_the_notebook_stores(book, pages, notebook):
    stored = list(alternative_text.stored_figures(nbformat.read(notebook, as_version=4)))
    folder = book / "notebooks"
    shown = [
        (hashlib.sha256((folder / one["src"]).resolve().read_bytes()).hexdigest(), one.get("alt", ""))
        for one in pages[f"notebooks/{notebook.stem}.html"].pictures
        if "_images" in one["src"]
    ]
    assert shown == stored
    assert all(len(words) > 40 for _, words in stored)


@slow
def test_no_picture_is_without_words(pages):
    for name, one in pages.items():
        assert not [picture for picture in one.pictures if not picture.get("alt")], name


@slow
@each_notebook
def test_all_text_and_every_answer_behind_a_click_is_there(pages, notebook):
    shown = pages[f"notebooks/{notebook.stem}.html"]
    cells = nbformat.read(notebook, as_version=4).cells
    text = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    behind = re.findall(r"<details>(.*?)</details>", text, re.DOTALL)
    assert shown.crossed == []  # an answer that is closed elsewhere would swallow the page
    assert len(shown.details) == len(behind)
    for written, found in zip(behind, shown.details, strict=True):
        assert set(plain_words(written)) <= set(re.findall(r"\w+", found))
    for printed in printed_lines(cells):
        assert printed in shown.article, printed


def plain_words(markdown: str) -> list[str]:
    """Words without formulas, tags, links' targets and code."""
    for pattern in (r"\$\$.*?\$\$", r"\$[^$]*\$", r"```.*?```", r"`[^`]*`", r"<[^>]*>", r"\]\([^)]*\)"):
        markdown = re.sub(pattern, " ", markdown, flags=re.DOTALL)
    return re.findall(r"\b[A-Za-z]{4,}\b", markdown.replace("*", ""))


def printed_lines(cells) -> list[str]:
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    text = [output.text for output in outputs if output.output_type == "stream"]
    return [line.strip() for one in text for line in one.splitlines() if line.strip()]


@slow
@each_notebook
def test_no_formula_is_left_as_dollars(pages, notebook):
    assert "$" not in pages[f"notebooks/{notebook.stem}.html"].prose


@slow
@pytest.mark.parametrize("result", RESULTS, ids=lambda path: path.stem)
def test_every_table_of_the_benchmarks_is_shown_with_its_machine(pages, result):
    shown = [one for name, one in pages.items() if name.startswith("benchmarks/")]
    text = result.read_text(encoding="utf-8")
    machine = re.search(r"\d+ x [^;]+; \w+, Python [\d.]+, torch [\w.+]+", text)
    rows = [line for line in text.splitlines() if line.startswith("| ") and set(line) - set("|-: ")]
    cells = [cell.strip() for row in rows for cell in row.strip("|").split("|")]
    holders = [one for one in shown if all(squeezed(cell) in squeezed(one.article) for cell in cells)]
    assert len(rows) >= 3  # a heading and two sides
    assert len(holders) == 1
    if machine:
        assert machine.group() in holders[0].article


def squeezed(text: str) -> str:
    return re.sub(r"[\s`*]|[‘’']", "", text)


# ------------------------------------------------------------------------------------------------------- links
@slow
def test_every_link_within_the_book_leads_to_a_place_that_is_there(book, pages):
    wrong = [
        f"{name}: {link}"
        for name, one in pages.items()
        for link in {*one.links, *one.loaded, *(picture["src"] for picture in one.pictures)}
        if not leads_somewhere(book, one, link)
    ]
    assert wrong == []


def leads_somewhere(book: Path, one: Page, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (one.path.parent / unquote(parts.path)).resolve() if parts.path else one.path
    if not target.is_relative_to(book.resolve()) or not target.is_file():
        return False
    # Search results mark words behind a "#:~:text"; a link to the top of a page is "#".
    place = unquote(parts.fragment)
    return not place or target.suffix != ".html" or place in page(target).places


@slow
def test_links_between_notebooks_and_reference_lead_to_pages_of_the_book(pages):
    for name, one in pages.items():
        assert not [
            link for link in one.links if re.search(r"\.(ipynb|md)(#|$)", link) and "_sources" not in link
        ], name
    links = {link.partition("#")[0] for link in pages["notebooks/02_em_derivation.html"].links}
    assert {"01_responsibilities.html", "reference/glossary.html", "reference/bibliography.html"} <= links


@slow
def test_links_to_elsewhere_are_well_formed(pages):
    found = {link for one in pages.values() for link in one.links if urlsplit(link).scheme}
    for link in found:
        parts = urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), link
        assert not re.search(r"\s|[.,;]$", link), link
    assert len(found) > 60  # the bibliography's


# ---------------------------------------------------------------------------------------------------- offline
@slow
def test_nothing_is_fetched_from_elsewhere(book, pages):
    for name, one in pages.items():
        sources = [*one.loaded, *(picture["src"] for picture in one.pictures)]
        assert not [
            link for link in sources if urlsplit(link).scheme not in ("", "data") or link.startswith("//")
        ], name
    for sheet in book.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(\s*|@import\s+)[\"']?(https?:)?//", text), sheet.name


def test_mathjax_is_the_file_that_was_published():
    digest = hashlib.sha256((MATHJAX / "tex-svg.js").read_bytes()).hexdigest()
    assert f"`{digest}`" in (MATHJAX / "README.md").read_text(encoding="utf-8")
    assert "Apache License" in (MATHJAX / "LICENSE").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------ search
@slow
@pytest.mark.parametrize(
    ("stem", "holder"),
    [
        ("underflow", "notebooks/01_responsibilities"),
        ("erupt", "notebooks/00_start_here"),  # as the index writes "eruptions"
        ("respons", "notebooks/reference/glossary"),
        ("opnorm_b", "api/stream"),
        ("cross_rank", "reproducibility"),
    ],
)
def test_search_knows_the_words_of_the_pages(book, stem, holder):
    index = search_index(book)
    found = [index[kind].get(stem, []) for kind in ("terms", "titleterms")]
    numbers = [number for one in found for number in (one if isinstance(one, list) else [one])]
    assert holder in [index["docnames"][number] for number in numbers]


def search_index(book: Path) -> dict:
    text = (book / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(re.fullmatch(r"Search\.setIndex\((.*)\)", text, re.DOTALL).group(1))


# --------------------------------------------------------------------------------------------------- reference
def inventory(book: Path) -> dict[str, str]:
    """Where each Python name is described: its path in the package, and the page with the place."""
    compressed = (book / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(compressed).decode().splitlines()
    found = [re.fullmatch(r"(\S+) py:\S+ -?\d+ (\S+) .*", line) for line in lines]
    return {one.group(1): one.group(2).replace("$", one.group(1)) for one in found if one}


def public_names() -> list[tuple[str, str]]:
    """Every name that the package or a module of it makes public by ``__all__``."""
    modules = [one for one in api_pages.modules() if hasattr(one, "__all__")]
    names = [(one.__name__, name) for one in modules for name in one.__all__ if name != "__version__"]
    return [*names, *(("mixturelab", name) for name in mixturelab._HOMES)]


@slow
def test_every_public_name_is_described_on_a_page(book, pages):
    described = inventory(book)
    values = {name: resolved(name) for name in described}
    missing = []
    for module, name in public_names():
        value = getattr(importlib.import_module(module), name)
        here = [path for path, known in values.items() if known is value and path.endswith(f".{name}")]
        missing += [] if here else [f"{module}.{name}"]
        for path in here:
            target, _, place = described[path].partition("#")
            assert place in pages[target].places, path
    assert missing == []


def resolved(path: str):
    """The object of that path, None if it is no attribute of a module (a method, say)."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


@slow
def test_what_the_docstrings_say_is_on_the_page(pages):
    text = squeezed(pages["api/public.html"].article)
    for name in mixturelab._HOMES:
        first = (inspect.getdoc(getattr(mixturelab, name)) or "").splitlines()[0]
        assert squeezed(first) in text, name


def test_every_module_has_its_place_in_the_reference():
    areas = [
        area for module, _ in api_pages.sections() for area in api_pages.AREAS if area.holds(module.__name__)
    ]
    assert {area.slug for area in areas} == {area.slug for area in api_pages.AREAS}
    listed = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8").splitlines()
    assert [area.slug for area in api_pages.AREAS] == [
        line for line in listed if re.fullmatch(r"[a-z_]+", line)
    ]


@slow
def test_signatures_can_be_read(pages):
    for name, one in pages.items():
        assert not re.search(r"_NestedSequence|Annotated\[|annotation=", one.article), name


@slow
@pytest.mark.parametrize("command", command_page.commands())
def test_the_command_line_s_page_has_what_help_says(pages, command):
    said = CliRunner().invoke(app, [command, "--help"], color=False).output
    lines = re.findall(r"^\W*?(--[a-z-]+)(?:\s*,?\s+(-[a-z])\b)?", said, re.MULTILINE)
    options = {name for line in lines for name in line if name} - {"--help", "-h"}
    assert lines, said
    section = pages["command_line.html"].article.partition(f"mixturelab {command}")[2]
    words = section.split("argument or option")[1]  # up to the next command's table
    assert {option for option in options if not re.search(rf"{option}(?![\w-])", words)} == set()
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", words)) <= options


def test_the_reproducibility_page_names_tests_that_exist():
    text = (ROOT / "docs" / "reproducibility.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) >= 25
    for path, name in named:
        assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), name
    assert not re.findall(r"`tests/[^`]*\.py`", text)  # a file alone proves nothing


# -------------------------------------------------------------------------------------- the parts, by themselves
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("the mean of |a − b|, by rows", r"the mean of \|a − b\|, by rows"),
        ("what means_ holds", r"what means\_ holds"),
        ("means_, weights_ : ndarray", "means_, weights_ : ndarray"),
        ("draw : callable (**values) -> bytes", r"draw : callable (\*\*values) -> bytes"),
        ("``a | b_`` and `c_` are code", "``a | b_`` and `c_` are code"),
        ("*never* and **always**", "*never* and **always**"),
        (".. [1] Bishop (2006), a book [2]_", "1. Bishop (2006), a book [2]"),
        ("log π_k + log N(x_n | μ_k)", r"log π_k + log N(x_n \| μ_k)"),
    ],
)
def test_docstrings_are_read_as_words(line, shown):
    assert plain_docstrings.as_words(line) == shown


def test_signatures_are_as_short_as_people_write_them():
    def call(x, y=tuple(range(100))):
        return x, y

    long = ", ".join(map(str, range(100)))
    asked = f"(x: dict[str, ~typing.Annotated[int | None, Ge(ge=1), Is(f=(1, 2))]], y: int = ({long}))"
    assert short_signatures.shortened(asked, call) == "(x: dict[str, int | None], y: int = ...)"


def test_links_to_what_the_book_does_not_hold_become_names(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "there.md").write_text("# There")
    one = tmp_path / "notebooks" / "page.md"
    one.write_text(
        "[a](../there.md#x), [b](solutions/00.ipynb), [c](https://a.org/b.md), ![d](gone.png), [e](#f)"
    )
    build_book.keep_links_inside(one, tmp_path)
    shown = "[a](../there.md#x), b (`notebooks/solutions/00.ipynb`), [c](https://a.org/b.md), ![d](gone.png), [e](#f)"
    assert one.read_text() == shown


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path):
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")
    with pytest.raises(SystemExit, match="no book"):
        build_book.build(tmp_path)
    assert kept.read_text() == "years of work"


def test_a_page_whose_tags_cross_is_found(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<article><section><details>answer</section></details><img src='a.png'></article>")
    one = Page(path)
    assert one.crossed
    assert one.pictures == [{"src": "a.png"}]


def test_options_of_a_command_are_those_of_its_signature():
    fit = {one.names: one for one in command_page.parameters(command_page.commands()["fit"])}
    assert fit[("--n-components", "-k")].required
    assert fit[("--seed",)].default == 0
    assert fit[()].value == "CSV"

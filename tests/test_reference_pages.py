"""Glossary and bibliography: complete for the notebooks, in order, and true to the names in the code."""

import functools
import inspect
import re
import unicodedata
from pathlib import Path

import jupytext
import pytest

import mixturelab
from mixturelab import GaussianMixture, MixtureStats, SufficientStatistics, load_dataset
from mixturelab.selection import Candidate
from mixturelab.simclr import nt_xent
from mixturelab.stream.config import MixtureSettings
from mixturelab.stream.readings import COLUMNS

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted((NOTEBOOKS / "source").glob("*.py"))
GLOSSARY = (NOTEBOOKS / "reference" / "glossary.md").read_text(encoding="utf-8")
BIBLIOGRAPHY = (NOTEBOOKS / "reference" / "bibliography.md").read_text(encoding="utf-8")
PAGES = {"glossary": GLOSSARY, "bibliography": BIBLIOGRAPHY}

each_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


@functools.cache
def cells(source, kind):
    return [cell.source for cell in jupytext.read(source, fmt="py:percent").cells if cell.cell_type == kind]


def source_of(number):
    return next(path for path in SOURCES if path.stem.startswith(f"{number}_"))


@functools.cache
def text_of(number):
    return " ".join(source_of(number).read_text(encoding="utf-8").casefold().replace("\n#", "").split())


def part(page, heading):
    """What stands under a heading of the second level."""
    return re.split(r"^## ", page, flags=re.MULTILINE)[1:][_headings(page, 2).index(heading)]


def _headings(page, level):
    return re.findall(rf"^{'#' * level} (.+)$", page, re.MULTILINE)


def spaceless(formula):
    return re.sub(r"\\[,;]|\s", "", formula)


# ---------------------------------------------------------------------------------------------- both pages


@each_page
def test_links_lead_somewhere(page):
    used, defined = (
        set(re.findall(r"\[(\d\d)\](?!:)", page)),
        dict(re.findall(r"^\[(\d\d)\]: (\S+)$", page, re.MULTILINE)),
    )
    assert used == set(defined)
    for target in [*defined.values(), *re.findall(r"\]\((?!\w+:)([^)#\s]+)\)", page)]:
        assert (NOTEBOOKS / "reference" / target).is_file(), target
    for number, target in defined.items():
        assert Path(target).stem.startswith(number)


@each_page
def test_anchors_are_unique_and_the_contents_lead_to_them(page):
    headings = [heading.casefold() for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)]
    assert len(set(headings)) == len(headings)
    written = re.findall(r"\]\(#([^)]+)\)", page)
    # In lower case: the forge's anchors and JupyterLab's are the same then.
    anchors = {heading.replace(" ", "-") for heading in _headings(page, 2)}
    assert written
    assert set(written) <= anchors
    assert all(anchor == anchor.lower() for anchor in anchors)


@each_page
def test_formulas_and_code_are_closed(page):
    for line in page.splitlines():
        assert line.count("$") % 2 == 0, line
        assert line.count("`") % 2 == 0, line
        assert line.count("{") == line.count("}"), line
        for formula in re.findall(r"\$([^$]+)\$", line):
            assert formula == formula.strip(), formula  # the forge would show the dollars
            assert not (line.startswith("|") and "|" in formula), formula  # it would end the table's cell


@each_page
def test_nothing_but_https_is_linked(page):
    assert "http://" not in page
    for address in re.findall(r"https://[^)\s]+", page):
        assert not address.endswith((".", ","))


# ---------------------------------------------------------------------------------------------- the notation


def notation_rows():
    """(symbols, say, meaning, code, notebook) of each row of the tables."""
    lines = [
        line
        for line in part(GLOSSARY, "notation").splitlines()
        if line.startswith("| ") and "Symbol" not in line
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def known_symbols():
    return {spaceless(symbol) for row in notation_rows() for symbol in re.findall(r"\$([^$]+)\$", row[0])}


def symbols_of(source):
    """The first columns of the notebook's tables of symbols."""
    found = []
    for text in cells(source, "markdown"):
        if re.search(r"^\| *Symbol", text, re.MULTILINE):
            rows = [line for line in text.splitlines() if line.startswith("| $")]
            found += [s for line in rows for s in re.findall(r"\$([^$]+)\$", line.split(" | ")[0])]
    return found


def test_the_rows_of_the_notation_are_whole():
    rows = notation_rows()
    assert len(rows) > 40
    for row in rows:
        assert len(row) == 5, row
        assert row[2], row
        assert re.fullmatch(r"\[\d\d\]", row[4]), row


@each_source
def test_every_symbol_of_a_notebook_is_explained(source):
    shapes = {spaceless(re.sub(r"\\mid.*", "", s)) for s in known_symbols()}
    for symbol in symbols_of(source):
        plain = spaceless(symbol)
        assert plain in known_symbols() or re.sub(r"\\mid.*", "", plain) in shapes, (
            f"${symbol}$ of {source.stem}"
        )


def test_most_lessons_have_a_table_of_symbols():
    assert sum(bool(symbols_of(source)) for source in SOURCES) >= 6


@pytest.mark.parametrize("row", notation_rows(), ids=lambda row: row[0])
def test_a_symbol_is_used_where_it_is_said_to_come_first(row):
    text = spaceless("\n".join(cells(source_of(row[4][1:3]), "markdown")))
    symbols = [spaceless(symbol) for symbol in re.findall(r"\$([^$]+)\$", row[0])] or re.split(", ", row[0])
    stems = [re.sub(r"\(.*|\\mid.*", "", symbol) for symbol in symbols]
    assert [stem for stem in stems if stem in text], stems


def known_names():
    model = GaussianMixture(2, random_state=0).fit(load_dataset("old_faithful").data)
    names = {
        *dir(model),
        *model.get_params(),
        *mixturelab.__all__,
        *dir(SufficientStatistics),
        *dir(MixtureStats),
    }
    names |= {
        *SufficientStatistics.__annotations__,
        *Candidate.__annotations__,
        *MixtureSettings.__annotations__,
    }
    names |= {
        *inspect.signature(nt_xent).parameters,
        *COLUMNS,
        "quality",
        "step",
        "adjusted_rand_score",
    }
    return names


def test_names_in_the_code_exist_in_the_package_or_in_the_notebook():
    names = known_names()
    for row in notation_rows():
        code = "\n".join(cells(source_of(row[4][1:3]), "code"))
        elsewhere = re.findall(r"in \[(\d\d)\]", row[3])
        code += "\n".join(line for number in elsewhere for line in cells(source_of(number), "code"))
        for span in re.findall(r"`([^`]+)`", row[3]):
            words = re.findall(r"[A-Za-z_]\w*", span)
            missing = [word for word in words if word not in names and not re.search(rf"\b{word}\b", code)]
            assert set(missing) <= {"X", "len", *"nkm"}, (row[0], span, missing)


def test_names_in_the_terms_exist():
    names = known_names() | {"mclust", "full", "tied", "diag", "spherical"}
    for span in re.findall(r"`([^`]+)`", part(GLOSSARY, "terms") + part(GLOSSARY, "often confused")):
        assert set(re.findall(r"[A-Za-z_]\w*", span)) <= names, span


# ------------------------------------------------------------------------------------------------ the terms


def terms():
    blocks = re.split(r"^### ", part(GLOSSARY, "terms"), flags=re.MULTILINE)[1:]
    return {block.partition("\n")[0]: block.partition("\n")[2].strip() for block in blocks}


def test_terms_are_many_in_order_and_short():
    names = [name.casefold() for name in terms()]
    assert len(names) >= 50
    assert names == sorted(names)
    for name, text in terms().items():
        assert 5 <= len(text.split()) <= 60, name
        assert re.search(r"(\[\d\d\] ?)+$", text), name


# What a notebook calls it, where that is another word.
OTHER_WORDS = {
    "identifiability": "number",
    "initialisation": "start",
    "latent variable": "hidden",
    "local optimum": "local",
    "monotonicity": "never fall",
}


@pytest.mark.parametrize("name", terms())
def test_a_term_is_used_in_the_notebook_it_points_to(name):
    stem = OTHER_WORDS.get(name) or max(re.split(r"[ ’'–-]", name), key=len).casefold()[:7]
    for number in re.findall(r"\[(\d\d)\]", re.search(r"(\[\d\d\] ?)+$", terms()[name])[0]):
        assert stem in text_of(number), f"{stem} is not in {number}"


def test_what_is_often_confused_is_said():
    said = re.findall(r"^\*\*(.+?)\*\*", part(GLOSSARY, "often confused"), re.MULTILINE)
    assert len(said) >= 10
    for sentence in ["Density is not probability.", "Component is not cluster."]:
        assert sentence in said
    assert any(sentence.startswith("Responsibility is not certainty") for sentence in said)


# ------------------------------------------------------------------------------------------ the bibliography


def entries():
    """(first surname, year, text) of each entry."""
    found = re.findall(
        r"^- \*\*(.+?) \((\d{4})\)\.\*\* (.+?)(?=^- \*\*|^#|^\[00\]:|\Z)",
        BIBLIOGRAPHY,
        re.MULTILINE | re.DOTALL,
    )
    return [
        (re.split(r",| and ", names)[0].split()[-1], year, " ".join(text.split()))
        for names, year, text in found
    ]


def references(source):
    """(first surname, year, rest) of each entry under "Further reading"."""
    text = next(
        (t for t in cells(source, "markdown") if "**Further reading**" in t or "**References**" in t), ""
    )
    items = re.findall(r"^\d+\. (.+?)(?=^\d+\. |\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    parts = [re.match(r"(.+?) \((\d{4})\),? (.+)", " ".join(item.split())) for item in items]
    assert all(parts), items
    return [(re.split(r",| and ", match[1])[0].split()[-1], match[2], match[3]) for match in parts]


def letters(text):
    return re.sub(r"\W", "", text).casefold()


@each_source
def test_every_reference_of_a_notebook_has_an_entry(source):
    for surname, year, rest in references(source):
        matching = [text for name, when, text in entries() if (name, when) == (surname, year)]
        title = letters(re.split(r"[.,:]", rest)[0])[:25]
        assert any(title in letters(text) for text in matching), f"{surname} {year} of {source.stem}"


@each_source
def test_an_entry_names_the_notebooks_that_refer_to_it(source):
    number = source.stem[:2]
    for surname, year, _ in references(source) if number.isdigit() else []:
        mine = [text for name, when, text in entries() if (name, when) == (surname, year)]
        assert any(f"[{number}]" in text for text in mine), f"{surname} {year}: [{number}] is missing"


def test_every_notebook_refers_to_something():
    assert all(references(source) for source in SOURCES)


def test_entries_are_whole_and_in_order():
    found = entries()
    assert len(found) >= 50
    assert len({text for _, _, text in found}) == len(found) == BIBLIOGRAPHY.count("\n- **")
    for heading in _headings(BIBLIOGRAPHY, 2):
        names = re.findall(r"^- \*\*(.+?) \((\d{4})\)\.\*\*", part(BIBLIOGRAPHY, heading), re.MULTILINE)
        keys = [
            (unicodedata.normalize("NFD", name).encode("ascii", "ignore").lower(), year)
            for name, year in names
        ]
        assert keys
        assert keys == sorted(keys), heading


def test_a_doi_is_written_as_it_is_linked():
    for shown, linked in re.findall(r"\[doi:([^\]]+)\]\(https://doi\.org/([^)]+)\)", BIBLIOGRAPHY):
        assert linked.replace("%28", "(").replace("%29", ")") == shown
    assert BIBLIOGRAPHY.count("](https://doi.org/") >= 30

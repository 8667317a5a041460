"""Make slides from the notebooks: reveal.js pages that need no network, in artifacts/slides.

    python scripts/slides.py            all lessons and the capstone
    python scripts/slides.py 01 02      these

Each `##` of a notebook is a column of slides, to be walked down; what it holds is dealt out so that it fits on a screen
of 1280 × 720 pixels. A *Predict* prompt has a slide of its own, its answer comes with the next key. Pictures stand
without the code that draws them. Of an exercise its task is shown ("Now you"), of its solution nothing. What is for a
single reader (how to use a notebook, progress, further reading) is left out, and so is the concept inventory, whose
questions stay closed until they are asked again.

The stored notebooks are read, with their outputs: nothing is run.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from traitlets.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parent))
import build_notebooks as books

SLIDES = books.ROOT / "artifacts" / "slides"
TEMPLATE = Path(__file__).resolve().parent / "slides_template"
MATHJAX = books.ROOT / "docs" / "_static" / "mathjax"
LEFT_OUT = ("concept_inventory",)
WIDTH, HEIGHT = 1280, 720
LINES, COLUMNS = 17.0, 88  # of text on a slide

# Cells for a single reader, by how they begin or by what is in them.
FOR_READERS = re.compile(
    r"^\[Glossary|^\*\*How to use a notebook|^Whatever your path|^\*\*Further reading|^Now close this page"
    r"|15-minute path \||^An error instead|^\*\*How this page works"
)
DETAILS = re.compile(r"<details><summary>(.*?)</summary>\s*(.*?)\s*</details>", re.DOTALL)
EXERCISE = re.compile(r"^### Exercise (\S+) · (.*)$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([\w./-]+?)(\.\w+)(#[\w-]+)?\)")


@dataclass
class Piece:
    """A part of a slide.

    Attributes
    ----------
    cell : NotebookNode
        What is shown.
    kind : str
        "slide" begins a column, "subslide" a page, "fragment" comes with the next key; "-" goes on where it is.
    lines : float
        How much room it takes.
    alone : bool
        Whether nothing may follow it on its page.
    """

    cell: NotebookNode
    kind: str
    lines: float
    alone: bool = False


# ----------------------------------------------------------------------------------------- cells to pieces
def pieces(notebook: NotebookNode, made: set[str]) -> list[Piece]:
    """What a notebook's cells become on slides, in order, before they are dealt out to pages.

    Parameters
    ----------
    notebook : NotebookNode
        A learner's notebook with its outputs.
    made : set of str
        The notebooks that have slides: links to others, and to pages, become plain words.
    """
    shown = (cell for cell in notebook.cells if not _for_readers(cell))
    return [piece for cell in shown for piece in _pieces_of(cell, made)]


def _for_readers(cell: NotebookNode) -> bool:
    if cell.cell_type == "markdown":
        return "help" in cell.metadata.get("tags", []) or bool(FOR_READERS.search(cell.source))
    own = "nbgrader" in cell.metadata or re.match(r"progress\(|check_report\(", cell.source)
    return bool(own) or not (cell.outputs or _defines(cell.source))


def _defines(code: str) -> bool:
    """Whether a cell without output is worth a look: a function that the story writes."""
    return bool(re.search(r"^def ", code, re.MULTILINE))


def _pieces_of(cell: NotebookNode, made: set[str]) -> list[Piece]:
    if cell.cell_type == "code":
        return [_code(cell)]
    text = LINK.sub(lambda link: _linked(link, made), cell.source)
    if task := EXERCISE.search(text):
        return [_now_you(text, task)]
    answers = DETAILS.findall(text)
    if len(answers) > 1:  # a quiz: each answer opens where it stands
        return [Piece(_markdown(text), _kind(text), 2 + 1.5 * len(answers), alone=True)]
    if not answers:
        return [Piece(_markdown(text), _kind(text), height(text), alone=_asks(text))]
    return _asked_and_answered(text, answers[0])


def _asked_and_answered(text: str, answer: tuple[str, str]) -> list[Piece]:
    asked, told = DETAILS.split(text)[0].strip(), DETAILS.split(text)[-1].strip()
    summary, words = answer
    words = words if summary.lower() in ("open", "") else f"**{summary}.** {words}"
    first = [Piece(_markdown(asked), _page(asked), height(asked))] if asked else []
    reveal = Piece(_markdown(words), "fragment", height(words), alone=not told)
    return [*first, reveal, *([Piece(_markdown(told), "-", height(told))] if told else [])]


def _now_you(text: str, task: re.Match[str]) -> Piece:
    title = f"### Now you: Exercise {task[1]} · {task[2]}"
    return Piece(_markdown(EXERCISE.sub(title, text)), "subslide", height(text), alone=True)


def _code(cell: NotebookNode) -> Piece:
    shown = nbformat.v4.new_code_cell(cell.source, outputs=cell.outputs)
    drawn = any("image/png" in output.get("data", {}) for output in cell.outputs)
    if drawn:  # on a slide the picture tells, and not how it was made
        shown.metadata["transient"] = {"remove_source": True}
        return Piece(shown, "-", 13.0)
    return Piece(shown, "-", _lines_of_code(cell.source) + sum(map(_lines_of_output, cell.outputs)))


def _asks(text: str) -> bool:
    return "**Predict" in text


def _kind(text: str) -> str:
    if text.startswith(("# ", "## ")):
        return "slide"
    return _page(text)


def _page(text: str) -> str:
    if text.startswith(("# ", "## ")):
        return "slide"
    return "subslide" if text.startswith("### ") or _asks(text) else "-"


def _linked(link: re.Match[str], made: set[str]) -> str:
    words, stem, ending, _ = link.groups()
    return f"[{words}]({stem}.html)" if ending == ".ipynb" and stem in made else words


def _markdown(text: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(text)


# ------------------------------------------------------------------------------------------- how much room
def height(text: str) -> float:
    """Lines that a Markdown text takes on a slide, roughly; a display formula counts for three."""
    formulas = re.findall(r"\$\$.*?\$\$", text, re.DOTALL)
    rest = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    blocks = [block for block in re.split(r"\n\s*\n", rest) if block.strip()]
    rows = sum(1.6 + 1.2 * formula.count(r"\\") + formula.count(r"\frac") for formula in formulas)
    return rows + sum(map(_lines_of_block, blocks))


def _lines_of_block(block: str) -> float:
    if block.startswith("#"):
        return 2.0
    if block.lstrip().startswith("|"):
        return 1.25 * (block.count("\n") + 1)
    items = re.split(r"\n(?=\s*(?:[-*]|\d+\.) )", block)
    return 0.4 + sum(1.05 * -(-len(" ".join(item.split())) // COLUMNS) for item in items)


def _lines_of_code(code: str) -> float:
    return 0.75 * (code.count("\n") + 1) + 0.7


def _lines_of_output(output: NotebookNode) -> float:
    data = output.get("data", {})
    if "text/html" in data:
        return 1.2 * max(data["text/html"].count("<tr"), data["text/html"].count("<br"), 2)
    return 0.75 * (output.get("text", data.get("text/plain", "")).count("\n") + 1) + 0.4


# --------------------------------------------------------------------------------------- pieces to slides
def deal_out(found: list[Piece]) -> list[NotebookNode]:
    """The cells with nbconvert's slide types, so that no page holds more than fits."""
    used, full, cells = 0.0, True, []
    for piece in found:
        kind = piece.kind
        if kind in ("-", "fragment") and (full or used + piece.lines > LINES):
            kind = "subslide"
        used = piece.lines if kind in ("slide", "subslide") else used + piece.lines
        full = piece.alone
        piece.cell.metadata["slideshow"] = {"slide_type": kind}
        cells.append(piece.cell)
    if cells:
        cells[0].metadata["slideshow"] = {"slide_type": "slide"}
    return cells


def slide_show(stem: str, made: set[str]) -> NotebookNode:
    """The stored notebook of a source as one of slides."""
    stored = books.LEARNER / f"{stem}.ipynb"
    if not stored.is_file():
        raise SystemExit(
            f"{stored.relative_to(books.ROOT).as_posix()} is missing: run `make notebooks` first"
        )
    notebook = nbformat.read(stored, as_version=4)
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    cells = deal_out(pieces(notebook, made))
    return nbformat.v4.new_notebook(cells=cells, metadata={**notebook.metadata, "title": title})


def page(notebook: NotebookNode) -> str:
    """One slide show as HTML; its files are wanted in assets/ beside it."""
    settings = Config()
    settings.SlidesExporter.template_name = TEMPLATE.name
    settings.SlidesExporter.extra_template_basedirs = [str(TEMPLATE.parent)]
    settings.SlidesExporter.reveal_url_prefix = "assets/reveal"
    settings.SlidesExporter.reveal_theme = "mixturelab"
    settings.SlidesExporter.reveal_width, settings.SlidesExporter.reveal_height = str(WIDTH), str(HEIGHT)
    settings.SlidesExporter.exclude_input_prompt = settings.SlidesExporter.exclude_output_prompt = True
    settings.SlidesExporter.exclude_anchor_links = True
    settings.NbConvertBase.display_data_priority = ["image/png", "text/html", "text/markdown", "text/plain"]
    return SlidesExporter(config=settings).from_notebook_node(notebook)[0]


def write(paths: list[Path], folder: Path) -> None:
    """Write slide shows, and beside them the files that they need.

    Parameters
    ----------
    paths : list of Path
        Sources in notebooks/source.
    folder : Path
        Where to; slides of the same names are overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(TEMPLATE / "assets", folder / "assets", dirs_exist_ok=True)
    shutil.copytree(MATHJAX, folder / "assets" / "mathjax", dirs_exist_ok=True)
    made = {path.stem for path in paths}
    titles = []
    for path in paths:
        notebook = slide_show(path.stem, made)
        (folder / f"{path.stem}.html").write_text(page(notebook), encoding="utf-8", newline="\n")
        columns, pages = counts(notebook)
        print(f"{path.stem}.html: {pages} slides in {columns} columns")
        titles.append((path.stem, notebook.metadata["title"]))
    (folder / "index.html").write_text(contents(titles), encoding="utf-8", newline="\n")


def contents(titles: list[tuple[str, str]]) -> str:
    """A page with a link to each of these slide shows."""
    items = "".join(f'<li><a href="{stem}.html">{html.escape(title)}</a></li>' for stem, title in titles)
    style = "font: 1.3em/1.8 sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em"
    head = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Slides</title></head>'
    keys = "<p>Arrow keys walk, F is full screen, O the overview, ? lists all keys.</p>"
    return f'{head}<body style="{style}"><h1>Slides</h1><ul>{items}</ul>{keys}</body></html>\n'


def counts(notebook: NotebookNode) -> tuple[int, int]:
    """How many columns and how many slides in all."""
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in notebook.cells]
    return kinds.count("slide"), kinds.count("slide") + kinds.count("subslide")


def chosen_sources(names: list[str]) -> list[Path]:
    """The sources whose names begin as asked; all that have slides if nothing is asked."""
    paths = [path for path in books.sources() if path.stem not in LEFT_OUT]
    unknown = [name for name in names if not any(path.stem.startswith(name) for path in paths)]
    if unknown:
        raise SystemExit(
            f"no slides begin with {', '.join(unknown)}; there are: {[path.stem for path in paths]}"
        )
    return [path for path in paths if not names or path.stem.startswith(tuple(names))]


def main() -> None:
    """Write the slides that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NN", help="which notebooks; all by default")
    parser.add_argument("--into", type=Path, default=SLIDES, help="the folder (%(default)s)")
    asked = parser.parse_args()
    write(chosen_sources(asked.names), asked.into)
    print(
        f"{asked.into / 'index.html'}: open it in a browser; arrow keys walk, F is full screen, ? lists the keys"
    )


if __name__ == "__main__":
    main()

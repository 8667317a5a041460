"""Build the book: the notebooks as they are stored, the reference, and the API from its docstrings.

    python scripts/build_book.py                 into artifacts/book; open its index.html
    python scripts/build_book.py --out FOLDER    elsewhere

Pages are first laid out in one folder, as the repository has them, so that the links between notebooks, reference
pages and data lead where they led. Nothing is executed, nothing is fetched, and every warning is an error.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from sphinx.cmd.build import main as sphinx_build

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "artifacts" / "book"
# What the book is made of, seen from the repository; solutions stay out.
PARTS = (
    "notebooks/*.ipynb",
    "notebooks/*.md",
    "notebooks/reference/*.md",
    "data/*",
    "benchmarks/results/*.md",
)
LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")  # [words](a/path.md#place)

sys.path.insert(0, str(ROOT / "docs" / "_ext"))


# -------------------------------------------------------------------------------------------- the pages
def lay_out(source: Path) -> None:
    """Copy everything that the book shows into one folder, and write the pages that are made."""
    import api_pages
    import command_page

    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (path for part in PARTS for path in sorted(ROOT.glob(part))):
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    api_pages.write(source / "api")
    command_page.write(source / "commands.inc")
    for path in [*source.rglob("*.md"), *source.rglob("*.ipynb")]:
        keep_links_inside(path, source)


def keep_links_inside(path: Path, source: Path) -> None:
    """Turn links to files that the book does not hold (a solution, a setting) into their names."""
    here = path.relative_to(source).parent.as_posix()

    def one(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link.group(2)))
        return link.group(0) if (source / target).exists() else f"{link.group(1)} (`{target}`)"

    if path.suffix == ".md":
        path.write_text(LINK.sub(one, path.read_text(encoding="utf-8")), encoding="utf-8")
        return
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(one, cell.source)
    nbformat.write(notebook, path)


# -------------------------------------------------------------------------------------------- the build
def build(out: Path = OUT, jobs: str = "auto") -> int:
    """Build the book from nothing; an older one is replaced once the new one is whole. Gives Sphinx's exit code."""
    check_target(out)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place).resolve()
        lay_out(work / "source")
        arguments = ["-b", "html", "-W", "--keep-going", "-q", "-j", jobs, "-d", str(work / "doctrees")]
        code = sphinx_build([*arguments, str(work / "source"), str(work / "html")])
        if code == 0:
            shutil.rmtree(out, ignore_errors=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(work / "html", out)
    return code


def check_target(out: Path) -> None:
    """Refuse a folder that holds something else: it would be deleted."""
    if out.exists() and not (out / "searchindex.js").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise SystemExit(f"{out} holds something that is no book; name a new folder, or an empty one")


def main() -> int:
    """Build where the command line says, and tell where the first page is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="a folder; a book in it is replaced")
    parser.add_argument("--jobs", default="auto", help="processes; auto: one for each core")
    asked = parser.parse_args()
    started = time.perf_counter()
    code = build(asked.out.resolve(), asked.jobs)
    if code == 0:
        pages = len(list(asked.out.rglob("*.html")))
        first = os.path.relpath(asked.out / "index.html")
        print(f"mixturelab: {pages} pages in {time.perf_counter() - started:.0f} s; open {first}")
    return code


if __name__ == "__main__":
    sys.exit(main())

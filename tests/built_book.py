"""The book, built once for all tests of a run, and its pages as a browser would find them: links, places, pictures."""

import functools
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "build_book.py"
EMPTY = {
    "img",
    "br",
    "hr",
    "meta",
    "link",
    "input",
    "col",
    "source",
    "wbr",
    "area",
    "base",
    "embed",
    "track",
    "param",
}
DRAWN = {"path", "use", "rect", "circle", "ellipse", "line"}  # in an SVG: closed or not, as the writer likes


def built(tmp_path_factory) -> Path:
    """The folder of the book; workers of one run share it, and `said` beside it is what the build said."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    out = shared / "book"
    with FileLock(shared / "book.lock"):
        if not (shared / "said").exists():
            done = subprocess.run(
                [sys.executable, str(SCRIPT), "--out", str(out), "--jobs", "1"],
                capture_output=True,
                text=True,
                check=False,
            )
            (shared / "said").write_text(done.stderr, encoding="utf-8")
    said = (shared / "said").read_text(encoding="utf-8")
    assert out.is_dir(), said[-4000:]
    assert said == ""
    return out


class Page(HTMLParser):
    """What stands on a page, and in which order."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.places: set[str] = set()
        self.links: list[str] = []  # what a reader may follow
        self.loaded: list[str] = []  # what the browser fetches by itself
        self.pictures: list[dict[str, str]] = []
        self.details: list[str] = []  # the text of each answer behind a click
        self.crossed: list[str] = []  # tags that are closed in another order than they were opened
        self.article = self.prose = ""  # prose: the article without code and formulas
        self._open: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.places.update(filter(None, [given.get("id"), given.get("name") if tag == "a" else None]))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "img":
            self.pictures.append(given)
        if tag == "link" and {"stylesheet", "icon", "preload", "shortcut"} & set(
            given.get("rel", "").split()
        ):
            self.loaded.append(given["href"])
        self.loaded += [given["src"]] if "src" in given else []
        if tag == "details" and self._is_in("article"):
            self.details.append("")
        if tag not in EMPTY | DRAWN:
            self._open.append((tag, given.get("class", "")))

    def handle_endtag(self, tag):
        if tag in EMPTY | DRAWN:
            return
        if self._open and self._open[-1][0] == tag:
            self._open.pop()
        else:
            self.crossed.append(tag)

    def handle_data(self, data):
        if not self._is_in("article"):
            return
        self.article += data
        if self._is_in("details"):
            self.details[-1] += data
        is_math = any("math" in classes.split() for _, classes in self._open)
        if not is_math and not self._is_in("code", "pre", "script", "style"):
            self.prose += data

    def _is_in(self, *tags: str) -> bool:
        return any(tag in tags for tag, _ in self._open)


@functools.cache
def page(path: Path) -> Page:
    """The page in this file, read once."""
    return Page(path)

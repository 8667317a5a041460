"""Sphinx extension: the alternative text that a notebook stores with a figure becomes its `alt` in the book.

It stands in the output's metadata, under the picture's own type (`{"image/png": {"alt": "…"}}`), where
myst-nb does not look. A picture without words is a warning, and so ends a strict build.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
KINDS = ("image/png", "image/jpeg")  # stored in base64


def stored_figures(notebook: Any) -> Iterator[tuple[str, str]]:
    """The SHA-256 of each figure that the notebook stores, with its words, in the order of the page."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    for output in outputs:
        for kind in KINDS:
            if kind in output.get("data", {}):
                content = base64.b64decode(output["data"][kind])
                words = output.get("metadata", {}).get(kind, {}).get("alt", "")
                yield hashlib.sha256(content).hexdigest(), words.strip()


def words_by_picture(path: Path) -> dict[str, list[str]]:
    """The words of each figure of a page; the same picture may stand there twice. Empty if it is no notebook."""
    found: dict[str, list[str]] = defaultdict(list)
    if path.suffix == ".ipynb":
        for digest, words in stored_figures(nbformat.read(path, as_version=4)):
            found[digest].append(words)
    return found


def describe_images(app: Sphinx, doctree: nodes.document) -> None:
    """Give every image of a page its words."""
    page = app.env.current_document.docname
    words = words_by_picture(Path(app.env.doc2path(page)))
    for image in doctree.findall(nodes.image):
        waiting = words.get(Path(image["uri"]).stem)  # myst-nb names a picture by its SHA-256
        if waiting:
            image["alt"] = waiting.pop(0)
        if not image.get("alt"):
            LOGGER.warning("a figure of %s has no alternative text: %s", page, image["uri"])


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("doctree-read", describe_images)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

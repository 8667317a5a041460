"""Sphinx extension: a bare name becomes a link only where one class, and one alone, has that name."""

from typing import Any

import api_pages
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx


def drop_unclear_links(app: Sphinx, doctree: nodes.document) -> None:
    """Leave the words of a reference that could mean several classes, or none (the K of "[N, K]"), without a link."""
    for reference in list(doctree.findall(addnodes.pending_xref)):
        bare = reference.get("refdomain") == "py" and "." not in reference.get("reftarget", ".")
        if bare and reference["reftarget"] not in CLEAR:
            reference.replace_self(reference.children)


CLEAR = api_pages.clear_names()


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("doctree-read", drop_unclear_links)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""Sphinx extension: in a docstring |x|, means_ and **options are words, not markup; its references are a list."""

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"(``.+?``|`[^`]+`)")
NAMES = re.compile(
    r"\s*\*{0,2}\w+(, \*{0,2}\w+)* :"
)  # `means_, weights_ : ndarray`: napoleon takes care of these
REFERENCE = re.compile(
    r"^\s*\.\. \[(\d+)\] "
)  # its number would be the page's, where several docstrings stand
BEFORE_NAPOLEON = 400


def as_words(line: str) -> str:
    """The line with those marks escaped that reStructuredText would misread."""
    line = re.sub(r"\[(\d+)\]_(?!\w)", r"[\1]", REFERENCE.sub(r"\1. ", line))
    names = NAMES.match(line)
    start = names.end() if names else len(line) - len(line.lstrip())
    parts = CODE.split(line[start:])
    plain = "".join(parts[::2])
    parts[::2] = [_escaped(part, single=plain.count("*") % 2 or "**" in plain) for part in parts[::2]]
    return line[:start] + "".join(parts)


def _escaped(text: str, single: Any) -> str:
    text = re.sub(r"\|", r"\\|", text)
    text = re.sub(r"(?<=\w)_(?!\w)", r"\\_", text)
    if single and not re.search(r"\*\*\S[^*]*\S\*\*", text):
        text = re.sub(r"\*", r"\\*", text)
    return text


def escape_docstring(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Escape a docstring in place; lines of code are left as they are."""
    in_code = False
    for number, line in enumerate(lines):
        if in_code:
            in_code = not line.strip() or line.startswith("    ")
        elif line.lstrip().startswith(">>>") or set(line.strip()) <= {"-"}:
            continue
        elif line.endswith("::"):
            in_code = True
        else:
            lines[number] = as_words(line)


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("autodoc-process-docstring", escape_docstring, priority=BEFORE_NAPOLEON)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

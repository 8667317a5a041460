"""Sphinx extension: signatures as people write them: ArrayLike by its name, no constraints, no long defaults."""

import inspect
from typing import Any

from numpy.typing import ArrayLike
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

LONG_NAMES = {stringify_annotation(ArrayLike, "smart"): "ArrayLike"}
LONGEST_DEFAULT = 60  # characters
ANNOTATED = ("~typing.Annotated[", "Annotated[")


def shortened(signature: str, call: Any) -> str:
    """The signature without what only a machine wants to know."""
    for long, short in LONG_NAMES.items():
        signature = signature.replace(long, short)
    for default in _long_defaults(call):
        signature = signature.replace(default, "...")
    return without_constraints(signature)


def _long_defaults(call: Any) -> list[str]:
    try:
        given = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return []
    found = [repr(one.default) for one in given if one.default is not inspect.Parameter.empty]
    return sorted((default for default in found if len(default) > LONGEST_DEFAULT), key=len, reverse=True)


def without_constraints(signature: str) -> str:
    """``Annotated[int, Ge(ge=1)]`` as ``int``, also where one stands within another."""
    for opening in ANNOTATED:
        while (start := signature.find(opening)) >= 0:
            kind, end = _first_of(signature, start + len(opening))
            signature = signature[:start] + kind + signature[end:]
    return signature


def _first_of(text: str, start: int) -> tuple[str, int]:
    """The first entry of the bracket that was opened before `start`, and where the bracket ends."""
    depth, comma = 0, None
    for place in range(start, len(text)):
        if text[place] in "[({":
            depth += 1
        elif text[place] in "])}":
            if depth == 0:
                return text[start : comma or place], place + 1
            depth -= 1
        elif text[place] == "," and depth == 0 and comma is None:
            comma = place
    return text[start:], len(text)


def process(app: Sphinx, what: str, name: str, call: Any, options: Any, signature: Any, returned: Any) -> Any:
    """What autodoc asks for each signature."""
    if signature is None:
        return None
    return shortened(signature, call), None if returned is None else shortened(returned, None)


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("autodoc-process-signature", process)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

"""The page of the service: the files that a browser gets at `/`, all from this folder."""

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}


def files() -> Mapping[str, tuple[bytes, str]]:
    """What to answer to a GET of each path of the page.

    The page asks the service's own endpoints and nothing else, and has neither inline scripts nor inline styles:
    it works under ``Content-Security-Policy: default-src 'self'; img-src 'self' data:``. Its addresses are
    relative, so that it works under a prefix as well. It holds nothing of the model: it may be served without a
    token, and asks for one when the service wants it.

    Returns
    -------
    mapping of str to (bytes, str)
        From the path, ``"/"`` or ``"/page/NAME"``, to the content and its ``Content-Type``.
    """
    found = {
        _path(entry.name): _file(entry) for entry in resources.files(__name__).iterdir() if _is_ours(entry)
    }
    return MappingProxyType(found)


def _is_ours(entry: Traversable) -> bool:
    return entry.name.rpartition(".")[2] in _TYPES


def _path(name: str) -> str:
    return "/" if name == "index.html" else f"/page/{name}"


def _file(entry: Traversable) -> tuple[bytes, str]:
    return entry.read_bytes(), _TYPES[entry.name.rpartition(".")[2]]

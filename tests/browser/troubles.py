"""What a page complains of while it is open: errors on its console, and requests that failed."""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Allowed:
    """Something that JupyterLab complains of by itself, also without a notebook of ours."""

    pattern: str
    reason: str


# Each is seen on a page of JupyterLab with an empty notebook; nothing else is allowed on ours.
ALLOWED: tuple[Allowed, ...] = ()


class Troubles:
    """Collects a page's errors: what it wrote on its console, what it raised, and which requests failed."""

    def __init__(self, page: Any):
        self.all: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.all.append(f"raised: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.all.append(f"console: {message.text} ({_path(message.location.get('url', ''))})")

    def _failed(self, request: Any) -> None:
        self.all.append(f"request: {request.method} {_path(request.url)}: {request.failure}")

    def _answered(self, answer: Any) -> None:
        if answer.status >= 400:
            self.all.append(f"request: {answer.request.method} {_path(answer.url)}: status {answer.status}")

    def unexpected(self) -> list[str]:
        """Those that are not allowed."""
        return [one for one in self.all if not any(re.search(each.pattern, one) for each in ALLOWED)]

    def allowed(self) -> list[str]:
        """Those that are."""
        return [one for one in self.all if one not in self.unexpected()]


def _path(address: str) -> str:
    """Without the port, which changes, and without the question, which may hold a secret."""
    return re.sub(r"^\w+://[^/]+", "", address).partition("?")[0]

"""What the browser tests found, as a page to read: times, moves, contrasts; and where the pictures are."""

import os
import time
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]


class Report:
    """Collects rows for tables by their title, and writes them as Markdown."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tables: dict[str, list[Row]] = {}
        self.moves: list[float] = []
        self._begun = time.monotonic()

    def add(self, table: str, **row: Any) -> None:
        """A row for a table; the tables and their columns come in the order in which they were first seen."""
        self.tables.setdefault(table, []).append(row)

    def write(self) -> None:
        """Into `report.md`, if there is anything to tell; of several processes each has its own."""
        if not self.tables:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        name = f"report-{worker}.md" if worker else "report.md"
        (self.folder / name).write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        """All tables."""
        parts = ["# Every notebook in JupyterLab, in a headless Chromium", self._summary()]
        parts += [f"## {title}\n\n{_table(rows)}" for title, rows in self.tables.items()]
        return "\n\n".join(parts) + "\n"

    def _summary(self) -> str:
        took = f"{time.monotonic() - self._begun:.0f} s in all."
        if not self.moves:
            return took
        return (
            f"{took} {len(self.moves)} moves changed a picture: median {median(self.moves):.0f} ms, "
            f"slowest {max(self.moves):.0f} ms; {sum(one <= 300 for one in self.moves)} within 300 ms."
        )


def _table(rows: list[Row]) -> str:
    head = list(dict.fromkeys(name for row in rows for name in row))
    lines = [head, ["---"] * len(head), *([row.get(name, "") for name in head] for row in rows)]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )

"""What a wheelhouse says of itself: SIZES.md, for each system and Python, and README.txt for the teacher."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

if TYPE_CHECKING:
    from wheelhouse import Shelf

SYSTEMS = {
    "linux": "Linux (x86-64)",
    "darwin": "macOS 14 or newer (Apple silicon)",
    "win32": "Windows (x86-64)",
}
LARGEST = 8  # so many wheels are listed one by one


def megabytes(paths: Iterable[Path]) -> str:
    """The size of these files together, in units of a million bytes."""
    return f"{sum(path.stat().st_size for path in paths) / 1e6:.0f} MB"


def unpacked(wheels: Iterable[Path]) -> int:
    """The bytes that these wheels fill once they are installed (before Python compiles them)."""
    return sum(info.file_size for wheel in wheels for info in zipfile.ZipFile(wheel).infolist())


def sizes(folder: Path, shelves: list[Shelf]) -> str:
    """The page SIZES.md."""
    everything = [path for path in folder.rglob("*") if path.is_file()]
    course = [path for path in (folder / "course").rglob("*") if path.is_file()]
    rows = "\n".join(_row(shelf) for shelf in shelves)
    return f"""# What is in this wheelhouse

In all {megabytes(everything)}, of which the notebooks and their tables are {megabytes(course)}. Wheels that several
systems share are there once.

| system | Python | wheels | to copy | torch alone | installed |
|---|---|---|---|---|---|
{rows}

{_missing(shelves)}The largest wheels:

{_largest(folder / "wheels")}
"""


def _row(shelf: Shelf) -> str:
    system = f"| {SYSTEMS[shelf.target.platform]} | {shelf.target.python} |"
    if not shelf.wheels:
        return f"{system} none, see below | | | |"
    torch = [path for path in shelf.wheels if parse_wheel_filename(path.name)[0] == "torch"]
    return (
        f"{system} {len(shelf.wheels)} | {megabytes(shelf.wheels)} | {megabytes(torch)} "
        f"| {unpacked(shelf.wheels) / 1e6:.0f} MB |"
    )


def _missing(shelves: list[Shelf]) -> str:
    lines = [
        f"- {SYSTEMS[shelf.target.platform]}, Python {shelf.target.python}: {problem}"
        for shelf in shelves
        for problem in shelf.problems
    ]
    return "Not there:\n\n" + "\n".join(lines) + "\n\n" if lines else ""


def _largest(wheels: Path) -> str:
    largest = sorted(wheels.glob("*.whl"), key=lambda path: -path.stat().st_size)[:LARGEST]
    lines = [f"| {path.name} | {megabytes([path])} |" for path in largest]
    return "\n".join(["| wheel | size |", "|---|---|", *lines])


def readme(template: str, shelves: list[Shelf], version: str) -> str:
    """The page README.txt."""
    whole = [shelf for shelf in shelves if shelf.wheels]
    lines = [f"    {SYSTEMS[shelf.target.platform]} with Python {shelf.target.python}" for shelf in whole]
    largest = max(unpacked(shelf.wheels) for shelf in whole) / 1e9
    values = {"version": version, "targets": "\n".join(lines), "installed": f"{largest:.1f} GB"}
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def write_pages(folder: Path, template: Path, shelves: list[Shelf], *, version: str) -> None:
    """Write README.txt and SIZES.md into the folder."""
    text = readme(template.read_text(encoding="utf-8"), shelves, version)
    (folder / "README.txt").write_text(text, encoding="utf-8", newline="\r\n")  # for any editor
    (folder / "SIZES.md").write_text(sizes(folder, shelves), encoding="utf-8", newline="\n")

"""Writes the pages of the API reference: each public name once, under the shortest path that leads to it."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from plain_docstrings import as_words

import mixturelab

# A lesson's exercises are data, and the command line has a page of its own.
LEFT_OUT = re.compile(r"\.(nb\d\d|__main__|cli)$")
LONGEST_VALUE = 120  # characters of a constant that are shown


@dataclass(frozen=True)
class Area:
    """A page: its file's name, its title, what it is about, and the modules on it."""

    slug: str
    title: str
    about: str
    holds: Callable[[str], bool]


def _one(name: str) -> Callable[[str], bool]:
    return lambda module: module == name


def _within(*packages: str) -> Callable[[str], bool]:
    names = tuple(f"mixturelab.{package}" for package in packages)
    return lambda module: any(module == name or module.startswith(f"{name}.") for name in names)


# The first area that holds a module has it; the last holds what is left.
AREAS = (
    Area("public", "The public names", "What ``import mixturelab`` gives.", _one("mixturelab")),
    Area(
        "estimators",
        "Fitting, choosing, judging",
        "The rest of what belongs to the estimator, the search and the plain functions.",
        _within(
            "estimators",
            "mixture_estimator",
            "bayes",
            "priors",
            "selection",
            "quality",
            "functional",
            "interchange",
        ),
    ),
    Area(
        "stream",
        "The mixture of a stream",
        "``MixtureStats`` itself is among :doc:`the public names <public>`; here are its settings, "
        "its readings and its files.",
        _within("stream", "watch"),
    ),
    Area("simclr", "SimCLR", "A small network whose embeddings ``MixtureStats`` watches.", _within("simclr")),
    Area("plot", "Pictures", "Each carries its alternative text.", _one("mixturelab.plot")),
    Area(
        "plot_lessons",
        "Pictures and widgets of the notebooks",
        "What single lessons draw. Widgets compute by functions of numbers to numbers, which are here too.",
        _within("plot"),
    ),
    Area(
        "datasets", "Data sets", "Named tables, synthetic ones, and readers in chunks.", _within("datasets")
    ),
    Area("persistence", "Models on disk", "Loading a model runs no code.", _within("persistence", "files")),
    Area(
        "scoring",
        "Scores of rows and files, and the service",
        "A model's scores: of rows in memory, of files longer than memory, over HTTP.",
        _within("scoring", "serve"),
    ),
    Area(
        "exercises",
        "Exercises",
        "What a check cell of a notebook calls, and what an exercise is made of.",
        _within("exercises"),
    ),
    Area(
        "model",
        "The engine: what a mixture is",
        'Tensors in, tensors out, on any device. Shapes are in the signatures: ``"N K"`` is N rows, K components.',
        _within("model"),
    ),
    Area(
        "inference",
        "The engine: how one is learned",
        "EM, its one loop, and how statistics fold.",
        _within("inference"),
    ),
    Area(
        "pipeline",
        "From a CSV to its artifacts",
        "What ``demo.py`` and the command line share.",
        _within("pipeline", "lab"),
    ),
    Area("helpers", "Errors, settings, arrays", "What all the others stand on.", lambda module: True),
)


def modules() -> list[ModuleType]:
    """Every module of the package that has a place in the reference; packages before what is in them."""
    found = [module.name for module in pkgutil.walk_packages(mixturelab.__path__, "mixturelab.")]
    names = ["mixturelab", *sorted(name for name in found if not LEFT_OUT.search(name))]
    return [importlib.import_module(name) for name in names]


def names_of(module: ModuleType) -> list[str]:
    """What a module makes public: its ``__all__``, else the functions and classes that are defined in it."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if name != "__version__"]
    own = [
        (inspect.getsourcelines(value)[1], name)
        for name, value in vars(module).items()
        if not name.startswith("_") and _is_described(value) and value.__module__ == module.__name__
    ]
    return [name for _, name in sorted(own)]


def _is_described(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def sections() -> Iterator[tuple[ModuleType, list[str]]]:
    """Each module with the names that are described in it: those that no module before it has described."""
    seen: set[tuple] = set()
    ordered = sorted(modules(), key=lambda module: module.__name__.count("."))
    for module in ordered:
        fresh = []
        for name in names_of(module):
            value = getattr(module, name)
            mark = (id(value),) if _is_described(value) else (name, id(value))
            if mark not in seen:
                seen.add(mark)
                fresh.append(name)
        if fresh:
            yield module, fresh


def write(folder: Path) -> None:
    """Write ``folder/*.rst``, a page for each area."""
    folder.mkdir(parents=True, exist_ok=True)
    left = sorted(sections(), key=lambda section: section[0].__name__)
    for area in AREAS:
        here = [section for section in left if area.holds(section[0].__name__)]
        left = [section for section in left if section not in here]
        text = "\n".join([area.title, "=" * len(area.title), "", area.about, "", *_body(here)])
        (folder / f"{area.slug}.rst").write_text(text, encoding="utf-8")


def _body(here: Iterable[tuple[ModuleType, list[str]]]) -> Iterator[str]:
    for module, names in here:
        heading = f"``{module.__name__}``"
        yield from [
            heading,
            "-" * len(heading),
            "",
            *map(as_words, (inspect.getdoc(module) or "").splitlines()),
            "",
        ]
        paths = {name: f"{module.__name__}.{name}" for name in names}
        if described := [name for name in names if _is_described(getattr(module, name))]:
            yield from [".. list-table::", "   :widths: auto", ""]
            yield from (
                f"   * - :py:obj:`~{paths[name]}`\n     - {_first_line(module, name)}" for name in described
            )
            yield ""
        for name in names:
            is_described = _is_described(getattr(module, name))
            yield from (
                _object(paths[name], getattr(module, name)) if is_described else _constant(module, name)
            )


def _first_line(module: ModuleType, name: str) -> str:
    text = inspect.getdoc(getattr(module, name)) or ""
    return as_words(" ".join(text.partition("\n\n")[0].split()))


def _object(path: str, value: Any) -> list[str]:
    if not inspect.isclass(value):
        return [f".. autofunction:: {path}", ""]
    kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
    lines = [f".. {kind}:: {path}", "   :members:"]
    lines += ["   :show-inheritance:"] if value.__bases__ != (object,) else []
    # What another library puts into each subclass is described there.
    foreign = [name for name, member in vars(value).items() if _is_foreign(member)]
    return [*lines, *([f"   :exclude-members: {', '.join(foreign)}"] if foreign else []), ""]


def _is_foreign(member: Any) -> bool:
    home = getattr(member, "__module__", None)
    return inspect.isfunction(member) and home is not None and not home.startswith("mixturelab")


def _constant(module: ModuleType, name: str) -> list[str]:
    value = getattr(module, name)
    lines = [f".. py:data:: {module.__name__}.{name}", f"   :type: {type(value).__name__}"]
    if len(repr(value)) <= LONGEST_VALUE:
        lines.append(f"   :value: {value!r}")
    return [*lines, "", f"   {_comment(module, name)}", ""]


def _comment(module: ModuleType, name: str) -> str:
    """The comment above a constant, or behind it, in the file that it is written in."""
    home = module if f"\n{name}" in inspect.getsource(module) else _home(module, name)
    lines = inspect.getsource(home).splitlines() if home else []
    at = next((i for i, line in enumerate(lines) if re.match(rf"{name}\b.*=", line)), None)
    if at is None:
        return ""
    start = at
    while start > 0 and lines[start - 1].startswith("# ") and not lines[start - 1].startswith("# --"):
        start -= 1
    above = " ".join(line.removeprefix("# ") for line in lines[start:at])
    behind = lines[at].partition("  # ")[2]
    return (above or behind).replace("`", "``").replace("*", r"\*").replace("|", r"\|")


def _home(module: ModuleType, name: str) -> ModuleType | None:
    """The module within a package that defines a constant which the package passes on."""
    within = [one for one in modules() if one.__name__.startswith(f"{module.__name__}.")]
    return next((one for one in within if vars(one).get(name) is getattr(module, name)), None)


def clear_names() -> set[str]:
    """Names that one class, and one alone, has: such a name needs no path to lead to it."""
    names = [name for module, found in sections() for name in found if inspect.isclass(getattr(module, name))]
    return {name for name in names if names.count(name) == 1}

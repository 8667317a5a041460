"""Writes the reference of the command line from the commands' own signatures: names, help, types, defaults."""

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from mixturelab import cli

WORDS = {Path: "PATH", int: "INTEGER", float: "NUMBER", str: "TEXT"}


@dataclass(frozen=True)
class Parameter:
    """An argument or option, as a person writes it."""

    names: tuple[str, ...]  # of an option; an argument has none
    value: str  # what stands for its value; empty for a switch
    about: str
    default: Any
    required: bool

    @property
    def label(self) -> str:
        """Names and value, as one line of code."""
        return " ".join(filter(None, [", ".join(self.names), self.value]))


def commands() -> dict[str, Callable]:
    """The function of every command, by the command's name."""
    found = [(info.name, info.callback) for info in cli.app.registered_commands]
    return {name or call.__name__: call for name, call in found if call is not None}


def parameters(call: Callable) -> list[Parameter]:
    """What a command takes, in its order."""
    hints = get_type_hints(call, include_extras=True)
    signature = inspect.signature(call).parameters
    return [_parameter(name, hints[name], given.default) for name, given in signature.items()]


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    kind, info = get_args(hint)
    required = default is inspect.Parameter.empty
    value = "" if kind is bool else info.metavar or WORDS[_without_none(kind)]
    if isinstance(info, ArgumentInfo):
        value = info.metavar or name.upper()
        return Parameter((), value if required else f"[{value}]", info.help or "", default, required)
    assert isinstance(info, OptionInfo)
    return Parameter(_names(name, info), value, info.help or "", default, required)


def _names(name: str, info: OptionInfo) -> tuple[str, ...]:
    given = [info.default, *(info.param_decls or ())]  # Typer keeps the first name where a default may stand
    names = tuple(one for one in given if isinstance(one, str) and one.startswith("-"))
    return names or (f"--{name.replace('_', '-')}",)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        return next(part for part in get_args(kind) if part is not type(None))
    return kind


def write(path: Path) -> None:
    """Write the part of the page that is made: a section for each command."""
    lines = [line for name, call in commands().items() for line in _section(name, call)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _section(name: str, call: Callable) -> Iterator[str]:
    taken = parameters(call)
    needed = [one.label if not one.names else f"{one.names[0]} {one.value}" for one in taken]
    needed = [words for words, one in zip(needed, taken, strict=True) if one.required or not one.names]
    yield from [f"## mixturelab {name}", "", inspect.getdoc(call) or "", ""]
    yield from ["```text", " ".join(["mixturelab", name, *needed, "[OPTIONS]"]), "```", ""]
    yield from ["| argument or option | what it is | default |", "|---|---|---|"]
    yield from (f"| `{one.label}` | {one.about} | {_default(one)} |" for one in taken)
    yield ""


def _default(one: Parameter) -> str:
    if one.required:
        return "required"
    return "" if one.default is None or one.default is False else f"`{one.default}`"

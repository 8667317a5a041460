"""Settings from YAML or keywords: strict, frozen, and refused in one line that names the key and what was wanted."""

import difflib
import numbers
import os
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, Self, Union, cast, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from mixturelab.exceptions import ArgumentError

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

__all__ = ["Integer", "Real", "Settings", "explain", "read_yaml", "suggestion"]

_LONGEST_VALUE = 60
# The kinds of pydantic's errors that a field's type and bounds explain; of others it has better words.
_OF_TYPE_OR_BOUNDS = re.compile(
    "_type$|_parsing$|^literal_error$|^greater_than|^less_than|^missing$|^finite_number$"
)


def _plain_integer(value: Any) -> Any:
    return int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else value


def _plain_real(value: Any) -> Any:
    return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else value


# Strict settings take an int for an int; these take NumPy's as well, which is what `labels.max() + 1` gives.
Integer = Annotated[int, BeforeValidator(_plain_integer)]
Real = Annotated[float, BeforeValidator(_plain_real)]


# ------------------------------------------------------------------------------------------------- the models
class _Explained(ModelMetaclass):
    """Makes ``Model(key=value)`` raise ArgumentError; a model inside another is validated by the outer one."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            _refuse(error, cast("type[BaseModel]", cls), "")


class Settings(BaseModel, metaclass=_Explained):
    """Base of all settings: frozen, no unknown keys, and no value that has to be converted to fit.

    Raises
    ------
    ArgumentError
        From the constructor and from `parse`: one line with the key, what came and what was wanted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    @classmethod
    def parse(cls, mapping: Any, where: str = "") -> Self:
        """Settings from a mapping.

        Parameters
        ----------
        mapping : mapping, None or an instance
            None is an empty mapping: every setting at its default.
        where : str
            The dotted key under which the mapping was found, for the error.

        Raises
        ------
        ArgumentError
        """
        if isinstance(mapping, cls):
            return mapping
        if mapping is not None and not isinstance(mapping, Mapping):
            raise ArgumentError(f"{where or 'settings'} is {_shown(mapping)}; wanted a mapping of settings")
        try:
            return cls.model_validate(dict(mapping or {}))
        except ValidationError as error:
            _refuse(error, cls, where)


# ----------------------------------------------------------------------------------------------- explanations
def _refuse(error: ValidationError, model: type[BaseModel], where: str) -> NoReturn:
    raise ArgumentError(explain(error, model, where)) from None


def explain(error: ValidationError, model: type[BaseModel], where: str = "") -> str:
    """The first thing that pydantic found wrong, in one line: dotted key, what came, what was wanted.

    Parameters
    ----------
    error : ValidationError
    model : type
        The outermost model that was validated.
    where : str
        Dotted key of the whole model in its document; "" if it is the document.
    """
    first = error.errors(include_url=False)[0]
    names, owner, field = _find(model, first["loc"])
    key = ".".join([*([where] if where else []), *map(str, names)]) or "settings"
    if first["type"] in ("extra_forbidden", "invalid_key"):
        return _unknown(key, names[-1], first["input"], owner.model_fields)
    wanted = _wanted(field)
    if wanted is None or not _OF_TYPE_OR_BOUNDS.search(first["type"]):
        return f"{key}: {_sentence(first)}" if names else _sentence(first)
    if first["type"] == "missing":
        return f"{key} is missing; wanted {wanted}"
    if first["type"] == "finite_number":
        wanted = wanted.replace("a number", "a finite number")
    return f"{key} is {_shown(first['input'])}; wanted {wanted}"


def _find(
    model: type[BaseModel], location: Sequence[int | str]
) -> tuple[list[int | str], type[BaseModel], FieldInfo | None]:
    """The keys of a location, the model that holds the last one, and its field."""
    names: list[int | str] = []
    field = None
    for part in location:
        if names and field is None:
            break
        inner = _model_in(field.annotation) if field is not None else model
        if inner is None and not isinstance(part, int):
            break  # pydantic names the branch of a union here
        names.append(part)
        if inner is not None:
            model, field = inner, inner.model_fields.get(str(part))
    return names, model, field


def _model_in(annotation: Any) -> type[BaseModel] | None:
    candidates = (annotation, *get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _unknown(key: str, name: int | str, value: Any, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    guess = suggestion(str(name), allowed)
    hint = f"did you mean {guess}? " if guess else ""
    return f"{key} (here {_shown(value)}) is not a setting; {hint}wanted one of {', '.join(allowed)}"


def suggestion(name: str, allowed: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The allowed name that a wrong one was probably meant to be, whatever its case and its dashes."""
    spelt = {other.casefold(): other for other in allowed}
    close = difflib.get_close_matches(name.casefold().replace("-", "_"), spelt, n=1, cutoff=cutoff)
    return spelt[close[0]] if close else None


def _sentence(first: Any) -> str:
    """Pydantic's own words, or those of the exception that a validator raised."""
    raised = first.get("ctx", {}).get("error")
    return " ".join(str(raised or first["msg"]).split())


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


# ------------------------------------------------------------------------------------------- what was wanted
def _wanted(field: FieldInfo | None) -> str | None:
    """What a field takes, from its type and its bounds."""
    if field is None:
        return None
    return _bounded(_kind(field.annotation), field.metadata)


def _kind(annotation: Any) -> str | None:
    origin = get_origin(annotation)
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(annotation)))
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return _bounded(_kind(inner), metadata)
    if origin in (Union, types.UnionType):
        kinds = [_kind(part) for part in get_args(annotation)]
        return None if None in kinds else _alternatives(map(str, kinds))
    if _model_in(annotation) is not None:
        return "a mapping"
    plain = {bool: "true or false", int: "an integer", float: "a number", str: "text", Path: "a path"}
    return {**plain, types.NoneType: "null"}.get(annotation)


def _alternatives(kinds: Iterable[str]) -> str:
    *most, last = [word for kind in kinds for word in kind.split(" or ")]
    return f"{', '.join(most)} or {last}" if most else last


def _bounded(kind: str | None, metadata: Iterable[Any]) -> str | None:
    flat = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    bounds = [
        f"{sign} {_bound(getattr(part, name))}"
        for name, sign in {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}.items()
        for part in flat
        if isinstance(part, getattr(annotated_types, name.capitalize()))
    ]
    return f"{kind} {' and '.join(bounds)}" if kind and bounds else kind


def _bound(value: Any) -> str:
    """The ends of int64 as powers, which say more than their digits."""
    return {2**63 - 1: "2**63 - 1", -(2**63): "-2**63"}.get(value, str(value))


# ------------------------------------------------------------------------------------------------------- YAML
class _Loader(yaml.SafeLoader):
    """YAML without tags that make objects, in which 2e-3 is a number and a key stands once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                problem = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


# YAML 1.1, which PyYAML reads, wants a point in every float: 2e-3 would be text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


# What no file's name has: a second line, a key, a brace in front, or nothing at all.
_DOCUMENT = re.compile(r"\n|:(\s|$)|^\s*(\{|$)")


def read_yaml(source: str | os.PathLike[str]) -> Any:
    """A YAML document, from a file or from text.

    Parameters
    ----------
    source : path or str
        A string that is itself a mapping (or empty) is the document; any other is the name of a file.

    Returns
    -------
    object
        Of dicts, lists and plain values; None for an empty document.

    Raises
    ------
    ArgumentError
        If it is not YAML, or the file cannot be read; the message has the line.
    """
    if isinstance(source, str) and _DOCUMENT.search(source):
        return _load(source, "YAML text")
    try:
        text = Path(source).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise ArgumentError(f"{source} cannot be read: {reason}; wanted a YAML file") from error
    return _load(text, str(source))


def _load(text: str, name: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # _Loader is a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ArgumentError(f"{name}{line}: {problem}; wanted YAML") from None

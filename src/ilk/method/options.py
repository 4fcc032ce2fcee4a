"""Fields of a recipe from the words of a command line, checked by their type."""

import ast
import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ilk.core import UserError
from ilk.core.names import did_you_mean

R = TypeVar("R")


def typed_options(kind: type[R], name: str, options: Mapping[str, Any]) -> R:
    """An instance of a settings dataclass with some fields given, as values or as text.

    Args:
        kind: the dataclass.
        name: what a person calls it.
        options: by field.

    Raises:
        UserError: a field is not known, or its value has the wrong type.
    """
    return kind(**_typed(kind, name, options))


def typed_changes(settings: R, name: str, options: Mapping[str, Any]) -> R:
    """Settings with some fields changed; arguments and errors as in ``typed_options``."""
    changes = _typed(type(settings), name, options)
    return dataclasses.replace(cast(Any, settings), **changes)


def _typed(kind: type[Any], name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    fields = [field.name for field in dataclasses.fields(kind)]
    given: dict[str, Any] = {}
    for field, raw in options.items():
        if field not in fields:
            hint = did_you_mean(field, fields, f"it has {', '.join(fields)}")
            raise UserError(f"{name}: can be given its own fields only, got {field!r}; {hint}")
        parsed = raw if raw in _words_of(hints[field]) else _parsed(raw)
        if get_origin(hints[field]) is tuple and isinstance(parsed, str):
            parsed = [_parsed(word) for word in parsed.split(",")]
        if not _fits(parsed, hints[field]):
            raise UserError(f"{name}: {field} must be {_words(hints[field])}, got {raw!r}")
        given[field] = tuple(parsed) if isinstance(parsed, list) else parsed
    return given


def _words_of(hint: Any) -> list[Any]:
    """Words that a field takes as they are, among them perhaps "none"."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [word for inner in get_args(hint) for word in _words_of(inner)]


def _parsed(raw: Any) -> Any:
    if not isinstance(raw, str):
        return raw
    if raw.lower() in {"true", "false", "none"}:
        return {"true": True, "false": False, "none": None}[raw.lower()]
    try:
        return ast.literal_eval(raw)
    except (ValueError, SyntaxError):
        return raw


def _fits(given: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return given in inner
    if origin in {Union, types.UnionType}:
        return any(_fits(given, option) for option in inner)
    if origin is tuple:
        return isinstance(given, tuple | list) and all(_fits(e, inner[0]) for e in given)
    if hint is float:
        return isinstance(given, int | float) and not isinstance(given, bool)
    if hint is int:
        return isinstance(given, int) and not isinstance(given, bool)
    return isinstance(given, hint)


def _words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    return getattr(hint, "__name__", str(hint)) if get_origin(hint) is None else str(hint)

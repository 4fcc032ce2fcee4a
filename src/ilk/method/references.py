"""What the parts of a method refer to by name, and whether it is there."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args

from ilk.core import Output, Role
from ilk.networks import check_name


def parts_in(part: Any) -> Iterator[Any]:
    """A term, a kin rule or any tuple of them, and all that they are made of, in order."""
    if isinstance(part, tuple | list):
        for entry in part:
            yield from parts_in(entry)
        return
    yield part
    if is_dataclass(part) and not isinstance(part, type):
        for entry in fields(part):
            yield from parts_in(getattr(part, entry.name))


def outputs_in(part: Any) -> Iterator[Output]:
    """Every output that a term, a kin rule or any tuple of them refers to."""
    return (entry for entry in parts_in(part) if isinstance(entry, Output))


def substituted(part: Any, views: Mapping[str, str]) -> Any:
    """The same part with other views in the place of some."""
    if isinstance(part, Output):
        return replace(part, view=views.get(part.view, part.view))
    if isinstance(part, tuple):
        return tuple(substituted(entry, views) for entry in part)
    if is_dataclass(part) and not isinstance(part, type) and any(outputs_in(part)):
        changed = {entry.name: getattr(part, entry.name) for entry in fields(part)}
        return replace(part, **{k: substituted(v, views) for k, v in changed.items()})
    return part


def check_references(
    parts: Any,
    *,
    heads: Mapping[Role, Collection[str]],
    views: Collection[str],
    memory: Collection[str],
) -> None:
    """Refuse parts that refer to what is not there.

    Args:
        parts: terms, kin rules and whatever else refers to something, nested at will. Of an
            output its head, view and network are looked at, of any other record the fields of
            type ``HeadName``, ``MemoryName`` and ``ViewName``.
        heads: by name, those that a network has.
        views: by name.
        memory: by name.

    Raises:
        ValueError: a name is not known; the message has the nearest one.
    """
    named = {"head": heads["student"], "memory": memory, "view": views}
    for part in parts_in(parts):
        if isinstance(part, Output):
            check_name(part.view, views, f"method: a view of {part.network} must be known")
            known = heads[part.network]
            check_name(part.head, known, f"method: an output of {part.network} must be known")
        elif is_dataclass(part):
            for entry in fields(part):
                kind, name = _kind_of_name(entry.type), getattr(part, entry.name)
                if kind in named and name is not None:
                    what = f"method: {entry.name} of {type(part).__name__} must be known"
                    check_name(name, named[kind], what)


def _kind_of_name(annotation: object) -> str:
    """What a field names, which may be optional: "head", "memory" or nothing."""
    for entry in (annotation, *get_args(annotation)):
        if metadata := getattr(entry, "__metadata__", ()):
            return metadata[0]
    return ""

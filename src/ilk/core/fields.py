"""Records read from files: which fields they have, of which kind and range.

A record may come from a stranger or from a damaged disk. It is data: what it says is checked,
field by field, before anything is done with it.
"""

import json
import math
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NoReturn, Union, cast, get_args, get_origin

from ilk.core.errors import UserError

MAX_BYTES = 64 * 2**20  # of a record; ten thousand bad files fit in a tenth of it
_SHOWN = 60  # characters of a wrong value


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field may hold.

    Args:
        says: what must hold, in words that follow "must be".
        fits: whether a JSON value is of this kind.
    """

    says: str
    fits: Callable[[Any], bool]


FLAG = Kind("true or false", lambda given: isinstance(given, bool))
ANYTHING = Kind("anything", lambda given: True)


def _plain(given: Any, deep: int = 3) -> bool:
    if isinstance(given, list | tuple):
        entries = cast("list[Any]", given)
        return deep > 0 and len(entries) <= 1000 and all(_plain(e, deep - 1) for e in entries)
    if isinstance(given, str):
        return len(given) <= 4096
    return given is None or (isinstance(given, int | float) and abs(given) < 2**63)


VALUE = Kind("a plain value or a short list of such", _plain)


def whole(lowest: int, highest: int) -> Kind:
    """A whole number in a range, both ends included."""
    return Kind(
        f"a whole number from {lowest} to {highest}",
        lambda given: type(given) is int and lowest <= given <= highest,
    )


def number(lowest: float, highest: float) -> Kind:
    """A number in a range, both ends included; NaN is in none."""
    return Kind(
        f"a number from {lowest:g} to {highest:g}",
        lambda given: type(given) in {int, float} and lowest <= given <= highest,
    )


def text(longest: int = 4096) -> Kind:
    """Text of no more than so many characters."""
    return Kind(
        f"text of at most {longest} characters",
        lambda given: isinstance(given, str) and len(given) <= longest,
    )


def one_of(*words: str) -> Kind:
    """One of a few words."""
    return Kind(
        f"one of {', '.join(words)}", lambda given: isinstance(given, str) and given in words
    )


def maybe(kind: Kind) -> Kind:
    """The kind, or null."""
    return Kind(f"{kind.says} or null", lambda given: given is None or kind.fits(given))


def listed(kind: Kind, most: int) -> Kind:
    """A list of no more than so many of a kind."""
    return Kind(
        f"a list of at most {most}, each {kind.says}",
        lambda given: (
            isinstance(given, list | tuple)
            and len(cast("list[Any]", given)) <= most
            and all(map(kind.fits, cast("list[Any]", given)))
        ),
    )


def keyed(kind: Kind, most: int = 1000) -> Kind:
    """An object of no more than so many values of a kind."""
    return Kind(
        f"an object of at most {most} values, each {kind.says}",
        lambda given: (
            isinstance(given, dict)
            and len(cast("dict[str, Any]", given)) <= most
            and all(map(kind.fits, cast("dict[str, Any]", given).values()))
        ),
    )


def fixed(fields: Mapping[str, Kind]) -> Kind:
    """An object that has these fields, each of its kind, and perhaps others."""
    return Kind(
        f"an object with {', '.join(fields)}",
        lambda given: (
            isinstance(given, dict)
            and all(
                name in given and kind.fits(cast("dict[str, Any]", given)[name])
                for name, kind in fields.items()
            )
        ),
    )


def kind_of(hint: Any) -> Kind:
    """The kind of a dataclass field by its type: plain values, choices, None and mappings.

    Whole numbers fit 63 bits, numbers stay below 1e15, text below 4096 characters.

    Raises:
        TypeError: the type is none of these.
    """
    if get_origin(hint) is Literal:
        return one_of(*get_args(hint))
    if get_origin(hint) in {Union, UnionType}:
        (inner,) = (kind_of(part) for part in get_args(hint) if part is not type(None))
        return maybe(inner)
    if get_origin(hint) is Mapping:
        return keyed(VALUE, 100)
    known = {bool: FLAG, int: whole(-(2**63), 2**63), float: number(-1e15, 1e15), str: text()}
    if hint not in known:
        raise TypeError(f"kind_of: knows plain types, got {hint}")
    return known[hint]


def check_fields(
    content: object,
    fields: Mapping[str, Kind],
    where: str,
    *,
    optional: Collection[str] = (),
    others: bool = False,
) -> dict[str, Any]:
    """The content, once every field is known to be of its kind.

    Args:
        content: JSON values.
        fields: the kind of each.
        where: the content stands, for the message.
        optional: names of fields that may be missing.
        others: whether fields of other names are let through unread; they are refused if not.

    Raises:
        UserError: a field is missing, of another kind, or not known.
    """
    if not isinstance(content, dict):
        raise UserError(f"{where}: must be an object with fields, got {shown(content)}")
    given = cast("dict[str, Any]", content)
    for name, kind in fields.items():
        if name not in given:
            if name not in optional:
                raise UserError(f"{where}: {name} must be {kind.says}, got no such field")
        elif not kind.fits(given[name]):
            raise UserError(f"{where}: {name} must be {kind.says}, got {shown(given[name])}")
    unknown = [name for name in given if name not in fields]
    if unknown and not others:
        raise UserError(
            f"{where}: fields must be known to this version of ilk, got {shown(unknown[0])}"
        )
    return given


def read_json(path: Path, what: str, most: int = MAX_BYTES) -> Any:
    """The JSON in a file.

    Args:
        path: of a regular file.
        what: it should be, for the message.
        most: bytes that it may have.

    Raises:
        UserError: it cannot be read, is too large, or is not what ``parse_json`` takes.
    """
    return parse_json(read_plain(path, what, most), f"{what}: {path}")


def read_plain(path: Path, what: str, most: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file; of a device or pipe, which may have no end, there are none.

    Args:
        path: of the file.
        what: it should be, for the message.
        most: bytes that it may have.

    Raises:
        UserError: it cannot be read, is no regular file, or is too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise UserError(
                f"{what}: {path} must be a plain file of at most {most >> 20} MiB, it is not"
            )
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{what}: {path} must be readable, got '{error.strerror or error}'"
        ) from error


def parse_json(data: bytes | str, where: str) -> Any:
    """JSON as RFC 8259 has it, with finite numbers and no name twice in an object.

    Raises:
        UserError: it is none.
    """
    try:
        return json.loads(
            data if isinstance(data, str) else data.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_refused,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:  # of text, of numbers too long, of JSON
        reason = "too many brackets" if isinstance(error, RecursionError) else str(error)
        raise UserError(f"{where}: must be whole JSON, got '{reason[:200]}'") from error


def as_json(content: Mapping[str, Any]) -> str:
    """An object as JSON of several lines; numbers that JSON does not know become null."""
    return json.dumps(_known(content), indent=2, default=str, allow_nan=False)


def _known(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {name: _known(entry) for name, entry in content.items()}
    if isinstance(content, list | tuple):
        return [_known(entry) for entry in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def shown(given: object) -> str:
    """A wrong value in a message: on one line, and cut short."""
    try:
        words = json.dumps(given, default=lambda value: type(value).__name__)
    except (ValueError, TypeError, RecursionError):
        words = type(given).__name__
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError("a name twice in one object")
    return out


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant}, which JSON does not know")


def _finite(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise ValueError(f"{digits[:20]}, which is too large")
    return found

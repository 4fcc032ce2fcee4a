"""Words of a command line, looked at before anything slow is imported."""

import glob
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from ilk.cli.catalogue import fields_of
from ilk.core.errors import UserError
from ilk.core.names import Kind, catalogue, did_you_mean, suggestion

PLACES: Mapping[str, Kind | Literal["optimiser", "tune"]] = {
    "": "method",
    "mix": "mix",
    "kin": "kin rule",
    "optimiser": "optimiser",
    "tune": "tune",
}


def minutes(text: str) -> float:
    """Minutes from 90s, 10m or 2.5h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not found:
        raise UserError(f"--time: must be a number with s, m or h such as 10m, got {text!r}")
    return float(found[1]) * {"s": 1 / 60, "m": 1.0, "h": 60.0}[found[2]]


def pairs(words: tuple[str, ...], flag: str = "--set") -> dict[str, str]:
    """Fields and their values from words such as ``dim=64``."""
    out = {}
    for word in words:
        field, equals, given = word.partition("=")
        if not equals:
            raise UserError(f"{flag}: must be field=value, got {word!r}")
        out[field.replace("-", "_")] = given
    return out


def literals(words: tuple[str, ...]) -> dict[str, object]:
    """Values as Python literals where they are, else as text."""
    import ast

    out: dict[str, object] = {}
    for field, given in pairs(words, "--backbone-set").items():
        try:
            out[field] = ast.literal_eval(given)
        except (ValueError, SyntaxError):
            out[field] = given
    return out


def split_options(words: tuple[str, ...]) -> tuple[dict[str, str], ...]:
    """Fields of the method, of the mix, of the kin rule, of the optimiser and of the tuning."""
    out: tuple[dict[str, str], ...] = tuple({} for _ in PLACES)
    for name, given in pairs(words).items():
        place, _, field = name.rpartition(".")
        if place not in PLACES:
            raise UserError(
                f"--set: must be field, mix.field, kin.field, optimiser.field or tune.field, "
                f"got {name!r}"
            )
        out[list(PLACES).index(place)][field] = given
    return out


def options_by_method(
    words: tuple[str, ...], methods: list[str]
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]]]:
    """Options by method, the empty name for all of them; and those of mix, kin, optimiser."""
    own: dict[str, dict[str, str]] = {}
    others: dict[str, dict[str, str]] = {"mix": {}, "kin": {}, "optimiser": {}}
    for name, given in pairs(words).items():
        place, _, field = name.rpartition(".")
        place = place.replace("_", "-")
        if place in others:
            others[place][field] = given
        elif not place or place in methods:
            own.setdefault(place, {})[field] = given
        else:
            raise UserError(
                f"--set: must be field, {', '.join(f'{m}.field' for m in methods)}, mix.field, "
                f"kin.field or optimiser.field, got {name!r}"
            )
    return own, others


def with_field(
    words: tuple[str, ...], method: str, field: str, value: object, what: str
) -> tuple[str, ...]:
    """Words of ``--set`` with a field of the method that has a flag of its own.

    Args:
        words: those of ``--set``.
        method: that is to have it.
        field: its name, and that of the flag.
        value: None where the flag is not given.
        what: methods that have such a field do, for the message.

    Raises:
        UserError: the method has no such field, or it is among the words already.
    """
    if value is None:
        return words
    names = [name for name in catalogue()["method"] if field in fields_of("method", name)]
    if method in catalogue()["method"] and method not in names:
        raise UserError(
            f"--{field}: must go with a method that {what}, {' or '.join(names)}, got {method}"
        )
    if field in pairs(words):
        raise UserError(f"--{field}: must be named once, got --set {field} as well")
    return (*words, f"{field}={value}")


def check_names(
    method: str, mix: str | None, kin: str | None, options: Sequence[Mapping[str, str]]
) -> None:
    """Refuse names that are not known; values are looked at later.

    Args:
        method: its name.
        mix: likewise.
        kin: likewise, perhaps with a number.
        options: what ``split_options`` made of ``--set``.

    Raises:
        UserError: with the nearest name that is known.
    """
    rule = None if kin is None else kin.partition(":")[0]
    chosen = mix if mix != "auto" else None
    named: dict[Kind, str | None] = {"method": method, "mix": chosen, "kin rule": rule}
    for kind, name in named.items():
        if name is not None and name not in catalogue()[kind]:
            hint = suggestion(kind, name)
            option = kind.split()[0]
            raise UserError(f"--{option}: must be a known {kind}, got {name!r}; {hint}")
    for kind, given in zip(PLACES.values(), options, strict=True):
        if kind == "optimiser" or kind == "tune":  # noqa: PLR1714 - which a type checker follows
            name, known = kind, catalogue()[kind]
        else:
            name = named[kind]
            known = [] if name is None else fields_of(kind, name)
        if given and name is None:
            place = kind.split()[0]
            got = "auto" if kind == "mix" and mix else "none"
            raise UserError(f"--set {place}.{next(iter(given))}: needs a --{place}, got {got}")
        for field in given:
            _check(f"{name}: --set needs one of its fields", field, known)


def check_data(verb: str, words: Collection[str]) -> None:
    """Refuse no data at all, and data that does not exist.

    Raises:
        UserError: with a name beside it that is nearly the same.
    """
    if len(words) == 0:
        raise UserError(f"{verb}: needs images, got no DATA; give a folder, archive or parquet")
    check_paths(words)


def check_paths(words: Iterable[str]) -> None:
    """Refuse what does not exist; ``file.parquet:train`` is looked for without its part.

    An empty word, such as that of a shell variable that is not set, is no path: the current
    folder is a full stop.

    Raises:
        UserError: with a name beside it that is nearly the same.
    """
    for word in words:
        if word == "":
            raise UserError(
                "DATA: must be a folder or file, got an empty word; check the command"
            )
        if _exists(word) or (":" in word and _exists(word.rpartition(":")[0])):
            continue
        place = Path(word).expanduser()
        beside = sorted(p.name for p in place.parent.iterdir()) if place.parent.is_dir() else []
        folder = "" if place.parent == Path() else f"{place.parent}/"
        hint = did_you_mean(place.name, beside, "check the path", prefix=folder)
        raise UserError(f"{word}: must be an existing folder or file, found none; {hint}")


def _exists(word: str) -> bool:
    path = Path(word).expanduser()
    return path.exists() or bool(glob.glob(str(path)))  # noqa: PTH207 - data are named by patterns


def _check(says: str, given: str, known: Iterable[str]) -> None:
    names = list(known)
    if given in names:
        return
    hint = did_you_mean(given, names, f"choose from {', '.join(names)}")
    raise UserError(f"{says}, got {given!r}; {hint}")

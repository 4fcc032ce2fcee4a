"""Errors and plans speak of parameters; on the command line these have flags."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields

from ilk.train import Settings

# Where the flag is not the name with hyphens.
FLAGS: Mapping[str, Sequence[str]] = {
    "directory": ("-o", "--output"),
    "output": ("-o", "--output"),
    "minutes": ("--time",),
    "n": ("-n", "--n"),
    "k": ("-k", "--k"),
    "weights": ("--from",),
}
OPTIONS: Mapping[str, str] = {
    "method_options": "--set ",
    "mix_options": "--set mix.",
    "kin_options": "--set kin.",
    "optimiser_options": "--set optimiser.",
    "tune_options": "--set tune.",
    "backbone_options": "--backbone-set ",
}
_NAMED = re.compile(r"([a-z]+(?:_[a-z]+)*)(?=(?: [a-z]+)?: )")
_SETTING = re.compile(
    rf"(?:^|(?<=[ (]))({'|'.join(field.name for field in fields(Settings))})="
    r"""("[^"]*"|\{[^}]*\}|[^\s,;:)]+)"""
)


def with_flag(message: str, words: Sequence[str]) -> str:
    """A message with the flags of the parameters that it names.

    Args:
        message: of a `UserError`, such as ``batch_size: must divide by 2, got 7``.
        words: of the command line. A name at the beginning whose flag is not among them stays
            as it is.

    Example:
        >>> with_flag("minutes: must be above zero", ["train", "--time", "0s"])
        '--time: must be above zero'
    """
    message = in_flags(message)
    named = _NAMED.match(message)
    if named is None:
        return message
    typed = {word.partition("=")[0] for word in words}
    flags = FLAGS.get(named[1], (_usual(named[1]),))
    flag = next((flag for flag in flags if flag in typed), named[1])
    return flag + message[named.end() :]


def in_flags(text: str) -> str:
    """Text with settings as they are typed on the command line.

    Example:
        >>> in_flags('set batch_size=8, or weights="FILE"')
        'set --batch-size 8, or --from FILE'
    """
    return _SETTING.sub(_typed, text)


def _typed(found: re.Match[str]) -> str:
    name, value = found[1], found[2].strip('"{}')
    if name in OPTIONS:
        field, _, given = (part.strip('"') for part in value.partition(": "))
        return f"{OPTIONS[name]}{field}={given}"
    if name == "minutes" and value.isdecimal():
        value = f"{int(value) // 60}h" if int(value) % 60 == 0 else f"{value}m"
    return f"{FLAGS.get(name, (_usual(name),))[-1]} {value}"


def _usual(name: str) -> str:
    return f"--{name.replace('_', '-')}"

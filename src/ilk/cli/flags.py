"""Errors speak of parameters; on the command line these have flags."""

import re
from collections.abc import Mapping, Sequence

# Where the flag is not the name with hyphens.
FLAGS: Mapping[str, Sequence[str]] = {
    "directory": ("-o", "--output"),
    "output": ("-o", "--output"),
    "minutes": ("--time",),
    "weights": ("--from",),
}
_NAMED = re.compile(r"([a-z]+(?:_[a-z]+)*)(?=(?: [a-z]+)?: )")


def with_flag(message: str, words: Sequence[str]) -> str:
    """A message that begins with a parameter's name, with the flag that was typed for it.

    Args:
        message: of a `UserError`, such as ``batch_size: must divide by 2, got 7``.
        words: of the command line. A name whose flag is not among them stays as it is.

    Example:
        >>> with_flag("minutes: must be above zero", ["train", "--time", "0s"])
        '--time: must be above zero'
    """
    named = _NAMED.match(message)
    if named is None:
        return message
    typed = {word.partition("=")[0] for word in words}
    flags = FLAGS.get(named[1], (f"--{named[1].replace('_', '-')}",))
    flag = next((flag for flag in flags if flag in typed), named[1])
    return flag + message[named.end() :]

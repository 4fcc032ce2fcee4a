"""Where the command line prints; a failed print never ends the work that it reports.

A reader may go (``| head``), a terminal may close, a disk behind a redirect may be full, and a
terminal may have no letters for a name.
"""

import contextlib
import os
import warnings
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import IO, Any, cast

from rich.console import Console
from rich.markup import escape

from ilk.core.errors import UserError
from ilk.core.fields import as_json
from ilk.core.shown import shown
from ilk.progress import Name, Stream

_STREAMS = {"stdout": Stream("stdout"), "stderr": Stream("stderr")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """What commands print beside errors.

    Args:
        quiet: nothing.
        json: the result as one JSON object, to standard output; all else to standard error.
    """

    quiet: bool = False
    json: bool = False


_USUAL = Manner()
_MANNER = ContextVar("manner", default=_USUAL)


@contextlib.contextmanager
def in_manner(manner: Manner) -> Generator[None]:
    """All commands print in a manner while the block runs."""
    token = _MANNER.set(manner)
    try:
        yield
    finally:
        _MANNER.reset(token)


def terminal(*, quiet: bool = False) -> Console:
    """A console for what goes on and for results."""
    manner = _MANNER.get()
    return _console("stderr" if manner.json else "stdout", quiet=quiet or manner.quiet)


def errors() -> Console:
    """A console for what went wrong, which is always printed."""
    return _console("stderr")


def _console(name: Name, *, quiet: bool = False) -> Console:
    stderr = name == "stderr"
    return Console(file=cast("IO[str]", _STREAMS[name]), stderr=stderr, quiet=quiet)


def answer(content: Mapping[str, Any]) -> None:
    """Print the result of a command as JSON, where that is asked for.

    Raises:
        UserError: it could not be written.
    """
    if _MANNER.get().json:
        _STREAMS["stdout"].write(as_json(content) + "\n")
        check_printed()


def plain(text: object) -> str:
    """Text from outside, for a console: shown as it is, never read as markup."""
    return escape(shown(str(text)))


def say(console: Console, line: str) -> None:
    """Print a sentence: on a terminal it is wrapped between words, elsewhere it stays one line.

    Args:
        console: where to print.
        line: may have markup; pass text from outside through `plain`.
    """
    console.print(line, highlight=False, soft_wrap=not console.is_terminal)


def check_printed() -> None:
    """For commands that do nothing but print.

    Raises:
        UserError: what they printed could not be written.
    """
    stream = _STREAMS["stdout"]
    stream.flush()
    if stream.lost is not None and not isinstance(stream.lost, BrokenPipeError):
        raise UserError(f"output: must be writable, got '{stream.lost}'; print it elsewhere")


@contextlib.contextmanager
def warnings_as_lines() -> Generator[None]:
    """What Python or a library warns of while the block runs is a line, printed once."""
    shown_before: set[str] = set()

    def warn(message: Warning | str, *place: object) -> None:
        text = " ".join(str(message).split())
        if text not in shown_before and not _MANNER.get().quiet:
            say(errors(), f"[bold yellow]warning:[/] {plain(text)}")
        shown_before.add(text)

    usual, warnings.showwarning = warnings.showwarning, warn
    try:
        yield
    finally:
        warnings.showwarning = usual


@contextlib.contextmanager
def standard_streams() -> Generator[None]:
    """Whatever becomes of the standard streams while the block runs, it is no error."""
    _fill_gaps()
    for stream in _STREAMS.values():
        stream.lost = None
    try:
        yield
    finally:
        for stream in _STREAMS.values():
            stream.settle()


def _fill_gaps() -> None:
    """Closed standard streams lead nowhere, lest the next file that is opened become one."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)

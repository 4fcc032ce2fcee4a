"""Where the command line prints: it never ends what it tells of.

A reader may go (``| head``), a terminal may close, a disk behind a redirect may be full, and a
terminal may have no letters for a name.
"""

import contextlib
import os
import sys
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import IO, Any, Literal, cast

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.markup import escape

from ilk.core.errors import UserError
from ilk.core.fields import as_json
from ilk.core.shown import shown

Name = Literal["stdout", "stderr"]


class _Stream:
    """A standard stream, as it is when something is written, whose failures are noted.

    Args:
        name: of the attribute of ``sys``.
    """

    def __init__(self, name: Name) -> None:
        self._name = name
        self.lost: Exception | None = None

    def write(self, text: str) -> int:
        """Write what the encoding can express, the rest as escapes."""
        stream = self._stream
        if stream is not None:
            with self._noted():
                coded = text.encode(self.encoding, "backslashreplace")
                stream.write(coded.decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Send it on."""
        if self._stream is not None:
            with self._noted():
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether a person reads along."""
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """Of the stream.

        Raises:
            OSError: it has none.
        """
        if self._stream is None:
            raise OSError("closed")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """Of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def _stream(self) -> Any:
        """The stream itself; None where it was closed from the start.

        While a bar is drawn, rich puts a proxy in its place that prints on a console, which
        would write here again without end.
        """
        stream = getattr(sys, self._name)
        while isinstance(stream, FileProxy):
            stream = stream.rich_proxied_file
        return stream

    @contextlib.contextmanager
    def _noted(self) -> Generator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: it was closed
            self.lost = self.lost or error

    def settle(self) -> None:
        """Let what cannot be written go, or Python would fail over it when it ends."""
        stream = self._stream
        if stream is None:
            return
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            self.lost = self.lost or error
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


_STREAMS = {"stdout": _Stream("stdout"), "stderr": _Stream("stderr")}


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
        check_said()


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


def check_said() -> None:
    """For commands that do nothing but print.

    Raises:
        UserError: what they printed could not be written.
    """
    stream = _STREAMS["stdout"]
    stream.flush()
    if stream.lost is not None and not isinstance(stream.lost, BrokenPipeError):
        raise UserError(f"output: must be writable, got '{stream.lost}'; print it elsewhere")


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

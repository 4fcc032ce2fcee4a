"""What a person sees while something long goes on, on streams that never end it."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import IO, Any, Literal, cast

from rich.console import Console, ConsoleOptions
from rich.file_proxy import FileProxy
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from ilk.core.shown import shown

Name = Literal["stdout", "stderr"]
# The first come first: what has no room on a line is left out from the end.
SHOWN = {
    "epoch": "epoch {:.1f}",
    "loss": "loss {:.3f}",
    "knn": "k-NN {:.1%}",
    "images_per_second": "{:.0f} img/s",
    "bad_files": "bad files {:.0f}",
    "rankme": "rank {:.0f}",
    "data_wait": "wait {:.0%}",
    "kin_precision": "kin precision {:.0%}",
    "pseudo_share": "pseudo-labels {:.0%}",
    "pseudo_accuracy": "right {:.0%}",
    "kin_recall": "kin recall {:.1%}",
}
QUIET_SECONDS = 30.0  # between lines where there is no terminal to draw a bar on
LEAST_BAR = 8  # columns


class Stream:
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


def error_console(*, quiet: bool = False) -> Console:
    """A console on standard error; it prints nothing where it is quiet."""
    return Console(file=cast("IO[str]", Stream("stderr")), stderr=True, quiet=quiet)


class TrainDisplay:
    """A progress bar with ETA on a terminal, a line now and then elsewhere.

    Args:
        console: where to draw.
        title: in front of the bar.
        tell: is given messages; None prints them.
    """

    def __init__(
        self, console: Console, title: str, tell: Callable[[str], None] | None = None
    ) -> None:
        self._console = console
        self._tell = tell
        self._bar = progress_bar(console)
        self._title = shown(title)
        self._task = self._bar.add_task(
            _short(self._title, max(12, console.width // 5)), total=None, parts=("starting",)
        )
        self._said = self._began = time.monotonic()

    def __enter__(self) -> "TrainDisplay":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._console.is_terminal:
            self._bar.stop()

    def on_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        """Draw where a run stands."""
        parts = tuple(
            form.format(numbers[name])
            for name, form in SHOWN.items()
            if name in numbers and not (name == "bad_files" and numbers[name] == 0)
        )
        self._bar.update(self._task, completed=step, total=steps, parts=parts)
        now = time.monotonic()
        due = now - self._said > QUIET_SECONDS or step == steps
        if due and not self._console.is_terminal:
            left = (now - self._began) / step * (steps - step)
            words = (f"{self._title} {step}/{steps}", *parts, f"ETA {_clock(left)}")
            self._print(Text("  ".join(words)))
            self._said = now

    def on_message(self, message: str) -> None:
        """Print a message above the bar, or pass it on."""
        if self._tell is None:
            self._print(Text.assemble(("note:", "yellow"), f" {shown(message)}"))
        else:
            self._tell(message)

    def _print(self, line: Text) -> None:
        """On a terminal a line is wrapped between words, elsewhere it stays one."""
        self._bar.console.print(line, soft_wrap=not self._console.is_terminal)


def _short(text: str, width: int) -> str:
    """A title whose start and end can still be read, in ``width`` letters at most."""
    if len(text) <= width:
        return text
    left, right = (width - 2) // 2, (width - 2) - (width - 2) // 2
    return f"{text[:left]}..{text[-right:]}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


@dataclass(frozen=True, slots=True)
class _Parts:
    """As many of some words as there is room for, the first come first."""

    parts: tuple[str, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Generator[Text]:
        line = ""
        for part in self.parts:
            longer = f"{line}  {part}" if line else part
            if len(longer) > options.max_width:
                break
            line = longer
        yield Text(line, no_wrap=True, overflow="crop")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(0, len("  ".join(self.parts)))


class _Details(ProgressColumn):
    """What is known beside bar and ETA, as far as there is room."""

    def render(self, task: Task) -> _Parts:  # pyright: ignore[reportIncompatibleMethodOverride]
        elapsed = () if task.elapsed is None else (f"after {_clock(task.elapsed)}",)
        return _Parts((*task.fields["parts"], *elapsed))


def progress_bar(console: Console) -> Progress:
    """A bar with percentage and ETA that stand on a line of any width, then details."""
    return Progress(
        TextColumn(
            "{task.description}", "bold", markup=False, table_column=Column(no_wrap=True)
        ),
        BarColumn(None, table_column=Column(ratio=1, width=LEAST_BAR)),
        TaskProgressColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        _Details(table_column=Column(ratio=2, no_wrap=True)),
        console=console,
        refresh_per_second=4,
        expand=True,
    )

"""What a person sees while something long goes on."""

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions
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
from rich.table import Column, Table
from rich.text import Text

from ilk.cli.terminal import plain, say
from ilk.core.counts import count
from ilk.core.shown import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ilk.evaluate import Result

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
    "kin_recall": "kin recall {:.1%}",
}
QUIET_SECONDS = 30.0  # between lines where there is no terminal to draw a bar on
LEAST_BAR = 8  # columns


class TrainDisplay:
    """A progress bar with ETA on a terminal, a line now and then elsewhere.

    Args:
        console: where to draw.
        title: in front of the bar.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
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

    def stepped(self, step: int, steps: int, numbers: dict[str, float]) -> None:
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
            say(self._console, "  ".join(map(plain, words)))
            self._said = now

    def told(self, message: str) -> None:
        """Print a message above the bar."""
        say(self._bar.console, f"[yellow]note:[/] {plain(message)}")


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


def profile_table(profile: Mapping[str, Any]) -> Table:
    """Where the time of a step goes, by part."""
    table = Table(
        title=f"mean of {count(profile['steps'], 'step')}, {profile['seconds']:.4f} s each"
    )
    for title in ("part", "ms", "share"):
        table.add_column(title, justify="left" if title == "part" else "right")
    for name, seconds in profile["step"].items():
        table.add_row(name, f"{1000 * seconds:.1f}", f"{seconds / profile['seconds']:.1%}")
    table.add_section()
    for name, seconds in profile["threads"].items():
        table.add_row(f"{name} (threads, beside it)", f"{1000 * seconds:.1f}", "")
    return table


def tell_words(console: Console, rows: "Mapping[str, Sequence[Result]]") -> None:
    """What protocols say in words of each encoder, such as how many labels it takes."""
    for name, results in rows.items():
        for result in results:
            for line in result.words:
                told = f"{result.protocol}, {name}: {line}"
                say(console, plain(told))


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

"""What a person sees while something long goes on."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ilk.cli.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ilk.evaluate import Result

SHOWN = {
    "epoch": "epoch {:.1f}",
    "loss": "loss {:.3f}",
    "images_per_second": "{:.0f} img/s",
    "data_wait": "wait {:.0%}",
    "rankme": "rank {:.0f}",
    "knn": "k-NN {:.1%}",
    "kin_precision": "kin right {:.0%}",
    "kin_recall": "found {:.1%}",
    "bad_files": "bad files {:.0f}",
}
QUIET_SECONDS = 30.0  # between lines where there is no terminal to draw a bar on


class TrainDisplay:
    """A progress bar with ETA on a terminal, a line now and then elsewhere.

    Args:
        console: where to draw.
        title: in front of the bar.
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._bar = progress_bar(console)
        self._task = self._bar.add_task(plain(title), total=None, detail="starting")
        self._title = title
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
        detail = "  ".join(
            form.format(numbers[name])
            for name, form in SHOWN.items()
            if name in numbers and not (name == "bad_files" and numbers[name] == 0)
        )
        self._bar.update(self._task, completed=step, total=steps, detail=detail)
        now = time.monotonic()
        due = now - self._said > QUIET_SECONDS or step == steps
        if due and not self._console.is_terminal:
            left = (now - self._began) / step * (steps - step)
            self._console.print(
                f"{plain(self._title)} {step}/{steps}  {detail}  ETA {left:.0f} s",
                highlight=False,
            )
            self._said = now

    def told(self, message: str) -> None:
        """Print a message above the bar."""
        self._bar.console.print(f"[yellow]note:[/] {plain(message)}", highlight=False)


def profile_table(profile: Mapping[str, Any]) -> Table:
    """Where the time of a step goes, by part."""
    table = Table(title=f"mean of {profile['steps']} steps, {profile['seconds']:.4f} s each")
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
                console.print(plain(told), highlight=False, soft_wrap=True)


def progress_bar(console: Console) -> Progress:
    """A bar with percentage, elapsed time and ETA."""
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
        console=console,
        refresh_per_second=4,
    )

"""A run as it goes by on the terminal, and what is printed once it has ended."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from ilk.cli.display import print_profile
from ilk.cli.flags import in_flags
from ilk.cli.guarded import guard_answer, guard_table, guard_words, stopped_words
from ilk.cli.tables import print_table
from ilk.cli.terminal import answer, plain, say
from ilk.core.counts import count
from ilk.progress import TrainDisplay


def follow(
    console: Console,
    title: str,
    directory: Path,
    start: Callable[[ModuleType, TrainDisplay], None],
) -> None:
    """Show a run until it ends, print its outcome, and exit as it ended.

    Args:
        console: where to print.
        title: in front of the bar.
        directory: the run's.
        start: is given ``ilk.train`` and the display.
    """
    import ilk.train as run
    from ilk.train import (  # here: Ctrl-C may come while torch is loaded
        Collapsed,
        Interrupted,
        Worsened,
    )

    try:
        with TrainDisplay(console, title) as display:
            start(run, display)
        run.leave()
    except Interrupted as stop:
        say(
            console,
            f"The run was stopped by {stop}; to continue it, use ilk train --resume "
            f"{plain(directory)}",
        )
        answer_first({"run": str(directory), "status": "interrupted"})
        sys.exit(stop.exit_code)
    except Collapsed:
        say(
            console,
            f"The run was stopped because its features collapsed; what it had until then is in "
            f"{plain(directory)}",
        )
        answer_first({"run": str(directory), "status": "collapsed"})
        sys.exit(3)
    except Worsened:
        record = run.read_record(directory)
        print_table(console, guard_table(record["guard"]))
        say(console, plain(in_flags(stopped_words(record, directory))))
        answer_first(
            {"run": str(directory), "status": "stopped", "guard": guard_answer(record)}
        )
        sys.exit(4)
    except BaseException as stop:
        # Between stages, and before the first step, a signal ends the command itself.
        if not isinstance(stop, Exception) and run.begun(directory):
            say(console, f"To continue the run, use ilk train --resume {plain(directory)}")
        raise
    _tell(console, directory, run.read_record(directory))


def _tell(console: Console, directory: Path, record: dict[str, Any]) -> None:
    """Print the outcome of a run that has ended."""
    bad = len(record["bad_files"])
    if bad:
        lost = count(bad, "unreadable file was", "unreadable files were")
        say(console, f"{lost} replaced by other images, see {plain(directory)}/run.json")
    if "profile" in record:
        print_profile(console, record)
    guard = record.get("guard")
    if guard:
        print_table(console, guard_table(guard))
        say(console, plain(guard_words(guard)))
    from ilk.train.planning.words import duration
    from ilk.train.records.stages import STAGES

    last = " in its last stage" if (directory / STAGES).exists() else ""
    took = f"{duration(record['seconds'])} of training{last}"
    say(console, f"The encoder is in {plain(directory)} after {took}")
    verdict = None
    if speaks() and record["settings"]["knn_every"] != 0:
        from ilk.cli.worth import worth

        verdict = worth(directory, record)
        speaker(console)(verdict)
    names = ("status", "step", "seconds", "bad_files")
    kept = {name: record[name] for name in names}
    held = {"guard": guard_answer(record)} if guard else {}
    answer_first({"run": str(directory), "verdict": verdict, **kept, **held})


def answer_first(content: dict[str, Any]) -> None:
    """Print the result as JSON where that is asked for, in one process alone."""
    if speaks():
        answer(content)


def speaks() -> bool:
    """Whether this process is the only one, or the first of those that a launcher started."""
    rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "0"
    return rank == "0"


def speaker(console: Console) -> Callable[[str], None]:
    """Prints a line that may hold text from outside."""
    return lambda line: say(console, plain(line))


def planner(console: Console) -> Callable[[str], None]:
    """Prints a line of the plan; a warning is seen as one."""

    def tell(line: str) -> None:
        word, space, rest = in_flags(line).partition(" ")
        head = f"[bold yellow]{word}:[/]" if word == "warning" else word
        say(console, head + space + plain(rest))

    return tell

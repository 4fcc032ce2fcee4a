"""What a person sees while something long goes on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from ilk.cli.tables import print_table
from ilk.cli.terminal import plain, say
from ilk.core.counts import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ilk.evaluate import Result


def print_profile(console: Console, record: Mapping[str, Any]) -> None:
    """Where the time of a step goes, by part, and whether packing the images would pay.

    Args:
        console: where to print.
        record: run.json of a run with a profile.
    """
    from ilk.train.planning.packing import profiled_line

    print_table(console, _profile_table(record["profile"]))
    if line := profiled_line(record):
        say(console, f"pack    {plain(line)}")


def _profile_table(profile: Mapping[str, Any]) -> Table:
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
                text = f"{result.protocol}, {name}: {line}"
                say(console, plain(text))

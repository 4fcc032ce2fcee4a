"""Which method takes which mix and which kin rule, and why not."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ilk.cli.tables import print_table
from ilk.cli.terminal import say
from ilk.core.errors import UserError

if TYPE_CHECKING:
    from ilk.method import Method

# By method, then by mix or kin rule: why it is refused; empty where it fits.
Fits = Mapping[str, Mapping[str, str]]

NOTE = (
    "A number refers to the reason below why a pair does not fit. A mix and a kin rule that "
    "each fit a method fit it together."
)


@lru_cache
def fits() -> Fits:
    """Tried on every method."""
    import torch

    from ilk.kin_rules import KIN_RULES, kin_rule
    from ilk.method import Given
    from ilk.methods import METHODS, whole_recipe
    from ilk.mixes import MIXES, mixture

    with torch.device("meta"):  # only shapes are needed; some heads have millions of numbers
        given = Given(width=8, size=224)
        records = {name: whole_recipe(name).build(given) for name in METHODS}
        tried = {
            **{name: mixture(name, {}).apply for name in MIXES},
            **{name: kin_rule(name, {}).apply for name in KIN_RULES},
        }
        return {
            name: {axis: _refusal(apply, record) for axis, apply in tried.items()}
            for name, record in records.items()
        }


def numbered(found: Fits) -> tuple[dict[str, list[str]], list[str]]:
    """A row of cells for each method, and the reasons that their numbers stand for."""
    reasons = list(dict.fromkeys(why for row in found.values() for why in row.values() if why))
    rows = {
        name: [f"({reasons.index(why) + 1})" if why else "yes" for why in row.values()]
        for name, row in found.items()
    }
    return rows, reasons


def print_matrix(console: Console, found: Fits) -> None:
    """Print the table, with the reasons below."""
    rows, reasons = numbered(found)
    table = Table(
        title="which fits which", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0),
        pad_edge=False,
    )  # fmt: skip
    table.add_column("method")
    for axis in next(iter(found.values())):
        table.add_column(axis)
    for name, cells in rows.items():
        table.add_row(name, *(cell if cell == "yes" else f"[dim]{cell}[/]" for cell in cells))
    print_table(console, table)
    for line in (NOTE, *_notes(reasons)):
        say(console, line)


def _notes(reasons: Sequence[str]) -> list[str]:
    return [escape(f"({number}) {reason}") for number, reason in enumerate(reasons, 1)]


def _refusal(apply: Callable[["Method"], "Method"], record: "Method") -> str:
    try:
        apply(record)
    except UserError as error:
        return str(error).partition(": ")[2]
    return ""

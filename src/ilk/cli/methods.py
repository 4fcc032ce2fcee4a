"""``ilk methods``: every method and mix: what it is, its paper, what it needs."""

import dataclasses
import inspect
import sys
from collections.abc import Mapping
from typing import Annotated, Any, cast

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from ilk.cli.catalogue import KINDS, entries
from ilk.cli.tables import print_table
from ilk.cli.terminal import answer, check_printed, plain, terminal
from ilk.core.errors import UserError
from ilk.core.names import catalogue, did_you_mean


def methods(
    name: Annotated[str | None, Parameter()] = None,
    /,
    *,
    table: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """List all methods, mixes and kin rules, or describe one.

    Parameters
    ----------
    name
        Describe this method, mix or kin rule; all are listed when not given.
    table
        Show which method takes which mix and which kin rule, and why not.
    """
    from ilk.cli.matrix import print_matrix

    console = terminal()
    if table:
        print_matrix(console, catalogue()["fits"])
        answer({"fits": catalogue()["fits"]})
        check_printed()
        return
    if name is None:
        for kind in KINDS:
            print_table(console, _table(kind, catalogue()[kind]))
        answer({kind: catalogue()[kind] for kind in KINDS})
        check_printed()
        return
    known = entries()
    if name not in known:
        hint = did_you_mean(name, known, f"choose from {', '.join(known)}")
        raise UserError(f"methods: the name must be known, got {name!r}; {hint}")
    _show(console, name, known[name])
    answer({"name": name, **known[name]})
    check_printed()


def header(kind: type) -> dict[str, str]:
    """What stands at the head of a recipe's file: title, Paper, Idea, Against and so on."""
    lines = inspect.getdoc(sys.modules[kind.__module__]) or ""
    title, _, rest = lines.partition("\n")
    out, key = {"title": title}, ""
    for line in rest.splitlines():
        word, colon, text = line.partition(":")
        if colon and word.split(" ")[0] in {
            "Paper",
            "Idea",
            "Against",
            "Departures",
            "Checked",
        }:
            key = word.split(" ")[0]
            out[key] = text.strip() if key != "Against" else line.removeprefix("Against ")
        elif key:
            out[key] += " " + line.strip()
    return out


def recipes(name: str) -> dict[str, str]:
    """What each recipe of a method but its default sets, by its words for ``--set``."""
    from ilk.methods import RECIPES

    stated: dict[str, str] = {}
    for word, known in RECIPES.get(name, {}).items():
        fields = dataclasses.fields(cast(Any, known))
        values = {field: getattr(known, field.name) for field in fields}
        changed = [f"{f.name}={value}" for f, value in values.items() if value != f.default]
        if changed:
            stated[f"recipe={word}"] = " ".join(changed)
    return stated


def _table(kind: str, named: Mapping[str, Any]) -> Table:
    table = Table(title=f"{kind}s", title_justify="left", show_lines=False)
    for column in (kind, "what it is", "paper", "needs"):
        table.add_column(column, overflow="fold")
    for name, entry in named.items():
        title = entry["header"]["title"].partition(": ")[2]
        shown = f"kin.{name}" if kind == "kin rule" else name
        table.add_row(
            shown, plain(title), plain(entry["header"]["Paper"]), plain(entry["needs"])
        )
    return table


def _show(console: Console, name: str, entry: Mapping[str, Any]) -> None:
    head = dict(entry["header"])
    console.print(f"[bold]{name}[/]  {plain(head.pop('title'))}", highlight=False)
    for key, text in {**head, "Needs": entry["needs"], **entry["recipes"]}.items():
        console.print(f"[dim]{key:>11}[/]  {plain(text)}", highlight=False)
    table = Table(title="fields for --set", title_justify="left")
    for column in ("field", "default", "type"):
        table.add_column(column)
    for field in entry["fields"]:
        table.add_row(*map(plain, field))
    print_table(console, table)

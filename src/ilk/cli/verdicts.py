"""What comparisons of encoders come to, in words."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console

from ilk.cli.terminal import plain, say
from ilk.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ilk.embedding import Embeddings
    from ilk.evaluate import Comparison, Images, Ledger, Result


def tell_comparisons(
    console: Console, rows: "Mapping[str, Sequence[Result]]", ledger: "Ledger"
) -> "list[Comparison]":
    """Each of the others item by item, and by its corruption errors; kept as well as printed.

    Args:
        console: to tell it on.
        rows: results of each encoder by what it is called; the first is put in relation.
        ledger: where it is kept.
    """
    from ilk.evaluate import compare

    (first, ours), *others = rows.items()
    found: list[Comparison] = []
    for name, theirs in others:
        found += compare(ours, theirs, name, first)
    for one in found:
        say(
            console,
            f"{one.protocol}, {plain(first)} against {plain(one.against)}:"
            f" [bold]{plain(one.verdict)}[/]",
        )
    ledger.compared(found)
    _tell_corruption_errors(console, rows, ledger)
    return found


def _tell_corruption_errors(
    console: Console, rows: "Mapping[str, Sequence[Result]]", ledger: "Ledger"
) -> None:
    """Mean corruption errors of the first encoder with each of the others as the reference."""
    from ilk.evaluate import relative_to, subject

    (first, ours), *others = rows.items()
    for name, theirs in others:
        measured = {result.protocol: result for result in theirs}
        for mine in ours:
            other = measured.get(mine.protocol)
            if other is None:
                continue
            try:
                found = relative_to(mine, other)
            except UserError as error:
                say(console, f"{mine.protocol}, against {plain(name)}: {plain(error)}")
                continue
            if found is not None:
                names = {"ours": first, "against": name}
                ledger.note("corruption_errors", names | asdict(found), subject(mine, other))
                say(
                    console,
                    f"{mine.protocol}, {plain(first)} against {plain(name)}:"
                    f" mCE {100 * found.mce:.1f} %,"
                    f" relative mCE {100 * found.relative_mce:.1f} %",
                )


def tell_overlap(
    console: Console,
    parts: "Mapping[str, Embeddings]",
    images: "Images | None",
    ledger: "Ledger",
) -> None:
    """Warn of test images that look like a train image; kept as well as printed.

    Args:
        console: to print on.
        parts: vectors of ``test`` and perhaps of ``train``.
        images: behind them; None where only vectors are known.
        ledger: where it is kept.
    """
    from ilk.evaluate import near_duplicates

    if "train" not in parts:
        return
    sources = (images.train, images.test) if images and images.train else None
    found = near_duplicates(parts["train"], parts["test"], sources)
    of = {f"{name}_data": parts[name].data for name in ("train", "test")}
    if found.compared is None:  # by vectors, which every encoder makes others of
        of["encoder"] = parts["test"].encoder
    ledger.note("near_duplicates", found.to_dict(), of)
    if found.warning:
        say(console, f"[yellow]note:[/] {plain(found.warning)}")

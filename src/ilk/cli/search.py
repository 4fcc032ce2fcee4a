"""``ilk search``: the images of an index that are nearest to some images."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from ilk.cli.arguments import check_paths
from ilk.cli.tables import print_table
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.endings import table_and_page
from ilk.core.errors import UserError

if TYPE_CHECKING:
    from ilk.cli.found import Found

_SHOWN = 20  # rows of a table on the terminal


def search(
    index: Path,
    images: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    *,
    key: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    k: Annotated[int, Parameter(name=["--k", "-k"])] = 20,
    where: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    encoder: str | None = None,
    exact: Annotated[bool, Parameter(negative=())] = False,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Find the images of an index that are nearest to yours, or to one of its own.

    Parameters
    ----------
    index
        Look in this index, a folder that ilk index wrote.
    images
        Find what is near these images: files, folders, archives or tables.
    key
        Find what is near the image of the index that has this key.
    k
        Show so many for each.
    where
        Look only at images for which this holds, such as "label=cat and width>200".
    output
        Write a page with the images, FILE.html, or a table of all found, FILE.parquet.
    encoder
        Use this encoder for your images; it is the one that the index names when not given,
        and must be the same.
    exact
        Compare all vectors, whatever the engine of the index.
    device
        Compute on this device.
    """
    if not images and not key:
        raise UserError("search: needs images or --key KEY to look for, got neither")
    if k < 1:
        raise UserError(f"-k: must be 1 or more, got {k}")
    page = None if output is None else table_and_page(output)[1]
    check_paths(images)
    from ilk.cli.found import find
    from ilk.curate.filters import rows_of_index
    from ilk.search import Index

    console = terminal()
    opened = Index.open(index)
    within = None if where is None else rows_of_index(opened, where)
    found = find(
        opened, images, key, k, within, encoder=encoder, exact=exact, device=device,
        tell=lambda words: say(console, plain(words)),
    )  # fmt: skip
    _show(console, found)
    if output is not None:
        from ilk.cli.found import write_page, write_table

        (write_table if page is None else write_page)(found, output)
        say(console, f"The images found are in {plain(output)}")
    answer({"index": str(index), "output": output and str(output), "found": found.as_json()})


def _show(console: Console, found: "Found") -> None:
    for query, rows in found.rows:
        table = Table(title=f"nearest to {plain(query)}")
        for head in ("similarity", "key", *(["label"] if found.labelled else [])):
            table.add_column(head, justify="right" if head == "similarity" else "left")
        for row in rows[:_SHOWN]:
            label = [plain(row.label or "")] if found.labelled else []
            table.add_row(f"{row.similarity:.4f}", plain(row.key), *label)
        print_table(console, table)
        if len(rows) > _SHOWN:
            say(console, f"and {len(rows) - _SHOWN:,} more; -o FILE.html or .parquet has all")
        if not rows:
            say(console, "nothing fits")

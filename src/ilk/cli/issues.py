"""``ilk issues``: images in, a table and a page of what is wrong with some of them."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ilk.cli.arguments import check_paths
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.counts import count
from ilk.core.endings import table_and_page
from ilk.core.errors import UserError
from ilk.core.names import did_you_mean
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from ilk.curate.faults import Found
    from ilk.data import Source

KINDS = (
    "unreadable", "dark", "bright", "blurry", "low-information", "odd-size", "odd-aspect",
    "gray", "outlier", "tiny-group", "label",
)  # fmt: skip
_SHOWN = 12  # images of a kind on the page
_NEIGHBOURS = 20


def issues(
    data: Annotated[tuple[str, ...], Parameter(negative=())],
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    index: Path | None = None,
    drop: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)] = (),
    decisions: Path = Path("curation.parquet"),
    workers: int | None = None,
) -> None:
    """Find images that are unreadable, dark, bright, blurry, gray, of odd size and so on.

    After an interruption the same command continues where it stopped.

    Parameters
    ----------
    data
        Look at these images: a folder, several folders, a zip, tar shards, a parquet file or
        single images.
    output
        Write the measures of every image to FILE.parquet, and with FILE.html a page with the
        worst of each kind as well; both are named after the data when not given.
    index
        Look at neighbours in this index of the same images too, for outliers, tiny groups and
        labels that neighbours do not share.
    drop
        Add images of these kinds to the list of decisions as dropped; nothing is deleted.
    decisions
        Keep decisions in this list, which ilk train --subset reads.
    workers
        Read and decode in so many threads; there is one per core when not given.
    """
    table_path, page = _outputs(data, output)
    _check_kinds(drop, index)
    if index is not None:
        _check_index(index, drop)
    from ilk.curate.faults import faults, listed
    from ilk.curate.measured import measured, partial_of
    from ilk.data import open_source
    from ilk.embedding.formats import save_parquet

    source = open_source(data[0] if len(data) == 1 else list(data))
    console = terminal()
    with TrainDisplay(console, "issues") as display:

        def tell(done: int, of: int) -> None:
            display.on_step(done, of, {})

        table = measured(source, table_path, workers=workers, progress=tell)
        found = faults(table)
        if index is not None:
            found += _by_neighbours(index, table, found, tell)
    whole = table.append_column("issues", listed(found))
    save_parquet(table_path, [whole], whole.schema, "issues")
    shutil.rmtree(partial_of(table_path), ignore_errors=True)
    for entry in found:
        if number := int(entry.mask.sum()):
            say(console, f"{entry.kind}: {count(number, 'image')}; {plain(entry.says)}")
    if page is not None:
        _write_page(page, source, table, found)
    if drop:
        _decide(decisions, table, [entry for entry in found if entry.kind in drop])
        say(console, f"The decisions are in {plain(decisions)}")
    say(console, f"The measures are in {plain(table_path)}" + (
        f", the page is {plain(page)}" if page else ""))  # fmt: skip
    answer({
        "table": str(table_path), "page": page and str(page), "images": len(table),
        "issues": {entry.kind: int(entry.mask.sum()) for entry in found},
    })  # fmt: skip


def _outputs(data: tuple[str, ...], output: Path | None) -> tuple[Path, Path | None]:
    """Where the table is written, and the page if there is to be one."""
    if not data:
        raise UserError("issues: needs images, got no DATA; give a folder, archive or parquet")
    check_paths(data)
    if output is None:
        output = Path(f"{Path(data[0].partition(':')[0]).resolve().stem}-issues.html")
    return table_and_page(output)


def _check_kinds(drop: Sequence[str], index: Path | None) -> None:
    for kind in drop:
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS, f"choose from {', '.join(KINDS)}")
            raise UserError(f"--drop: must be a kind of issue, got {kind!r:.60}; {hint}")
        if kind in KINDS[-3:] and index is None:
            raise UserError(f"--drop: {kind} must have an index to go by; give --index FOLDER")


def _check_index(folder: Path, drop: Sequence[str]) -> None:
    """Refuse an index that cannot say what is asked of it before any image is read."""
    from ilk.search import Index

    if "label" in drop and not Index.open(folder).columns(["label"]).num_columns:
        raise UserError(
            f"--drop: label must have an index with labels to go by, {folder} has none; index "
            "a table of images whose classes are known"
        )


def _by_neighbours(
    folder: Path, table: Any, before: Sequence["Found"], tell: Any
) -> list["Found"]:
    """What an index of the same images says, which keeps all issues for filters."""
    import pyarrow as pa

    from ilk.curate.apart import apart, mislabelled
    from ilk.curate.faults import expanded, in_one
    from ilk.curate.filters import Findings
    from ilk.curate.graph import index_search, neighbour_graph
    from ilk.curate.measured import rows_of
    from ilk.search import Index

    index = Index.open(folder)
    known = index.columns(["key", "content", "label"])
    rows = rows_of(table, known)
    shared = int((rows >= 0).sum())
    if len(index) < 2:
        raise UserError(f"--index: {folder} must hold 2 images or more, got {len(index)}")
    if not shared:
        raise UserError(
            f"--index: {folder} must be of the same images, {shared:,} of its {len(index):,} "
            "rows have the key and content of one here; give the DATA that was embedded"
        )
    graph = neighbour_graph(
        index.vectors, min(_NEIGHBOURS, len(index) - 1), index_search(index), tell
    )
    found = apart(graph)
    if "label" in known.column_names:
        found.append(mislabelled(graph, known["label"].fill_null(-1).to_numpy()))
    more = [expanded(entry, rows, len(table)) for entry in found]
    kinds = in_one([*before, *more]).take(pa.array(rows, mask=rows < 0))
    Findings.of(index).keep("issue", kinds)
    return more


def _write_page(path: Path, source: "Source", table: Any, found: Sequence["Found"]) -> None:
    import numpy as np

    from ilk.viewer.collection import Row, collection_report
    from ilk.viewer.page import write_report

    rows: list[Row] = []
    for entry in found:
        items = np.flatnonzero(entry.mask)
        worst = items[np.argsort(-entry.badness[items], kind="stable")][:_SHOWN].tolist()
        if worst:
            rows.append(Row(
                title=entry.kind,
                says=f"{entry.says[0].upper()}{entry.says[1:]}; the worst come first.",
                count=len(items), items=worst, notes=[_note(entry, table, i) for i in worst],
            ))  # fmt: skip
    bad = int(np.logical_or.reduce([entry.mask for entry in found]).sum())
    verdict = f"{count(bad, 'image')} of {len(table):,} have something that is worth a look."
    write_report(path, collection_report(f"Issues of {source.name}", verdict, source, rows))


def _note(entry: "Found", table: Any, row: int) -> str:
    if entry.kind == "unreadable":
        return str(table["unreadable"][row].as_py())
    if entry.kind.startswith("odd"):
        return f"{table['width'][row].as_py()} x {table['height'][row].as_py()}"
    return ""


def _decide(path: Path, table: Any, found: Sequence["Found"]) -> None:
    import pyarrow as pa

    from ilk.curate import decided, keep_decisions

    for entry in found:
        rows: Mapping[str, list[Any]] = table.filter(pa.array(entry.mask)).to_pydict()
        keep_decisions(
            path,
            decided(rows["key"], rows["content"], "drop", reason=entry.kind,
                    by=f"issues: {entry.says}"),
            instead=entry.kind, among=table,
        )  # fmt: skip

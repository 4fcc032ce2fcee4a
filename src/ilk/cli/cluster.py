"""``ilk cluster``: an index in, groups of similar images out."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.counts import count
from ilk.core.endings import table_and_page
from ilk.core.errors import UserError

if TYPE_CHECKING:
    from ilk.curate.clusters import Clusters
    from ilk.search import Index

_SHOWN = 200  # groups on the page


def cluster(
    index: Path,
    *,
    k: Annotated[str, Parameter(name=["-k", "--k"])] = "auto",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    seed: int = 0,
) -> None:
    """Find groups of similar images by k-means on the vectors of an index.

    Parameters
    ----------
    index
        Read the vectors of this index.
    k
        Make so many groups; auto takes the number with the largest silhouette; 1000,50 makes
        1000 groups, and 50 groups of those.
    output
        Write the group of every image to FILE.parquet, and with FILE.html a page with the
        image in the middle of each group as well; both are named after the index when not
        given. The index keeps the groups too, as derived/clusters.parquet.
    seed
        Draw the first centres from this seed.
    """
    ks = _numbers(k)
    place, page = table_and_page(output or Path(f"{index.resolve().stem}-clusters.html"))
    from ilk.curate.clusters import levels
    from ilk.curate.filters import Findings
    from ilk.curate.grouped import MARK, check_ours, cluster_table, save_clusters
    from ilk.search import Index

    opened = Index.open(index)
    check_ours(place, MARK, "-o")
    if not len(opened):
        raise UserError(f"cluster: {index} must hold an image, got none")
    found = levels(opened.vectors, ks, seed=seed)
    table = cluster_table(opened.columns(["id", "key", "content"]), found)
    console = terminal()
    save_clusters(place, table, opened.fingerprint)
    Findings.of(opened).keep_clusters(table)
    for level in found:
        sizes = f"of {level.sizes.min():,} to {level.sizes.max():,} images"
        say(console, f"{count(len(level.sizes), 'group')} {sizes}: {plain(level.why)}")
    page = page if page and _write_page(page, opened, found) else None
    say(console, f"The groups are in {plain(place)}" + (
        f", the page is {plain(page)}" if page else ""))  # fmt: skip
    answer({
        "table": str(place), "page": page and str(page),
        "groups": [len(level.sizes) for level in found], "why": [level.why for level in found],
    })  # fmt: skip


def _numbers(text: str) -> list[int | None]:
    """Groups at each level; None for auto."""
    out: list[int | None] = []
    for word in text.split(","):
        if word != "auto" and not (word.isascii() and word.isdecimal()):
            raise UserError(
                f"-k: must be auto or numbers such as 50 or 1000,50, got {text!r:.60}"
            )
        out.append(None if word == "auto" else int(word))
    return out


def _write_page(path: Path, index: "Index", found: Sequence["Clusters"]) -> bool:
    """Write the page, where the images are still there."""
    import numpy as np

    from ilk.viewer.collection import Row, collection_report
    from ilk.viewer.page import write_report

    try:
        images = index.images()
    except UserError as error:
        say(terminal(), f"There is no page: {plain(error)}")
        return False
    rows: list[Row] = []
    for number, level in enumerate(found):
        shown = np.arange(min(len(level.sizes), _SHOWN))
        rows.append(Row(
            title="Groups" if number == 0 else f"Groups of groups, level {number + 1}",
            says="The image nearest to the centre of each group, with the number of images in "
            f"it, the largest group first. The number of groups: {level.why}.",
            count=len(level.sizes), items=level.medoids[shown].tolist(),
            notes=[_note(level, group) for group in shown.tolist()],
        ))  # fmt: skip
    verdict = f"{count(len(index), 'image')} in {count(len(found[0].sizes), 'group')}."
    write_report(
        path, collection_report(f"Groups of {index.folder.name}", verdict, images, rows)
    )
    return True


def _note(level: "Clusters", group: Any) -> str:
    return f"group {group}, {count(int(level.sizes[group]), 'image')}"

"""``ilk select``: an index in, a list of the images to label or keep out."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.counts import count
from ilk.core.errors import UserError
from ilk.core.names import did_you_mean

if TYPE_CHECKING:
    from ilk.search import Index

MOST = 100_000  # images among which is chosen
REASON = "selected"
_LIST = Path("curation.parquet")


def select(
    index: Path,
    *,
    n: Annotated[int, Parameter(name=["-n", "--n"])],
    by: Literal["diverse", "covering", "typical", "balanced", "hard", "random"] = "typical",
    per: str | None = None,
    where: str | None = None,
    seed: int = 0,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = _LIST,
) -> None:
    """Choose images to label or to train on, and keep the choice in a list of decisions.

    Images that the list drops are not chosen. An earlier choice in the list makes room for
    this one. Among more than 100,000 images, so many are drawn first.

    Parameters
    ----------
    index
        Read the vectors of this index.
    n
        Take so many images.
    by
        Take images in this way: diverse takes the image farthest from those chosen, again and
        again; covering those that the others are most similar to; typical the densest of each
        group; balanced equally many of each group; hard those far from the centre of their
        group; random any.
    per
        Take n images of each value of this column, such as label.
    where
        Take images that this filter means and no others, such as "label=cat and width>=64".
    seed
        Draw random numbers from this seed.
    output
        Write decisions to this list, which ilk train --subset reads.
    """
    import numpy as np

    from ilk.curate import decided, keep_decisions
    from ilk.curate.clusters import drawn
    from ilk.curate.selection import select as chosen
    from ilk.search import Index

    opened = Index.open(index)
    rows = _candidates(opened, output, where)
    console = terminal()
    if len(rows) > MOST:
        say(console, f"{MOST:,} of {len(rows):,} images were drawn to choose among")
        rows = rows[drawn(len(rows), MOST, seed)]
    groups = None if per is None else _groups(opened, per)[rows]
    vectors = np.asarray(opened.vectors[rows], np.float32)
    found = rows[chosen(vectors, n, by, per=groups, seed=seed)]
    known = opened.columns(["key", "content"]).take(found)
    rule = f"select: by {by}, n {n}, seed {seed}" + (f", per {per}" if per else "")
    new = decided(
        known["key"].to_pylist(), known["content"].to_numpy(), "select", reason=REASON,
        by=(rule + (f", where {where}" if where else ""))[:200],
    )  # fmt: skip
    keep_decisions(output, new, instead=REASON)
    say(
        console,
        f"{count(len(found), 'image')} of {len(rows):,} are selected in {plain(output)}",
    )
    answer(
        {"selected": known["key"].to_pylist(), "by": by, "of": len(rows), "list": str(output)}
    )


def _candidates(index: "Index", output: Path, where: str | None) -> Any:
    """The places of the images that may be chosen."""
    import numpy as np

    from ilk.curate import read_decisions, rows_about, verdicts
    from ilk.curate.filters import rows_of_index

    mask = np.ones(len(index), np.bool_)
    if where is not None:
        mask = rows_of_index(index, where)
    if output.exists():
        held, known = verdicts(read_decisions(output)), index.columns(["key", "content"])
        rows = rows_about(held, known["key"], known["content"])
        words = np.array([*held["verdict"].to_pylist(), ""])  # the last for those without a row
        mask &= words[rows] != "drop"
    if not mask.any():
        raise UserError(
            f"select: {index.folder} must have an image to choose, got {len(index):,} of which"
            f" none is meant by the filter and not dropped by {output}"
        )
    return np.flatnonzero(mask)


def _groups(index: "Index", column: str) -> Any:
    """The values of a column as numbers, -1 where there is none."""
    import numpy as np

    from ilk.curate.filters import Findings, with_folder, with_found

    table = with_found(with_folder(index.table), Findings.of(index).columns())
    names = table.column_names
    name = "label_name" if column == "label" and "label_name" in names else column
    if name not in names:
        hint = did_you_mean(column, names, f"choose from {', '.join(names[:20])}")
        raise UserError(f"--per: must be a column, got {column!r:.60}; {hint}")
    codes = table[name].combine_chunks().dictionary_encode().indices
    return codes.fill_null(-1).to_numpy().astype(np.int64)

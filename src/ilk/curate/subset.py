"""The images of a source that a list of decisions leaves. Axes: N items, R rows of the list."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int64

from ilk.core import UserError, stored
from ilk.core.prefetch import mapped_ahead
from ilk.curate.decisions import read_decisions
from ilk.curate.held import rows_about, verdicts
from ilk.data import BadItem, LeftOut, Source, Subset, default_workers, read_item
from ilk.data.account import Tally
from ilk.embedding.batches import content_of

_PART = 256  # items that one thread reads at a time
_WORD = "subset"


def curated(source: Source, path: str | Path, *, workers: int | None = None) -> Subset:
    """The images that a list leaves: none that it drops, and only selected ones if it selects.

    A decision holds for the content that it was made about: of an image whose bytes have since
    changed it says nothing. Such images are counted, and so are rows about images that the
    source does not have. Every image that the list decides about is read once for that.

    Args:
        source: the whole.
        path: where the list is, see `ilk.curate.decisions`.
        workers: threads that read; None is one per core.

    Returns:
        The images that are left, in their order; ``left_out`` says how many others there were,
        by reason.

    Raises:
        UserError: the list cannot be read, drops and selects nothing, is of other images, or
            leaves no image.
    """
    decisions = read_decisions(path)
    table = verdicts(decisions)
    words = table["verdict"].to_numpy(zero_copy_only=False)
    if not np.isin(words, ["drop", "select"]).any():
        raise UserError(
            f"{_WORD}: {path} must drop or select an image, got {len(table)} that are only kept"
        )
    named = _named(source, set(table["key"].to_pylist()))
    if not len(named):
        raise UserError(
            f"{_WORD}: {path} must be of images in {source.name}, got {len(table)} others, "
            f"first {table['key'][0].as_py()!r:.200}; give the DATA that it was written for"
        )
    rows = np.full(len(source), -1, np.int64)
    rows[named] = _rows(source, table, named, workers or default_workers())
    tally = Tally()
    selects = "select" in pc.unique(decisions["decision"]).to_pylist()
    taken = _taken(source, rows, table, selects, tally)
    changed = named[rows[named] < 0]
    left = (*tally.result(), *_remarks(source, Path(path).name, table, named, changed))
    if not taken.any():
        raise UserError(f"{_WORD}: {path} must leave an image of {source.name}, it leaves none")
    return Subset(source, np.flatnonzero(taken), left)


def _named(source: Source, keys: set[str]) -> Int64[np.ndarray, " n"]:
    """The items that have one of some keys."""
    found = (index for index in range(len(source)) if stored(source.key(index)) in keys)
    return np.fromiter(found, np.int64)


def _keys(source: Source, items: Int64[np.ndarray, " n"]) -> pa.Array:
    return pa.array([stored(source.key(index)) for index in items.tolist()], pa.string())


def _rows(
    source: Source, table: pa.Table, named: Int64[np.ndarray, " n"], workers: int
) -> Int64[np.ndarray, " n"]:
    """The row that is about each item whose key the list has; -1 where its bytes are others."""
    keys = _keys(source, named)
    known = table.filter(pc.is_valid(table["content"]))["key"]
    items = named[pc.is_in(keys, known).to_numpy(zero_copy_only=False)]
    parts = (items[start : start + _PART].tolist() for start in range(0, len(items), _PART))
    digests: dict[int, int | None] = {}
    for part, now in mapped_ahead(
        lambda part: (part, _digests(source, part)), parts, workers=workers, name="ilk-subset"
    ):
        digests |= zip(part, now, strict=True)
    contents = pa.array([digests.get(index) for index in named.tolist()], pa.uint64())
    return rows_about(table, keys, contents)


def _digests(source: Source, items: Iterable[int]) -> list[int | None]:
    """The digest of each item; None where it cannot be read."""
    out: list[int | None] = []
    for index in items:
        try:
            out.append(content_of(read_item(source, index)))
        except BadItem:
            out.append(None)
    return out


def _taken(
    source: Source, rows: Int64[np.ndarray, " N"], table: pa.Table, selects: bool, tally: Tally
) -> Bool[np.ndarray, " N"]:
    """Which items are left, of selected ones alone where a list selects; others are counted."""
    words = table["verdict"].to_numpy(zero_copy_only=False)
    reasons = table["reason"].to_pylist()
    about = np.where(rows >= 0, words[rows], "")
    dropped, selected = about == "drop", about == "select"
    for index in np.flatnonzero(dropped):
        tally.add(f"dropped as {reasons[rows[index]]}", stored(source.key(int(index))))
    if not selects:
        return ~dropped
    others = np.flatnonzero(~selected & ~dropped)
    if len(others):
        tally.add("not selected", stored(source.key(int(others[0]))), len(others))
    return selected


def _remarks(
    source: Source,
    name: str,
    table: pa.Table,
    named: Int64[np.ndarray, " n"],
    changed: Int64[np.ndarray, " m"],
) -> Iterable[LeftOut]:
    """Keys of the list, and items, about which it decides nothing."""
    others = pc.invert(pc.is_in(table["key"], _keys(source, named)))
    unknown = pc.unique(table["key"].filter(others))
    if len(unknown):
        reason = f"rows of {name} about no image here"
        yield LeftOut(reason, len(unknown), unknown[0].as_py())
    if len(changed):
        first = stored(source.key(int(changed[0])))
        yield LeftOut(
            f"rows of {name} about images that have changed since", len(changed), first
        )

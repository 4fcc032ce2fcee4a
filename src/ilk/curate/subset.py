"""The images of a source that a list of decisions leaves. Axes: N items, R rows of the list."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from ilk.core import UserError, stored
from ilk.core.prefetch import mapped_ahead
from ilk.curate.decisions import read_decisions, verdicts
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
        path: of the list, see `ilk.curate.decisions`.
        workers: threads that read; None is one per core.

    Returns:
        The images that are left, in their order; ``left_out`` says how many others there were,
        by reason.

    Raises:
        UserError: the list cannot be read, drops and selects nothing, is of other images, or
            leaves no image.
    """
    table = verdicts(read_decisions(path))
    words = table["verdict"].to_numpy(zero_copy_only=False)
    if not np.isin(words, ["drop", "select"]).any():
        raise UserError(
            f"{_WORD}: {path} must drop or select an image, got {len(table)} that are only kept"
        )
    rows = _rows(source, table["key"].to_pylist())
    if (rows < 0).all():
        raise UserError(
            f"{_WORD}: {path} must be of images in {source.name}, got {len(table)} others, "
            f"first {table['key'][0].as_py()!r:.200}; give the DATA that it was written for"
        )
    changed = _changed(source, rows, table["content"], workers or default_workers())
    now = np.where(changed, -1, rows)
    tally = Tally()
    taken = _taken(source, now, words, table["reason"].to_pylist(), tally)
    left = (*tally.result(), *_remarks(source, Path(path).name, table, rows, changed))
    if not taken.any():
        raise UserError(f"{_WORD}: {path} must leave an image of {source.name}, it leaves none")
    return Subset(source, np.flatnonzero(taken), left)


def _rows(source: Source, keys: list[str]) -> Int64[np.ndarray, " N"]:
    """The row of the list that is about each item, -1 for none."""
    place = {key: row for row, key in enumerate(keys)}
    found = (place.get(stored(source.key(index)), -1) for index in range(len(source)))
    return np.fromiter(found, np.int64, len(source))


def _changed(
    source: Source, rows: Int64[np.ndarray, " N"], contents: Any, workers: int
) -> Bool[np.ndarray, " N"]:
    """Which items are not the ones that the list is about."""
    known = contents.is_valid().to_numpy()
    digests = contents.fill_null(0).to_numpy()
    items = np.flatnonzero((rows >= 0) & known[rows])
    parts = (items[start : start + _PART] for start in range(0, len(items), _PART))
    out = np.zeros(len(rows), np.bool_)
    for part, now in mapped_ahead(
        lambda part: (part, _digests(source, part.tolist())),
        parts,
        workers=workers,
        name="ilk-subset",
    ):
        wanted = digests[rows[part]]
        out[part] = [a is not None and a != int(b) for a, b in zip(now, wanted, strict=True)]
    return out


def _digests(source: Source, items: Iterable[int]) -> list[int | None]:
    """Of each item; None where it cannot be read."""
    out: list[int | None] = []
    for index in items:
        try:
            out.append(content_of(read_item(source, index)))
        except BadItem:
            out.append(None)
    return out


def _taken(
    source: Source, rows: Int64[np.ndarray, " N"], words: Any, reasons: list[str], tally: Tally
) -> Bool[np.ndarray, " N"]:
    """Which items are left; all others are counted."""
    about = np.where(rows >= 0, words[rows], "")
    dropped, selected = about == "drop", about == "select"
    for index in np.flatnonzero(dropped):
        tally.add(f"dropped as {reasons[rows[index]]}", stored(source.key(int(index))))
    if not (words == "select").any():
        return ~dropped
    others = np.flatnonzero(~selected & ~dropped)
    if len(others):
        tally.add("not selected", stored(source.key(int(others[0]))), len(others))
    return selected


def _remarks(
    source: Source,
    name: str,
    table: Any,
    rows: Int64[np.ndarray, " N"],
    changed: Bool[np.ndarray, " N"],
) -> Iterable[LeftOut]:
    """Rows of the list that decide about nothing."""
    unknown = np.setdiff1d(np.arange(len(table)), rows)
    if len(unknown):
        first = table["key"][int(unknown[0])].as_py()
        yield LeftOut(f"rows of {name} about no image here", len(unknown), first)
    if changed.any():
        first = stored(source.key(int(np.flatnonzero(changed)[0])))
        yield LeftOut(
            f"rows of {name} about images that have changed since", int(changed.sum()), first
        )

"""What was decided about images and why: a table that commands write and training reads.

A row says of one image, by its ``key`` (string) and ``content`` (uint64, a digest of its bytes,
null where it is not known), the ``decision``, the ``reason`` in a word, ``by`` which rule or
hand, the key of an ``other`` image (null without one) and the ``date``. No image is deleted:
only the list changes.
An image has one row for each reason, so that each can be undone and the others stay. Images
below several roots may have one key: content tells them apart, and a row without content
holds for all images of its key.
The list may come from anybody: it is data, and its content is checked first.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Int64

from ilk.core import UserError, lock, replacing, sweep
from ilk.data.checked import LONG, SHORT, checked_table

Decision = Literal["drop", "keep", "select"]
HAND = "hand"  # in the column ``by``
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("content", pa.uint64()),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("by", pa.string(), nullable=False),
        pa.field("other", pa.string()),
        pa.field("date", pa.timestamp("s", "UTC"), nullable=False),
    ]
)
_LONGEST: Mapping[str, int] = {
    "key": LONG, "decision": SHORT, "reason": SHORT, "by": SHORT, "other": LONG
}  # fmt: skip
_WAIT = 10.0  # seconds for another process that writes the list
_WORD = "decisions"


def decided(
    keys: Sequence[str],
    contents: Sequence[int | None] | np.ndarray | None,
    decision: Decision,
    *,
    reason: str,
    by: str,
    others: Sequence[str | None] | None = None,
) -> pa.Table:
    """New rows, one decision for all of some images.

    Example:
        >>> table = decided(["a.jpg"], [7], "drop", reason="dark", by="issues")
        >>> table.select(["key", "decision", "reason"]).to_pylist()
        [{'key': 'a.jpg', 'decision': 'drop', 'reason': 'dark'}]

    Args:
        keys: the keys of the images as tables hold them, see `ilk.core.stored`.
        contents: digest of the bytes of each; None where it is not known.
        decision: ``drop`` leaves an image out of training; ``keep`` lets it stay, by hand even
            where rules drop it; ``select`` chooses it, and then what no row selects is left
            out.
        reason: a word, such as ``duplicate``.
        by: the rule and its numbers, or ``hand``.
        others: key of the image that each was compared with.
    """
    count = len(keys)
    now = datetime.now(UTC).replace(microsecond=0)
    columns: Mapping[str, Any] = {
        "key": keys,
        "content": [None] * count if contents is None else contents,
        "decision": [decision] * count,
        "reason": [reason] * count,
        "by": [by] * count,
        "other": others or [None] * count,
        "date": [now] * count,
    }
    arrays = [pa.array(columns[field.name], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def read_decisions(path: str | Path) -> pa.Table:
    """The rows of a list, checked.

    Raises:
        UserError: there is no such list, or it holds something else.
    """
    table = checked_table(Path(path), SCHEMA, _LONGEST, _WORD)
    words = get_args(Decision)
    other = table.filter(pc.invert(pc.is_in(table["decision"], pa.array(words))))
    if len(other):
        raise UserError(
            f"{_WORD}: {path} must say one of {', '.join(words)} of each image, got "
            f"{other['decision'][0].as_py()!r:.60} for {other['key'][0].as_py()!r:.200}"
        )
    return _latest([table])


def write_decisions(path: str | Path, table: pa.Table) -> None:
    """Write a list, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    with replacing(Path(path), _WORD) as beside:
        pq.write_table(table.select(SCHEMA.names).cast(SCHEMA), beside, compression="zstd")


def keep_decisions(
    path: str | Path, new: pa.Table, *, instead: str = "", by: str = "",
    among: pa.Table | None = None,
) -> pa.Table:  # fmt: skip
    """Add rows to the list in a file, which is made if need be; they replace older ones.

    A row by hand is replaced by another one by hand alone.

    Args:
        path: where the list is.
        new: what ``decided`` gave.
        instead: a reason whose rows, but for those by hand, make room for the new ones.
        by: how the rule of such rows ends; any rule when empty.
        among: key and content of the images whose rows make room; all when None.

    Returns:
        The whole list.

    Raises:
        UserError: something else stands there, or it cannot be written.
    """

    def merged(old: pa.Table) -> pa.Table:
        gone = pc.and_(_by_rules(old, instead), pc.ends_with(old["by"], by))
        if among is not None:
            keys, contents = (among[name].combine_chunks() for name in ("key", "content"))
            gone = pc.and_(gone, _about(old, keys, contents))
        return _latest([old.filter(pc.invert(gone)), new])

    return _changed(Path(path), merged)


def undo_decisions(
    path: str | Path,
    *,
    reason: str | None = None,
    by: str | None = None,
    keys: Iterable[str] | None = None,
    contents: Iterable[int | None] | None = None,
) -> int:
    """Take rows out of the list in a file: those that fit all that is given.

    Args:
        path: where the list is.
        reason: the reason of the rows.
        by: the rule of the rows, or ``hand``.
        keys: the keys of their images.
        contents: digest of the bytes of each of ``keys``, None where it is not known; rows
            about other bytes stay.

    Returns:
        The number of rows that were taken out.

    Raises:
        UserError: nothing is given, or there is no such list.
    """
    if reason is None and by is None and keys is None:
        raise UserError(f"{_WORD}: undo must be given a reason, a rule or keys, got none")
    named = None if keys is None else pa.array(keys, pa.string())
    bytes_of = None if contents is None else pa.array(contents, pa.uint64())

    def gone(old: pa.Table) -> Any:
        fits = pa.array(np.ones(len(old), bool))
        for name, value in (("reason", reason), ("by", by)):
            if value is not None:
                fits = pc.and_(fits, pc.equal(old[name], value))
        if named is not None:
            fits = pc.and_(fits, _about(old, named, bytes_of))
        return fits

    read_decisions(path)  # nothing is made where there is none
    return _without(Path(path), gone)


def undo_rule_decisions(path: str | Path, reason: str) -> int:
    """Take back all that rules decided for a reason, and return how many rows that were.

    Raises:
        UserError: something else stands there, or it cannot be written.
    """
    if not Path(path).exists():
        return 0
    return _without(Path(path), lambda old: _by_rules(old, reason))


def _by_rules(table: pa.Table, reason: str) -> Any:
    """Which rows have a reason and are not by hand."""
    return pc.and_(pc.equal(table["reason"], reason), pc.not_equal(table["by"], HAND))


def _about(table: pa.Table, keys: pa.Array, contents: pa.Array | None) -> Any:
    """Which rows are about one of some images."""
    named = pc.is_in(table["key"], keys)
    if contents is None:
        return named
    images = set(zip(keys.to_pylist(), contents.to_pylist(), strict=True))
    whole = {key for key, content in images if content is None}
    rows = zip(
        named.to_pylist(), table["key"].to_pylist(), table["content"].to_pylist(), strict=True
    )
    return pa.array(
        [fits and (c is None or k in whole or (k, c) in images) for fits, k, c in rows],
        pa.bool_(),
    )


def _without(path: Path, gone: Callable[[pa.Table], Any]) -> int:
    """Take out of the list in a file the rows that a function marks, and count them."""
    counted: list[int] = []

    def rest(old: pa.Table) -> pa.Table:
        marks = gone(old)
        counted.append(pc.sum(marks).as_py() or 0)
        return old.filter(pc.invert(marks))

    _changed(path, rest)
    return counted[0]


def _changed(path: Path, change: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Replace the list in a file by what a function makes of it, one process at a time."""
    with lock(path, _WORD, wait=_WAIT):
        sweep(path)
        old = read_decisions(path) if path.exists() else SCHEMA.empty_table()
        new = change(old)
        write_decisions(path, new)
    return new


def _latest(parts: Sequence[pa.Table]) -> pa.Table:
    """All rows in the order in which they came, one of each key, content and reason.

    It is the last one by hand, else the last.
    """
    table = pa.concat_tables(parts)
    by_hand = pc.equal(table["by"], HAND).to_numpy().astype(np.int64)
    return heaviest(table, ["key", "content", "reason"], by_hand)


def heaviest(
    table: pa.Table, columns: list[str], weights: Int64[np.ndarray, " rows"]
) -> pa.Table:
    """The heaviest of rows that agree in some columns, of equal ones the last; in order."""
    count = max(len(table), 1)
    scores = pa.array(weights * count + np.arange(len(table)))
    rows = table.select(columns).append_column("score", scores).group_by(columns)
    best = rows.aggregate([("score", "max")])["score_max"].to_numpy()
    return table.take(pa.array(np.sort(best % count)))

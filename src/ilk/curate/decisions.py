"""What was decided about images and why: a table that commands write and training reads.

A row says of one image, by its ``key`` (string) and ``content`` (uint64, a digest of its bytes,
null where it is not known), the ``decision``, the ``reason`` in a word, ``by`` which rule or
hand, the key of an ``other`` image (null without one) and the ``date``. No image is deleted:
only the list changes.
An image has one row for each reason, so that each can be undone and the others stay.
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

from ilk.core import UserError, lock, replacing, stored, sweep
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
        keys: of the images.
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
        "key": [stored(key) for key in keys],
        "content": [None] * count if contents is None else contents,
        "decision": [decision] * count,
        "reason": [reason] * count,
        "by": [by] * count,
        "other": [None if key is None else stored(key) for key in others or [None] * count],
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


def keep_decisions(path: str | Path, new: pa.Table, *, instead: str = "") -> pa.Table:
    """Add rows to the list in a file, which is made if need be; they replace older ones.

    Args:
        path: of the list.
        new: what ``decided`` gave.
        instead: a reason whose rows, but for those by hand, make room for the new ones.

    Returns:
        The whole list.

    Raises:
        UserError: something else stands there, or it cannot be written.
    """

    def merged(old: pa.Table) -> pa.Table:
        stays = pc.or_(pc.not_equal(old["reason"], instead), pc.equal(old["by"], HAND))
        return _latest([old.filter(stays), new])

    return _changed(Path(path), merged)


def undo_decisions(
    path: str | Path,
    *,
    reason: str | None = None,
    by: str | None = None,
    keys: Iterable[str] | None = None,
) -> int:
    """Take rows out of the list in a file: those that fit all that is given.

    Args:
        path: of the list.
        reason: of the rows.
        by: the rule of the rows, or ``hand``.
        keys: of their images.

    Returns:
        The number of rows that were taken out.

    Raises:
        UserError: nothing is given, or there is no such list.
    """
    wanted = {"reason": reason, "by": by, "key": keys if keys is None else map(stored, keys)}
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        raise UserError(f"{_WORD}: undo must be given a reason, a rule or keys, got none")
    read_decisions(path)  # nothing is made where there is none
    counted: list[int] = []

    def rest(old: pa.Table) -> pa.Table:
        gone = pa.array(np.ones(len(old), bool))
        for name, value in given.items():
            one_of = pa.array([value] if isinstance(value, str) else list(value), pa.string())
            gone = pc.and_(gone, pc.is_in(old[name], one_of))
        counted.append(pc.sum(gone).as_py() or 0)
        return old.filter(pc.invert(gone))

    _changed(Path(path), rest)
    return counted[0]


def verdicts(table: pa.Table) -> pa.Table:
    """What follows for each image from all its rows, in the order of the rows that decide.

    An image is dropped if a rule drops it, but where rows are by hand the latest of these says
    whether it is. Otherwise it is selected if any row selects it, and kept if none does.

    Returns:
        ``key``, ``content``, ``verdict`` and the ``reason`` of the row that decides, one row an
        image.
    """
    by_hand = table.filter(pc.equal(table["by"], HAND))
    last = _heaviest(by_hand, ["key"], np.zeros(len(by_hand), np.int64))
    stays = last.filter(pc.not_equal(last["decision"], "drop"))["key"]
    ranks = pc.index_in(table["decision"], pa.array(["keep", "select", "drop"]))
    overruled = pc.and_(pc.equal(table["decision"], "drop"), pc.is_in(table["key"], stays))
    weights = pc.if_else(overruled, -1, ranks).to_numpy().astype(np.int64)
    chosen = _heaviest(table, ["key"], weights)
    return chosen.select(["key", "content", "decision", "reason"]).rename_columns(
        ["key", "content", "verdict", "reason"]
    )


def _changed(path: Path, change: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Replace the list in a file by what a function makes of it, one process at a time."""
    with lock(path, _WORD, wait=_WAIT):
        sweep(path)
        old = read_decisions(path) if path.exists() else SCHEMA.empty_table()
        new = change(old)
        write_decisions(path, new)
    return new


def _latest(parts: Sequence[pa.Table]) -> pa.Table:
    """All rows, of each key and reason the last one, in the order in which they came."""
    table = pa.concat_tables(parts)
    return _heaviest(table, ["key", "reason"], np.zeros(len(table), np.int64))


def _heaviest(
    table: pa.Table, columns: list[str], weights: Int64[np.ndarray, " N"]
) -> pa.Table:
    """Of rows that agree in some columns the heaviest, of equal ones the last; in order."""
    count = max(len(table), 1)
    scores = pa.array(weights * count + np.arange(len(table)))
    rows = table.select(columns).append_column("score", scores).group_by(columns)
    best = rows.aggregate([("score", "max")])["score_max"].to_numpy()
    return table.take(pa.array(np.sort(best % count)))

"""Pairs of images that were marked by hand as showing the same or something different."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ilk.core import lock, replacing, stored, sweep
from ilk.data.checked import LONG, checked_table

SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("key_a", "key_b")]
    + [pa.field("same", pa.bool_(), nullable=False)]
)
_WAIT = 10.0  # seconds for another process that writes the table
_WORD = "pairs"


def marked(pairs: Sequence[tuple[str, str, bool]]) -> pa.Table:
    """New rows.

    Example:
        >>> marked([("b.jpg", "a.jpg", True)]).to_pylist()
        [{'key_a': 'a.jpg', 'key_b': 'b.jpg', 'same': True}]

    Args:
        pairs: two keys, and whether they show the same.
    """
    columns = [[stored(pair[0]) for pair in pairs], [stored(pair[1]) for pair in pairs]]
    same = [pair[2] for pair in pairs]
    return _latest(
        pa.table([*map(pa.array, columns), pa.array(same, pa.bool_())], schema=SCHEMA)
    )


def read_pairs(path: str | Path) -> pa.Table:
    """The rows of a table: ``key_a``, ``key_b`` and ``same``, each pair once.

    Raises:
        UserError: there is no such table, or it holds something else.
    """
    table = checked_table(Path(path), SCHEMA, {"key_a": LONG, "key_b": LONG}, _WORD)
    return _latest(table)


def keep_pairs(path: str | Path, new: pa.Table) -> pa.Table:
    """Add rows to the table in a file, which is made if need be; of a pair the latest holds.

    Args:
        path: of the table.
        new: what ``marked`` gave.

    Returns:
        The whole table.

    Raises:
        UserError: something else stands there, or it cannot be written.
    """
    return _changed(Path(path), lambda old: _latest(pa.concat_tables([old, new])))


def forget_pairs(path: str | Path, pairs: Sequence[tuple[str, str]]) -> pa.Table:
    """Take pairs out of the table in a file, whichever key comes first.

    Args:
        path: of the table.
        pairs: two keys each.

    Returns:
        The rest of the table.

    Raises:
        UserError: something else stands there, or it cannot be written.
    """
    gone = {tuple(sorted(map(stored, pair))) for pair in pairs}

    def rest(old: pa.Table) -> pa.Table:
        keys = zip(old["key_a"].to_pylist(), old["key_b"].to_pylist(), strict=True)
        return old.filter(pa.array([pair not in gone for pair in keys], pa.bool_()))

    return _changed(Path(path), rest)


def _changed(path: Path, change: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Replace the table in a file by what a function makes of it, one process at a time."""
    with lock(path, _WORD, wait=_WAIT):
        sweep(path)
        table = change(read_pairs(path) if path.exists() else SCHEMA.empty_table())
        with replacing(path, _WORD) as beside:
            pq.write_table(table, beside, compression="zstd")
    return table


def _latest(table: pa.Table) -> pa.Table:
    """Each pair once, whichever key comes first; its last row holds. A key with itself goes."""
    swapped = pc.greater(table["key_a"], table["key_b"])
    first = pc.if_else(swapped, table["key_b"], table["key_a"])
    second = pc.if_else(swapped, table["key_a"], table["key_b"])
    table = pa.table([first, second, table["same"]], schema=SCHEMA)
    rows = table.append_column("row", pa.array(np.arange(len(table))))
    last = rows.group_by(["key_a", "key_b"]).aggregate([("row", "max")])["row_max"].to_numpy()
    table = table.take(pa.array(np.sort(last)))
    return table.filter(pc.not_equal(table["key_a"], table["key_b"]))

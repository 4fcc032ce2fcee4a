"""Pairs of images that were marked by hand as showing the same or something different.

Axes: N items.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ilk.core import UserError, lock, replacing, stored, sweep
from ilk.core.facts import Fact
from ilk.core.unknown import UNKNOWN
from ilk.data.checked import LONG, checked_table
from ilk.data.facts import WithFacts
from ilk.data.source import Source

SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("key_a", "key_b")]
    + [pa.field("same", pa.bool_(), nullable=False)]
)
MARKED = "mark"  # the fact that says the group of an item
_WAIT = 10.0  # seconds for another process that writes the table
_WORD = "pairs"


def marked(pairs: Sequence[tuple[str, str, bool]]) -> pa.Table:
    """New rows.

    Example:
        >>> marked([("b.jpg", "a.jpg", True)]).to_pylist()
        [{'key_a': 'a.jpg', 'key_b': 'b.jpg', 'same': True}]

    Args:
        pairs: two keys as tables hold them, see `ilk.core.stored`, and whether they show the
            same.
    """
    columns = zip(*pairs, strict=True) if pairs else ((), (), ())
    arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
    return _latest(pa.table(arrays, schema=SCHEMA))


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
        path: the table.
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
        path: the table.
        pairs: two keys each, as tables hold them.

    Returns:
        The rest of the table.

    Raises:
        UserError: something else stands there, or it cannot be written.
    """
    gone = {tuple(sorted(pair)) for pair in pairs}

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


@dataclass(frozen=True, slots=True)
class MarkedGroups:
    """Images that are the same as one another, directly or through others.

    Args:
        of: the group of every key that is marked, from 0 on.
        different: groups of which two images were marked as different, each pair once.
    """

    of: Mapping[str, int]
    different: tuple[tuple[int, int], ...]


def marked_groups(path: str | Path) -> MarkedGroups:
    """The groups of a table of pairs.

    Raises:
        UserError: it cannot be read, or two images are different and the same.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    table = read_pairs(path)
    keys = pc.unique(pa.chunked_array([*table["key_a"].chunks, *table["key_b"].chunks]))
    a, b = (pc.index_in(table[name], keys).to_numpy() for name in ("key_a", "key_b"))
    same: np.ndarray = table["same"].to_numpy(zero_copy_only=False).astype(bool)
    links = coo_matrix((np.ones(int(same.sum())), (a[same], b[same])), (len(keys),) * 2)
    groups: Any = connected_components(links, directed=False)[1]
    pairs = np.sort(np.stack([groups[a[~same]], groups[b[~same]]], 1), axis=1)
    wrong = np.flatnonzero(pairs[:, 0] == pairs[:, 1])
    if len(wrong):
        row = np.flatnonzero(~same)[wrong[0]]
        first, second = (table[name][int(row)].as_py() for name in ("key_a", "key_b"))
        raise UserError(
            f"{_WORD}: {path} must not mark images as different that it marks as the same, "
            f"perhaps through others, got {first!r:.200} and {second!r:.200}"
        )
    different = tuple((int(one), int(other)) for one, other in np.unique(pairs, axis=0))
    return MarkedGroups(dict(zip(keys.to_pylist(), groups.tolist(), strict=True)), different)


def with_pairs(source: Source, path: str | Path) -> WithFacts:
    """The same items with the fact ``mark``: the group of each that a table of pairs marks.

    The names of the groups say which others differ, so that the fingerprint of the source
    changes with any pair.

    Raises:
        UserError: as in `marked_groups`.
    """
    found = marked_groups(path)
    values = np.full(len(source), UNKNOWN, np.int32)
    seen: set[str] = set()
    for index in range(len(source)):
        key = stored(source.key(index))
        if key in found.of:
            values[index] = found.of[key]
            seen.add(key)
    others: dict[int, list[int]] = {group: [] for group in found.of.values()}
    for one, other in found.different:
        others[one].append(other)
    names = tuple(f"{group} not {others[group]}" for group in sorted(others))
    lost = [key for key in found.of if key not in seen]
    reason = f"{Path(path).name} does not mark the others"
    if lost:
        reason = (
            f"{len(lost):,} of {len(found.of):,} images of {Path(path).name} are not in "
            f"{source.name}, first {lost[0]!r:.200}"
        )
    return WithFacts(source, {MARKED: Fact(names, values, reason)})


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

"""Measures of all images of a source, written so that a stopped command loses little.

A row an item, in the order of the source: ``key``, ``content``, the measures of
`ilk.curate.looks.Look` and ``unreadable``, the reason why nothing could be measured, null where
it could.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64

from ilk.core import UserError, stored, sweep
from ilk.core.files import partial
from ilk.core.prefetch import mapped_ahead
from ilk.curate.grouped import check_ours
from ilk.curate.looks import Look, look
from ilk.data import MEMORY, BadItem, Source, default_workers, file_times, read_item
from ilk.embedding.batches import content_of
from ilk.embedding.formats import save_parquet
from ilk.search.images import IndexedImages

PIECE = 4096  # items that an interruption can cost at most
_PART = 64  # items that one thread measures at a time
_LAYOUT = 1  # raise it when a column changes its meaning
_MARK = b"ilk_issues"
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("content", pa.uint64()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        *(
            pa.field(name, pa.float32())
            for name in ("highlight", "shadow", "entropy", "sharpness", "colour")
        ),
        pa.field("unreadable", pa.string()),
    ]
)


def measured(
    source: Source,
    path: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pa.Table:
    """Measure every image; called again after an interruption, it goes on.

    Pieces of 4,096 items lie in ``NAME.partial`` beside the table that they are for, whose
    writer removes them. A whole table of the same images, of which no file has changed since,
    is read and not made again, but for items that could not be read: these are tried each time.

    Args:
        source: the images.
        path: where the table is to come.
        workers: threads that read; None is one per core.
        progress: called with the items done and their number.

    Raises:
        UserError: there is no image, something else stands there, or the disk is full.
    """
    if not len(source):
        raise UserError(f"issues: {source.name} must hold an image, got none")
    check_ours(path, _MARK, "issues")
    made = {
        "data": source.fingerprint, "items": len(source), "layout": _LAYOUT,
        "times": _times(source),
    }  # fmt: skip
    schema = SCHEMA.with_metadata({_MARK: json.dumps(made)})
    workers = workers or default_workers()
    if (known := _again(path, schema)) is not None:
        return _tried_again(source, 0, known, workers)
    folder = partial_of(path)
    pieces: list[pa.Table] = []
    for start in range(0, len(source), PIECE):
        items = range(start, min(start + PIECE, len(source)))
        piece = folder / f"{start:012d}.parquet"
        kept = _again(piece, schema)
        if kept is None:
            sweep(piece)
            table = _measured(source, items, schema, workers, progress)
        else:
            table = _tried_again(source, start, kept, workers)
            if progress:
                progress(items.stop, len(source))
        if table is not kept:
            save_parquet(piece, [table], schema, "issues")
        pieces.append(table)
    return pa.concat_tables(pieces)


def partial_of(path: Path) -> Path:
    """Where the pieces lie of a table that is to come."""
    return partial(path, "issues")


def rows_of(table: pa.Table, other: pa.Table) -> Int64[np.ndarray, " N"]:
    """The row of a table of each row of another by key and content; -1 where there is none."""
    columns = ("key", "content")
    place = {
        pair: row
        for row, pair in enumerate(zip(*(table[c].to_pylist() for c in columns), strict=True))
    }
    pairs = zip(*(other[c].to_pylist() for c in columns), strict=True)
    return np.fromiter((place.get(pair, -1) for pair in pairs), np.int64, len(other))


def _again(path: Path, schema: Any) -> pa.Table | None:
    """A table of the same items that was written before; None where there is none."""
    try:
        if not path.is_file():
            return None
        found = pq.read_schema(path)
        if (found.metadata or {}).get(_MARK) != schema.metadata[_MARK]:
            return None
        return pq.read_table(path, columns=schema.names).cast(schema)
    except (pa.ArrowException, OSError, ValueError):  # damaged: it is measured again
        return None


def _times(source: Source) -> str:
    """When files changed; an index gives an image only where its bytes are the old ones."""
    return "" if isinstance(source, IndexedImages) else file_times(source)


def _tried_again(source: Source, start: int, table: pa.Table, workers: int) -> pa.Table:
    """A table of items from one on, of which those that could not be read are tried again."""
    bad = np.flatnonzero(table["unreadable"].is_valid())
    if not len(bad):
        return table
    new = _measured(source, (start + bad).tolist(), table.schema, workers, None)
    if not new["unreadable"].null_count:
        return table
    rows = np.arange(len(table))
    rows[bad] = len(table) + np.arange(len(bad))
    return pa.concat_tables([table, new]).take(pa.array(rows))


def _measured(
    source: Source,
    items: Sequence[int],
    schema: Any,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> pa.Table:
    parts = (items[start : start + _PART] for start in range(0, len(items), _PART))
    rows: list[dict[str, Any]] = []
    for part in mapped_ahead(
        lambda part: _rows(source, part), parts, workers=workers, name="ilk-issues"
    ):
        rows += part
        if progress:
            progress(items[0] + len(rows), len(source))
    return pa.Table.from_pylist(rows, schema)


def _rows(source: Source, items: Iterable[int]) -> list[dict[str, Any]]:
    return [_row(source, index) for index in items]


def _row(source: Source, index: int) -> dict[str, Any]:
    row: dict[str, Any] = {"key": stored(source.key(index))}
    try:
        with MEMORY.turn():
            item = read_item(source, index)
            row["content"] = content_of(item)
            found = look(item)
    except BadItem as error:
        return row | {"unreadable": str(error)}
    return row | {name: getattr(found, name) for name in Look.__slots__}

"""Tables of ``ilk embed``, a range of rows at a time. Axes: N rows, B a batch, D features.

They may come from anybody: what they say is checked before it is used.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32, Int64

from ilk.core import UserError
from ilk.core.fields import Kind, check_fields, keyed, listed, text, whole
from ilk.embedding.stored import ROWS, check_schema, facts_of, shards, whole_table
from ilk.search.rows import TYPES
from ilk.search.vectors import unit

MADE: Mapping[str, Kind] = {
    "encoder": text(),
    "encoder_name": text(),
    "image_size": whole(1, 2**24),
    "dim": whole(1, 2**16),
    "data": text(),
    "classes": listed(text(10**5), 10**7),
}
KNOWN_BY = ["key", "content"]  # an image, and its bytes
BESIDE: Mapping[str, Kind] = {"roots": keyed(text(10**5), 10**6), "encoder_spec": text()}


class Table:
    """A table of vectors in parquet, a file or shards; one batch of it is in memory.

    Args:
        path: as ``ilk embed`` wrote it.

    Attributes:
        made: what made it.
        roots: where keys lead back to.
        encoder_spec: where its encoder lies; empty where the table does not say so.

    Raises:
        UserError: it is no such table, shards are missing, or it has no rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files, made = shards(path)
        where = f"embeddings: {path}"
        self.made = check_fields(made, MADE, where, others=True)
        facts = facts_of(self._files[0])
        beside = {name: facts.get(name) or {} for name in ["roots"]}
        beside["encoder_spec"] = facts.get("encoder_spec") or ""
        check_fields(beside, BESIDE, where)
        self.roots: dict[str, str] = beside["roots"]
        self.encoder_spec: str = beside["encoder_spec"]
        self._counts: list[int] = []
        for file in self._files:
            with whole_table(file), pq.ParquetFile(file) as table:
                check_schema(table.schema_arrow, made["dim"])
                if "content" not in table.schema_arrow.names:
                    raise ValueError("no column content, which older versions did not write")
                self._counts.append(table.metadata.num_rows)
        if not len(self):
            raise UserError(f"{where}: must have rows, found none")

    def __len__(self) -> int:
        """N."""
        return sum(self._counts)

    def batches(self, start: int, stop: int) -> Iterator[pa.RecordBatch]:
        """The rows of a range, some at a time."""
        first = 0
        for file, rows in zip(self._files, self._counts, strict=True):
            low, high = max(start - first, 0), min(stop - first, rows)
            first += rows
            if low < high:
                yield from self._of_file(file, low, high)

    def _of_file(self, file: Path, low: int, high: int) -> Iterator[pa.RecordBatch]:
        with whole_table(file), pq.ParquetFile(file) as table:
            metadata = table.metadata
            sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
            ends = np.cumsum(sizes)
            groups = range(
                int(np.searchsorted(ends, low, side="right")),
                int(np.searchsorted(ends, high, side="left")) + 1,
            )
            at = int(ends[groups[0]]) - sizes[groups[0]]
            for batch in table.iter_batches(ROWS, row_groups=list(groups), use_threads=False):
                skipped = min(max(low - at, 0), len(batch))  # a group may be many batches
                part = batch.slice(skipped, max(high - max(low, at), 0))
                at += len(batch)
                if len(part):
                    yield part

    def has(self, rows: Int64[np.ndarray, " n"], found: pa.Table) -> bool:
        """Whether some rows have these keys and contents."""
        known = [
            pa.table([facts[name] for name in KNOWN_BY], KNOWN_BY)
            for facts in map(self.facts, self.batches(0, len(self)))
        ]
        return pa.concat_tables(known).take(pa.array(rows)).equals(found.select(KNOWN_BY))

    def vectors(self, batch: pa.RecordBatch) -> Float32[np.ndarray, "B D"]:
        """Those of some rows, of unit length.

        Raises:
            UserError: one is missing or not finite.
        """
        with whole_table(self.path):
            column = batch.column("vector")
            flat = column.flatten()
            if column.null_count or flat.null_count:
                raise ValueError("rows without a vector")
            rows = flat.to_numpy(zero_copy_only=False).reshape(len(batch), self.made["dim"])
            if not np.isfinite(rows).all():
                raise ValueError("a vector that is not finite")
            return unit(rows)

    def facts(self, batch: pa.RecordBatch) -> dict[str, Any]:
        """All other columns of some rows, of the types that an index has.

        Raises:
            UserError: a column has values that cannot be.
        """
        out: dict[str, Any] = {}
        with whole_table(self.path):
            for name in batch.schema.names:
                column = batch.column(name)
                if name in TYPES and name != "id":
                    out[name] = column.cast(TYPES[name])
                elif name not in {"id", "vector"} and _is_plain(column.type):
                    out[name] = column
            for name in ("key", "content"):
                if out[name].null_count:
                    raise ValueError(f"rows without {name}")
            if "label" in out:
                found = out["label"].fill_null(-1).to_numpy(zero_copy_only=False)
                if not -1 <= found.min() <= found.max() < len(self.made["classes"]):
                    raise ValueError(f"labels of {len(self.made['classes'])} classes")
        return out


def _is_plain(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_temporal,
    )
    return any(test(kind) for test in tests)

"""Parts of an index: each a file of vectors and one of rows. Axes: B rows of a batch."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import json
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32

from ilk.core import UserError, replacing, sweep
from ilk.core.fields import check_fields, parse_json
from ilk.data.source import digest
from ilk.search.header import MORE, PART, Header
from ilk.search.rows import head_of, torn
from ilk.search.vectors import looked_at, opened

ADVICE = "finished parts are kept, make room and call it again"
PART_ROWS = 1_000_000  # rows that an interruption can cost at most
Batch = tuple[dict[str, Any], Float32[np.ndarray, "B D"]]  # columns by name, and vectors


def vectors_file(folder: Path, part: int) -> Path:
    """Where the vectors of a part lie."""
    return folder / f"vectors-{part:05d}.npy"


def rows_file(folder: Path, part: int) -> Path:
    """Where its rows lie."""
    return folder / f"rows-{part:05d}.parquet"


def write_part(
    folder: Path, number: int, first: int, batches: Iterable[Batch], beside: dict[str, Any]
) -> dict[str, Any]:
    """Write one part, whole or not at all; its file of rows comes last.

    Args:
        folder: the index.
        number: which part.
        first: id of its first row.
        batches: columns and vectors of its rows; at least one.
        beside: ``data`` and ``roots`` of the part.

    Returns:
        What the header says of it.
    """
    began = time.perf_counter()
    vectors, rows = vectors_file(folder, number), rows_file(folder, number)
    sweep(vectors, rows)
    part: dict[str, Any] = {}

    def written(count: int) -> dict[str, Any]:
        part.update(
            rows=count, bytes=vectors.stat().st_size, seconds=time.perf_counter() - began,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            vectors=digest([looked_at(opened(vectors))]), **beside,
        )  # fmt: skip
        return part

    _write(vectors, rows, first, batches, written)
    return part


def _write(
    vectors: Path, rows: Path, first: int, batches: Iterable[Batch],
    written: Callable[[int], dict[str, Any]],
) -> None:  # fmt: skip
    count = dim = 0
    with ExitStack() as stack:
        table = stack.enter_context(replacing(rows, "index", ADVICE))
        writer: pq.ParquetWriter | None = None
        with replacing(vectors, "index", ADVICE) as beside, beside.open("wb") as file:
            for columns, block in batches:
                if writer is None:
                    dim = block.shape[1]
                    _head(file, 0, dim)
                ids = pa.array(np.arange(first + count, first + count + len(block)))
                found = pa.table({"id": ids, **columns})
                if writer is None:
                    writer = stack.enter_context(pq.ParquetWriter(table, found.schema))
                writer.write_table(found.cast(writer.schema))
                file.write(np.ascontiguousarray(block, np.float16).tobytes())
                count += len(block)
            file.seek(0)
            _head(file, count, dim)
        assert writer is not None
        writer.add_key_value_metadata({"ilk": json.dumps(written(count))})


def _head(file: Any, rows: int, dim: int) -> None:
    """The first line of an array, which has room for any number of rows."""
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f2", "fortran_order": False, "shape": (rows, dim)}
    )


def read_part(folder: Path, number: int) -> dict[str, Any] | None:
    """What a finished part says of itself; None where it is not finished.

    Raises:
        UserError: it is damaged.
    """
    file = rows_file(folder, number)
    if not file.is_file():
        return None
    written = head_of(file)[1]
    if written is None:
        raise torn(file, ValueError("rows that say nothing of themselves"))
    return _said(written, file)


def _said(written: bytes, file: Path) -> dict[str, Any]:
    where = f"index: {file}"
    return check_fields(parse_json(written, where), {**PART, **MORE}, where, optional=MORE)


def check_parts(folder: Path, header: Header) -> None:
    """Make sure that all files of an index are there and have what the header says.

    Raises:
        UserError: the index is torn; the message says where.
    """
    for number, part in enumerate(header.parts):
        vectors, rows = vectors_file(folder, number), rows_file(folder, number)
        for file in (vectors, rows):
            if not file.is_file():
                raise UserError(
                    f"index: {folder} must have {file.name}, it is torn; build it again"
                )
        stored, (found, said) = opened(vectors), head_of(rows)
        shape = stored.shape
        if shape != (part["rows"], header.dim) or found != part["rows"]:
            raise UserError(
                f"index: {folder} must have {part['rows']} vectors of {header.dim} numbers in "
                f"part {number}, got {shape[0]} of {shape[1]} and {found} rows; it is torn, "
                "build it again"
            )
        seen = digest([looked_at(stored)])
        if part.get("vectors", seen) != seen or (said and _said(said, rows) != part):
            raise UserError(
                f"index: {folder} must have its own vectors and rows in part {number}, got"
                " those of another index; it is torn, build it again"
            )

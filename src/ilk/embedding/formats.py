"""The files that hold a table. Axes: N rows, D features.

A parquet file has the facts in its metadata. CSV and npz have no place for them that every
reader passes over, so that they stand as JSON in ``NAME.json`` beside the file.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ilk.core import replacing, write_whole

ADVICE = "finished pieces are kept, make room and call it again"
ROWS = 4096  # that are in memory at once
# Where a spreadsheet may see the start of a cell, that of another separator included; white
# space and control characters do not count. Each run of them is passed once: names may be long.
_START = r"((?:[;\t\r\n]|^)[\s\x00-\x1f\x7f]*+)"
_UNSAFE = re.compile(_START + "(?=(['=+\\-@\uff1d\uff0b\uff0d\uff20])?)")  # and of full width
_MADE_SAFE = re.compile(_START + "'?")


def sidecar(path: Path) -> Path:
    """Where the facts of a table stand that cannot hold them itself."""
    return path.with_name(f"{path.name}.json")


def save_parquet(target: Path, tables: Iterable[Any], schema: pa.Schema, verb: str) -> None:
    """Write tables as one parquet file, whole or not at all.

    Raises:
        UserError: it cannot be written: a full disk, say.
    """
    names: Any = ["label_name", "class"]  # the only columns worth a dictionary
    with (
        replacing(target, verb, ADVICE) as beside,
        pq.ParquetWriter(beside, schema, use_dictionary=names) as writer,
    ):
        for table in tables:
            writer.write_table(table)


def save_csv(target: Path, pieces: Sequence[Path], schema: pa.Schema, verb: str) -> None:
    """Write pieces in parquet as one CSV file and its facts, whole or not at all.

    The vector is the columns ``v0`` to ``vD-1``, in the fewest digits that give the same
    float32. Text and names of columns are quoted, and `neutral`; a label that is not known is
    empty.

    Raises:
        UserError: they cannot be written.
    """
    columns = [
        pa.field(neutral(field.name), field.type)
        if field.name != "vector"
        else pa.field(f"v{place}", pa.float32())
        for field in schema
        for place in range(field.type.list_size if field.name == "vector" else 1)
    ]
    flat = pa.schema(columns)
    _save_facts(target, schema, verb)
    with (
        replacing(target, verb, ADVICE) as beside,
        pacsv.CSVWriter(beside, flat) as writer,
    ):
        for batch in _batches(pieces):
            writer.write_batch(pa.RecordBatch.from_arrays(list(_cells(batch)), schema=flat))


def neutral(text: str) -> str:
    r"""Text that no spreadsheet takes for a formula; `plain` gives back what it was.

    An apostrophe is put before = + - @ where they stand first, or first after a semicolon, tab
    or line end, which other spreadsheets take for separators; and before an apostrophe there.

    Example:
        >>> neutral("=1+1.jpg"), neutral("a-b=c.jpg")
        ("'=1+1.jpg", 'a-b=c.jpg')
    """
    return _UNSAFE.sub(lambda found: found[1] + ("'" if found[2] else ""), text)


def plain(text: str) -> str:
    """What `neutral` was given."""
    return _MADE_SAFE.sub(r"\1", text)


def save_npz(target: Path, pieces: Sequence[Path], schema: pa.Schema, verb: str) -> None:
    """Write pieces in parquet as one npz file and its facts, whole or not at all.

    An array a column, without Python objects, so that ``numpy.load`` needs no pickle. Column by
    column goes from the pieces into the file, so that memory holds some rows of one.

    Raises:
        UserError: they cannot be written.
    """
    rows = sum(pq.read_metadata(piece).num_rows for piece in pieces)
    _save_facts(target, schema, verb)
    with (
        replacing(target, verb, ADVICE) as beside,
        zipfile.ZipFile(beside, "w") as archive,
    ):
        for field in schema:
            _add_array(archive, field, rows, pieces)


def _add_array(
    archive: zipfile.ZipFile, field: pa.Field, rows: int, pieces: Sequence[Path]
) -> None:
    shape, kind = _array_of(field, rows, pieces)
    member = zipfile.ZipInfo(f"{field.name}.npy")
    if kind.kind == "U":  # mostly zeros, as every name has the room of the longest
        member.compress_type = zipfile.ZIP_DEFLATED
    header = {
        "descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape,
    }  # fmt: skip
    with archive.open(member, "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for batch in _batches(pieces, [field.name]):
            file.write(_numbers(batch.column(0), kind).tobytes())


def _array_of(
    field: pa.Field, rows: int, pieces: Sequence[Path]
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array that holds a column."""
    if field.name == "vector":
        shape = (rows, field.type.list_size)
        return shape, np.dtype(field.type.value_type.to_pandas_dtype())
    if isinstance(field.type, pa.FixedShapeTensorType):
        kind = np.dtype(field.type.value_type.to_pandas_dtype())
        return (rows, *field.type.shape), kind
    if pa.types.is_string(field.type):
        longest = 1
        for batch in _batches(pieces, [field.name]):
            known = filter(None, batch.column(0).to_pylist())
            longest = max(longest, *map(len, known), 0)
        return (rows,), np.dtype(f"U{longest}")
    return (rows,), np.dtype(field.type.to_pandas_dtype())


def _numbers(column: pa.Array, kind: np.dtype[Any]) -> np.ndarray:
    """A column as NumPy has it: -1 and empty text where nothing is known."""
    if isinstance(column, pa.ExtensionArray):
        return column.storage.flatten().to_numpy()
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy()
    if kind.kind == "U":
        return np.array(column.fill_null("").to_pylist(), kind)
    return column.fill_null(-1).to_numpy() if column.null_count else column.to_numpy()


def _cells(batch: pa.RecordBatch) -> Iterator[pa.Array]:
    """The columns of a batch as CSV has them."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == "vector":
            flat = column.flatten().to_numpy().astype(np.float32)
            vectors = flat.reshape(len(batch), column.type.list_size)
            yield from map(pa.array, np.ascontiguousarray(vectors.T))
        elif pa.types.is_string(column.type):
            texts = column.to_pylist()
            safe = [text if text is None else neutral(text) for text in texts]
            yield pa.array(safe, pa.string())
        else:
            yield column


def _batches(pieces: Sequence[Path], columns: list[str] | None = None) -> Iterator[Any]:
    for piece in pieces:
        with pq.ParquetFile(piece) as table:
            yield from table.iter_batches(batch_size=ROWS, columns=columns)


def _save_facts(target: Path, schema: pa.Schema, verb: str) -> None:
    write_whole(sidecar(target), schema.metadata[b"ilk"], verb, ADVICE)

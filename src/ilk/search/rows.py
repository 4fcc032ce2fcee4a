"""What an index knows of its rows beside their vectors. Axes: N rows."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64

from ilk.core import UserError, replacing, stored

TYPES = {
    "id": pa.int64(),
    "key": pa.string(),
    "content": pa.uint64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "label": pa.int64(),
    "label_name": pa.string(),
}
NEEDED = ("id", "key", "content")
DELETED = "deleted.npy"


def head_of(file: Path) -> tuple[int, bytes | None]:
    """The rows of one file, whose columns are those of an index, and what it says of itself.

    Raises:
        UserError: it is not whole, or of another kind.
    """
    try:
        with pq.ParquetFile(file) as table:
            schema, head = table.schema_arrow, table.metadata
            rows, said = head.num_rows, (head.metadata or {}).get(b"ilk")
    except (pa.ArrowException, OSError) as error:
        raise torn(file, error) from error
    if len(set(schema.names)) < len(schema.names):
        raise torn(file, ValueError("two columns of one name"))
    for name, kind in TYPES.items():
        if name in schema.names and schema.field(name).type != kind:
            raise torn(file, ValueError(f"a column {name} of {schema.field(name).type}"))
    for name in NEEDED:
        if name not in schema.names:
            raise torn(file, ValueError(f"no column {name}"))
    return rows, said


def read_rows(
    files: Sequence[Path],
    kept: Int64[np.ndarray, " N"] | None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The rows of all files, but for deleted ones.

    Args:
        files: one for each part, in their order.
        kept: numbers of the rows that are not deleted; None for all.
        columns: their names; all when None.

    Raises:
        UserError: a file is damaged.
    """
    tables: list[pa.Table] = []
    first = 0
    for file in files:
        try:
            tables.append(_of_part(file, first, columns))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise torn(file, error) from error
        first += len(tables[-1])
    try:
        # A fact that one part has and another has not is null where it is not known.
        joined = pa.concat_tables(_of_one_type(tables), promote_options="default")
    except pa.ArrowException as error:
        raise torn(files[0].parent, error) from error
    joined = joined.replace_schema_metadata(None)
    return joined if kept is None else joined.take(pa.array(kept))


def _of_one_type(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Tables whose columns have one type in all: each table chose that of a fact by itself.

    Whole numbers and numbers become numbers; what else differs becomes text.
    """
    types: dict[str, Any] = {}
    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        fields = [table.field(name) for table in tables if name in table.column_names]
        kinds = {field.type for field in fields}
        if len(kinds) > 1:
            types[name] = _type_of([field.remove_metadata() for field in fields])
    return [_cast(table, types) for table in tables]


def _type_of(fields: Sequence[pa.Field]) -> Any:
    try:
        schemas = [pa.schema([field]) for field in fields]
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.string()


def _cast(table: pa.Table, types: Mapping[str, Any]) -> pa.Table:
    for at, name in enumerate(table.column_names):
        if name in types:
            table = table.set_column(at, name, table[name].cast(types[name], safe=False))
    return table


def _of_part(file: Path, first: int, columns: Sequence[str] | None) -> pa.Table:
    """The rows of one file, of which the first has this id."""
    with pq.ParquetFile(file) as table:
        wanted = None
        if columns is not None:
            wanted = [name for name in columns if name in table.schema_arrow.names]
        found = table.read(wanted, use_threads=False)
    for name in NEEDED:
        if name in found.column_names and found[name].null_count:
            raise ValueError(f"rows without {name}")
    after = first + len(found)
    if "id" in found.column_names and not np.array_equal(found["id"], np.arange(first, after)):
        raise ValueError(f"ids other than {first} to {after - 1} in their order")
    return found


def read_deleted(folder: Path, rows: int) -> Int64[np.ndarray, " M"]:
    """The ids that are gone, ascending.

    Raises:
        UserError: the file says what cannot be.
    """
    file = folder / DELETED
    if not file.exists():
        return np.empty(0, np.int64)
    try:
        if not file.is_file():
            raise OSError("not a plain file")
        found = np.load(file, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise ValueError("no array")
        if found.dtype != np.int64 or found.ndim != 1 or (np.diff(found) <= 0).any():
            raise ValueError("no ascending list of ids")
        if len(found) and not 0 <= found[0] <= found[-1] < rows:
            raise ValueError(f"ids beyond the {rows} rows")
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise torn(file, error) from error
    return found


def write_deleted(folder: Path, ids: Int64[np.ndarray, " M"]) -> None:
    """Write the ids that are gone, whole or not at all."""
    with replacing(folder / DELETED, "index") as beside, beside.open("wb") as file:
        np.save(file, np.unique(ids).astype(np.int64))


def table_key(key: str) -> str:
    r"""A key as a table has it, where a shell gave bytes that are no text.

    Example:
        >>> table_key("\udce9.png"), table_key(r"\xe9.png")
        ('\\xe9.png', '\\xe9.png')
    """
    return stored(key) if any("\ud800" <= letter <= "\udfff" for letter in key) else key


def torn(file: Path, error: BaseException) -> UserError:
    """What to say of a file that is not what it should be."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(
        f"index: {file} must be what ilk index wrote, got '{reason}'; build the index again"
    )

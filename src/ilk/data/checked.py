"""Tables of plain columns that may come from anybody. Axes: N rows."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ilk.core.errors import UserError
from ilk.data.source import one_line

SHORT = 200  # characters of a word
LONG = 10_000  # characters of a key
_ROWS = 10**8
_BYTES = 2**34  # of all columns once they are read


def checked_table(path: Path, schema: Any, longest: Mapping[str, int], what: str) -> pa.Table:
    """The columns of a schema from a parquet file; what else the file holds stays unread.

    Args:
        path: the file.
        schema: names, types and which columns are never null; a column that may be null may
            also be missing.
        longest: characters of a value, by the name of a column of text.
        what: it should be, for messages.

    Raises:
        UserError: there is no plain file, or it is no such table.
    """
    if not path.is_file():
        raise UserError(f"{what}: {path} must be a parquet file, found none; check the path")
    try:
        with pq.ParquetFile(path) as file:
            _check_size(file.metadata)
            found = set(file.schema_arrow.names)
            table = file.read(columns=[name for name in schema.names if name in found])
        return pa.table([_column(table, field, longest) for field in schema], schema=schema)
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        columns = ", ".join(schema.names)
        raise UserError(
            f"{what}: {path} must be parquet with the columns {columns}, got: {one_line(error)}"
        ) from error


def _check_size(metadata: Any) -> None:
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    size = sum(group.total_byte_size for group in groups)
    if metadata.num_rows > _ROWS or size > _BYTES:
        raise ValueError(
            f"{metadata.num_rows} rows of {size} bytes, at most {_ROWS} of {_BYTES}"
        )


def _column(table: pa.Table, field: Any, longest: Mapping[str, int]) -> Any:
    if field.name not in table.column_names:
        if not field.nullable:
            raise ValueError(f"no column {field.name}")
        return pa.nulls(len(table), field.type)
    column = table[field.name].cast(field.type)
    if not field.nullable and column.null_count:
        raise ValueError(f"{column.null_count} rows without {field.name}")
    if field.name in longest and len(column):
        most = pc.max(pc.utf8_length(column)).as_py() or 0
        if most > longest[field.name]:
            raise ValueError(f"a {field.name} of {most} characters")
    return column.combine_chunks()

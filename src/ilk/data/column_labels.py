"""Labels and other facts in a column of a parquet file. Axes: R rows of the file."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from ilk.core.facts import Fact
from ilk.core.unknown import UNKNOWN
from ilk.data.classes import counted, labels_of, numbered

# pyarrow has no type stubs
_File = Any  # its ParquetFile
_Column = Any  # its ChunkedArray
_Type = Any  # its DataType
_Schema = Any  # its Schema

_SHOWN = 60  # characters of a type


def labels_of_column(file: _File, name: str) -> Fact:
    """The labels of all rows of a file; their names may stand in its metadata.

    Whole numbers of any type, booleans and texts are labels, with null for not known; so are
    floats if all are whole numbers.

    Raises:
        ValueError: the column holds something else, and what.
    """
    schema = file.schema_arrow
    return _read(file, name, _feature_names(schema, name) or _class_names(schema))


def fact_of_column(file: _File, name: str) -> Fact:
    """Any other fact of all rows of a file, like a label, or a date or time.

    Raises:
        ValueError: the column holds something else, and what.
    """
    schema = file.schema_arrow
    if pa.types.is_temporal(_plain(schema.field(name).type)):
        return numbered(*encoded(file.read(columns=[name], use_threads=False).column(0)))
    return _read(file, name, _feature_names(schema, name))


def _read(file: _File, name: str, names: list[str]) -> Fact:
    schema = file.schema_arrow
    kind = _plain(schema.field(name).type)
    if not _is_label(kind):
        raise ValueError(f"must be whole numbers or names, it is {str(kind)[:_SHOWN]}")
    column = _stored(file.read(columns=[name], use_threads=False).column(0))
    if pa.types.is_boolean(kind) or not _is_number(kind):
        return numbered(*encoded(column), names)
    if not pa.types.is_integer(kind):
        return labels_of(_floats(column), names)
    try:
        numbers = column.cast(pa.int64()).fill_null(UNKNOWN).to_numpy()
    except pa.ArrowInvalid:  # ids of 64 bits without a sign
        return numbered(*encoded(column))
    if not names and f"{name}_name" in schema.names:
        beside = file.read(columns=[f"{name}_name"], use_threads=False).column(0)
        names = _paired(numbers, beside)
    return counted(numbers, names)


def encoded(column: _Column) -> tuple[list[str], Int64[np.ndarray, " R"]]:
    """The different values as texts, and for each row a position among them, -1 for none."""
    whole = _stored(column).cast(pa.string()).combine_chunks().dictionary_encode()
    codes = whole.indices.fill_null(UNKNOWN).to_numpy(zero_copy_only=False)
    return whole.dictionary.to_pylist(), codes.astype(np.int64)


def _stored(column: _Column) -> _Column:
    """Without a dictionary and without an extension of the type."""
    kind = _plain(column.type)
    return column if kind.equals(column.type) else column.cast(kind)


def _plain(kind: _Type) -> _Type:
    while True:
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        elif isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        else:
            return kind


def _is_number(kind: _Type) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(test(kind) for test in tests)


def _is_label(kind: _Type) -> bool:
    tests = (pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string, _is_number)
    return any(test(kind) for test in tests) or str(kind) == "string_view"


def _floats(column: _Column) -> np.ndarray:
    """Numbers with NaN for null; NumPy does the rest."""
    return column.cast(pa.float64()).to_numpy()


def _feature_names(schema: _Schema, column: str) -> list[str]:
    """Names of a column's values in the schema's metadata, as Hugging Face writes them."""
    try:
        found = (schema.metadata or {}).get(b"huggingface", b"{}")
        return [str(name) for name in json.loads(found)["info"]["features"][column]["names"]]
    except (ValueError, KeyError, TypeError):
        return []


def _class_names(schema: _Schema) -> list[str]:
    """Names of the classes in the schema's metadata."""
    try:
        found = (schema.metadata or {}).get(b"classes", b"[]")
        return [str(name) for name in json.loads(found)]
    except (ValueError, TypeError):
        return []


def _paired(numbers: Int64[np.ndarray, " R"], column: _Column) -> list[str]:
    """Class names from a column that says them beside the numbers."""
    known, first = np.unique(numbers, return_index=True)
    if known[-1] >= len(numbers):
        return []
    names = [str(number) for number in range(int(known[-1]) + 1)]
    for number, row in zip(known.tolist(), first.tolist(), strict=True):
        if number >= 0:
            names[number] = str(column[row].as_py())
    return names

"""Images in a parquet file. Axes: N rows that are used, R rows of the file."""

import json
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int32, Int64

from ilk.core.errors import UserError
from ilk.data.classes import counted, numbered
from ilk.data.columns import SPLITS, choice, existing, image_column, label_column
from ilk.data.source import UNKNOWN, BadItem, check_size, digest, read_span

_Column = Any  # pyarrow has no type stubs: this is its ChunkedArray
_Type = Any  # its DataType
_Schema = Any  # its Schema

KEPT = 2**29  # bytes of decompressed row groups that stay in memory


class Parquet:
    """The rows of a parquet file whose column of bytes holds encoded images.

    The columns are found by their types and usual names; Hugging Face's struct of bytes and
    path is understood, and so are its class names, a ``classes`` entry of the schema (a JSON
    list) and a column like ``label_name``. Labels are held in memory; of the images at most
    ``kept`` bytes are, in whole row groups, the least recently used dropped first. In random
    order a file of more than that is slow; small row groups or tar shards help.

    Keys are row numbers of the file. The fingerprint covers the file's size and its footer,
    which holds sizes and statistics of all columns.

    Args:
        path: of the file.
        name: what the person called it.
        split: the value that the split column (``split``, ``subset``, ``partition`` or
            ``fold``) must have; or other columns and their values, and which columns are which,
            as in ``domain=web,labels=species``; empty is every row.
        image: the column of images.
        label: the column of labels.
        kept: bytes.
    """

    def __init__(
        self,
        path: Path,
        name: str | None = None,
        *,
        split: str = "",
        image: str | None = None,
        label: str | None = None,
        kept: int = KEPT,
    ) -> None:
        self.name = str(path) if name is None else name
        self._path, self._split, self._kept = path, split, kept
        self._connect()
        wanted = choice(split)
        image, label = image or wanted.image, label or wanted.label
        schema = self._file.schema_arrow
        texts = [field.name for field in schema if _is_label(field.type)]
        images = [field.name for field in schema if _is_image(field.type)]
        self._image = image_column(images, schema.names, image, self.name)
        self._label = label_column(texts, schema.names, label, self.name)
        metadata = self._file.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._ends = np.cumsum(sizes)
        self._rows = np.arange(metadata.num_rows)
        for column, value in wanted.rows:
            self._rows = np.intersect1d(self._rows, self._chosen(column, value))
        if not len(self._rows):
            raise UserError(f"{self.name}: must have rows, found none")
        self.classes, labels = self._read_labels()
        self._labels = labels[self._rows]

    def __len__(self) -> int:
        """N, the number of rows of the split."""
        return len(self._rows)

    def item(self, index: int) -> bytes:
        """The bytes of a row."""
        row = int(self._rows[index])
        group = int(np.searchsorted(self._ends, row, side="right"))
        start = int(self._ends[group - 1]) if group else 0
        data = self._group(group)[row - start].as_py()
        if data is None:
            raise BadItem("empty: the row holds no bytes")
        check_size(len(data))
        return data

    def label(self, index: int) -> int:
        """The label column."""
        return int(self._labels[index])

    def key(self, index: int) -> str:
        """The number of the row in the file."""
        return str(self._rows[index])

    @property
    def fingerprint(self) -> str:
        """Of size, footer and columns."""
        size = self._path.stat().st_size
        footer = int.from_bytes(read_span(self._path, size - 8, 4), "little")
        chosen = f"{size} {self._split} {self._image} {self._label}"
        return digest([chosen.encode(), read_span(self._path, size - 8 - footer, footer)])

    def __getstate__(self) -> dict[str, Any]:
        """All but the open file and what was read from it."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("_file", "_groups", "_lock")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._connect()

    def _connect(self) -> None:
        try:
            self._file = pq.ParquetFile(self._path)
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{self.name}: must be a whole parquet file: {error}") from error
        self._groups: OrderedDict[int, _Column] = OrderedDict()
        self._lock = threading.Lock()

    def _group(self, group: int) -> _Column:
        """The images of a row group, from memory if they are there."""
        with self._lock:
            if group in self._groups:
                self._groups.move_to_end(group)
                return self._groups[group]
            try:
                images = self._groups[group] = self._read(group)
            except (OSError, pa.ArrowException) as error:
                raise BadItem(f"unreadable row group {group}: {error}") from error
            held = sum(other.nbytes for other in self._groups.values())
            while held > self._kept and len(self._groups) > 1:
                held -= self._groups.popitem(last=False)[1].nbytes
            return images

    def _read(self, group: int) -> _Column:
        kind = self._file.schema_arrow.field(self._image).type
        wanted = f"{self._image}.bytes" if pa.types.is_struct(kind) else self._image
        # one thread: Arrow's own pool does not survive a fork
        table = self._file.read_row_group(group, columns=[wanted], use_threads=False)
        column = table.column(0)
        return column.flatten()[0] if pa.types.is_struct(kind) else column

    def _column(self, name: str) -> _Column:
        return self._file.read(columns=[name], use_threads=False).column(0)

    def _chosen(self, column: str | None, value: str) -> Int64[np.ndarray, " N"]:
        """The rows with a value in a column, by default the one of splits."""
        every = self._file.schema_arrow.names
        if column is None:
            column = next((name for name in SPLITS if name in every), None)
        if column is None:
            raise UserError(
                f"{self.name}: must have a column {' or '.join(SPLITS)} to choose {value!r}, "
                f"found {', '.join(every)}; another one is chosen by COLUMN={value}"
            )
        texts, codes = _encoded(self._column(existing(column, every, self.name)))
        if value not in texts:
            raise UserError(
                f"{self.name}: {column} {value!r} must exist, found {', '.join(texts[:20])}"
            )
        return np.flatnonzero(codes == texts.index(value))

    def _read_labels(self) -> tuple[tuple[str, ...], Int32[np.ndarray, " R"]]:
        """Of the whole file, so that its splits agree."""
        schema = self._file.schema_arrow
        if self._label is None:
            return (), np.full(self._file.metadata.num_rows, UNKNOWN, np.int32)
        if not _is_label(schema.field(self._label).type):
            raise UserError(f"{self.name}: column {self._label} must be whole numbers or names")
        column = self._column(self._label)
        if not pa.types.is_integer(column.type):
            texts, codes = _encoded(column)
            return numbered(texts, codes)
        numbers = column.cast(pa.int64()).fill_null(UNKNOWN).to_numpy()
        names = _class_names(schema, self._label)
        if not names and f"{self._label}_name" in schema.names:
            names = _paired(numbers, self._column(f"{self._label}_name"))
        return counted(numbers, names)


def _is_image(kind: _Type) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_image(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_label(kind: _Type) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        pa.types.is_integer,
        pa.types.is_boolean,
        pa.types.is_string,
        pa.types.is_large_string,
    )
    return any(test(kind) for test in tests)


def _encoded(column: _Column) -> tuple[list[str], Int64[np.ndarray, " R"]]:
    """The different values as texts, and for each row a position among them, -1 for none."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    whole = column.cast(pa.string()).combine_chunks().dictionary_encode()
    codes = whole.indices.fill_null(UNKNOWN).to_numpy(zero_copy_only=False)
    return whole.dictionary.to_pylist(), codes.astype(np.int64)


def _class_names(schema: _Schema, label: str) -> list[str]:
    """Class names in the schema's metadata, as Hugging Face writes them, or plainly."""
    metadata = schema.metadata or {}
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return [str(name) for name in features[label]["names"]]
    except (ValueError, KeyError, TypeError):
        pass
    try:
        return [str(name) for name in json.loads(metadata.get(b"classes", b"[]"))]
    except ValueError:
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

"""Images in a parquet file. Axes: N rows that are used, R rows of the file."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64

from ilk.core.errors import UserError
from ilk.core.facts import LABEL, Fact
from ilk.data.classes import nothing_known
from ilk.data.column_labels import encoded, fact_of_column, labels_of_column
from ilk.data.columns import (
    SPLITS,
    Choice,
    choice,
    existing,
    image_column,
    label_columns,
    no_label_column,
)
from ilk.data.row_groups import KEPT, RowGroups
from ilk.data.source import (
    BadItem,
    beside,
    check_size,
    digest,
    one_line,
    read_file,
    read_span,
)

_Column = Any  # pyarrow has no type stubs: this is its ChunkedArray
_Type = Any  # its DataType
_Schema = Any  # its Schema

_SHOWN = 60  # characters of a type


class NoRows(UserError):
    """A file has no rows that were asked for; another part of a table may have some."""


class Parquet:
    """The rows of a parquet file whose column of bytes holds encoded images.

    The columns are found by their types and usual names; Hugging Face's struct of bytes and
    path is understood, and so are its class names, a ``classes`` entry of the schema (a JSON
    list) and a column like ``label_name``. A row with a path and no bytes is a file below the
    folder of the parquet file; a path that leads out of that folder is refused. Labels are held
    in memory; other facts are read when they are asked for, and any column but that of the
    images is one, by its own name. Of the images at most ``kept`` bytes are held, in whole row
    groups, the least recently used dropped first. In random order a file of more than that is
    slow; small row groups or tar shards help.

    Keys are row numbers of the file. The fingerprint covers the labels, the file's size and its
    footer, which holds sizes and statistics of all columns.

    Args:
        path: of the file.
        name: what the person called it.
        split: the value that the split column (``split``, ``subset``, ``partition`` or
            ``fold``) must have; or other columns and their values, and which columns are which,
            as in ``domain=web,labels=species``; where there is no column of the first name but
            one of the second, as in ``domain=site``, it is read as the fact of that name.
            Empty is every row.
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
        self.roots = {"": str(path.absolute())}
        self._connect()
        wanted = choice(split, self._file.schema_arrow.names)
        with _whole(self.name):
            self._find(wanted, image or wanted.image, label or wanted.label)
        self._groups = self._row_groups()

    def _find(self, wanted: Choice, image: str | None, label: str | None) -> None:
        """The columns, the rows and their labels."""
        schema = self._file.schema_arrow
        images = [field.name for field in schema if _is_image(field.type)]
        every = {field.name: str(field.type) for field in schema}
        self._image = image_column(images, every, image, self.name)
        if not _is_image(schema.field(self._image).type):
            raise UserError(
                f"{self.name}: column {self._image} must hold encoded images as bytes, it is "
                f"{_short(every[self._image])}"
            )
        metadata = self._file.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._ends = np.cumsum(sizes)
        self._rows = np.arange(metadata.num_rows)
        self._facts = wanted.facts
        for column, value in wanted.rows:
            self._rows = np.intersect1d(self._rows, self._chosen(column, value))
        if not len(self._rows):
            raise NoRows(f"{self.name}: must have rows, found none")
        known, self._label = self._read_labels(label)
        self.classes, self._labels = known.names, known.values[self._rows]
        self.unlabelled_because = known.reason

    def __len__(self) -> int:
        """N, the number of rows of the split."""
        return len(self._rows)

    def item(self, index: int) -> bytes:
        """The bytes of a row."""
        row = int(self._rows[index])
        group = int(np.searchsorted(self._ends, row, side="right"))
        start = int(self._ends[group - 1]) if group else 0
        values, paths = self._groups.of(group)
        data = values[row - start].as_py()
        if data is None:
            if paths is None or not paths[row - start].is_valid:
                raise BadItem("empty: the row holds no bytes")
            return self._named(paths[row - start].as_buffer().to_pybytes())
        check_size(len(data))
        return data

    def _named(self, name: bytes) -> bytes:
        """The file that a row names by its path."""
        path = name.decode(errors="surrogateescape")
        try:
            return read_file(beside(self._path, path))
        except BadItem as reason:
            raise BadItem(f"no bytes in the row, and of {path!r:.80}: {reason}") from reason

    def label(self, index: int) -> int:
        """The label column."""
        return int(self._labels[index])

    @property
    def facts(self) -> tuple[str, ...]:
        """The names of the columns beside the images, and of facts that are read from one."""
        columns = (n for n in self._file.schema_arrow.names if n not in (self._image, LABEL))
        return tuple(dict.fromkeys((*self._facts, *columns)))

    def fact(self, name: str) -> Fact:
        """What a column says of every row."""
        column = self._facts.get(name, name)
        with _whole(self.name):
            try:
                known = fact_of_column(self._file, column)
            except pa.ArrowException:
                raise
            except ValueError as error:
                raise UserError(f"{self.name}: column {column} {error}") from error
        return Fact(known.names, known.values[self._rows], known.reason)

    def key(self, index: int) -> str:
        """The number of the row in the file."""
        return str(self._rows[index])

    @property
    def fingerprint(self) -> str:
        """Of size, footer, columns and labels."""
        size = self._path.stat().st_size
        footer = int.from_bytes(read_span(self._path, size - 8, 4), "little")
        chosen = f"{size} {self._split} {self._image} {self._label}"
        known = [str(self.classes).encode(), self._labels.astype("<i4")]
        return digest(
            [chosen.encode(), read_span(self._path, size - 8 - footer, footer), *known]
        )

    def __getstate__(self) -> dict[str, Any]:
        """All but the open file and what was read from it."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("_file", "_groups")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._connect()
        self._groups = self._row_groups()

    def _connect(self) -> None:
        with _whole(self.name):
            self._file = pq.ParquetFile(self._path)

    def _row_groups(self) -> RowGroups:
        size = self._path.stat().st_size
        return RowGroups(self._file, size, self._image, self._kept)

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
        texts, codes = encoded(self._column(existing(column, every, self.name)))
        if value not in texts:
            raise NoRows(
                f"{self.name}: {column} {value!r} must exist, found {', '.join(texts[:20])}"
            )
        return np.flatnonzero(codes == texts.index(value))

    def _read_labels(self, asked: str | None) -> tuple[Fact, str | None]:
        """Of the whole file, so that its splits agree, and the column that they are from."""
        names = [name for name in self._file.schema_arrow.names if name != self._image]
        reason = no_label_column(names, ":labels=")
        for column in label_columns(names, asked, self.name):
            try:
                return labels_of_column(self._file, column), column
            except pa.ArrowException:
                raise
            except ValueError as error:
                reason = f"column {column} {error}"
                if asked is not None:
                    raise UserError(f"{self.name}: {reason}") from error
        return nothing_known(self._file.metadata.num_rows, reason), None


@contextmanager
def _whole(name: str) -> Generator[None]:
    """Whatever a damaged file makes the parser raise is one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{name}: must be a whole parquet file that can be read, got: {one_line(error)}"
        ) from error


def _is_image(kind: _Type) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _is_image(kind.field("bytes").type)
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests) or str(kind) == "binary_view"


def _short(kind: str) -> str:
    return kind if len(kind) <= _SHOWN else f"{kind[:_SHOWN]}..."

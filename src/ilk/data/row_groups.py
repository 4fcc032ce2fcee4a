"""The images of a parquet file by row groups, the last ones of which stay in memory.

What a row group unpacks to is bounded: a file of 500 bytes may hold thousands of rows that
repeat one large value.
"""

import threading
from collections import OrderedDict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ilk.data.source import BadItem, check_unpacked, most_unpacked, one_line

_Column = Any  # pyarrow has no type stubs: this is its ChunkedArray
_Type = Any  # its DataType

KEPT = 2**29  # bytes of unpacked row groups that stay in memory
_STEP = 2**28  # bytes that rows read at a time come to, if each were its whole group


class RowGroups:
    """The row groups of a column of images, for many threads.

    Args:
        file: the open file.
        size: bytes of the file.
        image: the column, of bytes or of a struct of bytes and path.
        kept: bytes that are held, in whole row groups, the least recently used dropped first.
    """

    def __init__(self, file: pq.ParquetFile, size: int, image: str, kept: int) -> None:
        self._file, self._size, self._image, self._kept = file, size, image, kept
        self._held: OrderedDict[int, tuple[_Column, _Column | None]] = OrderedDict()
        self._refused: dict[int, str] = {}
        self._lock = threading.Lock()

    def of(self, group: int) -> tuple[_Column, _Column | None]:
        """The bytes of a row group, and the paths where any row has no bytes.

        Raises:
            BadItem: it is damaged, or unpacks to too much.
        """
        with self._lock:
            if group in self._refused:
                raise BadItem(self._refused[group])
            if group in self._held:
                self._held.move_to_end(group)
                return self._held[group]
            try:
                images = self._held[group] = self._read(group)
            except BadItem as error:  # once: it takes long to find out
                self._refused[group] = f"row group {group} is {error}"
                raise BadItem(self._refused[group]) from error
            except Exception as error:  # a damaged page makes the parser raise what it likes
                raise BadItem(f"unreadable row group {group}: {one_line(error)}") from error
            held = sum(other.nbytes for other, _ in self._held.values())
            while held > self._kept and len(self._held) > 1:
                held -= self._held.popitem(last=False)[1][0].nbytes
            return images

    def _read(self, group: int) -> tuple[_Column, _Column | None]:
        kind = self._file.schema_arrow.field(self._image).type
        if not pa.types.is_struct(kind):
            return self._piece(group, self._image), None
        values = self._piece(group, f"{self._image}.bytes").flatten()[0]
        if not (values.null_count and _has_path(kind)):
            return values, None
        return values, self._piece(group, f"{self._image}.path").flatten()[0]

    def _piece(self, group: int, column: str) -> _Column:
        """A few rows at a time, so that what unpacks to too much ends before it has.

        Rows that repeat a value name it in the file and hold it in memory: no size in the file
        says what they come to.
        """
        # Not of single columns: in a damaged file to ask for those ends the process.
        described = self._file.metadata.row_group(group)
        unpacked, most = described.total_byte_size, most_unpacked(self._size)
        check_unpacked(unpacked, most)
        size, parts = 0, list[_Column]()
        for batch in self._file.iter_batches(
            min(max(_STEP // max(unpacked, 1), 2), 512),
            row_groups=[group],
            columns=[column],
            use_threads=False,  # Arrow's own pool does not survive a fork
        ):
            parts.append(batch.column(0))
            size += parts[-1].nbytes
            check_unpacked(size, most)
        found = pa.chunked_array(parts)
        if len(found) != described.num_rows:
            raise ValueError(f"{len(found)} rows instead of {described.num_rows}")
        return found


def _has_path(kind: _Type) -> bool:
    place = kind.get_field_index("path")
    return place >= 0 and pa.types.is_string(kind.field(place).type)

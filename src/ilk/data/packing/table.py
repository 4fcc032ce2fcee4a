"""A pack as a parquet file: a row an image, with its key, label and facts by name."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ilk.core.files import replacing
from ilk.data.packing.known import Known
from ilk.data.packing.stage import Stage
from ilk.data.source import read_span

ROWS = 32  # of a row group: what is read at once in random order
IMAGE = "image"
_OWN = ("key", "label", "label_name")
_MARK = b"ilk_pack"


def save_table(target: Path, stage: Stage, index: bytes, known: Known) -> None:
    """Write the images of a stage as a table.

    Args:
        target: the shard.
        stage: all its images.
        index: what is known of them, see ``ilk.data.packing.index``.
        known: what is known of each item.
    """
    facts = [name for name in known.facts if name not in (*_OWN, IMAGE)]
    own = _OWN if known.classes else _OWN[:1]
    columns = [pa.field(name, pa.int64() if name == "label" else pa.string())
               for name in (*own, *facts)]  # fmt: skip
    metadata = {b"classes": json.dumps(known.classes).encode(), _MARK: base64.b64encode(index)}
    schema = pa.schema([*columns, pa.field(IMAGE, pa.binary())], metadata)
    with (
        replacing(target, "pack") as beside,
        pq.ParquetWriter(beside, schema, compression="none", use_dictionary=False) as writer,
    ):
        for group in _groups(stage):
            rows = [_row(known, item, image) for item, image in group]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def table_index(path: Path) -> bytes | None:
    """The index of a pack; None where the file is no pack, or no parquet file."""
    try:
        found = (pq.read_schema(path).metadata or {}).get(_MARK)
        return None if found is None else base64.b64decode(found, validate=True)
    except (OSError, ValueError, pa.ArrowException):
        return None


def _row(known: Known, item: int, image: bytes) -> dict[str, Any]:
    beside = known.beside(item)
    name = beside.get("label")
    return beside["facts"] | {
        "key": beside["key"],
        "label": None if name is None else int(known.labels[item]),
        "label_name": name,
        IMAGE: image,
    }


def _groups(stage: Stage) -> Iterator[list[tuple[int, bytes]]]:
    """Items and their images."""
    group: list[tuple[int, bytes]] = []
    for line in stage.lines():
        for item, offset, size, *_ in line.rows:
            group.append((item, read_span(stage.data, offset, size)))
            if len(group) == ROWS:
                yield group
                group = []
    if group:
        yield group

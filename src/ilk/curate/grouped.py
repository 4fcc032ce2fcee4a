"""Groups as a table, by key. Axes: N images."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ilk.core import UserError, replacing
from ilk.curate.clusters import Clusters
from ilk.search import DERIVED, Index

MARK = b"ilk_clusters"


def cluster_table(images: pa.Table, found: Sequence[Clusters]) -> pa.Table:
    """A row an image: its columns and its groups.

    ``cluster`` is the group, ``cluster_2`` and so on those of further levels, ``similarity``
    the cosine with the centre, and ``medoid`` says whether the image is the nearest to it.

    Args:
        images: columns of the N images, such as id, key and content.
        found: groups at each level.
    """
    out = images
    for number, level in enumerate(found):
        name = "cluster" if number == 0 else f"cluster_{number + 1}"
        out = out.append_column(name, pa.array(level.of.astype(np.int32)))
    medoid = np.zeros(len(images), np.bool_)
    medoid[found[0].medoids] = True
    out = out.append_column("similarity", pa.array(found[0].similarity))
    return out.append_column("medoid", pa.array(medoid))


def save_clusters(path: Path, table: pa.Table, state: str) -> None:
    """Write the table, whole or not at all.

    Args:
        path: where the file is to be.
        table: what `cluster_table` gave.
        state: fingerprint of the index that the groups are of.

    Raises:
        UserError: something else stands there, or it cannot be written.
    """
    check_ours(path, MARK, "clusters")
    marked = table.replace_schema_metadata({MARK: json.dumps({"index": state})})
    with replacing(path, "clusters") as beside:
        pq.write_table(marked, beside, compression="zstd")


def check_ours(path: Path, mark: bytes, what: str) -> None:
    """Refuse to write over a file that is not one of ours.

    Args:
        path: where a table is to be written.
        mark: what stands in the metadata of ours.
        what: the message begins with.

    Raises:
        UserError: another file stands there.
    """
    if not path.exists():
        return
    try:
        ours = path.is_file() and mark in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        ours = False
    if not ours:
        raise UserError(
            f"{what}: {path} must be free or an older table of the kind, got another file; "
            "choose another output"
        )


def kept_clusters(path: Path, state: str) -> pa.Table | None:
    """The table that was written for a state of an index; None where there is none."""
    try:
        if not path.is_file():
            return None
        mark = (pq.read_schema(path).metadata or {}).get(MARK, b"{}")
        return pq.read_table(path) if json.loads(mark).get("index") == state else None
    except (pa.ArrowException, OSError, ValueError, AttributeError):
        return None


def with_clusters(index: Index) -> pa.Table:
    """The columns of an index, with the groups that ``ilk cluster`` found in its state."""
    table = index.table
    kept = kept_clusters(index.folder / DERIVED / "clusters.parquet", index.fingerprint)
    if kept is None or len(kept) != len(table):
        return table
    for field in kept.schema:
        fits = field.name.startswith("cluster") and pa.types.is_integer(field.type)
        if fits and field.name not in table.column_names:
            table = table.append_column(field.name, kept[field.name])
    return table

"""Groups as a table, by key. Axes: N images, K groups."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64

from ilk.core import UserError, replacing
from ilk.curate.clusters import Clusters

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
    """Write what `cluster_table` gave for a state of an index, whole or not at all.

    Raises:
        UserError: something else stands there, or it cannot be written.
    """
    check_ours(path, MARK, "clusters")
    save_table(path, table, MARK, state)


def save_table(path: Path, table: pa.Table, mark: bytes, state: str) -> None:
    """Write a table over whatever file stands there, whole or not at all.

    Args:
        path: below what is derived from the index.
        table: a row an image.
        mark: what stands in the metadata of tables of the kind.
        state: fingerprint of the index that the table is of.

    Raises:
        UserError: it cannot be written.
    """
    marked = table.replace_schema_metadata({mark: json.dumps({"index": state})})
    with replacing(path, "index") as beside:
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


def groups_of(table: pa.Table) -> tuple[Int64[np.ndarray, " N"], Int64[np.ndarray, " K"]]:
    """The group of each image and the medoid of each group, of what `cluster_table` gave.

    Raises:
        ValueError: it is another table.
    """
    of = table["cluster"].to_numpy().astype(np.int64)
    medoids = np.flatnonzero(table["medoid"].to_numpy())
    medoids = medoids[np.argsort(of[medoids])]
    if not np.array_equal(of[medoids], np.arange(of.max() + 1)):
        raise ValueError("each group must have one medoid")
    return of, medoids


def kept_table(path: Path, mark: bytes, state: str) -> pa.Table | None:
    """The table that was written for a state of an index; None where there is none."""
    try:
        if not path.is_file():
            return None
        said = (pq.read_schema(path).metadata or {}).get(mark, b"{}")
        return pq.read_table(path) if json.loads(said).get("index") == state else None
    except (pa.ArrowException, OSError, ValueError, AttributeError):
        return None

"""Tables of vectors that are known, without an encoder."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def save_table(  # noqa: PLR0913
    path: Path, vectors: np.ndarray, *, keys=None, contents=None, labels=None,
    classes=("ant", "cat"), roots=None, encoder="c0de", data="f00d", shard_rows=None, more=None,
) -> Path:  # fmt: skip
    """A table as ``ilk embed`` writes it."""
    count, dim = vectors.shape
    keys = [f"{row}.png" for row in range(count)] if keys is None else keys
    shard_rows = shard_rows or max(count, 1)
    facts = {
        "made": {
            "encoder": encoder, "encoder_name": "means", "image_size": 32, "dim": dim,
            "data": data, "items": count, "classes": list(classes), "shard_rows": shard_rows,
        },
        "bad": [], "roots": roots or {},
    }  # fmt: skip
    labels = np.arange(count) % len(classes) if labels is None else labels
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    table = pa.table(
        {
            "key": pa.array(keys, pa.string()),
            "content": pa.array(
                np.arange(count) if contents is None else contents, pa.uint64()
            ),
            "width": pa.array([32] * count, pa.int32()),
            "height": pa.array([24] * count, pa.int32()),
            "label": pa.array(labels, pa.int64()),
            "label_name": pa.array([classes[label] for label in labels], pa.string()),
            **(more or {}),
            "vector": pa.FixedSizeListArray.from_arrays(flat, dim),
        }
    ).replace_schema_metadata({"ilk": json.dumps(facts)})
    if count <= shard_rows:
        pq.write_table(table, path, row_group_size=5)
        return path
    path.mkdir()
    for number, start in enumerate(range(0, count, shard_rows)):
        part = table.slice(start, shard_rows)
        pq.write_table(part, path / f"part-{number:05d}.parquet", row_group_size=5)
    return path


@pytest.fixture
def table() -> Callable[..., Path]:
    return save_table


@pytest.fixture
def vectors() -> Callable[..., np.ndarray]:
    """Rows at random, of any length, in single precision."""

    def make(count: int, dim: int = 6, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)

    return make

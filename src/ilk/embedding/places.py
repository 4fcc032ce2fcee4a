"""Tables of maps and of tokens read back. Axes: N images, T places, D features, H W of a map.

A table may come from anybody or be damaged: it is data, and its content is checked first.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int64

from ilk.core import UserError
from ilk.core.fields import Kind, check_fields, listed, one_of, whole
from ilk.data import Bad
from ilk.embedding.columns import tensor_type
from ilk.embedding.stored import all_shards, bad_of, full, labels_of, whole_table
from ilk.networks import MAP, TOKENS

READ = 2**24  # numbers that are in memory twice while they are read
MADE: Mapping[str, Kind] = {
    "field": one_of(MAP, TOKENS),
    "shape": listed(whole(1, 2**24), 3),
    "dtype": one_of("float16", "float32"),
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PlaceEmbeddings:
    """The maps or tokens of a source under an encoder, in the order of the source.

    Args:
        places: tokens [N, T, D] or maps [N, D, H, W], in the type in which they were stored.
        field: which of both.
        labels: position in ``classes``; -1 when not known.
        keys: path or id of every image; one Arrow array of large strings.
        classes: names; empty when nothing is labelled.
        encoder: fingerprint of the encoder.
        data: fingerprint of the source.
        bad: items of the source that have no row.
    """

    places: Float[np.ndarray, "N D *rest"]
    field: str
    labels: Int64[np.ndarray, " N"]
    keys: pa.Array
    classes: tuple[str, ...]
    encoder: str
    data: str
    bad: tuple[Bad, ...]


def read_places(path: str | Path) -> PlaceEmbeddings:
    """Read the maps or tokens that ``embed_to_table`` wrote, parquet or shards, into memory.

    Raises:
        UserError: nothing is there, it is CSV or npz, it holds vectors, it is not ours or
            damaged, or shards are missing or do not belong together.
    """
    files, made = all_shards(path)
    if "field" not in made:
        raise UserError(
            f"embeddings: {path} must hold maps or tokens, got one vector an image; read it"
            " with read_embeddings"
        )
    check_fields(made, MADE, f"embeddings: {path}", others=True)
    field, shape = str(made["field"]), tuple(made["shape"])
    with whole_table(files[0]):
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        if rows > made["items"]:
            raise ValueError(f"{rows} rows of {made['items']} items")
        places = np.zeros((rows, *shape), made["dtype"])
        labels = np.full(rows, -1, np.int64)
    keys = [pa.array([], pa.large_string())]
    row = 0
    for file in files:
        with whole_table(file), pq.ParquetFile(file) as table:
            _check_type(table.schema_arrow, field, tensor_type(made["dtype"], shape))
            for batch in table.iter_batches(max(1, READ // prod(shape))):
                mine = slice(row, row := row + len(batch))
                flat = full(batch, field).storage.flatten()
                places[mine] = flat.to_numpy(zero_copy_only=False).reshape(-1, *shape)
                if "label" in batch.schema.names:
                    labels[mine] = labels_of(batch, len(made["classes"]))
                keys.append(full(batch, "key").cast(pa.large_string()))
    return PlaceEmbeddings(
        places=places,
        field=field,
        labels=labels,
        keys=pa.concat_arrays(keys),
        classes=tuple(made["classes"]),
        encoder=made["encoder"],
        data=made["data"],
        bad=tuple(bad for file in files for bad in bad_of(file)),
    )


def _check_type(schema: pa.Schema, field: str, kind: pa.DataType) -> None:
    if field not in schema.names or schema.field(field).type != kind:
        raise ValueError(f"no column {field} of {kind}")

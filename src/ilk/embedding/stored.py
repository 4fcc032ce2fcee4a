"""Tables of vectors read back. Axes: N rows, D features.

A table may come from anybody or be damaged: it is data, and its content is checked first.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import contextlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ilk.core import UserError
from ilk.core.fields import (
    ANYTHING,
    Kind,
    check_fields,
    keyed,
    listed,
    parse_json,
    read_plain,
    text,
    whole,
)
from ilk.data import Bad
from ilk.embedding.formats import sidecar
from ilk.embedding.record import Embeddings
from ilk.networks import FEATURE

ROWS = 4096  # that are in memory twice while they are read
FACTS: Mapping[str, Kind] = {
    "made": keyed(ANYTHING),
    "bad": listed(ANYTHING, 10**7),
    "unlabelled": text(10**5),
}
MADE: Mapping[str, Kind] = {
    "encoder": text(),
    "dim": whole(1, 2**24),
    "data": text(),
    "items": whole(0, 10**12),
    "classes": listed(text(10**5), 10**7),
    "shard_rows": whole(1, 10**12),
    "field": text(),
}
BAD: Mapping[str, Kind] = {
    "index": whole(0, 10**12),
    "key": text(10**5),
    "reason": text(10**5),
}


def read_embeddings(path: str | Path) -> Embeddings:
    """Read the parquet that ``embed_to_table`` wrote, a file or shards, into memory.

    Raises:
        UserError: nothing is there, it is CSV or npz, it is not ours or damaged, or shards are
            missing or do not belong together.
    """
    files, made = shards(path)
    vectors, labels, contents, keys = _columns(files, made)
    return Embeddings(
        vectors=vectors,
        labels=labels,
        keys=keys,
        classes=tuple(made["classes"]),
        encoder=made["encoder"],
        data=made["data"],
        bad=tuple(bad for file in files for bad in bad_of(file)),
        contents=contents,
        unlabelled_because=facts_of(files[0]).get("unlabelled", ""),
    )


def shards(path: str | Path) -> tuple[list[Path], dict[str, Any]]:
    """The files of a table in parquet, all of them, and what made it.

    Raises:
        UserError: nothing is there, it is CSV or npz, shards are missing or do not belong
            together, or they hold maps or tokens.
    """
    files, made = all_shards(path)
    if made.get("field", FEATURE) != FEATURE:
        raise UserError(
            f"embeddings: {path} must hold one vector an image, got the {made['field']} of"
            " each; embed the images with field feature"
        )
    return files, made


def all_shards(path: str | Path) -> tuple[list[Path], dict[str, Any]]:
    """The same of any table of `embed_to_table`, of maps and tokens too.

    Raises:
        UserError: as in `shards`.
    """
    path = Path(path)
    if path.exists() and path.suffix.lower() in {".csv", ".npz"}:
        raise UserError(
            f"embeddings: {path} must be parquet, which is what ilk reads back, got"
            f" {path.suffix}; call ilk embed with -o {path.stem}.parquet"
        )
    files = sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise UserError(f"embeddings: {path} must be a file or directory that ilk embed wrote")
    made = [facts_of(file)["made"] for file in files]
    wanted = max(-(-made[0]["items"] // made[0]["shard_rows"]), 1)
    if len(files) != wanted or any(other != made[0] for other in made):
        raise UserError(
            f"embeddings: {path} must hold the {wanted} shards of one run, got {len(files)};"
            " call ilk embed again with the same output to finish it"
        )
    return files, made[0]


def facts_of(file: Path) -> dict[str, Any]:
    """What stands in the metadata of a table, or beside it, checked.

    Raises:
        UserError: it is no table of ours.
    """
    where = f"embeddings: {file}"
    apart = file.suffix.lower() in {".csv", ".npz"}
    written = _beside(file) if apart else _within(file)
    facts = check_fields(
        parse_json(written, where), FACTS, where, optional=("unlabelled",), others=True
    )
    check_fields(facts["made"], MADE, where, optional=("field",), others=True)
    for entry in facts["bad"]:
        check_fields(entry, BAD, f"{where}: bad")
    return facts


def _within(file: Path) -> bytes:
    """The facts of a parquet file."""
    try:
        if not file.is_file():  # a device may have no end
            raise OSError("not a plain file")
        metadata: Mapping[bytes, bytes] = pq.read_schema(file).metadata or {}
        return metadata[b"ilk"]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise UserError(
            f"embeddings: {file} must be a parquet file that ilk embed wrote, it is not"
        ) from error


def _beside(file: Path) -> bytes:
    """The facts of a file that cannot hold them."""
    facts = sidecar(file)
    if not facts.is_file():
        raise UserError(
            f"embeddings: {file} must have {facts.name} beside it, as ilk embed writes it, got"
            " none; choose another output or delete it"
        )
    return read_plain(facts, f"embeddings: {file}")


def bad_of(file: Path) -> list[Bad]:
    """The items that have no row because they could not be read."""
    return [Bad(**entry) for entry in facts_of(file)["bad"]]


def left_behind(path: Path) -> list[Bad]:
    """The same of a file or of a directory of shards, as far as they are written."""
    files = sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]
    return [bad for file in files if file.exists() for bad in bad_of(file)]


def _columns(
    files: Sequence[Path], made: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Any]:
    """Vectors, labels, contents and keys of all files, in memory once.

    Raises:
        UserError: they are not what is written, or a file is damaged.
    """
    with whole_table(files[0]):
        rows = sum(pq.read_metadata(file).num_rows for file in files)
        has_contents = all("content" in pq.read_schema(file).names for file in files)
        if rows > made["items"]:
            raise ValueError(f"{rows} rows of {made['items']} items")
        vectors = np.zeros((rows, made["dim"]), np.float32)
        labels = np.full(rows, -1, np.int64)
        contents = np.zeros(rows, np.uint64) if has_contents else None
    keys: list[Any] = [pa.array([], pa.large_string())]
    row = 0
    for file in files:
        with whole_table(file):
            table = pq.ParquetFile(file)
            check_schema(table.schema_arrow, made["dim"])
            for batch in table.iter_batches(batch_size=ROWS):
                place = slice(row, row + len(batch))
                flat = full(batch, "vector").flatten().to_numpy(zero_copy_only=False)
                vectors[place] = flat.reshape(len(batch), -1)
                if "label" in batch.schema.names:
                    labels[place] = labels_of(batch, len(made["classes"]))
                if contents is not None:
                    contents[place] = full(batch, "content").to_numpy()
                keys.append(full(batch, "key").cast(pa.large_string()))
                row = place.stop
    return vectors, labels, contents, pa.concat_arrays(keys)


@contextlib.contextmanager
def whole_table(file: Path) -> Generator[None]:
    """Whatever a damaged table makes its readers raise is one line."""
    try:
        yield
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"embeddings: {file} must hold a whole table that ilk embed wrote, got '{reason}'; "
            f"embed again"
        ) from error


def check_schema(schema: Any, dim: int) -> None:
    """Refuse columns of other types.

    Raises:
        ValueError: it says which.
    """
    wanted: dict[str, tuple[Any, ...]] = {
        "key": (pa.string(), pa.large_string()),
        "vector": (pa.list_(pa.float16(), dim), pa.list_(pa.float32(), dim)),
        "content": (pa.uint64(),),
        "label": (pa.int64(),),
    }
    for name, types in wanted.items():
        if name not in schema.names:
            if name in {"key", "vector"}:
                raise ValueError(f"no column {name}")
        elif schema.field(name).type not in types:
            raise ValueError(f"a column {name} of {schema.field(name).type}, not {types[0]}")


def full(batch: Any, name: str) -> Any:
    """A column that has a value in each row.

    Raises:
        ValueError: one is missing.
    """
    column = batch.column(name)
    if column.null_count:
        raise ValueError(f"{column.null_count} rows without {name}")
    return column


def labels_of(batch: Any, classes: int) -> np.ndarray:
    """Class of each row, -1 where it is not known.

    Raises:
        ValueError: there is no such class.
    """
    labels: np.ndarray = batch.column("label").fill_null(-1).to_numpy()
    if len(labels) and not -1 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels {labels.min()} to {labels.max()} of {classes} classes")
    return labels

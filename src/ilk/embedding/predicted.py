"""Tables of predictions read back. Axes: R rows, K classes.

A table may be damaged or a stranger's: it is data, and its content is checked first.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float16, Float32, Int32, Int64

from ilk.core import UserError
from ilk.data import Source
from ilk.data.source import one_line
from ilk.embedding.stored import ROWS, bad_of, shards

COLUMNS = {"class": (pa.string(), pa.large_string()), "probability": (pa.float32(),)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Predicted:
    """The classes that a network predicts for the items of a source.

    Args:
        items: those that could be read, ascending.
        classes: position of the most probable class in the classes that were asked for.
        sure: its probability.
        shares: the probability of every class; None where it is not wanted.
    """

    items: Int64[np.ndarray, " R"]
    classes: Int32[np.ndarray, " R"]
    sure: Float32[np.ndarray, " R"]
    shares: Float16[np.ndarray, "R K"] | None


def read_predictions(
    path: Path, source: Source, classes: Sequence[str], *, whole: bool
) -> Predicted:
    """Read the parquet that ``predict_to_table`` wrote for a source into memory.

    Args:
        path: a file, or a directory of shards.
        source: the items that were predicted.
        classes: names of those that must have been predicted.
        whole: whether the probabilities of all classes are read.

    Raises:
        UserError: there is no such table, it is of other images or classes, or damaged.
    """
    files, made = shards(path)
    other = [
        what
        for what, there, wanted in (
            ("images", made["data"], source.fingerprint),
            ("classes", made.get("predicted"), list(classes)),
        )
        if there != wanted
    ]
    if other:
        raise UserError(
            f"pseudo-labels: {path} must hold predictions for these images, of these classes, "
            f"got other {' and '.join(other)}; predict again"
        )
    bad = [skipped.index for file in files for skipped in bad_of(file)]
    items = np.setdiff1d(np.arange(len(source)), np.array(bad, np.int64))
    try:
        return _read(files, items, list(classes), whole)
    except (pa.ArrowException, OSError, MemoryError, ValueError, KeyError) as error:
        raise UserError(
            f"pseudo-labels: {path} must hold a whole table of predictions, got "
            f"'{one_line(error)}'; predict again"
        ) from error


def _read(
    files: Sequence[Path], items: Int64[np.ndarray, " R"], names: list[str], whole: bool
) -> Predicted:
    place = {name: number for number, name in enumerate(names)}
    rows, width = len(items), len(names)
    classes, sure = np.zeros(rows, np.int32), np.zeros(rows, np.float32)
    shares = np.zeros((rows, width), np.float16) if whole else None
    row = 0
    for batch in _batches(files, rows, width if whole else None):
        mine = slice(row, row := row + len(batch))
        classes[mine] = [place[name] for name in batch.column("class").to_pylist()]
        sure[mine] = batch.column("probability").to_numpy()
        if shares is not None:
            flat = batch.column("probabilities").flatten().to_numpy(zero_copy_only=False)
            shares[mine] = flat.reshape(-1, width)
    for numbers in (sure, *([] if shares is None else [shares])):
        if not ((numbers >= 0) & (numbers <= 1)).all():
            raise ValueError("probabilities outside of 0 to 1")
    return Predicted(items=items, classes=classes, sure=sure, shares=shares)


def _batches(files: Sequence[Path], rows: int, width: int | None) -> Generator[pa.RecordBatch]:
    """Some rows at a time, once all files are seen to have as many rows as are wanted."""
    lists = {"probabilities": (pa.list_(pa.float16(), width),)} if width is not None else {}
    found = 0
    for path in files:
        with pq.ParquetFile(path) as file:
            _check_types(file.schema_arrow, {**COLUMNS, **lists})
            found += file.metadata.num_rows
    if found != rows:
        raise ValueError(f"{found} rows for {rows} images")
    for path in files:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(ROWS, columns=[*COLUMNS, *lists])


def _check_types(schema: Any, wanted: Mapping[str, tuple[Any, ...]]) -> None:
    for name, types in wanted.items():
        if name not in schema.names or schema.field(name).type not in types:
            raise ValueError(f"no column {name} of {types[0]}")

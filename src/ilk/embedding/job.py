"""What a table is to hold, and all that makes two tables the same. Axes: B rows of a batch."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa

from ilk.core import UserError, stored
from ilk.core.facts import LABEL, Fact
from ilk.core.version import VERSION
from ilk.data import Bad, Source, fact, fact_names, left_out, roots, unlabelled_because
from ilk.embedding.batches import Batch
from ilk.embedding.columns import Columns
from ilk.embedding.stored import facts_of
from ilk.networks import Encoder

LAYOUT = 3  # of the columns; 1 had no width and height, 2 no facts
_WORDS = "key content width height label label_name vector id class probability margin"
OWN = frozenset(_WORDS.split())
_DIGITS = 18  # of whole numbers that 64 bits hold


class Reading(TypedDict, total=False):
    """How the images are read and encoded: see ``embed``."""

    batch_size: int
    device: str
    workers: int


@dataclass(frozen=True, slots=True)
class Job:
    """A table that is to be written.

    Args:
        encoder: what encodes the images.
        source: the images.
        columns: the last ones.
        shard_rows: items of a shard.
        reading: how images are read.
        progress: called with the items done and their number.
        verb: what the message of an error begins with.
        known: what is known of the items, by the name of the column.
        encoder_spec: where the encoder lies.
        times: when the files of the images were changed, as `file_times`, while something is
            missing; empty once all is there, for a copy of the files is as good.
    """

    encoder: Encoder
    source: Source
    columns: Columns
    shard_rows: int
    reading: Reading
    progress: Callable[[int, int], None] | None
    verb: str
    known: Mapping[str, "Known"]
    encoder_spec: str = ""
    times: str = ""

    @property
    def made(self) -> dict[str, Any]:
        """What makes the table; equal for all shards of one run."""
        return {
            "encoder": self.encoder.fingerprint,
            "encoder_name": self.encoder.name,
            "image_size": self.encoder.image_size,
            "dim": self.encoder.feature_dim,
            **self.columns.made,
            "data": self.source.fingerprint,
            "items": len(self.source),
            "classes": list(self.source.classes),
            "facts": list(self.known),
            "shard_rows": self.shard_rows,
            "layout": LAYOUT,
        }

    def schema(self, bad: Iterable[Bad]) -> pa.Schema:
        """Columns and metadata."""
        label = [pa.field("label", pa.int64()), pa.field("label_name", pa.string())]
        columns = [
            pa.field("key", pa.string()),
            pa.field("content", pa.uint64()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            *(label if self.source.classes else []),
            *(pa.field(name, known.type) for name, known in self.known.items()),
            *self.columns.fields,
        ]
        beside = {
            "made": self.made,
            "bad": [asdict(b) for b in bad],
            "left_out": [asdict(kind) for kind in left_out(self.source)],
            "roots": {stored(prefix): root for prefix, root in roots(self.source).items()},
            "unlabelled": unlabelled_because(self.source),
            "encoder_spec": self.encoder_spec,
            "version": VERSION,
            "file times": self.times,
        }
        return pa.schema(columns, {"ilk": json.dumps(beside)})

    def table(self, batch: Batch, schema: pa.Schema) -> pa.Table:
        """The rows of a batch."""
        unknown = batch.labels < 0
        names = [*self.source.classes, None]
        lost = {bad.index for bad in batch.bad}
        rows = np.array([item for item in batch.items if item not in lost], np.int64)
        columns = {
            "key": pa.array(batch.keys, pa.string()),
            "content": pa.array(batch.contents, pa.uint64()),
            "width": pa.array(batch.sizes[:, 0], pa.int32()),
            "height": pa.array(batch.sizes[:, 1], pa.int32()),
            "label": pa.array(batch.labels, pa.int64(), mask=unknown),
            "label_name": pa.array([names[label] for label in batch.labels], pa.string()),
            **{name: known.of(rows) for name, known in self.known.items()},
            **self.columns.arrays(batch),
        }
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def verify(self, file: Path) -> None:
        """Refuse to go on with a file that was not made like this."""
        wanted = self.made
        try:
            facts = facts_of(file)
        except UserError as error:
            raise UserError(
                f"{self.verb}: {file} must be free or hold a whole table that ilk wrote: "
                f"{error}; choose another output or delete it"
            ) from error
        other = [
            name
            for name in dict.fromkeys((*wanted, "field", "shape"))  # which vectors lack
            if facts["made"].get(name) != wanted.get(name)
        ]
        if self.times and facts.get("file times") != self.times:
            other.append("time at which a file was changed")
        if other:
            raise UserError(
                f"{self.verb}: {file} must have been made with the same encoder, data and"
                f" settings, got another {', '.join(other)}; choose another output or delete it"
            )

    def tell(self, done: int) -> None:
        """Report progress."""
        if self.progress:
            self.progress(done, len(self.source))


class Known:
    """One fact of all items, as a column: of whole numbers or numbers where all values are.

    Example:
        >>> years = Known(Fact(("2023", "2024"), np.array([1, -1, 0], np.int32)))
        >>> years.type, years.of(np.array([0, 1])).to_pylist()
        (DataType(int64), [2024, None])

    Args:
        fact: values as positions in its names.
    """

    def __init__(self, fact: Fact) -> None:
        self._values = fact.values
        self.type, names = _typed(fact.names)
        self._names = pa.array([*names, None], self.type)

    def of(self, items: np.ndarray) -> pa.Array:
        """The values of some items; null where they are not known."""
        return self._names.take(pa.array(self._values[items] % len(self._names)))


def known(source: Source, column: str = "vector") -> dict[str, Known]:
    """What a source knows of its items beside their label, by the name of the column.

    A fact whose name is that of another column has ``fact.`` before it. What cannot be a fact,
    such as a column of lists, is left out.

    Args:
        source: of the items.
        column: name of a further column.
    """
    out: dict[str, Known] = {}
    for name in fact_names(source):
        if name == LABEL or (name == "label_name" and source.classes):
            continue
        taken = name in OWN or name == column
        try:
            out[stored(f"fact.{name}" if taken else name)] = Known(fact(source, name))
        except UserError:
            continue
    return out


def _typed(names: tuple[str, ...]) -> tuple[Any, list[Any]]:
    """The type that all values have, and the values."""
    digits = [name.removeprefix("-") for name in names]
    if names and all(d.isascii() and d.isdecimal() and len(d) <= _DIGITS for d in digits):
        plain = all(str(int(name)) == name for name in names)  # 007 is no number
        return (pa.int64(), [int(name) for name in names]) if plain else (pa.string(), [*names])
    try:
        # Python reads 1_000 as a number as well
        numbers = [float(name.replace("_", "x")) for name in names or ("x",)]
    except ValueError:
        return pa.string(), [stored(name) for name in names]
    if len(set(numbers)) < len(set(names)):  # versions 1.1 and 1.10, wells 1E5 and 10E4
        return pa.string(), [stored(name) for name in names]
    return pa.float64(), numbers

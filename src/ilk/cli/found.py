"""What a search found: looked for, kept, and shown on a page. Axes: N rows, Q queries."""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ilk.core import UserError, replacing, stored
from ilk.core.counts import count
from ilk.core.names import did_you_mean
from ilk.curate.grouped import check_ours
from ilk.data import BadItem, Source, decode, open_source, read_item
from ilk.embedding import embed
from ilk.search import Index, in_words
from ilk.search.rows import table_key
from ilk.viewer import CaptionedImage, Chapter, Lookup, Neighbour, Report, write_report

MARK = b"ilk_search"  # in the metadata of a table of what was found
_GONE = 64  # pixels of what stands where an image is gone
_NEAR = 10_000  # keys that are looked through for one that is nearly the same


@dataclass(frozen=True, slots=True)
class Row:
    """One image that was found.

    Args:
        id: its id in the index.
        key: where it lies.
        similarity: the cosine.
        label: its class, if it is known.
        place: its row in the index.
    """

    id: int
    key: str
    similarity: float
    label: str | None
    place: int


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One image that was looked for.

    Args:
        name: its key.
        vector: what the encoder makes of it.
        source: what holds it.
        item: its number there.
        own: its id, if it is of the index, so that it is not found itself.
        label: its class, if it is known.
    """

    name: str
    vector: np.ndarray
    source: Source | None
    item: int
    own: int = -1
    label: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The nearest images of some images.

    Args:
        index: where they lie.
        queries: the images that were looked for.
        lists: for each its nearest, most similar first.
        images: those of the index; None where they are gone.
    """

    index: Index
    queries: tuple[Query, ...]
    lists: tuple[tuple[Row, ...], ...]
    images: Source | None

    @property
    def rows(self) -> list[tuple[str, tuple[Row, ...]]]:
        """Name of each query and what was found."""
        return [(q.name, rows) for q, rows in zip(self.queries, self.lists, strict=True)]

    @property
    def labelled(self) -> bool:
        """Whether any of the images has a label."""
        return any(row.label for rows in self.lists for row in rows)

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [{"query": name, "nearest": [*map(asdict, rows)]} for name, rows in self.rows]


def find(
    index: Index, images: Sequence[str], keys: Sequence[str], k: int,
    within: np.ndarray | None, *, encoder: str | None, exact: bool, device: str,
    tell: Callable[[str], None],
) -> Found:  # fmt: skip
    """Embed images, look up keys, and find what is near.

    Raises:
        UserError: there is no such key, no image can be read, or the encoder is another.
    """
    columns = index.columns(["key", "label_name"])
    try:
        pixels: Source | None = index.images()
    except UserError as error:
        pixels = None
        tell(str(error))
    queries = [_of_index(index, columns, pixels, key) for key in keys]
    if images:
        queries += _given(index, images, encoder, device, tell)
    vectors = np.stack([query.vector for query in queries])
    most = min(k + bool(keys), max(len(index), 1))
    ids, similarities = index.search(vectors, most, within=within, exact=exact)
    names = columns["label_name"] if "label_name" in columns.column_names else None
    lists: list[tuple[Row, ...]] = []
    for query, mine, near in zip(queries, ids, similarities, strict=True):
        kept = (mine >= 0) & (mine != query.own)
        places = index.places(mine[kept])
        rows = [
            Row(id=i, key=columns["key"][p].as_py(), similarity=s, place=p,
                label=None if names is None else names[p].as_py())
            for i, s, p in zip(mine[kept].tolist(), near[kept].tolist(), places.tolist(),
                               strict=True)
        ]  # fmt: skip
        lists.append(tuple(rows[:k]))
    return Found(index, tuple(queries), tuple(lists), pixels)


def _of_index(index: Index, columns: Any, pixels: Source | None, key: str) -> Query:
    key = table_key(key)
    place = columns["key"].index(pa.scalar(key, pa.string())).as_py()
    if place < 0:
        near = columns["key"].slice(0, _NEAR).to_pylist()
        hint = did_you_mean(key, near, "keys stand in the table of the index")
        raise UserError(f"--key: must be of an image in {index.folder}, got {key!r}; {hint}")
    label = columns["label_name"][place].as_py() if columns.num_columns > 1 else None
    vector = index.vectors[place].astype(np.float32)
    return Query(key, vector, pixels, place, own=int(index.ids[place]), label=label)


def _given(
    index: Index, images: Sequence[str], encoder: str | None, device: str,
    tell: Callable[[str], None],
) -> list[Query]:  # fmt: skip
    source = open_source(images[0] if len(images) == 1 else list(images))
    made = embed(index.encoder(encoder, tell=tell), source, device=device)
    lost = {bad.index for bad in made.bad}
    if made.bad:
        first, lost_images = made.bad[0], count(len(lost), "unreadable image")
        tell(f"{lost_images} left out, first {first.key}: {first.reason}")
    items = [item for item in range(len(source)) if item not in lost]
    return [
        Query(stored(source.key(item)), made.vectors[row], source, item)
        for row, item in enumerate(items)
    ]


def write_table(found: Found, path: Path) -> None:
    """A row for each image found.

    Raises:
        UserError: it cannot be written.
    """
    rows = [
        (name, rank, row) for name, every in found.rows for rank, row in enumerate(every, 1)
    ]
    table = pa.table(
        {
            "query": pa.array([name for name, _, _ in rows], pa.string()),
            "rank": pa.array([rank for _, rank, _ in rows], pa.int32()),
            "id": pa.array([row.id for _, _, row in rows], pa.int64()),
            "key": pa.array([row.key for _, _, row in rows], pa.string()),
            "similarity": pa.array([row.similarity for _, _, row in rows], pa.float32()),
            "label_name": pa.array([row.label for _, _, row in rows], pa.string()),
        }
    )
    check_ours(path, MARK, "-o")  # the table of vectors ends so too
    with replacing(path, "-o") as beside:
        pq.write_table(table.replace_schema_metadata({MARK: b"{}"}), beside)


def write_page(found: Found, path: Path) -> None:
    """One file with small images, which loads nothing from elsewhere.

    Raises:
        UserError: it cannot be written.
    """
    lookups = tuple(
        Lookup(
            query=_small(query.source, query.item, "", query.name),
            found=(
                (f"nearest to {query.name}", tuple(_neighbour(found, query, r) for r in rows)),
            ),
        )
        for query, rows in zip(found.queries, found.lists, strict=True)
    )
    lead = (
        "Each row shows an image and the images of the index that are nearest to it by cosine "
        "similarity, which stands below them."
    )
    asked = count(len(found.queries), "image")
    report = Report(
        title=f"Search in {found.index.folder.name}",
        verdict=f"Nearest to {asked}, of {in_words(found.index.header)}.",
        chapters=(Chapter(title="Nearest images", lead=lead, lookups=lookups),),
    )
    write_report(path, report)


def _neighbour(found: Found, query: Query, row: Row) -> Neighbour:
    agrees = None if query.label is None or row.label is None else query.label == row.label
    caption = f"{row.similarity:.3f}" + (f" {row.label}" if row.label else "")
    return Neighbour(image=_small(found.images, row.place, caption, row.key), agrees=agrees)


def _small(source: Source | None, item: int, caption: str, name: str) -> CaptionedImage:
    gone = np.full((_GONE, _GONE, 3), 128, np.uint8)
    try:
        if source is None:
            raise BadItem("gone")
        pixels = decode(read_item(source, item))
    except BadItem as reason:
        return CaptionedImage(
            pixels=gone, caption=f"{caption} (not shown)", alt=f"{name}: {reason}"
        )
    return CaptionedImage(pixels=pixels, caption=caption, alt=name)

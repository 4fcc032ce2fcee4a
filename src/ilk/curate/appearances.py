"""How all images of a source look, computed once and kept beside an index.

Axes: N images that could be read, M items of a source, S pixels of a side.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8, UInt64

from ilk.core import UserError, replacing, stored
from ilk.core.prefetch import mapped_ahead
from ilk.curate.hashes import SIDE, appearance
from ilk.data import MEMORY, Bad, BadItem, Source, read_item
from ilk.data.source import digest

PIECE = 4096  # images that an interruption can cost at most
_TASK = 32  # images of one piece of work
_LAYOUT = b"1"  # of what is kept
KEPT = np.dtype(
    [
        ("id", "<i8"), ("content", "<u8"), ("pixels", "<u8"), ("whole", "<u8"),
        ("inner", "<u8"), ("size", "<i4", 2), ("small", "u1", (SIDE, SIDE)),
    ]
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Appearances:
    """How images look, in the order of their source.

    Args:
        items: number of each image in its source, ascending.
        pieces: an `ilk.curate.hashes.Appearance` a row, some thousand rows each; they may lie
            on disk.
        bad: items that could not be read, with the reason.
    """

    items: Int64[np.ndarray, " N"]
    pieces: Sequence[np.ndarray]
    bad: tuple[Bad, ...] = ()

    def __len__(self) -> int:
        """N."""
        return len(self.items)

    @cached_property
    def _ends(self) -> Int64[np.ndarray, " pieces"]:
        return np.cumsum([len(piece) for piece in self.pieces])

    def column(self, name: str) -> np.ndarray:
        """``content``, ``pixels``, ``whole``, ``inner`` or ``size`` of each image."""
        return self._columns[name]

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        """All but the small images, in memory: between those they would be slow to read."""
        names = [name for name in KEPT.names or () if name != "small"]
        empty = np.zeros(0, KEPT)
        return {
            name: np.concatenate([empty[name], *(piece[name] for piece in self.pieces)])
            for name in names
        }

    def small(self, row: int) -> UInt8[np.ndarray, "S S"]:
        """The small gray image of a row."""
        piece = int(np.searchsorted(self._ends, row, side="right"))
        found = self.pieces[piece]
        return np.asarray(found["small"][row - int(self._ends[piece]) + len(found)])


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """Where the appearances of the images of an index are kept.

    Args:
        folder: a folder that holds nothing else.
        ids: the ids of the items of the source, ascending; an id never gets another image.
        contents: digest of each image, as it was embedded.
    """

    folder: Path
    ids: Int64[np.ndarray, " M"]
    contents: UInt64[np.ndarray, " M"]

    @classmethod
    def beside(
        cls, derived: Path, ids: Int64[np.ndarray, " M"], contents: UInt64[np.ndarray, " M"]
    ) -> "Shelf | None":
        """That of an index; None where a link leads elsewhere, for what lies there is not ours.

        Args:
            derived: folder of what is derived from the index, whose path was resolved.
            ids: as above.
            contents: as above.
        """
        place = derived / "appearances"
        return cls(place, ids, contents) if place.resolve() == place else None

    def read(self, part: Int64[np.ndarray, " m"]) -> np.ndarray:
        """What is kept of some items; what is damaged or of other images is not."""
        try:
            if not self._file(part).is_file():  # a pipe would never end
                return np.zeros(0, KEPT)
            kept = np.load(self._file(part), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return np.zeros(0, KEPT)
        if (
            not isinstance(kept, np.ndarray)  # a packed file of several
            or kept.dtype != KEPT
            or kept.ndim != 1
            or not np.isin(kept["id"], self.ids[part]).all()
            or (np.diff(kept["id"]) <= 0).any()  # an image twice would be a copy of itself
        ):
            return np.zeros(0, KEPT)
        return kept

    def write(self, part: Int64[np.ndarray, " m"], rows: np.ndarray) -> np.ndarray:
        """Keep rows, and give them as they lie on disk; where none can lie, as they are."""
        try:
            with replacing(self._file(part), "derived") as beside, beside.open("wb") as file:
                np.save(file, rows)
        except UserError:  # a folder that is only read, or a full disk
            return rows
        return self.read(part)

    def sweep(self, parts: Sequence[np.ndarray]) -> None:
        """Remove what is kept of other states of the index."""
        wanted = {self._file(part).name for part in parts}
        for file in self.folder.glob("*.npy"):
            if file.name not in wanted:
                with contextlib.suppress(OSError):
                    file.unlink()

    def _file(self, part: Int64[np.ndarray, " m"]) -> Path:
        """A name that says of which images: their ids and digests."""
        name = digest([_LAYOUT, self.ids[part], self.contents[part]])
        return self.folder / f"{name}.npy"


def look_at(
    source: Source,
    *,
    workers: int = 1,
    shelf: Shelf | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Appearances:
    """Read every image of a source once.

    Args:
        source: the images; those that cannot be read are listed as bad.
        workers: threads that read and decode.
        shelf: where results are kept; what it holds is not computed again, but for bad images,
            which are tried each time. Memory then holds a piece of 4,096 images at most.
        progress: called with the items done and their number.
    """
    ids = shelf.ids if shelf else np.arange(len(source))
    edges = np.flatnonzero(np.diff(ids // PIECE)) + 1  # others stay when an image is deleted
    parts = [part for part in np.split(np.arange(len(ids)), edges) if len(part)]
    pieces: list[np.ndarray] = []
    bad: list[Bad] = []
    for part in parts:
        kept = shelf.read(part) if shelf else np.zeros(0, KEPT)
        made: list[np.ndarray] = []
        for found in _looked(source, part[~np.isin(ids[part], kept["id"])], ids, workers):
            bad += [one for one in found if isinstance(one, Bad)]
            made += [one for one in found if not isinstance(one, Bad)]
            if progress:
                progress(int(part[0]) + len(kept) + len(made), len(source))
        if made:
            kept = np.concatenate([kept, *made])
            kept = kept[np.argsort(kept["id"])]
            kept = shelf.write(part, kept) if shelf else kept
        pieces.append(kept)
    if shelf:
        shelf.sweep(parts)
    found = np.concatenate([np.zeros(0, np.int64), *(piece["id"] for piece in pieces)])
    good = [piece for piece in pieces if len(piece)]
    return Appearances(np.searchsorted(ids, found), good, tuple(bad))


def _looked(
    source: Source, items: np.ndarray, ids: np.ndarray, workers: int
) -> Iterator[list[np.ndarray | Bad]]:
    """Rows, or the reason why there is none, some items at a time."""
    tasks = (items[start : start + _TASK].tolist() for start in range(0, len(items), _TASK))
    return mapped_ahead(
        lambda task: [_row(source, item, int(ids[item])) for item in task],
        tasks, workers=workers, name="ilk-look",
    )  # fmt: skip


def _row(source: Source, item: int, number: int) -> np.ndarray | Bad:
    try:
        with MEMORY.turn():
            seen = appearance(read_item(source, item))
    except BadItem as reason:
        return Bad(index=item, key=stored(source.key(item)), reason=str(reason))
    row = np.zeros(1, KEPT)
    row["id"] = number
    for name in (KEPT.names or ())[1:]:
        row[name] = getattr(seen, name)
    return row

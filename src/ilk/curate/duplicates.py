"""Copies of an image within a collection, and in another one.

Four levels: the same file, the same pixels, nearly the same perceptual hash, near vectors. What
the last two propose is brought into line and must agree. Axes: N images, P pairs.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int64, UInt64

from ilk.curate.aligned import agreements
from ilk.curate.appearances import Appearances
from ilk.curate.candidates import NEIGHBOURS, Chosen, by_hash, by_vector, same
from ilk.curate.cells import Rows
from ilk.curate.groups import groups
from ilk.curate.thresholds import FEW, RATE, tail

SURE = 0.9  # agreement that copies of photographs reach, by benchmarks/duplicates.py

Level = Literal["same file", "same pixels", "hash", "embedding", "same group"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """An image that is a copy of another one.

    Args:
        row: the row of the image.
        of: row of the other one.
        level: how it was found; ``same group`` by another copy of the same image.
        agreement: how well the pixels agree, 1 for the same.
    """

    row: int
    of: int
    level: Level
    agreement: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Images that are copies of one another.

    Args:
        medoid: row of the image that all others are copies of.
        copies: the others, in order.
    """

    medoid: int
    copies: tuple[Copy, ...]

    @property
    def rows(self) -> list[int]:
        """All rows, the medoid first."""
        return [self.medoid, *(copy.row for copy in self.copies)]

    @property
    def agreement(self) -> float:
        """The least of its copies."""
        return min(copy.agreement for copy in self.copies)


def group_sizes(groups: Sequence[Group], looks: Appearances, count: int) -> pa.Array:
    """How many images the group of each image has, null for an image that is in none.

    Args:
        groups: rows of ``looks``.
        looks: the images that were compared.
        count: N, of the source that they are of.
    """
    sizes = np.zeros(count, np.int32)
    for group in groups:
        sizes[looks.items[group.rows]] = len(group.rows)
    return pa.array(sizes, mask=sizes == 0)


def duplicate_groups(
    looks: Appearances,
    vectors: Rows | None = None,
    *,
    threshold: float,
    false_alarms: float | None = RATE,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Group]:
    """The groups of copies of a collection, largest first.

    Args:
        looks: how its images look.
        vectors: one for each item of its source; None leaves the embedding out.
        threshold: agreement from which on images are copies, see
            `ilk.curate.thresholds.agreement_threshold`.
        false_alarms: share of images that may get a wrong copy where vectors alone propose it,
            see `near_threshold`; None for the threshold of all others.
        workers: threads.
        progress: called with the pairs compared and their number.
    """
    pixels = looks.column("pixels")
    first = same(pixels, pixels)
    once = np.flatnonzero(first == np.arange(len(looks)))
    rows = None if vectors is None else Chosen(vectors, looks.items)
    pairs, hashed = _candidates(looks, looks, rows, rows, once, once)
    agreed = agreements(looks.small, pairs, workers=workers, progress=progress)
    near = near_threshold(agreed[~hashed], threshold, false_alarms)
    fits = agreed >= np.where(hashed, threshold, near)
    known: dict[tuple[int, int], tuple[Level, float]] = {
        (int(pairs[at, 0]), int(pairs[at, 1])): (_level(bool(hashed[at])), float(agreed[at]))
        for at in np.flatnonzero(fits)
    }

    def close(medoid: int, others: Sequence[int]) -> np.ndarray:
        asked = np.array([sorted((medoid, other)) for other in others])
        found = agreements(looks.small, asked, workers=workers)
        for (a, b), agreement in zip(asked.tolist(), found.tolist(), strict=True):
            known[a, b] = ("same group", agreement)
        return found >= near

    united = groups(pairs[fits], close)
    return _expanded(united, known, looks.column("content"), first)


def copies_among(
    known: Appearances,
    asked: Appearances,
    vectors: tuple[Rows, Rows] | None = None,
    *,
    threshold: float,
    false_alarms: float | None = RATE,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Copy]:
    """The images of a collection that are copies of one of another, such as test in train.

    Args:
        known: how the images look that are looked among.
        asked: how those look that are asked for.
        vectors: those of the items of both sources; None leaves the embedding out.
        threshold: agreement from which on images are copies.
        false_alarms: as for `duplicate_groups`.
        workers: threads.
        progress: called with the pairs compared and their number.

    Returns:
        Each copy once, with the image of ``known`` that agrees most with it; in order.
    """
    found: dict[int, Copy] = {}
    exact: dict[Level, str] = {"same file": "content", "same pixels": "pixels"}
    for level, column in exact.items():
        places = same(known.column(column), asked.column(column))
        for row in np.flatnonzero(places >= 0).tolist():
            found.setdefault(row, Copy(row=row, of=int(places[row]), level=level))
    rest = np.setdiff1d(np.arange(len(asked)), np.fromiter(found, np.int64, len(found)))
    both = (None, None)
    if vectors is not None:
        both = Chosen(vectors[0], known.items), Chosen(vectors[1], asked.items)
    pairs, hashed = _candidates(known, asked, *both, np.arange(len(known)), rest)
    shifted = pairs + np.array([len(known), 0])
    agreed = agreements(
        lambda n: known.small(n) if n < len(known) else asked.small(n - len(known)),
        shifted, workers=workers, progress=progress,
    )  # fmt: skip
    near = near_threshold(agreed[~hashed], threshold, false_alarms)
    fits = agreed >= np.where(hashed, threshold, near)
    order = np.argsort(-agreed, kind="stable")
    for place in order[fits[order]]:
        row, of = pairs[place].tolist()
        level, agreement = _level(bool(hashed[place])), float(agreed[place])
        found.setdefault(row, Copy(row=row, of=of, level=level, agreement=agreement))
    return [found[row] for row in sorted(found)]


def near_threshold(
    found: Float32[np.ndarray, " P"], threshold: float, false_alarms: float | None
) -> float:
    """The agreement from which on pairs are copies that vectors alone propose.

    These pairs are chosen because they are similar, so other images agree better among them
    than among those that the threshold was measured on. Of each image they hold four.

    Args:
        found: agreements of such pairs.
        threshold: for all others; it is the least.
        false_alarms: share of images that may get a wrong copy; None for the threshold itself.

    Returns:
        At most 0.9 or the threshold: where most images have copies, these are no measure.
    """
    if false_alarms is None or len(found) < FEW:
        return threshold
    return max(threshold, min(tail(found, false_alarms / NEIGHBOURS), SURE))


def _level(hashed: bool) -> Level:
    return "hash" if hashed else "embedding"


def _candidates(
    known: Appearances, asked: Appearances, theirs: Rows | None, ours: Rows | None,
    among: np.ndarray, of: np.ndarray,
) -> tuple[Int64[np.ndarray, "P 2"], Bool[np.ndarray, " P"]]:  # fmt: skip
    """Pairs to be compared, in ascending order within a collection; which of them by hash."""
    pairs = [by_hash(known, asked, among, of)]
    if theirs is not None and ours is not None:
        pairs.append(by_vector(theirs, ours, among, of))
    every = np.concatenate(pairs)
    hashed = np.arange(len(every)) < len(pairs[0])
    if known is asked:
        every = np.sort(every, axis=1)
        apart = every[:, 0] != every[:, 1]
        every, hashed = every[apart], hashed[apart]
    once = np.unique(every, axis=0, return_index=True)[1]  # a hash comes before a vector
    return every[once], hashed[once]


def _expanded(
    united: list[list[int]],
    known: Mapping[tuple[int, int], tuple[Level, float]],
    contents: UInt64[np.ndarray, " N"],
    first: Int64[np.ndarray, " N"],
) -> list[Group]:
    """Groups of images with the same pixels put back; those of nothing else join in."""
    twins: dict[int, list[int]] = {}
    for row in np.flatnonzero(first != np.arange(len(first))).tolist():
        twins.setdefault(int(first[row]), []).append(row)
    seen = {row for members in united for row in members}
    alone = [[row] for row in twins if row not in seen]
    found: list[Group] = []
    for medoid, *others in [*united, *alone]:
        copies: list[Copy] = []
        for row in (medoid, *others):
            if row != medoid:
                level, agreement = known[min(row, medoid), max(row, medoid)]
                copies.append(Copy(row=row, of=medoid, level=level, agreement=agreement))
            for twin in twins.get(row, []):
                level = "same file" if contents[twin] == contents[row] else "same pixels"
                copies.append(Copy(row=twin, of=row, level=level))
        found.append(Group(medoid=medoid, copies=tuple(sorted(copies, key=lambda c: c.row))))
    return sorted(found, key=lambda group: (-len(group.copies), group.medoid))

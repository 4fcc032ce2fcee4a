"""Which pairs of images may be copies, by what is cheap to compare.

Axes: N images looked among, M images asked for, P pairs.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int64, UInt64

from ilk.curate.appearances import Appearances
from ilk.curate.buckets import hashes_within
from ilk.curate.cells import Rows, nearest_in_cells

RADIUS = 10  # bits
NEIGHBOURS = 4  # nearest vectors
_EACH = 4  # images of one hash that an image of another is paired with, at most


def same(
    known: UInt64[np.ndarray, " N"], asked: UInt64[np.ndarray, " M"]
) -> Int64[np.ndarray, " M"]:
    """For each digest the first known row that has it, -1 if none does."""
    if not len(known):
        return np.full(len(asked), -1)
    values, first = np.unique(known, return_index=True)
    place = np.searchsorted(values, asked)
    place[place == len(values)] = 0
    return np.where(values[place] == asked, first[place], -1)


@dataclass(frozen=True, slots=True)
class _Values:
    """Distinct hashes, and which rows have each."""

    values: UInt64[np.ndarray, " V"]
    rows: list[np.ndarray]


def by_hash(
    known: Appearances, asked: Appearances, among: np.ndarray, of: np.ndarray
) -> Int64[np.ndarray, "P 2"]:
    """Pairs whose hashes differ in 10 bits or fewer, turned in any way, border or not.

    Args:
        known: how the images look that are looked among.
        asked: how those look that are asked for.
        among: rows of ``known`` that count.
        of: rows of ``asked`` that count.

    Returns:
        Row asked for and row known. Of a hash that thousands of images have, each image is
        paired with a few of them, so that pairs grow with images and all are connected.
    """
    theirs, ours = (_values(part, rows) for part, rows in ((known, among), (asked, of)))
    asked_for, found, _ = hashes_within(theirs.values, ours.values, RADIUS)
    pairs = [
        _spread(ours.rows[a], theirs.rows[b]) for a, b in zip(asked_for, found, strict=True)
    ]
    return _once(np.concatenate([np.zeros((0, 2), np.int64), *pairs]))


def by_vector(
    known: Rows, asked: Rows, among: np.ndarray, of: np.ndarray
) -> Int64[np.ndarray, "P 2"]:
    """Each image with its four nearest, see `nearest_in_cells`; none with itself.

    Args:
        known: vectors that are looked among.
        asked: vectors asked for; may be the same ones.
        among: rows of ``known`` that count.
        of: rows of ``asked`` that count.
    """
    alone = known is asked
    theirs = Chosen(known, among)
    ours = theirs if alone else Chosen(asked, of)
    places, _ = nearest_in_cells(theirs, ours, NEIGHBOURS + alone)
    pairs = np.stack([np.repeat(np.arange(len(of)), places.shape[1]), places.ravel()], 1)
    pairs = pairs[pairs[:, 1] >= 0]
    return _once(np.stack([of[pairs[:, 0]], among[pairs[:, 1]]], 1))


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Some rows of vectors."""

    whole: Rows
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and features."""
        return len(self.rows), self.whole.shape[1]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        return self.whole[self.rows[rows]]


def _values(looks: Appearances, rows: np.ndarray) -> _Values:
    """The hashes of whole images and of those without their border."""
    both = np.concatenate([looks.column("whole")[rows], looks.column("inner")[rows]])
    who = np.concatenate([rows, rows])
    who, both = who[both > 0], both[both > 0]
    values, inverse = np.unique(both, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.searchsorted(inverse[order], np.arange(len(values) + 1))
    members = [np.unique(who[order[a:b]]) for a, b in pairwise(ends)]
    return _Values(values, members)


def _spread(ours: np.ndarray, theirs: np.ndarray) -> Int64[np.ndarray, "P 2"]:
    """Each of ours with a few of theirs that follow it."""
    start = np.searchsorted(theirs, ours, side="right")
    each = min(_EACH, len(theirs))
    places = (start[:, None] + np.arange(each)) % len(theirs)
    return np.stack([np.repeat(ours, each), theirs[places.ravel()]], 1)


def _once(pairs: Int64[np.ndarray, "P 2"]) -> Int64[np.ndarray, "U 2"]:
    return np.unique(pairs, axis=0) if len(pairs) else pairs

"""Pairs of hashes that differ in few bits, found without comparing all of them.

As multi-index hashing does (Norouzi et al., CVPR 2012, https://arxiv.org/abs/1307.2982): the 64
bits are four bands of 16, and hashes meet in a bucket if they agree in a band but for as many
bits as are flipped. With two flips all pairs within 11 bits are found, with one all within 7.
Axes: N known hashes, M hashes that are asked for, P pairs.
"""

from itertools import combinations

import numpy as np
from jaxtyping import Int64, UInt8, UInt64

from ilk.curate.hashes import TURNS, distance, turned

BANDS, WIDTH = 4, 16
MANY = 2**18  # known hashes from which on one bit is flipped rather than two
MOST = 16  # known hashes that are kept for each, those that differ least
_BLOCK = 2**22  # entries of buckets that are compared at once


def hashes_within(
    known: UInt64[np.ndarray, " N"], asked: UInt64[np.ndarray, " M"], radius: int
) -> tuple[Int64[np.ndarray, " P"], Int64[np.ndarray, " P"], UInt8[np.ndarray, " P"]]:
    """Pairs of a hash that is asked for, under any of the eight turns, and a known one.

    Work grows with the counts, not with their product, as long as hashes are spread: give each
    value once.

    Args:
        known: distinct, without 0.
        asked: likewise.
        radius: bits, at most 11; from 262,144 known hashes on some pairs beyond 7 are missed.

    Returns:
        Row asked for, row known and bits that differ; for each row asked for the 16 nearest.
    """
    table, flips = _Table(known), _flips(2 if len(known) < MANY else 1)
    found: list[np.ndarray] = []
    for turn in range(TURNS):
        seen = turned(asked, turn)
        bands = _bands(seen)
        for band in range(BANDS):
            for flip in flips:
                for rows, places in table.meet(band, bands[:, band] ^ flip):
                    apart = distance(seen[rows], known[places])
                    near = apart <= radius
                    found.append(np.stack([rows[near], places[near], apart[near]]))
    every = np.concatenate(found, 1) if found else np.zeros((3, 0), np.int64)
    return _nearest(every.astype(np.int64))


class _Table:
    """Known hashes by the value of each band."""

    def __init__(self, known: UInt64[np.ndarray, " N"]) -> None:
        bands = _bands(known)
        values = np.arange(2**WIDTH + 1)
        self._order = [np.argsort(column, kind="stable") for column in bands.T]
        self._starts = [
            np.searchsorted(column[order], values)
            for column, order in zip(bands.T, self._order, strict=True)
        ]

    def meet(self, band: int, values: np.ndarray):
        """Rows of values and places of known hashes in their buckets, in blocks."""
        order = self._order[band]
        start = self._starts[band][values]
        count = self._starts[band][values.astype(np.int64) + 1] - start
        ends = np.cumsum(count)
        low = 0
        while low < len(values):
            before = ends[low - 1] if low else 0
            high = max(int(np.searchsorted(ends, before + _BLOCK, side="right")), low + 1)
            rows = np.repeat(np.arange(low, high), count[low:high])
            first = start - (ends - count - before)  # place of a bucket less that of its rows
            yield rows, order[first[rows] + np.arange(len(rows))]
            low = high


def _bands(hashes: UInt64[np.ndarray, " N"]) -> np.ndarray:
    """Four numbers of 16 bits, each of frequencies from everywhere."""
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    spread = bits.reshape(-1, WIDTH, BANDS).transpose(0, 2, 1)
    return np.packbits(np.ascontiguousarray(spread), axis=2).view(np.uint16)[..., 0]


def _flips(most: int) -> list[int]:
    """Masks of up to so many bits of a band."""
    return [
        sum(1 << bit for bit in bits)
        for count in range(most + 1)
        for bits in combinations(range(WIDTH), count)
    ]


def _nearest(found: Int64[np.ndarray, "3 P"]):
    """Each pair once, with the least distance; of each row asked for the nearest."""
    found = found[:, np.lexsort((found[2], found[1], found[0]))]
    once = np.ones(found.shape[1], bool)
    once[1:] = (found[:2, 1:] != found[:2, :-1]).any(0)
    found = found[:, once]
    found = found[:, np.lexsort((found[1], found[2], found[0]))]
    first = np.searchsorted(found[0], found[0])
    found = found[:, np.arange(found.shape[1]) - first < MOST]
    return found[0], found[1], found[2].astype(np.uint8)

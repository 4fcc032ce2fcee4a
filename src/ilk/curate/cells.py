"""The nearest of many vectors, looked for in a few cells: time is linear in their number.

Axes: N known vectors, M vectors that are asked for, D features, K cells, k neighbours.
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int64

from ilk.core import seeding
from ilk.embedding import nearest
from ilk.memory.clusters import spherical_k_means

CELL = 1000  # vectors of a cell, about
NEAR = 4  # cells that a vector is compared with
EXACT = 4 * CELL  # vectors up to which all are compared with all
_DRAWN = 32  # vectors of each cell that its centre is found by
_ROUNDS = 8
_BLOCK = 16_384


@runtime_checkable
class Rows(Protocol):
    """Vectors by row, of any length, such as an array or the vectors of an index."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N, D."""
        ...

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray: ...


def nearest_in_cells(
    known: Rows, asked: Rows, k: int
) -> tuple[Int64[np.ndarray, "M k"], Float32[np.ndarray, "M k"]]:
    """For each vector the most similar known ones by cosine.

    Exact up to 4,000 known vectors. Beyond, vectors lie in cells of some 1,000, by k-means on
    a sample, and each is compared with those of the four cells nearest to it.

    Args:
        known: the vectors to look among.
        asked: may be the known ones themselves; each is then its own nearest.
        k: at least 1.

    Returns:
        Rows of ``known``, -1 where there are no more, and cosines, most similar first.
    """
    rows = np.full((asked.shape[0], k), -1)
    cosines = np.full((asked.shape[0], k), -1, np.float32)
    if not known.shape[0]:
        return rows, cosines
    centres = _centres(known)
    homes = _cells(known, centres, 1)[:, 0]
    visits = homes[:, None] if asked is known and len(centres) == 1 else None
    visits = _cells(asked, centres, min(NEAR, len(centres))) if visits is None else visits
    order = np.argsort(homes, kind="stable")
    ends = np.searchsorted(homes[order], np.arange(len(centres) + 1))
    for cell in range(len(centres)):
        inside = order[ends[cell] : ends[cell + 1]]
        who = np.flatnonzero((visits == cell).any(1))
        if len(inside) and len(who):
            _compare(known, asked, inside, who, rows, cosines)
    return rows, cosines


def _compare(
    known: Rows,
    asked: Rows,
    inside: Int64[np.ndarray, " n"],
    who: Int64[np.ndarray, " m"],
    rows: Int64[np.ndarray, "M k"],
    cosines: Float32[np.ndarray, "M k"],
) -> None:
    """Put what one cell holds among the nearest found so far."""
    gallery = torch.from_numpy(known[inside].astype(np.float32))
    k = rows.shape[1]
    for start in range(0, len(who), _BLOCK):
        some = who[start : start + _BLOCK]
        queries = torch.from_numpy(asked[some].astype(np.float32))
        places, found = (part.numpy() for part in nearest(queries, gallery, k))
        every = np.concatenate([cosines[some], found], 1)
        which = np.concatenate([rows[some], inside[places]], 1)
        best = np.argsort(-every, axis=1, kind="stable")[:, :k]
        cosines[some] = np.take_along_axis(every, best, 1)
        rows[some] = np.take_along_axis(which, best, 1)


def _centres(known: Rows) -> torch.Tensor:
    """Directions of the cells; one where all are compared with all."""
    count = known.shape[0]
    cells = 1 if count <= EXACT else count // CELL
    drawn = np.sort(seeding.permutation(0, count, count)[: cells * _DRAWN])
    some = torch.nn.functional.normalize(torch.from_numpy(known[drawn].astype(np.float32)))
    first = seeding.permutation(1, count, len(some))[:cells].copy()
    return spherical_k_means(some, some[first], _ROUNDS)


def _cells(rows: Rows, centres: torch.Tensor, most: int) -> Int64[np.ndarray, "M cells"]:
    """The cells nearest to each vector."""
    found: Iterator[np.ndarray] = (
        nearest(
            torch.from_numpy(rows[start : start + _BLOCK].astype(np.float32)), centres, most
        )[0].numpy()
        for start in range(0, rows.shape[0], _BLOCK)
    )
    return np.concatenate([np.zeros((0, most), np.int64), *found])

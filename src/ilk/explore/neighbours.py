"""Nearest images of one, of some and of all.

Axes: N images, M of them, Q queries, k neighbours.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int64, UInt32

from ilk import embedding
from ilk.explore.collection import NONE, Space
from ilk.explore.derived import remembered
from ilk.explore.jobs import Tell
from ilk.explore.vectors import BLOCK, as_floats

NOWHERE = 2**32 - 1  # a row that stands for none
IN_GRAPH = 20  # neighbours of each image that are kept
FAR = 50  # ranks back that are looked for
TOGETHER = 512  # queries


@dataclass(frozen=True, slots=True)
class Graph:
    """The nearest other images of every image.

    Args:
        rows: most similar first; 4294967295 where there is none.
        cosines: similarity of each of these neighbours.
    """

    rows: UInt32[np.ndarray, "N k"]
    cosines: Float16[np.ndarray, "N k"]

    @property
    def typicality(self) -> Float32[np.ndarray, " N"]:
        """Mean cosine to the ten nearest, NaN for images without a vector."""
        found = self.cosines[:, :10].astype(np.float32)
        found[self.rows[:, :10] == NOWHERE] = np.nan
        known = np.isfinite(found)
        total = np.where(known, found, 0).sum(1)
        with np.errstate(invalid="ignore"):
            return (total / known.sum(1)).astype(np.float32)


def graph(space: Space, folder: Path | None, of: str, tell: Tell) -> Graph:
    """The twenty nearest others of every image of a space; kept where there is a folder.

    Args:
        space: with rows to search in.
        folder: for what is derived, see `ilk.explore.derived`.
        of: fingerprint of the space.
        tell: is given how far it is.
    """
    shape = (len(space.vectors), IN_GRAPH)
    like = {"rows": np.empty(shape, np.uint32), "cosines": np.empty(shape, np.float16)}
    found = remembered(folder, "neighbours", of, like, lambda: _graph(space, tell))
    return Graph(found["rows"], found["cosines"])


def _graph(space: Space, tell: Tell) -> dict[str, np.ndarray]:
    rows = np.full((len(space.vectors), IN_GRAPH), NOWHERE, np.uint32)
    cosines = np.zeros(rows.shape, np.float16)
    for start in range(0, len(space.rows), TOGETHER):
        asked = space.rows[start : start + TOGETHER]
        found, near = others(space, asked, IN_GRAPH)
        width = found.shape[1]
        rows[asked, :width] = np.where(found == NONE, NOWHERE, found)
        cosines[asked, :width] = near
        tell(start + len(asked), len(space.rows))
    return {"rows": rows, "cosines": cosines}


def others(
    space: Space, asked: Int64[np.ndarray, " Q"], k: int
) -> tuple[Int64[np.ndarray, "Q k"], Float32[np.ndarray, "Q k"]]:
    """The nearest of some images but for themselves, -1 for none."""
    found, cosines = space.search(as_floats(space.vectors, asked), k + 1)
    kept, shape = embedding.others(found, asked), (len(found), found.shape[1] - 1)
    return found[kept].reshape(shape), cosines[kept].reshape(shape)


def ranks_back(space: Space, row: int, found: Int64[np.ndarray, " k"]) -> list[int | None]:
    """For each neighbour of an image, which rank the image has among its neighbours.

    None beyond 50 and where there is no neighbour.
    """
    known = found[found != NONE]
    if not len(known):
        return [None] * len(found)
    theirs, _ = others(space, known, min(FAR, len(space.rows) - 1))
    ranks: dict[int, int | None] = {}
    for neighbour, near in zip(known.tolist(), theirs, strict=True):
        places = np.flatnonzero(near == row)
        ranks[neighbour] = int(places[0]) + 1 if len(places) else None
    return [ranks.get(int(neighbour)) for neighbour in found]


def kept_share(
    before: Graph, after: Graph, both: Bool[np.ndarray, " N"], k: int
) -> Float32[np.ndarray, " N"]:
    """Which share of each image's neighbours are its neighbours under another encoder too.

    Args:
        before: neighbours under the one.
        after: under the other.
        both: images that have a vector under both; the others get NaN.
        k: neighbours that count, at most 20.
    """
    share = np.full(len(both), np.nan, np.float32)
    mine, theirs = before.rows[:, :k], after.rows[:, :k]
    for start in range(0, len(both), BLOCK):
        part = slice(start, start + BLOCK)
        same = (mine[part, :, None] == theirs[part, None, :]) & (mine[part, :, None] != NOWHERE)
        known = np.maximum((mine[part] != NOWHERE).sum(1), 1)
        share[part] = same.any(2).sum(1) / known
    share[~both] = np.nan
    return share


def similar(space: Space, chosen: Bool[np.ndarray, " N"]) -> Float32[np.ndarray, " N"]:
    """Cosine of every image to the mean of some, NaN for images without a vector."""
    out = np.full(len(chosen), np.nan, np.float32)
    rows = space.rows[chosen[space.rows]]
    if not len(rows):
        return out
    total = np.zeros(space.dim, np.float64)
    for start in range(0, len(rows), BLOCK):
        total += as_floats(space.vectors, rows[start : start + BLOCK]).sum(0, dtype=np.float64)
    centre = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
    for start in range(0, len(space.rows), BLOCK):
        part = space.rows[start : start + BLOCK]
        out[part] = as_floats(space.vectors, part) @ centre
    return out


def grown(space: Space, chosen: Bool[np.ndarray, " N"], count: int) -> Bool[np.ndarray, " N"]:
    """Some images and the nearest of each."""
    out = chosen.copy()
    rows = space.rows[chosen[space.rows]]
    for start in range(0, len(rows), TOGETHER):
        found, _ = others(space, rows[start : start + TOGETHER], count)
        out[found[found != NONE]] = True
    return out


def packed(mask: Bool[np.ndarray, " N"]) -> bytes:
    """A mask as a page has it: bit i & 7 of byte i >> 3 is row i."""
    return np.packbits(mask, bitorder="little").tobytes()


def unpacked(data: bytes, count: int) -> Any:
    """A mask of so many rows from its bytes; None where there are too few or too many."""
    if len(data) != -(-count // 8):
        return None
    bits = np.frombuffer(data, np.uint8)
    return np.unpackbits(bits, count=count, bitorder="little").astype(bool)

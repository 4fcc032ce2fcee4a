"""The nearest neighbours of every vector among the others. Axes: N vectors, D features, k."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

from ilk.embedding import nearest, others
from ilk.search import Index

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
BLOCK = 4096  # queries at once


@dataclass(frozen=True, slots=True)
class Graph:
    """Neighbours of each vector, most similar first, itself left out.

    Args:
        places: positions of neighbours; -1 where there are no more.
        similarities: cosines; minus infinity there.
    """

    places: Int64[np.ndarray, "N k"]
    similarities: Float32[np.ndarray, "N k"]


def exact(vectors: Float32[np.ndarray, "N D"]) -> Search:
    """A search that compares all vectors."""
    gallery = torch.from_numpy(np.ascontiguousarray(vectors))

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        places, cosines = nearest(torch.from_numpy(queries), gallery, k)
        return places.numpy(), cosines.numpy()

    return search


def index_search(index: Index) -> Search:
    """The search of an index, with positions in the place of ids."""

    def search(queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        ids, cosines = index.search(queries, k)
        return index.places(ids.ravel()).reshape(ids.shape), cosines

    return search


def neighbour_graph(
    vectors: Any, k: int, search: Search, progress: Callable[[int, int], None] | None = None
) -> Graph:
    """The k nearest others of every vector.

    Args:
        vectors: rows [N, D] that can be sliced, such as an array or those of an index.
        k: at least 1.
        search: the positions and cosines of the nearest of some queries.
        progress: called with the vectors done and their number.
    """
    count = len(vectors)
    places = np.full((count, k), -1, np.int64)
    similarities = np.full((count, k), -np.inf, np.float32)
    for rows in _blocks(count):
        queries = np.asarray(vectors[rows], np.float32)
        found, cosines = search(queries, min(k + 1, count))
        kept = others(found, np.arange(rows.start, rows.stop))
        most = found.shape[1] - 1
        places[rows, :most] = found[kept].reshape(len(found), most)
        similarities[rows, :most] = cosines[kept].reshape(len(found), most)
        if progress:
            progress(rows.start + len(queries), count)
    return Graph(places, similarities)


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK):
        yield slice(start, min(start + BLOCK, count))

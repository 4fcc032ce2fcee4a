"""`NearestNeighbors`: search by cosine with scikit-learn's method names.

Axes: N rows that are known, Q queries, D features.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator

from ilk.core import UserError
from ilk.embedding import nearest_in_blocks, others
from ilk.learner.work import NotFitted
from ilk.search import Index, unit

BLOCK = 16_384  # rows that are compared at once
QUERIES = 256


@dataclass(eq=False, repr=False)
class NearestNeighbors(BaseEstimator):
    """The nearest of some vectors, by cosine distance: exact, or as an index is searched.

    It answers as `sklearn.neighbors.NearestNeighbors` with ``metric="cosine"`` does, in memory
    that does not grow with the number of queries times that of rows.

    Args:
        n_neighbors: how many are found where a call does not say it.
        radius: cosine distance, in [0, 2], within which ``radius_neighbors`` looks where a call
            does not say it.
        metric: only ``cosine``.

    Attributes:
        n_samples_fit_: N.
        n_features_in_: D.
        index_: the `ilk.search.Index`, where one was given.

    Example:
        >>> import numpy as np
        >>> from ilk import NearestNeighbors
        >>> known = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> search = NearestNeighbors(n_neighbors=2).fit(known)
        >>> distances, rows = search.kneighbors([[2.0, 0.1]])
        >>> rows.tolist(), bool(distances[0, 0] < 0.01)
        ([[0, 2]], True)
    """

    n_neighbors: int = 5
    _: KW_ONLY
    radius: float = 0.5
    metric: Literal["cosine"] = "cosine"

    def fit(self, X: Any, y: Any = None) -> "NearestNeighbors":
        """Learn where to look.

        Args:
            X: vectors [N, D] of any length; or an `ilk.search.Index`, or the path of one.
            y: not used.

        Raises:
            UserError: they are no such vectors, or the metric is another.
        """
        del y
        if self.metric != "cosine":
            raise UserError(f"metric: must be cosine, got {self.metric!r:.80}")
        self.index_: Index | None = None
        if isinstance(X, str | Path | Index):
            self.index_ = X if isinstance(X, Index) else Index(X)
            self.n_samples_fit_, self.n_features_in_ = self.index_.vectors.shape
        else:
            self._rows = unit(_array(X, None))
            self.n_samples_fit_, self.n_features_in_ = self._rows.shape
        return self

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """The nearest rows, the nearest first.

        Args:
            X: vectors [Q, D]; None for all that are known, each without itself.
            n_neighbors: k; None is the setting.
            return_distance: whether distances come too.

        Returns:
            Distances [Q, k], one minus cosine, and row numbers [Q, k]; or the latter alone.

        Raises:
            UserError: there are not so many rows, or the vectors do not fit.
        """
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        queries, alone = self._queries(X)
        if not 1 <= k <= self.n_samples_fit_ - alone:
            raise UserError(
                f"n_neighbors: must be from 1 to {self.n_samples_fit_ - alone}, the rows that "
                f"are known, got {k}"
            )
        rows, cosines = self._nearest(queries, k + alone)
        if alone:
            kept = others(rows, np.arange(len(rows)))
            rows, cosines = (found[kept].reshape(-1, k) for found in (rows, cosines))
        return (_distances(cosines), rows) if return_distance else rows

    def radius_neighbors(
        self,
        X: Any = None,
        radius: float | None = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> Any:
        """All rows within a cosine distance; every row is compared, also those of an index.

        Args:
            X: vectors [Q, D]; None for all that are known, each without itself.
            radius: the largest distance; None is the setting.
            return_distance: whether distances come too.
            sort_results: whether the nearest come first; else they are in the order of rows.

        Returns:
            For each query an array of distances and one of row numbers; or the latter alone.
        """
        least = 1 - (self.radius if radius is None else radius)
        queries, alone = self._queries(X)
        rows: list[list[np.ndarray]] = [[] for _ in queries]
        cosines: list[list[np.ndarray]] = [[] for _ in queries]
        for numbers, block in self._blocks():
            for start in range(0, len(queries), QUERIES):
                near = queries[start : start + QUERIES] @ block.T
                for at in np.flatnonzero((near >= least).any(1)):
                    found = np.flatnonzero(near[at] >= least)
                    rows[start + at].append(numbers[found])
                    cosines[start + at].append(near[at, found])
        pairs = [
            _joined(mine, near, own if alone else -1, sort_results)
            for own, (mine, near) in enumerate(zip(rows, cosines, strict=True))
        ]
        found = _objects([pair[0] for pair in pairs])
        return (
            (_objects([_distances(pair[1]) for pair in pairs]), found)
            if return_distance
            else found
        )

    def kneighbors_graph(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        mode: Literal["connectivity", "distance"] = "connectivity",
    ) -> csr_matrix:
        """The nearest rows as a sparse matrix [Q, N], of ones or of distances.

        Args:
            X: as for ``kneighbors``.
            n_neighbors: as for ``kneighbors``.
            mode: what the entries are.

        Raises:
            UserError: the mode is another, or as for ``kneighbors``.
        """
        if mode not in {"connectivity", "distance"}:
            raise UserError(f"mode: must be connectivity or distance, got {mode!r:.80}")
        distances, rows = self.kneighbors(X, n_neighbors)
        values = np.ones(rows.size) if mode == "connectivity" else distances.ravel()
        ends = np.arange(0, rows.size + 1, rows.shape[1])
        return csr_matrix((values, rows.ravel(), ends), (len(rows), self.n_samples_fit_))

    def _queries(self, X: Any) -> tuple[Float32[np.ndarray, "Q D"], bool]:
        """Vectors of unit length, and whether they are all that are known."""
        if not hasattr(self, "n_samples_fit_"):
            raise NotFitted("NearestNeighbors: must be fitted before it is asked, call fit")
        if X is not None:
            return unit(_array(X, self.n_features_in_)), False
        if self.index_ is not None:
            return self.index_.vectors[:].astype(np.float32), True
        return self._rows, True

    def _nearest(
        self, queries: Float32[np.ndarray, "Q D"], k: int
    ) -> tuple[Int64[np.ndarray, "Q k"], Float32[np.ndarray, "Q k"]]:
        if self.index_ is not None:
            ids, cosines = self.index_.search(queries, k)
            return self.index_.places(ids.ravel()).reshape(ids.shape), cosines
        blocks = ((torch.from_numpy(n), torch.from_numpy(b)) for n, b in self._blocks())
        with torch.inference_mode():
            rows, cosines = nearest_in_blocks(torch.from_numpy(queries), blocks, k)
        return rows.numpy(), cosines.numpy()

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if self.index_ is not None:
            yield from self.index_.vectors.some(None)
            return
        for start in range(0, len(self._rows), BLOCK):
            block = self._rows[start : start + BLOCK]
            yield np.arange(start, start + len(block)), block


def _distances(cosines: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """Of equal vectors none, where rounding would make it less."""
    return np.maximum(1 - cosines, 0)


def _array(given: Any, dim: int | None) -> Float32[np.ndarray, "N D"]:
    rows = np.asarray(given)
    fits = rows.ndim == 2 and rows.dtype.kind in "fiu" and rows.size
    if not fits or dim not in {None, rows.shape[1]} or not np.isfinite(rows).all():
        wanted = "D" if dim is None else dim
        raise UserError(
            f"X: must be finite numbers [N, {wanted}], got {rows.dtype} of shape {rows.shape}"
        )
    return rows.astype(np.float32)


def _joined(
    rows: list[np.ndarray], cosines: list[np.ndarray], own: int, by_distance: bool
) -> tuple[np.ndarray, np.ndarray]:
    """All that was found for one query, but for itself."""
    found = np.concatenate([np.empty(0, np.int64), *rows])
    near = np.concatenate([np.empty(0, np.float32), *cosines])
    kept: Bool[np.ndarray, " n"] = found != own
    found, near = found[kept], near[kept]
    order = np.argsort(-near, kind="stable") if by_distance else np.arange(len(near))
    return found[order], near[order]


def _objects(arrays: list[np.ndarray]) -> np.ndarray:
    out = np.empty(len(arrays), object)
    out[:] = arrays
    return out

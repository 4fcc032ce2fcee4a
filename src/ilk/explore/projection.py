"""From vectors to points on a map.

Axes: N images, M of them, D features, P components, S images that are placed by themselves.
"""

# scikit-learn, UMAP and PaCMAP have no types
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64

from ilk.core import UserError
from ilk.explore.vectors import BLOCK, SEED, as_floats, sample

LEARNED_ON = 20_000  # rows that principal components are computed from, at most
PLACED = 10_000  # images that t-SNE and its like place by themselves, at most
MOST_POINTS = 2_000_000  # on a map; of more images a sample is shown
COMPONENTS = 50  # that t-SNE and its like are given
SAME = 1e-6  # spread of unit vectors that are one but for rounding
BORROWED = 3  # nearest placed images that the others lie between
TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP", "pacmap": "PaCMAP"}


@dataclass(frozen=True, slots=True)
class Projection:
    """A map.

    Args:
        points: x and y in [-1, 1], NaN for images without a point.
        words: how they were made.
    """

    points: Float32[np.ndarray, "N 2"]
    words: str


def available() -> tuple[str, ...]:
    """Projections that can be made here."""
    found = ["pca", "tsne"]
    found += [name for name in ("umap", "pacmap") if find_spec(name) is not None]
    return tuple(found)


def project(
    name: str, vectors: Any, rows: Int64[np.ndarray, " M"], *, most: int = PLACED
) -> Projection:
    """A map of some rows of vectors.

    Args:
        name: one of ``available``.
        vectors: row-addressable, N x D, of unit length.
        rows: that have vectors; all others get no point.
        most: images that t-SNE and its like place by themselves; the others come to lie
            between those that they are nearest to.

    Raises:
        UserError: there are fewer than three rows.
    """
    if len(rows) < 3:
        raise UserError(f"map: must have at least 3 images, got {len(rows)}")
    points = np.full((len(vectors), 2), np.nan, np.float32)
    shown = rows if len(rows) <= MOST_POINTS else sample(rows, MOST_POINTS)
    basis = Principal.of(vectors, rows, 2 if name == "pca" else COMPONENTS)
    made, words = (
        (basis.of_rows(vectors, shown)[:, :2], basis.words)
        if name == "pca"
        else _learned(name, basis, vectors, shown, most)
    )
    points[shown] = _framed(made)
    if len(shown) < len(rows):
        words += f" The map shows {len(shown):,} of {len(rows):,} images, drawn at random."
    return Projection(points, words)


@dataclass(frozen=True, slots=True)
class Principal:
    """Principal components.

    Args:
        mean: the mean vector.
        axes: one column a component.
        share: how much of the variance two of them hold, from 0 to 1.
        rows: that they were computed from.
    """

    mean: Float32[np.ndarray, " D"]
    axes: Float32[np.ndarray, "D P"]
    share: float
    rows: int

    @classmethod
    def of(cls, vectors: Any, rows: Int64[np.ndarray, " M"], count: int) -> "Principal":
        """The first components of some rows, by a sample of 20,000 where there are more."""
        drawn = np.sort(sample(rows, LEARNED_ON))
        found = as_floats(vectors, drawn)
        mean = found.mean(0)
        found -= mean
        variances, axes = np.linalg.eigh((found.T @ found).astype(np.float64))
        axes, variances = axes[:, ::-1][:, :count], variances[::-1].clip(0)
        axes = axes * np.where(np.abs(axes).max(0) == axes.max(0), 1, -1)  # no sign by chance
        share = variances[:2].sum() / max(variances.sum(), 1e-12)
        return cls(mean, axes.astype(np.float32), float(share), len(drawn))

    def of_rows(
        self, vectors: Any, rows: Int64[np.ndarray, " M"]
    ) -> Float32[np.ndarray, "M P"]:
        """Components of some rows."""
        out = np.empty((len(rows), self.axes.shape[1]), np.float32)
        for start in range(0, len(rows), BLOCK):
            part = slice(start, start + BLOCK)
            out[part] = (as_floats(vectors, rows[part]) - self.mean) @ self.axes
        return out

    @property
    def words(self) -> str:
        """What a map of two of them shows."""
        return f"The two components that hold the most variance, {self.share:.0%} of it."


def _learned(
    name: str, basis: Principal, vectors: Any, rows: Int64[np.ndarray, " M"], most: int
) -> tuple[Float[np.ndarray, "M 2"], str]:
    reduced = basis.of_rows(vectors, rows)
    if np.ptp(reduced, axis=0).max() < SAME:  # scikit-learn would divide by their spread
        return np.zeros((len(rows), 2), np.float32), "All images have the same vector."
    own = np.sort(sample(np.arange(len(rows)), most))
    placed = np.asarray(LEARNERS[name](reduced[own]), np.float32)
    words = f"{TITLES[name]} of {len(own):,} images, started from PCA, seed {SEED}."
    if len(own) == len(rows):
        return placed, words
    more = f" The other {len(rows) - len(own):,} lie between the {BORROWED} of them"
    return _between(reduced, own, placed), f"{words}{more} that they are nearest to."


def _between(
    reduced: Float32[np.ndarray, "M P"],
    own: Int64[np.ndarray, " S"],
    placed: Float32[np.ndarray, "S 2"],
) -> Float32[np.ndarray, "M 2"]:
    """Each image at the mean of its nearest placed ones, weighted by inverse distance."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=min(BORROWED, len(own))).fit(reduced[own])
    out = np.empty((len(reduced), 2), np.float32)
    for start in range(0, len(reduced), BLOCK):
        part = slice(start, start + BLOCK)
        distances, columns = nearest.kneighbors(reduced[part])
        weights = 1 / (distances + 1e-6)
        weights /= weights.sum(1, keepdims=True)
        out[part] = np.einsum("nk,nkd->nd", weights, placed[columns])
    return out


def _tsne(rows: Float32[np.ndarray, "S P"]) -> Any:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(rows) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=SEED).fit_transform(rows)


def _umap(rows: Float32[np.ndarray, "S P"]) -> Any:
    import umap  # pyright: ignore[reportMissingImports]

    neighbours = min(15, len(rows) - 1)
    return umap.UMAP(n_neighbors=neighbours, init="pca", random_state=SEED).fit_transform(rows)


def _pacmap(rows: Float32[np.ndarray, "S P"]) -> Any:
    import pacmap  # pyright: ignore[reportMissingImports]

    return pacmap.PaCMAP(random_state=SEED, apply_pca=False).fit_transform(rows, init="pca")


LEARNERS: Mapping[str, Callable[[Float32[np.ndarray, "S P"]], Any]] = {
    "tsne": _tsne,
    "umap": _umap,
    "pacmap": _pacmap,
}


def _framed(points: Float[np.ndarray, "M 2"]) -> Float32[np.ndarray, "M 2"]:
    """Moved and scaled into [-1, 1] with the same scale for both axes."""
    low, high = points.min(0), points.max(0)
    half = float((high - low).max()) / 2
    if half < SAME:  # rounding is no shape
        return np.zeros(points.shape, np.float32)
    return ((points - (low + high) / 2) / half).clip(-1, 1).astype(np.float32)

"""Groups of similar images by k-means on unit vectors.

Axes: N vectors, D features, K groups.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Float32, Float64, Int64

from ilk.core import UserError

FITTED_ON = 50_000  # vectors that centres are fitted on at most, or 64 for each
_EACH = 64
_JUDGED_ON = 2_000  # vectors by which the number of groups is chosen
_MOST = 256  # groups that are tried
_STEP = 1.25  # from one number that is tried to the next, above 16
_STARTS, _FEW = 3, 64  # times that few groups are looked for, of which the best is kept
_BLOCK = 16_384  # vectors that are assigned at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Clusters:
    """Groups, numbered from the largest to the smallest.

    Args:
        of: group of each vector.
        similarity: cosine of each vector with the centre of its group.
        centres: vectors of unit length.
        medoids: position of the vector in each group that is nearest to its centre.
        sizes: vectors in each group; none is empty.
        why: how the number of groups came about, in words.
    """

    of: Int64[np.ndarray, " N"]
    similarity: Float32[np.ndarray, " N"]
    centres: Float32[np.ndarray, "K D"]
    medoids: Int64[np.ndarray, " K"]
    sizes: Int64[np.ndarray, " K"]
    why: str


def clustered(vectors: Any, k: int | None = None, *, seed: int = 0) -> Clusters:
    """Groups of vectors.

    Centres are fitted by Lloyd's algorithm on 50,000 vectors at most, drawn by the seed (64 a
    centre where these are more), and every vector goes to the centre with the largest cosine.

    Args:
        vectors: rows [N, D] of unit length that can be indexed, such as an array or those of
            an index; no more than a block is in memory beside those that are fitted on.
        k: number of groups; None chooses it, see `chosen_k`.
        seed: decides what is drawn.

    Raises:
        UserError: ``k`` is not between 1 and N.

    Example:
        >>> vectors = np.repeat(np.eye(3, dtype=np.float32), [5, 3, 2], axis=0)
        >>> clustered(vectors, 3).sizes.tolist()
        [5, 3, 2]
    """
    count = len(vectors)
    why = "as asked for"
    if k is None:
        k, why = chosen_k(vectors, seed=seed)
    if not 1 <= k <= count:
        raise UserError(f"k: must be from 1 to {count}, the number of images, got {k}")
    rows = drawn(count, max(FITTED_ON, _EACH * k), seed)
    centres = _centres(np.asarray(vectors[rows], np.float32), k, seed)
    return _assigned(vectors, centres, why)


def levels(vectors: Any, ks: Sequence[int | None], *, seed: int = 0) -> list[Clusters]:
    """Groups, groups of their centres, and so on: hierarchical k-means.

    As in Vo et al., Transactions on Machine Learning Research 2024,
    https://arxiv.org/abs/2405.15613, section 3.1, without resampling.

    Args:
        vectors: as in `clustered`.
        ks: number of groups at each level, falling.
        seed: decides what is drawn.

    Returns:
        For each level the groups of the N vectors; one below lies in one above as a whole.

    Raises:
        UserError: the numbers do not fall, or there are fewer vectors.
    """
    out = [clustered(vectors, ks[0], seed=seed)]
    for k in ks[1:]:
        below = out[-1]
        if k is not None and k >= len(below.centres):
            raise UserError(
                f"k: must fall from level to level, got {k} after {len(below.centres)}"
            )
        above = clustered(below.centres, k, seed=seed)
        of = above.of[below.of]
        sizes = np.bincount(of)
        order = np.argsort(-sizes, kind="stable")
        place = np.argsort(order)
        centres = above.centres[order]
        similarity = _cosines(vectors, centres, place[of])
        out.append(Clusters(
            of=place[of], similarity=similarity, centres=centres,
            medoids=_medoids(place[of], similarity, len(order)), sizes=sizes[order],
            why=above.why,
        ))  # fmt: skip
    return out


def chosen_k(vectors: Any, *, seed: int = 0) -> tuple[int, str]:
    """The number of groups with the largest mean silhouette, simplified to centres.

    The silhouette of a vector is (b - a) / max(a, b) of its cosine distances a to its own
    centre and b to the next one: Rousseeuw, Journal of Computational and Applied Mathematics
    1987; with centres in the place of all pairs, Hruschka et al., 2004. Of 2,000 vectors half
    are fitted on and the others judged, for a vector is near a centre that was fitted on it.
    Tried are all numbers from 2 to 16, and then each a quarter above the last, up to 256 and to
    a fifth of those that are fitted on; of equal ones the smaller.

    Returns:
        The number, and a sentence on it.
    """
    sample = np.asarray(vectors[drawn(len(vectors), _JUDGED_ON, seed)], np.float32)
    fitted, judged = sample[::2], sample[1::2]
    tried = list(_numbers(len(fitted)))
    if not tried:
        return 1, "there are too few images for groups"
    scores = [silhouette(judged, _centres(fitted, k, seed)) for k in tried]
    best = int(np.argmax(scores))
    return tried[best], (
        f"of {tried[0]} to {tried[-1]} groups, {tried[best]} have the largest silhouette, "
        f"{scores[best]:.3f}, on {len(sample):,} images"
    )


def silhouette(
    vectors: Float32[np.ndarray, "N D"], centres: Float32[np.ndarray, "K D"]
) -> float:
    """The mean simplified silhouette of two groups or more, -1 to 1."""
    distances = np.sort(1 - vectors @ centres.T, axis=1)
    own, other = np.maximum(distances[:, 0], 0), np.maximum(distances[:, 1], 0)
    return float(np.mean((other - own) / np.maximum(other, 1e-12)))


def drawn(count: int, most: int, seed: int) -> Int64[np.ndarray, " n"]:
    """At most so many different positions by a seed, ascending."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _numbers(count: int) -> Iterator[int]:
    k = 2
    while k <= min(_MOST, count // 5):
        yield k
        k = max(k + 1, round(k * _STEP)) if k >= 16 else k + 1


def _centres(
    vectors: Float32[np.ndarray, "N D"], k: int, seed: int
) -> Float32[np.ndarray, "K D"]:
    from sklearn.cluster import KMeans

    starts = _STARTS if k <= _FEW else 1  # what one start misses counts less among many
    made = cast("Any", KMeans)(
        n_clusters=min(k, len(vectors)), n_init=starts, max_iter=50, random_state=seed
    )
    centres = made.fit(vectors).cluster_centers_
    return _unit(np.asarray(centres, np.float32))


def _assigned(vectors: Any, centres: Float32[np.ndarray, "K D"], why: str) -> Clusters:
    count = len(vectors)
    of, similarity = np.empty(count, np.int64), np.empty(count, np.float32)
    for rows in _blocks(count):
        cosines = np.asarray(vectors[rows], np.float32) @ centres.T
        of[rows] = cosines.argmax(1)
        similarity[rows] = cosines.max(1)
    sizes = np.bincount(of, minlength=len(centres))
    order = np.argsort(-sizes, kind="stable")[: int((sizes > 0).sum())]
    place = np.argsort(np.concatenate([order, np.setdiff1d(np.arange(len(sizes)), order)]))
    of = place[of]
    return Clusters(
        of=of, similarity=similarity, centres=centres[order],
        medoids=_medoids(of, similarity, len(order)), sizes=sizes[order], why=why,
    )  # fmt: skip


def _cosines(
    vectors: Any, centres: Float32[np.ndarray, "K D"], of: Int64[np.ndarray, " N"]
) -> Float32[np.ndarray, " N"]:
    out = np.empty(len(of), np.float32)
    for rows in _blocks(len(of)):
        out[rows] = (np.asarray(vectors[rows], np.float32) * centres[of[rows]]).sum(1)
    return out


def _medoids(
    of: Int64[np.ndarray, " N"], similarity: Float32[np.ndarray, " N"], count: int
) -> Int64[np.ndarray, " K"]:
    """The most similar member of each group; of equal ones the first."""
    order = np.lexsort((-similarity, of))
    return order[np.searchsorted(of[order], np.arange(count))]


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, _BLOCK):
        yield slice(start, min(start + _BLOCK, count))


def _unit(
    rows: Float32[np.ndarray, "N D"] | Float64[np.ndarray, "N D"],
) -> Float32[np.ndarray, "N D"]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(length, 1e-12)).astype(np.float32)

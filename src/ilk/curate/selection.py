"""Which images to label or keep, a given number of them. Axes: N vectors, D features, n chosen.

All vectors have unit length; every choice follows from vectors and seed.
"""

import heapq
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from jaxtyping import Float32, Int64

from ilk.core import UserError
from ilk.curate.clusters import clustered, levels
from ilk.curate.graph import Graph, exact, neighbour_graph

Vectors = Float32[np.ndarray, "N D"]
Chosen = Int64[np.ndarray, " n"]
_NEIGHBOURS = 20  # by which typicality and covering go
_MOST_GROUPS = 500  # of which typical images are taken, as in the paper
_PER_GROUP = (
    20  # images that a group has on average at least, for its density to mean something
)


def random(vectors: Vectors, n: int, seed: int) -> Chosen:
    """Each image with the same probability."""
    return np.random.default_rng(seed).permutation(len(vectors))[:n]


def k_centre(vectors: Vectors, n: int, seed: int) -> Chosen:
    """Always the image farthest from all that are chosen: no image is far from a chosen one.

    Greedy k-centre, Gonzalez, Theoretical Computer Science 1985: the largest distance to the
    nearest chosen image is at most twice what n images can reach. The first is drawn. For
    active learning: Sener and Savarese, ICLR 2018, https://arxiv.org/abs/1708.00489.
    """
    first = int(np.random.default_rng(seed).integers(len(vectors)))
    out, nearest = [first], vectors @ vectors[first]
    nearest[first] = np.inf
    while len(out) < n:
        out.append(int(nearest.argmin()))
        np.maximum(nearest, vectors @ vectors[out[-1]], out=nearest)
        nearest[out[-1]] = np.inf
    return np.array(out, np.int64)


def covering(vectors: Vectors, n: int, seed: int) -> Chosen:
    """Images to which the others are as similar as can be: facility location."""
    graph = neighbour_graph(vectors, min(_NEIGHBOURS, len(vectors) - 1), exact(vectors))
    return facility_location(graph, n)


def facility_location(graph: Graph, n: int) -> Chosen:
    """The image that adds most to the sum over all of their similarity to the nearest chosen.

    Similarity is the cosine where an image is a neighbour of the other, and zero elsewhere; to
    itself it is one. Greedy choices reach 1 - 1/e of the best sum (Nemhauser et al.,
    Mathematical Programming 1978); lazily, as what an image adds only falls (Minoux 1978). Of
    equal ones the first is taken.

    Args:
        graph: neighbours of each image.
        n: number to choose.
    """
    count = len(graph.places)
    who, near_to, near = _edges(graph)
    starts = np.searchsorted(near_to, np.arange(count + 1))
    best = np.zeros(count)

    def gain(image: int) -> float:
        part = slice(starts[image], starts[image + 1])
        return float(np.maximum(near[part] - best[who[part]], 0).sum())

    heap = [(-gain(image), image) for image in range(count)]
    heapq.heapify(heap)
    out: list[int] = []
    while len(out) < n:
        _, image = heapq.heappop(heap)
        now = (-gain(image), image)
        if heap and now > heap[0]:
            heapq.heappush(heap, now)
            continue
        out.append(image)
        part = slice(starts[image], starts[image + 1])
        best[who[part]] = np.maximum(best[who[part]], near[part])
    return np.array(out, np.int64)


def typical(vectors: Vectors, n: int, seed: int) -> Chosen:
    """The densest image of each group, the largest groups first.

    TypiClust, Hacohen et al., ICML 2022, https://arxiv.org/abs/2202.02794: k-means makes as
    many groups as images are wanted, 500 at most and none of fewer than 20 images on average;
    then group after group gives its most typical image that is left. Typicality is one by the
    mean distance to the 20 nearest images.
    """
    groups = clustered(
        vectors, max(min(n, _MOST_GROUPS, len(vectors) // _PER_GROUP), 1), seed=seed
    )
    density = typicality(vectors)
    order = np.lexsort((-density, groups.of))
    turn = np.arange(len(order)) - np.searchsorted(groups.of[order], groups.of[order])
    return order[np.lexsort((groups.of[order], turn))][:n]


def typicality(vectors: Vectors) -> Float32[np.ndarray, " N"]:
    """One by the mean Euclidean distance to the 20 nearest other images."""
    graph = neighbour_graph(vectors, min(_NEIGHBOURS, len(vectors) - 1), exact(vectors))
    distance = np.sqrt(np.maximum(2 - 2 * graph.similarities, 0)).mean(1)
    return (1 / np.maximum(distance, 1e-6)).astype(np.float32)


def hard(vectors: Vectors, n: int, seed: int) -> Chosen:
    """The images farthest from the centre of their group, by cosine.

    The measure of Sorscher et al., NeurIPS 2022, https://arxiv.org/abs/2206.14486, who prune
    easy images by it where there are many. Odd and faulty images are hard as well: look at
    `ilk issues` first. Groups are those of k-means with the number that `chosen_k` takes.
    """
    return np.argsort(clustered(vectors, seed=seed).similarity, kind="stable")[:n]


def balanced(vectors: Vectors, n: int, seed: int) -> Chosen:
    """Equally many of each group of groups, of each group in it, and at random within those.

    Hierarchical k-means with balanced sampling, Vo et al., Transactions on Machine Learning
    Research 2024, https://arxiv.org/abs/2405.15613, section 3.2. There are two levels: groups
    of 20 images on average, 10,000 at most, and groups of those by the square root of that.
    """
    fine = max(min(len(vectors) // _PER_GROUP, 10_000), 1)
    ks = [fine, round(fine**0.5)] if fine > 4 else [fine]
    below, *above = levels(vectors, ks, seed=seed)
    chance = np.random.default_rng(seed)
    top = above[0].of if above else np.zeros(len(vectors), np.int64)
    out: list[np.ndarray] = []
    for group, share in enumerate(shares(n, np.bincount(top))):
        members = np.flatnonzero(top == group)
        names, inner = np.unique(below.of[members], return_inverse=True)
        parts = shares(int(share), np.bincount(inner, minlength=len(names)))
        out += [
            chance.permutation(members[inner == number])[:part]
            for number, part in enumerate(parts)
        ]
    return np.concatenate(out).astype(np.int64)


def shares(n: int, sizes: Int64[np.ndarray, " G"]) -> Int64[np.ndarray, " G"]:
    """How many each group gives so that all give the same, or all that they have.

    What is left over goes to the first groups that have more.

    Example:
        >>> shares(10, np.array([2, 9, 4])).tolist()
        [2, 4, 4]
    """
    n = min(n, int(sizes.sum()))
    low, high = 0, int(sizes.max(initial=0))  # the level that all reach
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if np.minimum(sizes, middle).sum() <= n else (low, middle - 1)
        )
    out = np.minimum(sizes, low)
    more = np.flatnonzero(sizes > low)[: n - int(out.sum())]
    out[more] += 1
    return out


WAYS: Mapping[str, Callable[[Vectors, int, int], Chosen]] = {
    "diverse": k_centre,
    "covering": covering,
    "typical": typical,
    "balanced": balanced,
    "hard": hard,
    "random": random,
}


def select(
    vectors: Vectors,
    n: int,
    by: str,
    *,
    per: Int64[np.ndarray, " N"] | None = None,
    seed: int = 0,
) -> Chosen:
    """Choose images.

    Example:
        >>> select(np.eye(4, dtype=np.float32)[[0, 0, 0, 1, 2]], 3, "diverse").size
        3

    Args:
        vectors: one of unit length for each image.
        n: number to choose, or of each group where there are groups; all where there are fewer.
        by: a name in ``WAYS``.
        per: a group of each image, -1 for none; then so many are chosen within each of them,
            and none of those without.
        seed: decides what is drawn.

    Returns:
        Positions, in the order in which they were chosen.

    Raises:
        UserError: there is no such way, or ``n`` is below 1.
    """
    if by not in WAYS:
        raise UserError(f"by: must be one of {', '.join(WAYS)}, got {by!r:.60}")
    if n < 1:
        raise UserError(f"n: must be 1 or more, got {n}")
    way = partial(_within, vectors, n, WAYS[by], seed)
    if per is None:
        return way(np.arange(len(vectors)))
    groups = [np.flatnonzero(per == group) for group in np.unique(per[per >= 0])]
    return np.concatenate([np.empty(0, np.int64), *map(way, groups)])


def _within(
    vectors: Vectors,
    n: int,
    way: Callable[[Vectors, int, int], Chosen],
    seed: int,
    rows: Int64[np.ndarray, " M"],
) -> Chosen:
    if len(rows) <= n:
        return rows
    return rows[way(vectors[rows], n, seed)]


def _edges(graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pair an image, what it is similar to and how much, by the latter's position."""
    count = len(graph.places)
    there = graph.places >= 0
    who = np.concatenate([np.arange(count), np.nonzero(there)[0]])
    near_to = np.concatenate([np.arange(count), graph.places[there]])
    near = np.concatenate([np.ones(count), np.maximum(graph.similarities[there], 0)])
    order = np.lexsort((who, near_to))
    return who[order], near_to[order], near[order]

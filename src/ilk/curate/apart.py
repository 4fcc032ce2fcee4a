"""What neighbours say of images: outliers, tiny groups, labels that differ. Axes: N images, k.

All of it goes by the neighbours of each image, see `ilk.curate.graph`.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ilk.curate.faults import Found
from ilk.curate.graph import Graph
from ilk.curate.spread import upper_limit

KINDS = ("outlier", "tiny-group", "label")
FEW = 5  # images of a tiny group at most
_FINEST = 0.01  # of a cosine
_TEMPERATURE = 0.07  # of the vote, as in `ilk.embedding.knn_accuracy`
_BLOCK = 8192  # images whose votes are counted at once
_ENOUGH = 3  # images of a class, below which its neighbours say nothing
_DOUBTFUL = 0.2  # of the labels; where more seem wrong, neighbours are poor judges


def apart(graph: Graph) -> list[Found]:
    """Outliers, and tiny groups of images that are close to one another and to no others.

    The cosine distance to the nearest neighbour has a spread over the collection. An image
    farther from all others than its upper limit is an outlier. Images within that limit of one
    another are linked; two to five images that nothing links to the rest are a tiny group.
    """
    distance = (1 - graph.similarities[:, 0]).astype(np.float64)
    limit = upper_limit(distance, _FINEST)
    outliers = distance > limit
    sizes = _group_sizes(graph, limit)
    tiny = (sizes >= 2) & (sizes <= FEW) & (len(sizes) > 2 * FEW) & np.isfinite(limit)
    far = f"the cosine to the nearest other image is below {1 - limit:.2f}"
    return [
        Found("outlier", far, outliers, distance),
        Found("tiny-group", f"two to {FEW} images, and {far} beyond them", tiny, distance),
    ]


def mislabelled(graph: Graph, labels: Int64[np.ndarray, " N"]) -> Found:
    """Images whose neighbours speak for another class than their label.

    The neighbours of an image vote for classes by exp(cosine / 0.07), which gives it a
    probability for each. A class is spoken for where its probability reaches the mean of that
    class over the images labelled with it: confident learning, Northcutt et al., Journal of
    Artificial Intelligence Research 2021, https://arxiv.org/abs/1911.00068. An image is meant
    where another class is spoken for that has the larger probability.

    Args:
        graph: the neighbours of all images.
        labels: class of each; -1 where it is not known, and such images neither vote nor are
            meant. Nor are images of which no neighbour votes.

    Returns:
        What was found. Where more than a fifth of the labels seem wrong, its words say that
        the encoder may be to blame.
    """
    count = len(labels)
    own, best = np.ones(count), np.zeros(count)
    classes = int(labels.max(initial=0)) + 1
    for rows in _blocks(count):
        _, share = _votes(graph, labels, rows)
        own[rows] = share[:, -1]
    known = (labels >= 0) & np.isfinite(own)
    counts = np.bincount(labels[known], minlength=classes)
    sums = np.bincount(labels[known], own[known], minlength=classes)
    usual = np.where(counts >= _ENOUGH, sums / np.maximum(counts, 1), np.inf)
    for rows in _blocks(count):
        voters, share = _votes(graph, labels, rows)
        others = (voters >= 0) & (voters != labels[rows, None]) & (share >= usual[voters])
        best[rows] = np.where(others, share, 0.0).max(1)
    says = "neighbours speak for another class as clearly as they do for its own images"
    mask = known & (best > own)
    if mask.sum() > _DOUBTFUL * known.sum():
        says += f"; with {mask.sum() / known.sum():.0%} of them, look at the encoder first"
    return Found("label", says, mask, np.where(known, best - own, -np.inf))


def _votes(
    graph: Graph, labels: Int64[np.ndarray, " N"], rows: slice
) -> tuple[Int64[np.ndarray, "B m"], Float64[np.ndarray, "B m"]]:
    """The classes of the neighbours of some images and last their own, with probabilities.

    These are NaN where no neighbour has a class.
    """
    places = graph.places[rows]
    voters = np.where(places >= 0, labels[places], -1)
    nearness = graph.similarities[rows].astype(np.float64)
    nearness[places < 0] = 0.0  # of those that are not there, and do not vote
    weight = np.exp((nearness - nearness[:, :1]) / _TEMPERATURE) * (voters >= 0)
    asked = np.concatenate([voters, labels[rows, None]], axis=1)
    share = np.einsum("bk,bmk->bm", weight, asked[:, :, None] == voters[:, None, :])
    total = weight.sum(1, keepdims=True)
    return asked, share / np.where(total > 0, total, np.nan)


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, _BLOCK):
        yield slice(start, min(start + _BLOCK, count))


def _group_sizes(graph: Graph, limit: float) -> Int64[np.ndarray, " N"]:
    """How many images each is linked with, itself among them."""
    count = len(graph.places)
    linked: Bool[np.ndarray, "N k"] = (graph.places >= 0) & (1 - graph.similarities <= limit)
    rows = np.nonzero(linked)[0]
    pairs = (np.ones(len(rows)), (rows, graph.places[linked]))
    _, group = connected_components(coo_matrix(pairs, (count, count)), directed=False)
    return np.bincount(group)[group]

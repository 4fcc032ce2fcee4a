"""Exact nearest neighbours by cosine, and weighted k-NN classification.

Weighted k-NN as in Wu et al., CVPR 2018, https://arxiv.org/abs/1805.01978, section 3.4, with
the settings of DINO, Caron et al., ICCV 2021, https://arxiv.org/abs/2104.14294.
Axes: Q queries, G gallery, D features, C columns of scores.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64, Int, Int64
from torch import Tensor

QUERY_BLOCK = 256
GALLERY_BLOCK = 16_384  # a block of similarities is then at most 16 MiB
_TOTALS = 2**24  # sums of votes that are held at once
Numbers = TypeVar("Numbers", np.ndarray, Tensor)
GROUP = 64  # columns whose largest decides whether any of them is looked at


def nearest(
    queries: Float[Tensor, "Q D"],
    gallery: Float[Tensor, "G D"],
    k: int,
    block: tuple[int, int] = (QUERY_BLOCK, GALLERY_BLOCK),
) -> tuple[Int64[Tensor, "Q k"], Float32[Tensor, "Q k"]]:
    """The ``min(k, G)`` rows of the gallery with the largest cosine, most similar first.

    Exact; of equal similarities the lower gallery row comes first. Rows need not have unit
    length; a row of zeros has similarity 0 to everything. Besides the result it holds one block
    of similarities and one block of the gallery.

    Args:
        queries: on any device.
        gallery: on the same device.
        k: at least 1.
        block: rows of the queries and of the gallery compared at once.

    Returns:
        Gallery rows and their cosines.

    Example:
        >>> gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> nearest(torch.tensor([[2.0, 0.1]]), gallery, k=2)[0].tolist()
        [[0, 2]]
    """
    k = min(k, len(gallery))
    indices = torch.empty(len(queries), k, dtype=torch.long, device=queries.device)
    cosines = torch.empty(len(queries), k, device=queries.device)
    for start in range(0, len(queries), block[0]):
        rows = slice(start, start + block[0])
        indices[rows], cosines[rows] = _nearest(_unit(queries[rows]), gallery, k, block[1])
    return indices, cosines


def nearest_others(
    queries: Float32[Tensor, "Q D"],
    gallery: Float32[Tensor, "G D"],
    own: Int64[Tensor, " Q"],
    k: int,
) -> Int64[Tensor, "Q k"]:
    """The k nearest of the gallery but for each query's own row.

    Args:
        queries: on any device.
        gallery: on the same device.
        own: row of the gallery that is left out for a query.
        k: below G.
    """
    places, _ = nearest(queries, gallery, k + 1)
    return places[others(places, own)].view(-1, k)


def others(found: Numbers, own: Numbers) -> Numbers:
    """Which neighbours remain where every row leaves itself out: all but one of each.

    Of many copies of a row it may not be among its own neighbours: then the last one goes.

    Args:
        found: numbers [Q, k] of neighbours, most similar first.
        own: number [Q] of each row that asked.

    Returns:
        A mask [Q, k], true for k - 1 of every row.

    Example:
        >>> found = np.array([[0, 4, 2], [3, 1, 5], [0, 4, 6]])
        >>> found[others(found, np.array([0, 1, 2]))].reshape(3, 2).tolist()
        [[4, 2], [3, 5], [0, 4]]
    """
    itself: Any = found == own[:, None]
    itself[~itself.any(1), -1] = True
    return ~itself


def vote(
    labels: Int64[Tensor, "Q k"],
    cosines: Float[Tensor, "Q k"],
    *,
    temperature: float,
    classes: int,
) -> Int64[Tensor, " Q"]:
    """The class with the largest sum of ``exp(cosine / temperature)``; ties go to the lowest.

    Args:
        labels: class of every neighbour, in [0, classes).
        cosines: of every neighbour, in [-1, 1].
        temperature: tau, positive; smaller trusts the closest more.
        classes: how many there are.

    Example:
        >>> cosines = torch.tensor([[0.9, 0.8, 0.8]])
        >>> vote(torch.tensor([[0, 1, 1]]), cosines, temperature=1.0, classes=2).tolist()
        [1]
    """
    rows = max(_TOTALS // classes, 1)  # with labels that are ids there are as many as rows
    parts = zip(labels.split(rows), cosines.split(rows), strict=True)
    return torch.cat(
        [votes(*part, temperature=temperature, classes=classes).argmax(1) for part in parts]
    )


def votes(
    labels: Int64[Tensor, "Q k"],
    cosines: Float[Tensor, "Q k"],
    *,
    temperature: float,
    classes: int,
) -> Float64[Tensor, "Q C"]:
    """The sum of ``exp(cosine / temperature)`` for each class, in units of the largest one.

    Args:
        labels: class of every neighbour, in [0, classes).
        cosines: of every neighbour, in [-1, 1].
        temperature: tau, positive.
        classes: C.
    """
    # one factor for a whole row changes no winner and keeps exp finite at any temperature
    nearness = (cosines.double() - cosines.amax(1, keepdim=True).double()) / temperature
    totals = nearness.new_zeros(len(labels), classes)
    return totals.scatter_add_(1, labels, nearness.exp())


def knn_accuracy(
    train_vectors: Float[Tensor, "G D"],
    train_labels: Int64[Tensor, " G"],
    test_vectors: Float[Tensor, "Q D"],
    test_labels: Int64[Tensor, " Q"],
    *,
    k: int = 20,
    temperature: float = 0.07,
    classes: int,
) -> float:
    """k-NN accuracy, in [0, 1], of test rows by their ``k`` nearest training rows.

    Args:
        train_vectors: of any length.
        train_labels: in [0, classes).
        test_vectors: on the same device.
        test_labels: in [0, classes).
        k: neighbours that vote; all training rows when there are fewer.
        temperature: of the vote.
        classes: how many there are.

    Example:
        >>> vectors, classes = torch.eye(3), torch.tensor([0, 1, 2])
        >>> knn_accuracy(vectors, classes, vectors, classes, k=1, classes=3)
        1.0
    """
    indices, cosines = nearest(test_vectors, train_vectors, k)
    named = vote(train_labels[indices], cosines, temperature=temperature, classes=classes)
    return (named == test_labels).float().mean().item()


def leave_one_out(
    vectors: Float[np.ndarray, "N D"],
    labels: Int[np.ndarray, " N"],
    *,
    k: int = 20,
    temperature: float = 0.07,
) -> float:
    """Leave-one-out k-NN accuracy, in [0, 1].

    Args:
        vectors: at least two rows.
        labels: non-negative.
        k: neighbours that vote; all others when there are fewer.
        temperature: of the vote.
    """
    rows, known = torch.from_numpy(np.require(vectors, requirements="W")), torch.tensor(labels)
    indices, cosines = nearest(rows, rows, k + 1)
    kept = others(indices, torch.arange(len(rows)))
    named = vote(
        known.long()[indices[kept].view(len(rows), -1)],
        cosines[kept].view(len(rows), -1),
        temperature=temperature,
        classes=int(known.max()) + 1,
    )
    return (named == known).float().mean().item()


def nearest_in_blocks(
    queries: Float32[Tensor, "Q D"],
    gallery: Iterable[tuple[Int64[Tensor, " B"], Float32[Tensor, "B D"]]],
    k: int,
    block: int = QUERY_BLOCK,
) -> tuple[Int64[Tensor, "Q k"], Float32[Tensor, "Q k"]]:
    """The k rows with the largest dot products, of a gallery that comes in blocks.

    Exact; of equal products the row that came earlier is first. The gallery is read once.

    Args:
        queries: on any device.
        gallery: numbers of rows, and the rows, block after block.
        k: at least 1.
        block: queries compared at once.

    Returns:
        Row numbers, -1 where the gallery has no more, and products, most similar first.
    """
    rows = torch.full((len(queries), k), -1, device=queries.device)
    best = torch.full((len(queries), k), -torch.inf, device=queries.device)
    for numbers, vectors in gallery:
        for start in range(0, len(queries), block):
            some = slice(start, start + block)
            products = _products(queries[some], vectors)
            # of an equal one what came earlier stays; what is no number never goes unseen
            better = (~(products.amax(1) <= best[some, -1])).nonzero()[:, 0]
            if not len(better):
                continue
            columns, products = largest(products[better], min(k, len(vectors)))
            better += start
            joined = torch.cat([best[better], products], 1)
            columns = torch.cat([rows[better], numbers[columns]], 1)
            order, best[better] = largest(joined, k)
            rows[better] = columns.gather(1, order)
    return rows, best


def _products(
    queries: Float32[Tensor, "Q D"], vectors: Float32[Tensor, "B D"]
) -> Float32[Tensor, "Q B"]:
    if queries.device.type != "cpu":
        return queries @ vectors.T
    # a fifth faster than torch's on AMD's processors, as fast on others
    return torch.from_numpy(queries.numpy() @ vectors.numpy().T)


def largest(
    scores: Float[Tensor, "Q C"], k: int
) -> tuple[Int64[Tensor, "Q k"], Float[Tensor, "Q k"]]:
    """Columns and values of the k largest of each row; ties in the order of the columns.

    Of many columns only those are looked at that lie in the k groups with the largest maxima:
    every one of the k largest lies in one of these.
    """
    groups = scores.shape[1] // GROUP
    if groups < 4 * k:
        return _largest(scores, k)
    tops = scores[:, : groups * GROUP].unflatten(1, (groups, GROUP)).amax(2)
    places = torch.arange(GROUP, device=scores.device)
    chosen = _largest(tops, k)[0].sort(1).values[:, :, None] * GROUP + places
    rest = torch.arange(groups * GROUP, scores.shape[1], device=scores.device)
    columns = torch.cat([chosen.flatten(1), rest.expand(len(scores), -1)], 1)
    order, values = _largest(scores.gather(1, columns), k)
    return columns.gather(1, order), values


def _nearest(
    queries: Float[Tensor, "Q D"], gallery: Float[Tensor, "G D"], k: int, block: int
) -> tuple[Tensor, Tensor]:
    blocks = (
        (torch.arange(start, min(start + block, len(gallery)), device=queries.device),
         _unit(gallery[start : start + block]))
        for start in range(0, len(gallery), block)
    )  # fmt: skip
    return nearest_in_blocks(queries, blocks, k)


def _largest(scores: Float[Tensor, "Q C"], k: int) -> tuple[Tensor, Tensor]:
    values, columns = scores.topk(k, dim=1)
    crowded = (scores >= values[:, -1:]).sum(1) > k  # a tie at the border: topk takes any of it
    if crowded.any():
        columns[crowded] = scores[crowded].argsort(dim=1, descending=True, stable=True)[:, :k]
    columns = columns.sort(1).values
    values, order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True)
    return columns.gather(1, order), values


def _unit(rows: Float[Tensor, "N D"]) -> Float32[Tensor, "N D"]:
    return F.normalize(rows.float(), dim=1)

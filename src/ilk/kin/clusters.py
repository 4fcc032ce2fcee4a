"""Kin by cluster, where clusters are kept by item. Axes: Q queries, K candidates."""

from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import (
    NOBODY,
    Kin,
    Look,
    Rows,
    Scalar,
    lots,
    overlap,
    paired,
    similarities,
    value,
)
from ilk.kin.algebra import leave_out, restrict, rows_to_one, union


@runtime_checkable
class _Clustered(Protocol):
    centroids: Tensor
    labels: Tensor


@runtime_checkable
class _Doubted(Protocol):
    labels: Tensor
    doubt: Tensor


@runtime_checkable
class _Classed(Protocol):
    labels: Tensor
    rarity: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnCluster:
    """The cluster of each query's item; the candidates must be the clusters.

    DeepCluster v2, as in Caron et al., NeurIPS 2020, https://arxiv.org/abs/2006.09882, D.

    Args:
        clusters: name of the memory that knows.
    """

    clusters: str

    @torch.no_grad()
    def __call__(self, queries: Rows, candidates: Rows, look: Look) -> Kin:
        """The shares of the clusters that a query is made of."""
        labels = _clusters(self.clusters, look).labels
        return Kin(_shares(queries, labels, len(candidates)))


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnClass:
    """The class that each query's item is said to be of; the queries are scores over classes.

    UIC, Chen et al., ECCV workshops 2020, https://arxiv.org/abs/2006.11480, and DeepCluster,
    Caron et al., ECCV 2018, https://arxiv.org/abs/1807.05520. Rows count in inverse proportion
    to the size of their class, as if classes were drawn alike often.

    Args:
        labels: name of the memory that knows.
    """

    labels: str

    @torch.no_grad()
    def __call__(self, queries: Rows, candidates: Rows, look: Look) -> Kin:
        """The shares of the classes that a query is made of."""
        known = cast(_Classed, cast(object, look.memory(self.labels)))
        weights = _shares(queries, known.labels, len(known.rarity))
        return Kin(weights, importance=weights @ known.rarity.to(weights))


@dataclass(frozen=True, kw_only=True, slots=True)
class Clustermates:
    """Candidates of the query's cluster, yet of another origin: likely false negatives.

    IFND, Chen et al., ICLR 2022, https://arxiv.org/abs/2106.03719: ``CommonSource() -
    Clustermates(...)`` eliminates them, ``|`` attracts them.

    Args:
        clusters: name of the memory that knows.
        accepted: share of the items, the surest first, whose cluster is believed.
    """

    clusters: str
    accepted: Scalar = 1.0

    @torch.no_grad()
    def __call__(self, queries: Rows, candidates: Rows, look: Look) -> Kin:
        """Weights in proportion to the shares of believed clusters in common."""
        known = cast(_Doubted, cast(object, look.memory(self.clusters)))
        believed = known.doubt < value(self.accepted, look.progress)
        labels = known.labels.masked_fill(~believed, NOBODY)
        ours, theirs = (rows.composition.renamed(labels) for rows in (queries, candidates))
        own = overlap(queries.composition, candidates.composition) > 0
        return Kin(rows_to_one(overlap(ours, theirs).masked_fill(own, 0.0)))

    __or__, __and__, __sub__ = union, restrict, leave_out


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnMates:
    """One picture of the query's cluster, drawn by lot, and semi-hard foreigners, drawn too.

    InterCLR, Xie et al., IJCV 2022, https://arxiv.org/abs/2008.11702, section 3. Candidates are
    all items. The mate may be the query's own entry; a mix draws one for each of its sources.
    Foreigners are drawn from those most like the query, of other clusters; all others take no
    part. A query whose cluster is not known yet has no kin.

    Args:
        clusters: name of the memory whose rows are the candidates.
        pool: how many of the most alike foreigners are drawn from, and themselves looked at.
        foreign: how many are drawn; fewer where there are fewer.
    """

    clusters: str
    pool: int
    foreign: int

    @torch.no_grad()
    def __call__(self, queries: Rows, candidates: Rows, look: Look) -> Kin:
        """The shares of a query's clusters on their mates, and most others left out."""
        known = _clusters(self.clusters, look)
        mine = queries.composition.renamed(known.labels)
        shares = mine.shares.masked_fill(mine.sources == NOBODY, 0.0)
        mates = self._mates(queries, mine.sources, known, look)
        weights = shares.new_zeros(len(queries), len(candidates)).scatter_add(1, mates, shares)
        alike = similarities(queries.vectors, (candidates.vectors,))
        near = alike.topk(min(self.pool, len(candidates)), dim=1).indices
        theirs = known.labels[near]
        other = (theirs != NOBODY) & (theirs[:, :, None] != mine.sources[:, None, :]).all(2)
        drawn = self._lots(queries, near.shape[1], "foreign", look).masked_fill(
            ~other, torch.inf
        )
        best = drawn.topk(min(self.foreign, drawn.shape[1]), dim=1, largest=False)
        left_out = torch.ones_like(weights, dtype=torch.bool)
        left_out.scatter_(1, near.gather(1, best.indices), best.values == torch.inf)
        return Kin(rows_to_one(weights), left_out & (weights == 0))

    def _mates(
        self, queries: Rows, mine: Int[Tensor, "Q S"], known: _Clustered, look: Look
    ) -> Int[Tensor, "Q S"]:
        """A member of each cluster; any row where the cluster is not known."""
        order = known.labels.argsort(stable=True)
        sizes = torch.bincount(known.labels + 1, minlength=len(known.centroids) + 1)
        size, first = sizes[mine + 1], (sizes.cumsum(0) - sizes)[mine + 1]
        drawn = self._lots(queries, mine.shape[1], "mate", look)
        place = (drawn * size).long().minimum(size - 1).clamp(min=0)
        return order[(first + place).clamp(max=len(order) - 1)]

    def _lots(
        self, queries: Rows, count: int, name: str, look: Look
    ) -> Float[Tensor, "Q count"]:
        items = queries.composition.sources[:, 0]
        numbers = paired(items, torch.arange(count, device=items.device))
        return lots(numbers, seed=look.seed, step=look.progress.step, name=name)


def _shares(queries: Rows, labels: Int[Tensor, " M"], count: int) -> Float[Tensor, "Q K"]:
    """How much of each of ``count`` classes a query is made of, of the part that is known."""
    made = queries.composition.renamed(labels)
    weights = made.shares.new_zeros(len(queries), count)
    shares = made.shares.masked_fill(made.sources == NOBODY, 0.0)
    return rows_to_one(weights.scatter_add(1, made.sources.clamp(min=0), shares))


def _clusters(name: str, look: Look) -> _Clustered:
    return cast(_Clustered, cast(object, look.memory(name)))

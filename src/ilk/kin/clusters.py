"""Kin by cluster, where clusters are kept by item. Axes: Q queries, K candidates."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import (
    UNKNOWN,
    Kin,
    MemoryName,
    Rows,
    Scalar,
    StepContext,
    hash_uniform,
    overlap,
    paired,
    similarities,
    value,
)
from ilk.kin.algebra import decides_kin, normalize_rows, source_shares
from ilk.kin.memories import Classed, Clustered, Doubted, memory_of


@decides_kin
class OwnCluster:
    """The cluster of each query's item; the candidates must be the clusters.

    DeepCluster v2, as in Caron et al., NeurIPS 2020, https://arxiv.org/abs/2006.09882, D.

    Args:
        clusters: name of the memory that knows.
    """

    clusters: MemoryName

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The shares of the clusters that a query is made of."""
        labels = memory_of(context, self.clusters, Clustered).labels
        return Kin(_shares(queries, labels, len(candidates)))


@decides_kin
class OwnClass:
    """The pseudo-label of each query's item; the queries are scores over classes.

    UIC, Chen et al., ECCV workshops 2020, https://arxiv.org/abs/2006.11480, and DeepCluster,
    Caron et al., ECCV 2018, https://arxiv.org/abs/1807.05520. Rows count in inverse proportion
    to the size of their class, as if classes were sampled uniformly.

    Args:
        labels: name of the memory that holds the pseudo-labels.
    """

    labels: MemoryName

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The shares of the classes that a query is made of."""
        known = memory_of(context, self.labels, Classed)
        weights = _shares(queries, known.labels, len(known.rarity))
        return Kin(weights, importance=weights @ known.rarity.to(weights))


@decides_kin
class Clustermates:
    """Candidates of the query's cluster, yet of another origin: likely false negatives.

    IFND, Chen et al., ICLR 2022, https://arxiv.org/abs/2106.03719: ``CommonSource() -
    Clustermates(...)`` eliminates them, ``|`` attracts them.

    Args:
        clusters: name of the memory that knows.
        accepted: share of the items, the surest first, whose cluster is believed.
    """

    clusters: MemoryName
    accepted: Scalar = 1.0

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights in proportion to the shares of believed clusters in common."""
        known = memory_of(context, self.clusters, Doubted)
        believed = known.doubt < value(self.accepted, context.progress)
        labels = known.labels.masked_fill(~believed, UNKNOWN)
        ours, theirs = (rows.composition.relabel(labels) for rows in (queries, candidates))
        own = overlap(queries.composition, candidates.composition) > 0
        return Kin(normalize_rows(overlap(ours, theirs).masked_fill(own, 0.0)))


@decides_kin
class DrawnMates:
    """One random image of the query's cluster, and random semi-hard negatives.

    InterCLR, Xie et al., IJCV 2022, https://arxiv.org/abs/2008.11702, section 3. Candidates are
    all items. The mate may be the query's own entry; a mix draws one for each of its sources.
    Negatives are drawn from the images of other clusters most similar to the query; all others
    are ignored. A query whose cluster is not known yet has no kin.

    Args:
        clusters: name of the memory whose rows are the candidates.
        pool: negatives are drawn from so many of the most similar images of other clusters.
        negatives: so many are drawn; fewer where there are fewer.
    """

    clusters: MemoryName
    pool: int
    negatives: int

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The shares of a query's clusters on their mates; most others are ignored."""
        known = memory_of(context, self.clusters, Clustered)
        mine = queries.composition.relabel(known.labels)
        shares = mine.shares.masked_fill(mine.sources == UNKNOWN, 0.0)
        mates = self._mates(queries, mine.sources, known, context)
        weights = shares.new_zeros(len(queries), len(candidates)).scatter_add(1, mates, shares)
        alike = similarities(queries.vectors, (candidates.vectors,))
        near = alike.topk(min(self.pool, len(candidates)), dim=1).indices
        theirs = known.labels[near]
        other = (theirs != UNKNOWN) & (theirs[:, :, None] != mine.sources[:, None, :]).all(2)
        drawn = self._uniform(queries, near.shape[1], "foreign", context).masked_fill(
            ~other, torch.inf
        )
        best = drawn.topk(min(self.negatives, drawn.shape[1]), dim=1, largest=False)
        ignored = torch.ones_like(weights, dtype=torch.bool)
        ignored.scatter_(1, near.gather(1, best.indices), best.values == torch.inf)
        return Kin(normalize_rows(weights), ignored & (weights == 0))

    def _mates(
        self, queries: Rows, mine: Int[Tensor, "Q S"], known: Clustered, context: StepContext
    ) -> Int[Tensor, "Q S"]:
        """A member of each cluster; any row where the cluster is not known."""
        order = known.labels.argsort(stable=True)
        sizes = torch.bincount(known.labels + 1, minlength=len(known.centroids) + 1)
        size, first = sizes[mine + 1], (sizes.cumsum(0) - sizes)[mine + 1]
        drawn = self._uniform(queries, mine.shape[1], "mate", context)
        place = (drawn * size).long().minimum(size - 1).clamp(min=0)
        return order[(first + place).clamp(max=len(order) - 1)]

    def _uniform(
        self, queries: Rows, count: int, name: str, context: StepContext
    ) -> Float[Tensor, "Q count"]:
        items = queries.composition.sources[:, 0]
        numbers = paired(items, torch.arange(count, device=items.device))
        return hash_uniform(numbers, seed=context.seed, step=context.progress.step, name=name)


def _shares(queries: Rows, labels: Int[Tensor, " M"], count: int) -> Float[Tensor, "Q K"]:
    """How much of each of ``count`` classes a query is made of, of the part that is known."""
    return normalize_rows(source_shares(queries.composition.relabel(labels), count))

"""Kin by cluster, where clusters are kept by item. Axes: Q queries, K candidates."""

from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from ilk.core import NOBODY, Kin, Look, Rows, Scalar, overlap, value
from ilk.kin.algebra import leave_out, restrict, rows_to_one, union


@runtime_checkable
class _Clustered(Protocol):
    centroids: Tensor
    labels: Tensor
    doubt: Tensor


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
        known = _clusters(self.clusters, look)
        made = queries.composition.renamed(known.labels)
        weights = made.shares.new_zeros(len(queries), len(candidates))
        shares = made.shares.masked_fill(made.sources == NOBODY, 0.0)
        return Kin(rows_to_one(weights.scatter_add(1, made.sources.clamp(min=0), shares)))


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
        known = _clusters(self.clusters, look)
        believed = known.doubt < value(self.accepted, look.progress)
        labels = known.labels.masked_fill(~believed, NOBODY)
        ours, theirs = (rows.composition.renamed(labels) for rows in (queries, candidates))
        own = overlap(queries.composition, candidates.composition) > 0
        return Kin(rows_to_one(overlap(ours, theirs).masked_fill(own, 0.0)))

    __or__, __and__, __sub__ = union, restrict, leave_out


def _clusters(name: str, look: Look) -> _Clustered:
    return cast(_Clustered, cast(object, look.memory(name)))

"""Clusters of whitened features, computed at the beginning of each epoch.

Axes: M items, N items that have been seen, K clusters, D features.
"""

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ilk.core import UNKNOWN, Progress, full
from ilk.memory.agreement import mutual_information
from ilk.memory.bank import Bank
from ilk.memory.clusters import agree, drawn, require_items

_CHUNK = 65_536  # rows whose distances to all centroids are held at once
_ASIDE = 1 / 1024  # how far the halves of a split cluster begin from its centroid


class WhitenedClusters(nn.Module):
    """The cluster of each item, as of the beginning of the epoch.

    DeepCluster, Caron et al., ECCV 2018, https://arxiv.org/abs/1807.05520, section 3: features
    are whitened on their principal axes and L2-normalised, then comes k-means. Until there is
    something to cluster, items are assigned in turn; items that have never been seen
    belong to no cluster once others do.

    Args:
        count: K.
        bank: name of the memory whose entries are clustered.
        axes: principal axes that are kept; fewer where features or items are fewer.
        iterations: k-means takes so many.
        items: M, the number of items of the data set.

    Raises:
        UserError: more clusters than items.
    """

    labels: Int[Tensor, " M"]
    rarity: Float[Tensor, " K"]
    agreement: Float[Tensor, ""]

    def __init__(
        self, count: int, *, bank: str, items: int, axes: int = 256, iterations: int = 20
    ) -> None:
        super().__init__()
        require_items("WhitenedClusters", count, items)
        self.bank, self.axes, self.iterations, self.items = bank, axes, iterations, items
        self.register_buffer("labels", torch.arange(items) % count)
        # Weights rows as if all clusters that have members were sampled uniformly.
        self.register_buffer("rarity", torch.ones(count))
        self.register_buffer("agreement", torch.zeros(()))  # NMI with the labels before

    @torch.no_grad()
    def refresh(self, memories: Mapping[str, nn.Module], progress: Progress, seed: int) -> None:
        """Cluster what the bank holds, in the first step of an epoch; the same on all ranks."""
        if not progress.begins_epoch:
            return
        bank = cast(Bank, memories[self.bank])
        seen = bank.sources != UNKNOWN
        rows, clusters = bank.vectors[seen], len(self.rarity)
        if len(rows) < max(clusters, 2):
            return
        rows = F.normalize(whitened(rows, self.axes), dim=1)
        start = drawn(rows, clusters, progress, seed)
        found = nearest_centroid(rows, k_means(rows, start, self.iterations))
        before = self.labels
        self.labels = torch.full_like(before, UNKNOWN).masked_scatter(seen, found)
        sizes = torch.bincount(found, minlength=clusters)
        alike = len(found) / (sizes.count_nonzero() * sizes)
        self.rarity.copy_(torch.where(sizes > 0, alike, 0.0))
        agree(self.labels, self.rarity)
        self.agreement.fill_(mutual_information(before, self.labels))


def whitened(rows: Float[Tensor, "N D"], axes: int) -> Float[Tensor, "N d"]:
    """Rows around their mean on their principal axes, with a variance of one on each.

    Args:
        rows: at least two.
        axes: how many, those of largest variance first; no more than N - 1 and D, and than
            there are directions in which rows differ by more than rounding.
    """
    centred = full(rows) - full(rows).mean(dim=0)
    variances, directions = torch.linalg.eigh(centred.T @ centred / (len(rows) - 1))
    eps = torch.finfo(variances.dtype).eps
    floor = len(variances) * eps * variances[-1].maximum(eps * full(rows).square().mean())
    kept = min(axes, len(rows) - 1, int((variances > floor).sum()))
    chosen = slice(len(variances) - kept, None)
    return (centred @ directions[:, chosen] / variances[chosen].sqrt()).flip(1)


def k_means(
    rows: Float[Tensor, "N D"], centroids: Float[Tensor, "K D"], iterations: int
) -> Float[Tensor, "K D"]:
    """Centroids by Euclidean distance, which are means and have no unit length.

    A centroid without members takes half of the largest cluster: both then begin just beside
    its mean, one on each side.

    Args:
        rows: to be clustered.
        centroids: to begin with.
        iterations: of assigning and averaging.
    """
    for _ in range(iterations):
        labels = nearest_centroid(rows, centroids)
        sizes = torch.bincount(labels, minlength=len(centroids))
        sums = torch.zeros_like(centroids).index_add_(0, labels, rows)
        centroids = _split(sums / sizes.clamp(min=1)[:, None].to(sums), sizes)
    return centroids


def nearest_centroid(
    rows: Float[Tensor, "N D"], centroids: Float[Tensor, "K D"]
) -> Int[Tensor, " N"]:
    """The nearest centroid of each row; of equally near ones the first.

    Example:
        >>> rows, centroids = torch.tensor([[0.9], [0.1]]), torch.tensor([[0.0], [1.0]])
        >>> nearest_centroid(rows, centroids).tolist()
        [1, 0]
    """
    half = centroids.square().sum(dim=1) / 2
    return torch.cat([(half - part @ centroids.T).argmin(dim=1) for part in rows.split(_CHUNK)])


def _split(centroids: Float[Tensor, "K D"], sizes: Int[Tensor, " K"]) -> Float[Tensor, "K D"]:
    members = sizes.cpu().numpy().copy()
    away = torch.ones_like(centroids[0])
    away[1::2] = -1  # in turns, else unit rows would all fall on one side
    for empty in (members == 0).nonzero()[0]:
        largest = int(members.argmax())
        members[empty] = members[largest] // 2
        members[largest] -= members[empty]
        centroids[empty] = centroids[largest] * (1 + _ASIDE * away)
        centroids[largest] = centroids[largest] * (1 - _ASIDE * away)
    return centroids

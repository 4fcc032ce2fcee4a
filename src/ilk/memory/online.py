"""Items and their clusters, kept up to date while training.

Axes: M items, N rows, K clusters, D features.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ilk.core import UNKNOWN, Composition, Progress, Rows, UserError, full, seeding
from ilk.memory.bank import last_of
from ilk.memory.clusters import agree, assigned, spherical_k_means

_ROUNDS = 20  # of k-means


class OnlineClusters(nn.Module):
    """Every item's last row and cluster; both change as soon as the item is seen again.

    InterCLR, Xie et al., IJCV 2022, https://arxiv.org/abs/2008.11702. Clusters come from
    k-means at the beginning of the first epoch that finds enough rows. From then on a row that
    is written joins its nearest centroid, and now and then centroids become the means of their
    members again, small clusters are dissolved and the largest are split in their place.

    Args:
        clusters: K.
        dim: D.
        smallest: clusters with fewer members are dissolved.
        every: how many steps centroids stay as they are.
        items: M, the number of items of the data set.

    Raises:
        UserError: too few items for clusters that last.
    """

    vectors: Float[Tensor, "M D"]
    sources: Int[Tensor, " M"]
    labels: Int[Tensor, " M"]
    centroids: Float[Tensor, "K D"]
    begun: Bool[Tensor, ""]

    def __init__(
        self, clusters: int, dim: int, *, items: int, smallest: int = 20, every: int = 10
    ) -> None:
        super().__init__()
        if 0 < items < clusters * smallest:
            raise UserError(
                f"OnlineClusters: {clusters} clusters of {smallest} must be no more than the "
                f"{items} images; set fewer clusters, a hundredth of the images or less"
            )
        self.smallest, self.every, self.items = smallest, every, items
        self.register_buffer("vectors", torch.zeros(items, dim))
        self.register_buffer("sources", torch.full((items,), UNKNOWN))
        self.register_buffer("labels", torch.full((items,), UNKNOWN))
        self.register_buffer("centroids", torch.zeros(clusters, dim))
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def refresh(self, memories: Mapping[str, nn.Module], progress: Progress, seed: int) -> None:
        """Begin, or bring centroids up to date; the same on all ranks."""
        if not (progress.begins_epoch or progress.step % self.every == 0):
            return
        seen = self.sources != UNKNOWN
        rows = self.vectors[seen]
        if len(rows) < len(self.centroids) * self.smallest:
            return
        if self.begun:
            labels = self.labels[seen]
        elif progress.begins_epoch:
            labels = self._first(rows, seeding.integer(seed, progress.step, "k-means"))
        else:
            return
        labels, centroids = mended(rows, labels, len(self.centroids), self.smallest)
        self.labels[seen] = labels
        self.centroids.copy_(centroids)
        self.begun.fill_(True)
        agree(self.centroids, self.labels)

    def _first(self, rows: Float[Tensor, "N D"], seed: int) -> Int[Tensor, " N"]:
        draw = seeding.permutation(seed, 0, len(rows))[: len(self.centroids)].copy()
        start = rows[torch.from_numpy(draw).to(rows.device)]
        return assigned(rows, spherical_k_means(rows, start, _ROUNDS))[0]

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Replace the entries of the first sources, which join the nearest of the clusters."""
        items = rows.composition.sources[:, 0]
        new = F.normalize(full(rows.vectors), dim=1).to(self.vectors)[last_of(items)]
        self.vectors[items] = new
        self.sources[items] = items
        nearest = (new @ self.centroids.T).argmax(dim=1)
        self.labels[items] = torch.where(self.begun, nearest, UNKNOWN)

    def rows(self) -> Rows:
        """All entries; the source of those that were never written is unknown."""
        slots = torch.full_like(self.sources, -1)
        return Rows(self.vectors, Composition.plain(self.sources), slots)


def mended(
    rows: Float[Tensor, "N D"], labels: Int[Tensor, " N"], clusters: int, smallest: int
) -> tuple[Int[Tensor, " N"], Float[Tensor, "K D"]]:
    """Labels without empty or small clusters, and the means of their rows.

    Members of small clusters join the nearest of the others. Each id that is free then takes
    one half of the largest cluster; where rows are scarce, halves may be small once more.

    Args:
        rows: unit vectors.
        labels: from 0 to clusters - 1; stays as it is.
        clusters: K.
        smallest: members that a cluster needs; better many more rows than K times that.
    """
    sizes = torch.bincount(labels, minlength=clusters)
    small = sizes < smallest
    centroids = _means(rows, labels, clusters)
    free: list[int] = small.nonzero()[:, 0].tolist()
    if free and len(free) < clusters:
        lost = small[labels]
        scores = (rows[lost] @ centroids.T).masked_fill(small, -torch.inf)
        labels = labels.masked_scatter(lost, scores.argmax(dim=1))
    elif free:
        labels, free = torch.zeros_like(labels), list(range(1, clusters))
    for taken in free:
        largest = torch.bincount(labels, minlength=clusters).argmax()
        members = (labels == largest).nonzero()[:, 0]
        labels = labels.clone()
        labels[members[_halved(rows[members], smallest)]] = taken
    return labels, _means(rows, labels, clusters)


def _halved(rows: Float[Tensor, "N D"], smallest: int) -> Bool[Tensor, " N"]:
    """Which rows leave: one of two clusters, or the half nearer to it if a cluster is small."""
    first = rows[(rows @ rows.mean(dim=0)).argmin()]
    second = rows[(rows @ first).argmin()]
    centres = spherical_k_means(rows, torch.stack([first, second]), _ROUNDS)
    nearer = rows @ (centres[1] - centres[0])
    leaving = nearer > 0
    count = int(leaving.sum())
    if min(count, len(rows) - count) >= max(smallest, 1):
        return leaving
    half = torch.zeros_like(leaving)
    half[nearer.argsort(descending=True, stable=True)[: len(rows) // 2]] = True
    return half


def _means(
    rows: Float[Tensor, "N D"], labels: Int[Tensor, " N"], clusters: int
) -> Float[Tensor, "K D"]:
    sums = rows.new_zeros(clusters, rows.shape[1]).index_add_(0, labels, rows)
    sizes = torch.bincount(labels, minlength=clusters).clamp(min=1)
    return sums / sizes[:, None].to(sums)

"""Pseudo-labels of every item: k-means over a bank at the beginning of each epoch.

Axes: M items, N items that have been seen, K clusters, D features.
"""

from collections.abc import Mapping
from typing import cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ilk.core import UNKNOWN, Composition, Progress, Rows, UserError, seeding
from ilk.memory.bank import Bank

_CHUNK = 65_536  # rows whose cosines with all centroids are held at once


class Clusters(nn.Module):
    """The cluster of each item, and its confidence, as of the beginning of the epoch.

    Until there is something to cluster, items are assigned to random centroids in turn.
    Items that have never been seen belong to no cluster once others do.

    Args:
        count: K.
        dim: D.
        bank: name of the memory whose entries are clustered.
        items: M, the number of items of the data set.
        iterations: k-means takes so many.
        seed: of the first directions and centroids; several clusterings of one bank are the
            same unless each has a seed of its own.

    Raises:
        UserError: more clusters than items.
    """

    centroids: Float[Tensor, "K D"]
    labels: Int[Tensor, " M"]
    doubt: Float[Tensor, " M"]

    def __init__(
        self,
        count: int,
        dim: int,
        *,
        bank: str,
        items: int,
        iterations: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_items("Clusters", count, items)
        self.bank, self.iterations, self.seed, self.items = bank, iterations, seed, items
        start = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("centroids", F.normalize(start, dim=1))
        order = torch.arange(items)
        self.register_buffer("labels", order % count)
        # The share of items with a more confident assignment: the most confident has 0.
        self.register_buffer("doubt", order.to(self.centroids) / max(items, 1))

    @torch.no_grad()
    def refresh(self, memories: Mapping[str, nn.Module], progress: Progress, seed: int) -> None:
        """Cluster what the bank holds, in the first step of an epoch; the same on all ranks."""
        if not progress.begins_epoch:
            return
        bank = cast(Bank, memories[self.bank])
        seen = bank.sources != UNKNOWN
        rows = bank.vectors[seen]
        if len(rows) < len(self.centroids):
            return
        start = drawn(rows, len(self.centroids), progress, seed, clustering=self.seed)
        centroids = spherical_k_means(rows, start, self.iterations)
        labels, sureness = assigned(rows, centroids)
        self.centroids.copy_(centroids)
        self.labels = torch.full_like(self.labels, UNKNOWN).masked_scatter(seen, labels)
        order = sureness.argsort(descending=True, stable=True)
        place = torch.empty_like(sureness)
        place[order] = torch.arange(len(rows), device=rows.device).to(place) / len(rows)
        self.doubt = torch.ones_like(self.doubt).masked_scatter(seen, place.to(self.doubt))
        agree(self.centroids, self.labels, self.doubt)

    def rows(self) -> Rows:
        """The centroids, of no origin."""
        count, device = len(self.centroids), self.centroids.device
        slots = torch.full((count,), -1, device=device)
        return Rows(self.centroids, Composition.unknown(count, device), slots)


def require_items(name: str, clusters: int, count: int) -> None:
    """Refuse more clusters than items; 0 items are a number that is not known yet."""
    if 0 < count < clusters:
        raise UserError(
            f"{name}: must be no more than the {count} images, got {clusters}; set "
            f"fewer, a tenth of the images or less"
        )


def drawn(
    rows: Float[Tensor, "N D"], count: int, progress: Progress, seed: int, clustering: int = 0
) -> Float[Tensor, "K D"]:
    """Rows to begin with, different ones: a function of seed, step and clustering."""
    key = seeding.integer(seed, clustering, "k-means")
    chosen = seeding.permutation(key, progress.step, len(rows))[:count].copy()
    return rows[torch.from_numpy(chosen).to(rows.device)]


def spherical_k_means(
    rows: Float[Tensor, "N D"], centroids: Float[Tensor, "K D"], iterations: int
) -> Float[Tensor, "K D"]:
    """Centroids by cosine: directions of the means; a centroid without members stays.

    Args:
        rows: unit vectors.
        centroids: to begin with, unit vectors.
        iterations: of assigning and averaging.
    """
    for _ in range(iterations):
        labels, _ = assigned(rows, centroids)
        sums = torch.zeros_like(centroids).index_add_(0, labels, rows)
        held = torch.bincount(labels, minlength=len(centroids)) > 0
        centroids = torch.where(held[:, None], F.normalize(sums, dim=1), centroids)
    return centroids


def assigned(
    rows: Float[Tensor, "N D"], centroids: Float[Tensor, "K D"]
) -> tuple[Int[Tensor, " N"], Float[Tensor, " N"]]:
    """The nearest centroid of each row, and ``log softmax`` of its cosine among all cosines."""
    labels, sureness = [], []
    for chunk in rows.split(_CHUNK):
        best = (chunk @ centroids.T).log_softmax(dim=1).max(dim=1)
        labels.append(best.indices)
        sureness.append(best.values)
    return torch.cat(labels), torch.cat(sureness)


def agree(*tensors: Tensor) -> None:
    """Sums on a GPU have no fixed order, so the first rank's word counts."""
    if dist.is_available() and dist.is_initialized():
        for tensor in tensors:
            dist.broadcast(tensor, src=0)

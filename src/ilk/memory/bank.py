"""One entry per item of a data set. Axes: M items, N new rows, D features."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ilk.core import UNKNOWN, Composition, Rows, full


class Bank(nn.Module):
    """A moving average of each item's rows, L2-normalised; random directions until then.

    Instance discrimination, Wu et al., CVPR 2018, https://arxiv.org/abs/1805.01978.

    Args:
        items: M, the number of items of the data set.
        dim: D.
        momentum: share of the old entry that is kept, in [0, 1); the first write keeps none.
        seed: the random directions depend on it.
    """

    vectors: Float[Tensor, "M D"]
    sources: Int[Tensor, " M"]

    def __init__(self, items: int, dim: int, *, momentum: float = 0.5, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ValueError(f"Bank: momentum must be in [0, 1), got {momentum}")
        self.momentum, self.items = momentum, items
        chance = torch.Generator().manual_seed(seed)
        start = torch.randn(items, dim, generator=chance, device="cpu")
        # A device that is set for building, such as one without memory, holds for it too.
        self.register_buffer("vectors", F.normalize(start, dim=1).to(torch.empty(())))
        self.register_buffer("sources", torch.full((items,), UNKNOWN))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Move the entries of the first sources; call after backward.

        Of several rows of one item the last one counts.
        """
        items = rows.composition.sources[:, 0]
        new = F.normalize(full(rows.vectors), dim=1).to(self.vectors)[last_of(items)]
        kept = self.momentum * (self.sources[items] != UNKNOWN).to(new)[:, None]
        self.vectors[items] = F.normalize(kept * self.vectors[items] + (1 - kept) * new, dim=1)
        self.sources[items] = items

    def rows(self) -> Rows:
        """All entries; the source of those that were never written is unknown."""
        return Rows(
            self.vectors, Composition.plain(self.sources), torch.full_like(self.sources, -1)
        )


def last_of(items: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
    """For each row the number of the last row of the same item.

    A file that could not be read is replaced by its neighbour, so an item can come twice; that
    both rows write the same makes the order of writing, which a GPU leaves open, irrelevant.
    """
    order = torch.arange(len(items), device=items.device)
    return ((items[:, None] == items[None, :]) * order).amax(dim=1)

"""The last two embeddings of every item. Axes: M items, N rows, D features."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ilk.core import UNKNOWN, Rows, full
from ilk.memory.bank import last_of


class History(nn.Module):
    """The embeddings of each item at its last two visits, L2-normalised.

    CMSF, Navaneet et al., ECCV 2022, https://arxiv.org/abs/2112.04607: an item is visited once
    an epoch, so the entry before the present one is of another augmentation and epoch.

    Args:
        dim: D.
        items: M, the number of items of the data set.
    """

    vectors: Float[Tensor, "M 2 D"]
    visits: Int[Tensor, " M"]

    def __init__(self, dim: int, items: int) -> None:
        super().__init__()
        self.items = items
        self.register_buffer("vectors", torch.zeros(items, 2, dim))
        self.register_buffer("visits", torch.zeros(items, dtype=torch.long))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Put the rows of the first sources in front; call after backward."""
        items = rows.composition.sources[:, 0]
        new = F.normalize(full(rows.vectors), dim=1).to(self.vectors)[last_of(items)]
        self.vectors[items] = torch.stack([new, self.vectors[items, 0]], dim=1)
        self.visits[items] = self.visits[items] + 1

    @torch.no_grad()
    def before(self, rows: Rows) -> Float[Tensor, "N D"]:
        """The embedding of each row's item one visit before the row itself.

        For a row of this step that is the latest entry, for one from a memory the entry before
        it. Where rows of this step stand beside those of a memory, the visit of an item that is
        among them counts: a row from a memory has the latest entry then, too. Rows that are
        mixed, of unknown origin, or of an item without such a visit are returned as they are.
        """
        items = rows.composition.sources[:, 0]
        known = (items != UNKNOWN) & (rows.composition.shares[:, 0] == 1)
        items = items.clamp(min=0)
        fresh = rows.slots >= 0
        seen = torch.zeros_like(self.visits).index_add_(0, items, (fresh & known).long())
        stale = (~fresh & (seen[items] == 0)).long()
        known &= self.visits[items] > stale
        former = self.vectors[items, stale].to(rows.vectors.dtype)
        return torch.where(known[:, None], former, rows.vectors)

"""One entry per item of a data set. Axes: M items, N new rows, D features."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ilk.core import NOBODY, Composition, Rows, full


class Bank(nn.Module):
    """A moving average of each item's rows, L2-normalised; random directions until then.

    Instance discrimination, Wu et al., CVPR 2018, https://arxiv.org/abs/1805.01978.

    Args:
        count: M, the items of the data set.
        dim: D.
        momentum: share of the old entry that is kept, in [0, 1); the first write keeps none.
        seed: of the random directions.
    """

    vectors: Float[Tensor, "M D"]
    sources: Int[Tensor, " M"]

    def __init__(self, count: int, dim: int, *, momentum: float = 0.5, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= momentum < 1:
            raise ValueError(f"Bank: momentum must be in [0, 1), got {momentum}")
        self.momentum = momentum
        start = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("vectors", F.normalize(start, dim=1))
        self.register_buffer("sources", torch.full((count,), NOBODY))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Move the entries of the first sources, each at most once; call after backward."""
        items = rows.composition.sources[:, 0]
        new = F.normalize(full(rows.vectors), dim=1).to(self.vectors)
        kept = self.momentum * (self.sources[items] != NOBODY).to(new)[:, None]
        self.vectors[items] = F.normalize(kept * self.vectors[items] + (1 - kept) * new, dim=1)
        self.sources[items] = items

    def rows(self) -> Rows:
        """All entries; those never written belong to nobody."""
        return Rows(
            self.vectors, Composition.plain(self.sources), torch.full_like(self.sources, -1)
        )

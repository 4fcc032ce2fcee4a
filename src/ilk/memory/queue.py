"""A queue of past rows, first in, first out. Axes: M entries, N new rows, D features."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ilk.core import UNKNOWN, Composition, Rows, UserError, full


class Queue(nn.Module):
    """The last ``size`` rows, L2-normalised; random directions until they are overwritten.

    MoCo, He et al., CVPR 2020, https://arxiv.org/abs/1911.05722. All ranks must write the same
    rows; they then hold the same queue.

    Args:
        size: M.
        dim: D.
        keep_sources: past keys of a query's own image are its positives; otherwise they are
            negatives, as in MoCo, and only labels and monitors know what the rows show.
        seed: of the random directions.
    """

    vectors: Float[Tensor, "M D"]
    sources: Int[Tensor, " M"]
    cursor: Int[Tensor, ""]

    def __init__(
        self, size: int, dim: int, *, keep_sources: bool = False, seed: int = 0
    ) -> None:
        super().__init__()
        self.keep_sources = keep_sources
        start = torch.randn(size, dim, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("vectors", F.normalize(start, dim=1))
        self.register_buffer("sources", torch.full((size,), UNKNOWN))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.long))  # rows ever written

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Write over the oldest entries; call after backward, which may still read them.

        Raises:
            UserError: more rows than entries.
        """
        size = len(self.vectors)
        if len(rows) > size:
            raise UserError(
                f"Queue: must hold one batch at least, got {len(rows)} rows for {size} entries;"
                " enlarge the queue or shrink the batch"
            )
        steps = torch.arange(len(rows), device=self.cursor.device)
        entries = (self.cursor + steps) % size
        self.vectors[entries] = F.normalize(full(rows.vectors), dim=1).to(self.vectors)
        self.sources[entries] = _whole_sources(rows.composition)
        self.cursor += len(rows)

    def rows(self) -> Rows:
        """All entries; the vectors are the queue's own and change with the next write."""
        shown = Composition.plain(self.sources)
        slots = torch.full_like(self.sources, -1)
        if self.keep_sources:
            return Rows(self.vectors, shown, slots)
        return Rows(self.vectors, Composition.unknown(len(slots), slots.device), slots, shown)

    def written(self) -> Bool[Tensor, " M"]:
        """Which entries have been written at least once."""
        return torch.arange(len(self.vectors), device=self.cursor.device) < self.cursor


def _whole_sources(composition: Composition) -> Int[Tensor, " N"]:
    """The source of each row that is made of one alone; a mix has none to remember."""
    share, column = composition.shares.max(dim=1)
    source = composition.sources.gather(1, column[:, None])[:, 0]
    return torch.where(share == 1, source, torch.full_like(source, UNKNOWN))

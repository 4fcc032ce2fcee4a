"""What a view is made of: the rule that makes mixing free.

Axes: B rows, S shares per row.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core.unknown import UNKNOWN

MANY = 2**16  # pairs, from which on it pays to look only at those that have a source in common
DENSE = 10  # of so many pairs one in common: looking at all of them is as fast


@dataclass(frozen=True, slots=True)
class Composition:
    """Sparse rows of source shares; each row sums to one and names a source once at most.

    A plain crop of image i is ``{i: 1}``, a mix of i and j ``{i: lam, j: 1 - lam}``. A source
    is anything that views can share: an image, a place, an object proposal, a class.

    Args:
        sources: ids, ``UNKNOWN`` where a share belongs to no known source.
        shares: non-negative.
    """

    sources: Int[Tensor, "B S"]
    shares: Float[Tensor, "B S"]

    @staticmethod
    def plain(items: Int[Tensor, " B"]) -> "Composition":
        """Every row is made of its own item alone."""
        return Composition(items[:, None], torch.ones(len(items), 1, device=items.device))

    @staticmethod
    def mixed(
        items: Int[Tensor, " B"], partners: Int[Tensor, " B"], share: Float[Tensor, " B"]
    ) -> "Composition":
        """``share`` of the item, the rest of its partner; a row mixed with itself is plain."""
        alone = items == partners
        own = torch.where(alone, torch.ones_like(share), share)
        return Composition(torch.stack([items, partners], 1), torch.stack([own, 1 - own], 1))

    @staticmethod
    def unknown(rows: int, device: torch.device) -> "Composition":
        """Rows without kin by source."""
        return Composition.plain(torch.full((rows,), UNKNOWN, dtype=torch.long, device=device))

    @staticmethod
    def cat(parts: "list[Composition]") -> "Composition":
        """Rows of all parts, one after the other; short rows are filled with empty shares."""
        width = max(part.sources.shape[1] for part in parts)
        dtype = torch.stack([part.shares.new_zeros(()) for part in parts]).dtype
        return Composition(
            torch.cat([_widen(part.sources, width, UNKNOWN) for part in parts]),
            torch.cat([_widen(part.shares.to(dtype), width, 0.0) for part in parts]),
        )

    def relabel(self, names: Int[Tensor, " M"]) -> "Composition":
        """The same shares under other names: of classes, of clusters.

        Args:
            names: what source i is called, ``UNKNOWN`` where that is not known. Shares of one
                name are added up.
        """
        known = (self.sources >= 0) & (self.sources < len(names))
        sources = torch.where(known, names[self.sources.clamp(0, len(names) - 1)], UNKNOWN)
        same = sources[:, :, None] == sources[:, None, :]
        same &= (sources != UNKNOWN)[:, :, None]
        again = same.tril(-1).any(dim=2)  # a column further left has this name already
        total = (same * self.shares[:, None, :]).sum(dim=2)
        shares = torch.where(sources == UNKNOWN, self.shares, total)
        return Composition(torch.where(again, UNKNOWN, sources), shares.masked_fill(again, 0.0))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.sources)


def overlap(a: Composition, b: Composition) -> Float[Tensor, "A B"]:
    """How much two views are made of the same: the sum over sources of the smaller share.

    SDMP, Ren et al., CVPR 2022, https://arxiv.org/abs/2206.07692, Eq. 3 and 4: against plain
    keys this is lambda and 1 - lambda, against mixed keys 1 and lambda^c.
    """
    on_host = a.sources.device.type == b.sources.device.type == "cpu"
    pairs = None
    if on_host and len(a) * len(b) >= MANY:
        pairs = _matches(a.sources, b.sources)
    if pairs is not None:
        return _scattered(a, b, *pairs)
    dtype = torch.promote_types(a.shares.dtype, b.shares.dtype)
    mine, theirs = a.shares.to(dtype), b.shares.to(dtype)
    total = mine.new_zeros(len(a), len(b))
    for s in range(a.sources.shape[1]):
        for r in range(b.sources.shape[1]):
            same = a.sources[:, None, s] == b.sources[None, :, r]
            same &= (a.sources[:, s] != UNKNOWN)[:, None]
            total += torch.minimum(mine[:, None, s], theirs[None, :, r]).masked_fill(~same, 0.0)
    return total


def _matches(
    a: Int[Tensor, "A S"], b: Int[Tensor, "B R"]
) -> tuple[Int[Tensor, " M"], Int[Tensor, " M"]] | None:
    """Places in both tables, read row by row, that name the same source; None where too many.

    How many there are depends on the data: an accelerator would have to be waited for.
    """
    names, order = a.reshape(-1).sort()
    theirs = b.reshape(-1)
    first = torch.searchsorted(names, theirs)
    counts = torch.searchsorted(names, theirs, right=True) - first
    counts[theirs == UNKNOWN] = 0
    if int(counts.sum()) > len(a) * len(b) / DENSE:
        return None
    column = torch.repeat_interleave(counts)
    before = counts.cumsum(0) - counts - first
    return order[torch.arange(len(column)) - before[column]], column


def _scattered(
    a: Composition, b: Composition, ours: Int[Tensor, " M"], theirs: Int[Tensor, " M"]
) -> Float[Tensor, "A B"]:
    """Shares in common at the places that match, zero elsewhere."""
    dtype = torch.promote_types(a.shares.dtype, b.shares.dtype)
    least = torch.minimum(a.shares.reshape(-1)[ours].to(dtype), b.shares.reshape(-1)[theirs])
    row, column = ours // a.sources.shape[1], theirs // b.sources.shape[1]
    total = torch.zeros(len(a) * len(b), dtype=dtype)
    return total.scatter_add_(0, row * len(b) + column, least.to(dtype)).view(len(a), len(b))


def _widen(table: Tensor, width: int, fill: float) -> Tensor:
    missing = width - table.shape[1]
    return torch.nn.functional.pad(table, (0, missing), value=fill)

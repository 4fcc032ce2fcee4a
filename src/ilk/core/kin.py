"""Which candidates are kin of which queries, as a table or one each.

Axes: Q queries, K candidates.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Kin:
    """Which candidates are kin and which are ignored; all others are negatives.

    Args:
        weights: T, non-negative; a row sums to one, or to zero when it has no kin. Ignored
            pairs have no weight.
        ignored: M, pairs that count nowhere, not even in the denominator; None ignores none.
        importance: how much a row counts in a mean of losses, one on average over the data;
            None is one each.
    """

    weights: Float[Tensor, "Q K"]
    ignored: Bool[Tensor, "Q K"] | None = None
    importance: Float[Tensor, " Q"] | None = None

    @property
    def related(self) -> Bool[Tensor, " Q"]:
        """Which queries have kin."""
        return self.weights.sum(dim=1) > 0

    @property
    def negatives(self) -> Bool[Tensor, "Q K"]:
        """Which pairs are neither kin nor ignored."""
        apart = self.weights == 0
        return apart if self.ignored is None else apart & ~self.ignored


@dataclass(frozen=True, slots=True)
class AlignedKin:
    """At most one kin of each query, without a table; every other candidate is negative.

    Args:
        columns: where the kin is; any column for a query that has none.
        weights: how much a query counts: one, less, or zero where it has no kin.
        importance: as in `Kin`.
        group: a number for each query, from 0 on: statistics are taken of queries of one group
            at a time, such as the places of one number of all images; None is one group.
        own: number of first columns of which only its kin counts for a query; the others of
            them are ignored.
        negatives: columns of the candidates that are negatives of all queries but those whose
            kin they are, each once; all others are ignored. None is every candidate.
    """

    columns: Int[Tensor, " Q"]
    weights: Float[Tensor, " Q"]
    importance: Float[Tensor, " Q"] | None = None
    group: Int[Tensor, " Q"] | None = None
    own: int = 0
    negatives: Int[Tensor, " m"] | None = None

    @property
    def related(self) -> Bool[Tensor, " Q"]:
        """Which queries have kin."""
        return self.weights > 0

    def part(self, queries: slice) -> "AlignedKin":
        """The same for some of the queries."""
        importance = None if self.importance is None else self.importance[queries]
        group = None if self.group is None else self.group[queries]
        return replace(
            self,
            columns=self.columns[queries],
            weights=self.weights[queries],
            importance=importance,
            group=group,
        )

    def as_table(self, columns: int) -> Kin:
        """The same as a table of so many columns."""
        table = self.weights.new_zeros(len(self.weights), columns)
        weights = table.scatter(1, self.columns[:, None], self.weights[:, None])
        ignored = None
        if self.own:
            ignored = weights == 0
            ignored[:, self.own :] = False
        elif self.negatives is not None:
            ignored = torch.ones_like(weights, dtype=torch.bool)
            ignored[:, self.negatives] = False
            ignored.scatter_(1, self.columns[:, None], value=False)
        return Kin(weights, ignored, self.importance)

    def drawn(self) -> Kin:
        """As a table of the kin of each query, then of the columns in ``negatives``."""
        assert self.negatives is not None, "all candidates are negatives"
        twice = self.negatives[None, :] == self.columns[:, None]
        own = self.weights[:, None]
        return Kin(
            torch.cat([own, own.new_zeros(twice.shape)], dim=1),
            torch.cat([torch.zeros_like(twice[:, :1]), twice], dim=1),
            self.importance,
        )

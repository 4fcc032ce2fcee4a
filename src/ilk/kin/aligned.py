"""One kin for each query, found without a table. Axes: Q queries, K candidates."""

from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from ilk.core import UNKNOWN, AlignedKin, Kin, Rows, StepContext
from ilk.kin.algebra import decides_kin


@decides_kin
class Counterpart:
    """The candidate that is to its source what the query is to the same source.

    Of all candidates of a source the first one is kin to the source's first query, the second
    to the second, and so on: the patches of an image, in their order, with those of a teacher.
    Where a source comes once, this is ``CommonSource``. Time grows with (Q + K) log(Q + K), and
    memory with Q + K.
    """

    unmixable: ClassVar[str] = (
        "its queries have one kin each, and a mixed image has two sources"
    )

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The same as a table, for rules that hold this one."""
        return self.align(queries, candidates, context).as_table(len(candidates))

    @torch.no_grad()
    def align(self, queries: Rows, candidates: Rows, context: StepContext) -> AlignedKin:
        """One column for each query; queries without a counterpart have no kin."""
        sides = (queries, candidates)
        mine, theirs = (rows.composition.sources[:, 0].contiguous() for rows in sides)
        order = theirs.argsort(stable=True)
        sorted_sources = theirs[order]
        place = torch.searchsorted(sorted_sources, mine) + number_within(mine)
        inside = place.clamp(max=len(theirs) - 1)
        found = (sorted_sources[inside] == mine) & (place == inside) & (mine != UNKNOWN)
        return AlignedKin(order[inside], found.to(queries.composition.shares.dtype))


def number_within(sources: Int[Tensor, " Q"]) -> Int[Tensor, " Q"]:
    """How many earlier rows have the source of each row."""
    order = sources.argsort(stable=True)
    ordered = sources[order]
    number = torch.arange(len(ordered), device=ordered.device)
    number -= torch.searchsorted(ordered, ordered)
    return torch.empty_like(number).scatter_(0, order, number)

"""One kin for each query, found without a table. Axes: Q queries, K candidates."""

from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from ilk.core import UNKNOWN, AlignedKin, Kin, Rows, StepContext, UserError, hash_uniform
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


@decides_kin
class AtOffset:
    """The patch of the same image that lies so many rows below a query, or above.

    CPC, van den Oord et al., 2018, https://arxiv.org/abs/1807.03748, Eq. 4. The task of a row
    is its number in a grid, as `ilk.views.PatchGrid` has it, and an image is shown once on
    either side. Negatives are some patches of each image, the query's own too, drawn again in
    every step. Memory grows with Q + K.

    Args:
        rows: below the query; negative ones are above.
        side: patches of a side of the grid.
        negatives: patches drawn of each image, at most all of them.

    Raises:
        UserError: no patch of the grid lies so far away.
    """

    rows: int
    side: int
    negatives: int

    unmixable: ClassVar[str] = (
        "its queries have one kin each, and a mixed image has two sources"
    )

    def __post_init__(self) -> None:
        if abs(self.rows) >= self.side:
            raise UserError(
                f"offset: patches must lie less than {self.side} rows apart in a grid of "
                f"{self.side} x {self.side}, got {abs(self.rows)}"
            )

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The same as a table, for rules that hold this one."""
        return self.align(queries, candidates, context).as_table(len(candidates))

    @torch.no_grad()
    def align(self, queries: Rows, candidates: Rows, context: StepContext) -> AlignedKin:
        """One column for each query; queries whose patch would lie outside have no kin.

        Raises:
            ValueError: rows do not say which patch they are.
        """
        if queries.task is None or candidates.task is None:
            raise ValueError("AtOffset: rows must be patches of a grid, got others")
        count = self.side**2
        target = queries.task + self.rows * self.side
        mine, theirs = (rows.composition.sources[:, 0] for rows in (queries, candidates))
        order = (theirs * count + candidates.task).argsort()
        keys = (theirs * count + candidates.task)[order]
        wanted = mine * count + target
        place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        inside = (target >= 0) & (target < count) & (mine != UNKNOWN)
        found = inside & (keys[place] == wanted)
        first = count * hash_uniform(
            theirs, seed=context.seed, step=context.progress.step, name="patches"
        )
        drawn = (candidates.task - first.long()) % count < self.negatives
        return AlignedKin(
            order[place],
            found.to(queries.composition.shares.dtype),
            negatives=drawn.nonzero()[:, 0],
        )


def number_within(sources: Int[Tensor, " Q"]) -> Int[Tensor, " Q"]:
    """How many earlier rows have the source of each row."""
    order = sources.argsort(stable=True)
    ordered = sources[order]
    number = torch.arange(len(ordered), device=ordered.device)
    number -= torch.searchsorted(ordered, ordered)
    return torch.empty_like(number).scatter_(0, order, number)

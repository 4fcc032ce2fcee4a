"""Kin that a further rule brings to a method. Axes: Q queries, K candidates, M of a memory."""

from dataclasses import field, replace

import torch

from ilk.core import Composition, Kin, KinRule, MemoryName, Output, Rows, StepContext, overlap
from ilk.kin.algebra import (
    decides_kin,
    normalize_kin,
    normalize_rows,
    scale_to_peak,
)
from ilk.kin.memories import Written, memory_of
from ilk.kin.source import CommonSource


@decides_kin
class Added:
    """What a rule finds for the rows that decide, as far as a query shares sources with them.

    A mix so has the kin of both of its sources, each by its share: neighbours or false
    negatives under SDMP. Rows of a common source are not found: they are kin already.

    Args:
        by: rows that decide, such as the teacher's of another view.
        rule: called with these in the place of the queries.
        shares: how much each of the deciding rows counts for a query.
    """

    by: Output
    rule: KinRule
    shares: KinRule = field(default_factory=CommonSource)

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights of the other images that were found."""
        deciding = context.rows(self.by)
        found = self.rule(deciding, candidates, context).weights
        shares = self.shares(queries, deciding, context).weights
        known = overlap(queries.composition, candidates.composition) > 0
        return Kin(normalize_rows((shares.to(found) @ found).masked_fill(known, 0.0)))


@decides_kin
class Past:
    """The rows of a memory that were written, and show another image than the query.

    Args:
        memory: its name; its rows must be the last candidates.
    """

    memory: MemoryName

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights on all of them."""
        written = memory_of(context, self.memory, Written).written()
        others = overlap(queries.shown, candidates.shown) == 0
        others[:, : -len(written)] = False
        others[:, -len(written) :] &= written
        return Kin(normalize_rows(others.to(queries.composition.shares.dtype)))


@decides_kin
class AddedFromMemory:
    """A method's own kin, and further ones from a memory that is none of its candidates.

    Rows of the memory that are not found are ignored: the negatives stay what they were.

    Args:
        rule: of the method; it does not see the memory.
        added: finds kin in the memory; what it finds elsewhere does not count.
        memory: its name; its rows must be the last candidates.
    """

    rule: KinRule
    added: KinRule
    memory: MemoryName

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Kin of both, the closest of each with the same weight."""
        guests = len(memory_of(context, self.memory, Written).written())
        own = self.rule(queries, _without_last(candidates, guests), context)
        found = self.added(queries, candidates, context).weights[:, -guests:]
        weights = torch.cat(
            [scale_to_peak(own.weights), scale_to_peak(found).to(own.weights)], dim=1
        )
        ignored = own.ignored
        if ignored is None:
            ignored = torch.zeros_like(own.weights, dtype=torch.bool)
        return normalize_kin(weights, torch.cat([ignored, found == 0], dim=1))


def _without_last(rows: Rows, count: int) -> Rows:
    kept = len(rows) - count
    return replace(
        rows,
        vectors=rows.vectors[:kept],
        composition=_first(rows.composition, kept),
        slots=rows.slots[:kept],
        origin=None if rows.origin is None else _first(rows.origin, kept),
        task=None if rows.task is None else rows.task[:kept],
        place=None if rows.place is None else rows.place[:kept],
    )


def _first(composition: Composition, kept: int) -> Composition:
    return Composition(composition.sources[:kept], composition.shares[:kept])

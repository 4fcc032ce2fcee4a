"""Kin that a person marked, pair by pair. Axes: Q queries, K candidates, P pairs of groups."""

import torch

from ilk.core import UNKNOWN, Kin, Rows, StepContext
from ilk.kin.algebra import decides_kin, normalize_rows


@decides_kin
class MarkedDifferent:
    """Pairs of rows whose groups were marked as different.

    A pair counts by the product of the shares that two such groups have in its rows.

    Args:
        fact: that says the group of an item; unknown for items that are not marked.
        pairs: groups that differ, each pair once.
    """

    fact: str
    pairs: tuple[tuple[int, int], ...]

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Equal weights for clean rows."""
        names = context.fact(self.fact)
        ours, theirs = (rows.shown.relabel(names) for rows in (queries, candidates))
        weights = ours.shares.new_zeros(len(ours), len(theirs))
        if not self.pairs:
            return Kin(weights)
        known = torch.tensor(self.pairs, device=names.device)
        count = int(known.max()) + 1
        codes = torch.cat(
            [known[:, 0] * count + known[:, 1], known[:, 1] * count + known[:, 0]]
        )
        for a, share_a in zip(ours.sources.T, ours.shares.T, strict=True):
            for b, share_b in zip(theirs.sources.T, theirs.shares.T, strict=True):
                met = torch.isin(a[:, None] * count + b[None, :], codes)
                within = (
                    (a[:, None] != UNKNOWN) & (b[None, :] != UNKNOWN) & (b[None, :] < count)
                )
                weights += share_a[:, None] * share_b[None, :] * (met & within)
        return Kin(normalize_rows(weights))

"""Losses of aligned kin, without a table of all pairs. Axes: Q queries, K candidates."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ilk.core import AlignedKin, Kin, Progress, full

ENTRIES = 2**22  # of a table of pairs that is held at once

RowLosses = Callable[[Tensor, tuple[Tensor, ...], Kin, Progress], Tensor]


def rows_in_blocks(
    losses: RowLosses,
    queries: Float[Tensor, "Q D"],
    candidates: tuple[Tensor, ...],
    kin: AlignedKin,
    progress: Progress,
) -> Float[Tensor, " Q"]:
    """The loss of every row, for a block of queries at a time.

    The table of a block is made once for the loss and once more for the gradient, so that
    memory grows with Q + K and not with Q x K. Where negatives are drawn, a table has a column
    for each of them, and one for the kin of a query.

    Args:
        losses: of the rows of a table.
        queries: whole.
        candidates: shared blocks; none where the queries are scores over classes.
        kin: of all queries.
        progress: where the run stands.
    """
    apart: tuple[Tensor, ...] = ()
    if kin.own:
        own, candidates = _divided(candidates, kin.own)
        apart = (rows_at(own, kin)[:, None],)
        kin = replace(kin, columns=torch.zeros_like(kin.columns), own=0)
    elif kin.negatives is not None:
        apart = (rows_at(candidates, kin)[:, None],)
        candidates = (_at(candidates, kin.negatives),)
    columns = len(apart) + sum(map(len, candidates)) if candidates else queries.shape[1]

    def block(rows: Tensor, part: AlignedKin, *beside: Tensor) -> Tensor:
        table = part.as_table(columns) if part.negatives is None else part.drawn()
        return losses(rows, (*beside, *candidates), table, progress)

    size = max(1, ENTRIES // columns)
    parts = [slice(start, start + size) for start in range(0, len(queries), size)]
    found = [
        checkpoint(
            block,
            queries[part],
            kin.part(part),
            *(rows[part] for rows in apart),
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for part in parts
    ]
    return torch.cat(found)


def rows_at(candidates: tuple[Tensor, ...], kin: AlignedKin) -> Float[Tensor, "Q D"]:
    """The kin of each query, one row each, in float32 at least."""
    return _at(candidates, kin.columns)


def _at(candidates: tuple[Tensor, ...], columns: Int[Tensor, " m"]) -> Float[Tensor, "m D"]:
    rows = (
        full(candidates[0]) if len(candidates) == 1 else torch.cat(list(map(full, candidates)))
    )
    return rows[columns]


def _divided(
    candidates: tuple[Tensor, ...], own: int
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The first blocks, of so many rows, and the others."""
    for count in range(len(candidates) + 1):
        if sum(map(len, candidates[:count])) == own:
            return candidates[:count], candidates[count:]
    raise ValueError(f"AlignedKin.own must be the rows of some first candidates, got {own}")

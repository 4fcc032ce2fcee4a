"""Rows of several outputs in one piece. Axes: N rows."""

from dataclasses import replace

import torch
from torch import Tensor

from ilk.core import UNKNOWN, Composition, Rows, full


def still(rows: Rows) -> Rows:
    """The same rows without gradient."""
    return replace(rows, vectors=rows.vectors.detach())


def concatenated(blocks: list[Rows]) -> Rows:
    """One block after the other."""
    if len(blocks) == 1:
        return blocks[0]
    return Rows(
        torch.cat([full(block.vectors) for block in blocks]),
        Composition.cat([block.composition for block in blocks]),
        torch.cat([block.slots for block in blocks]),
        Composition.cat([block.shown for block in blocks]) if _have_origins(blocks) else None,
        _known([block.task for block in blocks], blocks, (), UNKNOWN),
        _known([block.place for block in blocks], blocks, (4,), torch.nan),
        _known([block.hidden for block in blocks], blocks, (), False),
    )


def _known(
    parts: list[Tensor | None], blocks: list[Rows], shape: tuple[int, ...], unknown: float
) -> Tensor | None:
    """What is known of some rows, and a mark for all others; None where of no row."""
    known = next((part for part in parts if part is not None), None)
    if known is None:
        return None
    return torch.cat(
        [
            known.new_full((len(block), *shape), unknown) if part is None else part
            for part, block in zip(parts, blocks, strict=True)
        ]
    )


def _have_origins(blocks: list[Rows]) -> bool:
    return any(block.origin is not None for block in blocks)

"""Rows of all ranks, in rank order, with gradients where there are any."""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

from ilk.core import Composition, Rows


def gather_rows(rows: Rows, *, uneven: bool = False) -> Rows:
    """The rows of every rank, one rank after the other; gradients flow back to their rank.

    Args:
        rows: the rows of this rank.
        uneven: whether ranks may have unequal numbers of rows; the host then waits for the
            device once. All ranks must say the same.
    """
    if not _spread():
        return rows
    counts = _counts(rows) if uneven else [len(rows)] * dist.get_world_size()

    def gathered(composition: Composition) -> Composition:
        parts = composition.sources, composition.shares
        return Composition(*(gather(part, counts) for part in parts))

    return Rows(
        gather(rows.vectors, counts),
        gathered(rows.composition),
        gather(rows.slots, counts),
        None if rows.origin is None else gathered(rows.origin),
        None if rows.task is None else gather(rows.task, counts),
        None if rows.place is None else gather(rows.place, counts),
        None if rows.hidden is None else gather(rows.hidden, counts),
    )


def _counts(rows: Rows) -> list[int]:
    own = torch.tensor([len(rows)], device=rows.slots.device)
    return _all_gather(own, [1] * dist.get_world_size()).tolist()


def gather(local: Shaped[Tensor, "B ..."], counts: Sequence[int]) -> Shaped[Tensor, "N ..."]:
    """Concatenate tensors of all ranks; differentiable.

    Args:
        local: the tensor of this rank.
        counts: how long that of each rank is.
    """
    if local.requires_grad:
        return cast(Tensor, _Gather.apply(local, counts))
    return _all_gather(local, counts)


def _spread() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _all_gather(local: Tensor, counts: Sequence[int]) -> Tensor:
    """Ranks send equally much: short ones fill theirs up, and what is filled is cut off."""
    longest = max(counts)
    missing = local.new_zeros(longest - len(local), *local.shape[1:])
    sent = torch.cat([local, missing]) if len(missing) else local.contiguous()
    parts = [torch.empty_like(sent) for _ in counts]
    dist.all_gather(parts, sent)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


class _Gather(torch.autograd.Function):
    """All-gather whose backward sums what every rank asks of a row."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, counts: Sequence[int]) -> Tensor:
        ctx.counts = list(counts)
        return _all_gather(local, counts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total.split(ctx.counts)[dist.get_rank()], None

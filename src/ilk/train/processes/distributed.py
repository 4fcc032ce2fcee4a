"""Rows of all ranks, in rank order, with gradients where there are any."""

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

from ilk.core import Composition, Rows


def gather_rows(rows: Rows) -> Rows:
    """The rows of every rank, one rank after the other; gradients flow back to their rank."""
    if not _spread():
        return rows
    return Rows(
        gather(rows.vectors),
        _gathered(rows.composition),
        gather(rows.slots),
        None if rows.origin is None else _gathered(rows.origin),
        None if rows.task is None else gather(rows.task),
        None if rows.place is None else gather(rows.place),
    )


def _gathered(composition: Composition) -> Composition:
    return Composition(gather(composition.sources), gather(composition.shares))


def gather(local: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "N ..."]:
    """Concatenate equally long tensors of all ranks; differentiable."""
    if not _spread():
        return local
    return _Gather.apply(local) if local.requires_grad else _all_gather(local)


def _spread() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _all_gather(local: Tensor) -> Tensor:
    local = local.contiguous()
    parts = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, local)
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    """All-gather whose backward sums what every rank asks of a row."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, local: Tensor) -> Tensor:
        return _all_gather(local)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]

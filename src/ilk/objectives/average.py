"""How rows become one loss. Axes: Q queries, K candidates."""

import torch
import torch.distributed as dist
from jaxtyping import Float, Num
from torch import Tensor

from ilk.core import AlignedKin, Kin


def mean_with_kin(rows: Float[Tensor, " Q"], kin: Kin | AlignedKin) -> Float[Tensor, ""]:
    """The mean over rows that have kin; zero when none has. Rows without kin are not read.

    A row counts as often as its importance says, as if it had been drawn so often. On several
    ranks the sum is divided by the number of such rows that a rank has on average, so that the
    mean over ranks is the mean over the rows of all of them.
    """
    related = kin.related
    if kin.importance is not None:
        rows = rows * kin.importance.to(rows)
    return rows.masked_fill(~related, 0.0).sum() / rows_with_kin(kin)


def rows_with_kin(kin: Kin | AlignedKin) -> Num[Tensor, ""]:
    """How many rows of a rank have kin: on average over ranks, and at least one in all."""
    return per_rank(kin.related.sum())


def rows_in_all(kin: Kin | AlignedKin) -> Num[Tensor, ""]:
    """How many rows a rank has, with kin or without: likewise; ranks need not have as many."""
    related = kin.related
    return per_rank(torch.tensor(len(related), device=related.device))


@torch.no_grad()
def per_rank(count: Num[Tensor, ""]) -> Num[Tensor, ""]:
    """The mean of a count over ranks; at least one in all."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return count.clamp(min=1)
    dist.all_reduce(count)
    return count.clamp(min=1) / dist.get_world_size()


@torch.no_grad()
def mean_over_ranks(number: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """The mean of a number over all ranks, without gradient."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return number
    total = number.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()

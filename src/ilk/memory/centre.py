"""A running mean of scores. Axes: N rows, K classes."""

from typing import ClassVar

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Rows, full


class Centre(nn.Module):
    """Moving average of the mean row, over all ranks; it is subtracted from a teacher's scores.

    DINO, Caron et al., ICCV 2021, https://arxiv.org/abs/2104.14294, Eq. 4.

    Args:
        dim: K.
        momentum: share of the old centre that is kept, in [0, 1).
    """

    own_rows: ClassVar[bool] = True  # adds up what all ranks have seen by itself

    value: Float[Tensor, " K"]

    def __init__(self, dim: int, *, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(dim))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Move towards the mean of these rows and those of the other ranks, in one step.

        It stays where it is where there are none.
        """
        scores = full(rows.vectors).to(self.value)
        total = torch.cat([scores.sum(0), scores.new_full((1,), len(scores))])
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(total)
        mean = torch.where(total[-1] > 0, total[:-1] / total[-1], self.value)
        self.value.lerp_(mean, 1 - self.momentum)

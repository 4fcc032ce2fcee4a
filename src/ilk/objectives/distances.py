"""Distances of a row and its kin that grow linearly. Axes: Q queries, K candidates."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, full
from ilk.objectives.average import mean_with_kin
from ilk.objectives.blocks import rows_at


@dataclass(frozen=True, kw_only=True, slots=True)
class SmoothDistance:
    """The mean of the differences between a row and its kin, entry by entry.

    Absolute values from ``beta`` on, less half of it, and ``d^2 / 2 beta`` below: with 0 the
    loss of SimMIM, with 1 that of I-JEPA.

    Args:
        beta: where the parabola ends.

    Example:
        >>> import torch
        >>> from ilk.core import AlignedKin, Progress
        >>> kin = AlignedKin(torch.zeros(1, dtype=torch.long), torch.ones(1))
        >>> now = Progress(0, 1, 1.0)
        >>> rows = torch.tensor([[0.5, 3.0]])
        >>> [float(SmoothDistance(beta=b).aligned(rows, (0 * rows,), kin, now)) for b in (0, 1)]
        [1.75, 1.3125]
    """

    beta: float = 0.0

    unmixable: ClassVar[str] = ""
    joint: ClassVar[bool] = False
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean over rows with kin of the distances that T weighs."""
        rows = full(queries)[:, None]
        blocks = [block if block.ndim == 3 else block[None] for block in map(full, candidates)]
        apart = torch.cat([self._mean(*_even(rows, block)) for block in blocks], dim=1)
        return mean_with_kin((kin.weights * apart).sum(dim=1), kin)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same without a table of all pairs."""
        return mean_with_kin(
            kin.weights * self._mean(full(queries), rows_at(candidates, kin)), kin
        )

    def _mean(self, ours: Tensor, theirs: Tensor) -> Tensor:
        return F.smooth_l1_loss(ours, theirs, beta=self.beta, reduction="none").mean(dim=-1)


def _even(rows: Tensor, block: Tensor) -> list[Tensor]:
    return list(torch.broadcast_tensors(rows, block))

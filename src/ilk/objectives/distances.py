"""Distances between a row and its kin, entry by entry. Axes: Q queries, K candidates."""

from collections.abc import Callable
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
        return _in_table(self._entries, queries, candidates, kin)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same without a table of all pairs."""
        return _aligned(self._entries, queries, candidates, kin)

    def _entries(self, ours: Tensor, theirs: Tensor) -> Tensor:
        ours, theirs = torch.broadcast_tensors(ours, theirs)
        return F.smooth_l1_loss(ours, theirs, beta=self.beta, reduction="none")


@dataclass(frozen=True, slots=True)
class SquaredDistance:
    """The mean square of the differences between a row and its kin, entry by entry.

    On rows of similarities, as `ilk.networks.PlaceSimilarities` makes them, it is the Gram
    anchoring of DINOv3, Simeoni et al., 2025, https://arxiv.org/abs/2508.10104, section 4,
    divided by the number of pairs.

    Example:
        >>> import torch
        >>> from ilk.core import AlignedKin, Progress
        >>> kin = AlignedKin(torch.arange(2), torch.ones(2))
        >>> rows, objective = torch.eye(2), SquaredDistance()
        >>> float(objective.aligned(rows, (torch.ones(2, 2),), kin, Progress(0, 1, 1.0)))
        0.5
    """

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
        """The mean over rows with kin of the squares that T weighs."""
        return _in_table(_squares, queries, candidates, kin)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same without a table of all pairs."""
        return _aligned(_squares, queries, candidates, kin)


def _squares(ours: Tensor, theirs: Tensor) -> Tensor:
    return (ours - theirs).square()


def _in_table(
    entries: Callable[[Tensor, Tensor], Tensor],
    queries: Float[Tensor, "Q D"],
    candidates: tuple[Tensor, ...],
    kin: Kin,
) -> Float[Tensor, ""]:
    """The mean over rows with kin of distances, each the mean of what entries give."""
    rows = full(queries)[:, None]
    blocks = [block if block.ndim == 3 else block[None] for block in map(full, candidates)]
    apart = torch.cat([entries(rows, block).mean(dim=2) for block in blocks], dim=1)
    return mean_with_kin((kin.weights * apart).sum(dim=1), kin)


def _aligned(
    entries: Callable[[Tensor, Tensor], Tensor],
    queries: Float[Tensor, "Q D"],
    candidates: tuple[Tensor, ...],
    kin: AlignedKin,
) -> Float[Tensor, ""]:
    apart = entries(full(queries), rows_at(candidates, kin)).mean(dim=1)
    return mean_with_kin(kin.weights * apart, kin)

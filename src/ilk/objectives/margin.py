"""Pairs up to a margin. Axes: Q queries, D features."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, similarities
from ilk.objectives.average import mean_with_kin
from ilk.objectives.blocks import rows_in_blocks


@dataclass(frozen=True, kw_only=True, slots=True)
class Margin:
    """``sum T (1 - cos)`` over kin, plus ``sum max(0, cos - margin)`` over negative pairs.

    Hadsell et al., CVPR 2006, on cosines: negatives that are far enough apart cost nothing.

    Args:
        margin: negative pairs cost nothing up to this cosine, in [-1, 1).
    """

    margin: float = 0.4

    unmixable: ClassVar[str] = ""
    joint: ClassVar[bool] = False
    contrasts: ClassVar[bool] = True

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean over rows with kin."""
        return mean_with_kin(self._rows(queries, candidates, kin, progress), kin)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same without a table of all pairs."""
        rows = rows_in_blocks(self._rows, queries, candidates, kin, progress)
        return mean_with_kin(rows, kin)

    def _rows(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, " Q"]:
        scores = similarities(queries, candidates)
        push = (scores - self.margin).relu() * kin.negatives
        return (kin.weights * (1 - scores) + push).sum(dim=1)

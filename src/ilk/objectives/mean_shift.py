"""Attraction without repulsion. Axes: Q queries, D features."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, row_similarities, similarities
from ilk.objectives.average import mean_with_kin
from ilk.objectives.blocks import rows_at


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanShift:
    """``sum T (2 - 2 cos)``: the squared distance of unit vectors to their kin.

    MSF, Koohpayegani et al., ICCV 2021, https://arxiv.org/abs/2105.07269; one-hot weights are
    BYOL (Grill et al., NeurIPS 2020, https://arxiv.org/abs/2006.07733, Eq. 2).

    Example:
        >>> from ilk.core import Kin, Progress
        >>> import torch
        >>> queries, keys = torch.eye(2), torch.eye(2).flip(0)
        >>> float(MeanShift()(queries, (keys,), Kin(torch.eye(2)), Progress(0, 1, 1.0)))
        2.0
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
        """The mean over rows with kin."""
        distances = 2 - 2 * similarities(queries, candidates)
        return mean_with_kin((kin.weights * distances).sum(dim=1), kin)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same without a table of all pairs."""
        distances = 2 - 2 * row_similarities(queries, rows_at(candidates, kin))
        return mean_with_kin(kin.weights * distances, kin)

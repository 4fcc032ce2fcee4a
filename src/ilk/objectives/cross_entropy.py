"""Soft cross-entropy over candidates or classes. Axes: Q queries, K columns, D features."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, Scalar, full, similarities, value
from ilk.objectives.average import mean_with_kin
from ilk.objectives.blocks import rows_in_blocks


@dataclass(frozen=True, kw_only=True, slots=True)
class SoftCrossEntropy:
    """``-sum T log softmax(scores / temperature)``, over pairs that are not ignored.

    One-hot weights give InfoNCE (van den Oord et al., 2018, https://arxiv.org/abs/1807.03748);
    the weights of mixed views the losses of SDMP (Ren et al., CVPR 2022, Eq. 3 and 4), whose
    sum stands outside the logarithm; those of a teacher are distillation, which has the
    gradient of the Kullback-Leibler divergence because its entropy is a constant.

    Args:
        temperature: positive; smaller is sharper.
        cosine: compare directions only; scores over classes stay as they are.
        margin: subtracted from the scores of kin before the division by the temperature; a
            negative margin relaxes the boundary (InterCLR, Xie et al., IJCV 2022).

    Example:
        >>> from ilk.core import Kin, Progress
        >>> keys, kin = torch.eye(2), Kin(torch.eye(2))
        >>> infonce = SoftCrossEntropy(temperature=0.5)
        >>> round(float(infonce(keys, (keys,), kin, Progress(0, 1, 1.0))), 4)
        0.1269
    """

    temperature: Scalar
    cosine: bool = True
    margin: float = 0.0

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
        """The mean over rows with kin; queries without candidates are scores themselves."""
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
        if candidates:
            scores = similarities(queries, candidates, cosine=self.cosine)
        else:
            scores = full(queries)
        if self.margin != 0:
            scores = scores - self.margin * (kin.weights > 0)
        return soft_cross_entropy_rows(scores / value(self.temperature, progress), kin)


def soft_cross_entropy_rows(scores: Float[Tensor, "Q K"], kin: Kin) -> Float[Tensor, " Q"]:
    """Cross-entropy of each row, in float32 at least; zero for rows without kin.

    Args:
        scores: already divided by the temperature.
        kin: ignored pairs count in neither numerator nor denominator.
    """
    scores = full(scores)
    if kin.ignored is None:
        return -(kin.weights * scores.log_softmax(dim=1)).sum(dim=1)
    # If all pairs of a row are ignored, it is all minus infinity and its gradient is NaN.
    ignored = kin.ignored & ~kin.ignored.all(dim=1, keepdim=True)
    scores = scores.masked_fill(ignored, -torch.inf)
    logs = scores.log_softmax(dim=1).masked_fill(kin.weights == 0, 0.0)
    return -(kin.weights * logs).sum(dim=1)

"""Binary classification of every pair. Axes: Q queries, K classes."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import Kin, Progress, full, similarities


@dataclass(frozen=True, kw_only=True, slots=True)
class PairClassification:
    """Binary cross-entropy of the cosine of class probabilities: 1 for kin, 0 for negatives.

    DAC, Chang et al., ICCV 2017, Eq. 4 to 6. Rows are scores over classes.
    """

    unmixable: ClassVar[str] = "its loss asks whether two images are of one class, yes or no"
    joint: ClassVar[bool] = True
    contrasts: ClassVar[bool] = True

    def __call__(
        self,
        queries: Float[Tensor, "Q K"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean over all pairs that are not ignored; give the rows of all ranks."""
        theirs = tuple(full(block).softmax(dim=-1) for block in candidates)
        alike = similarities(full(queries).softmax(dim=1), theirs)
        least = torch.finfo(alike.dtype).eps
        alike = alike.clamp(least, 1 - least)
        losses = -torch.where(kin.weights > 0, alike.log(), (1 - alike).log())
        if kin.ignored is None:
            return losses.mean()
        taken = (~kin.ignored).sum().clamp(min=1)
        return losses.masked_fill(kin.ignored, 0.0).sum() / taken

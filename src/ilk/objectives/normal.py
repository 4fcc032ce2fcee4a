"""Distance of a distribution from the standard normal one. Axes: Q queries, D dimensions."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ilk.core import Kin, Progress, full
from ilk.objectives.average import mean_with_kin


@dataclass(frozen=True, slots=True)
class StandardNormal:
    """``1/2 sum (mean^2 + variance - log variance - 1)``: KL from N(0, 1) in every dimension.

    Kingma and Welling, ICLR 2014, https://arxiv.org/abs/1312.6114, appendix B. The first half
    of a row's columns is the mean, the second the logarithmic variance. Candidates are not
    read; kin say which rows count.

    Example:
        >>> import torch
        >>> from ilk.core import Kin, Progress
        >>> row, kin = torch.tensor([[1.0, 0.0, 0.0, 0.0]]), Kin(torch.ones(1, 1))
        >>> float(StandardNormal()(row, (row,), kin, Progress(0, 1, 1.0)))
        0.5
    """

    unmixable: ClassVar[str] = "a prior is of each image alone"
    joint: ClassVar[bool] = False
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q D2"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean over rows with kin."""
        mean, log_variance = full(queries).chunk(2, dim=1)
        apart = mean.square() + log_variance.exp() - log_variance - 1
        return mean_with_kin(apart.sum(dim=1) / 2, kin)

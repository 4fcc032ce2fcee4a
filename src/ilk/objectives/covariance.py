"""Contrast with the second moments of all past rows. Axes: Q queries, D features."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from ilk.core import Kin, Progress
from ilk.objectives.redundancy import closest, partners


@dataclass(frozen=True, kw_only=True, slots=True)
class CovarianceContrast:
    """``1 - mean z·z' + rho mean z C z``, with ``C = beta C' + (1 - beta) mean z z``.

    TiCo, Zhu et al., 2022, https://arxiv.org/abs/2206.10698, Eq. 5 and algorithm 1, on rows of
    length one. The last block of candidates is C', the moving average before this step; it has
    no gradient, and the batch's own part of C has.

    Args:
        beta: share of the old moments.
        rho: weight of what lies along directions in use.
    """

    beta: float = 0.9
    rho: float = 8.0

    unmixable: ClassVar[str] = (
        "a row needs exactly one partner, and its covariance is that of images and not of mixes"
    )
    joint: ClassVar[bool] = True
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The loss over rows with kin; give the rows of all ranks."""
        with torch.autocast(queries.device.type, enabled=False):
            pairs = partners(queries, candidates, closest(kin))
            rows, others = (normalize(side) for side in pairs)
            own = rows.T @ rows / len(rows)
            moments = self.beta * candidates[-1] + (1 - self.beta) * own
            used = ((rows @ moments) * rows).sum(dim=1).mean()
            return 1 - (rows * others).sum(dim=1).mean() + self.rho * used

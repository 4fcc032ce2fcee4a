"""Contrast whose positives are no negatives. Axes: Q queries, K columns, D features."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import Kin, Progress, similarities
from ilk.objectives.average import mean_over_ranks, mean_with_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoupledContrast:
    """``-w sum T cos / t + log sum exp(cos / t)``, the second sum over negatives alone.

    DCL, Yeh et al., ECCV 2022, https://arxiv.org/abs/2110.06848, Eq. 6. With a sigma it is
    DCLW, Eq. 8: w is 2 minus ``exp(cos / sigma)`` of the positives over its mean, so that far
    positives count more; the weights are 1 on average and have no gradient.

    Args:
        temperature: t, positive; smaller is sharper.
        sigma: positive; None weighs all positives by one.

    Example:
        >>> keys, kin, now = torch.eye(2), Kin(torch.eye(2)), Progress(0, 1, 1.0)
        >>> float(DecoupledContrast(temperature=0.5)(keys, (keys,), kin, now))
        -2.0
    """

    temperature: float
    sigma: float | None = None

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
        """The mean over rows with kin; without negatives only positives cost."""
        cosines = similarities(queries, candidates)
        near = (kin.weights * cosines).sum(dim=1)
        out = ~kin.negatives
        lone = out.all(dim=1)
        scores = (cosines / self.temperature).masked_fill(out & ~lone[:, None], -torch.inf)
        push = scores.logsumexp(dim=1).masked_fill(lone, 0.0)
        return mean_with_kin(push - self._weights(near, kin) * near / self.temperature, kin)

    @torch.no_grad()
    def _weights(self, near: Float[Tensor, " Q"], kin: Kin) -> Float[Tensor, " Q"]:
        if self.sigma is None:
            return torch.ones_like(near)
        heights = (near / self.sigma).exp()
        mean = mean_over_ranks(mean_with_kin(heights, kin))
        return 2 - heights / mean.clamp(min=torch.finfo(mean.dtype).tiny)  # none has kin

"""Lower bounds of the information that queries have of their kin, from products of rows.

Their negatives are candidates that are neither kin nor ignored; kin of one query are no
rivals of one another. Axes: Q queries, K candidates, D features.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import softplus

from ilk.core import Kin, Progress, similarities
from ilk.objectives.average import mean_with_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class EachPositive:
    """``-sum T log(e^s / (e^s + sum over negatives e^s'))``: InfoNCE of each positive alone.

    DIM with InfoNCE, Hjelm et al., ICLR 2019, https://arxiv.org/abs/1808.06670, Eq. 5, and
    AMDIM, Bachman et al., NeurIPS 2019, https://arxiv.org/abs/1906.00910, Eq. 2 and 4. Scores
    are ``s = c tanh(q k / (temperature c))``, which leaves small ones as they are.

    Args:
        temperature: of the products, which no norm divides.
        clip: c, which no score passes; None clips nothing.
        penalty: factor of the mean square of a query's scores before they are clipped, of all
            pairs that are not ignored.

    Example:
        >>> from ilk.core import Kin, Progress
        >>> rows = torch.zeros(4, 8)  # of four images, with nine places each: ln(1 + 27)
        >>> kin = Kin(torch.eye(4).repeat_interleave(9, dim=1) / 9)
        >>> loss = EachPositive()(rows, (torch.zeros(36, 8),), kin, Progress(0, 1, 1.0))
        >>> round(float(loss), 6)
        3.332205
    """

    temperature: float = 1.0
    clip: float | None = None
    penalty: float = 0.0

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
        raw = similarities(queries, candidates, cosine=False) / self.temperature
        scores = raw if self.clip is None else self.clip * (raw / self.clip).tanh()
        # Finite, for the gradient of a row without negatives.
        least = torch.finfo(scores.dtype).min / 2
        others = scores.masked_fill(~kin.negatives, least).logsumexp(dim=1, keepdim=True)
        rows = (kin.weights * (torch.logaddexp(scores, others) - scores)).sum(dim=1)
        if self.penalty:
            rows = rows + self.penalty * _mean(raw.square(), _counted(kin))
        return mean_with_kin(rows, kin)


@dataclass(frozen=True, slots=True)
class JensenShannon:
    """``sum T softplus(-s) + mean over negatives softplus(s) - 2 ln 2``, in [-2 ln 2, inf).

    DIM, Hjelm et al., ICLR 2019, https://arxiv.org/abs/1808.06670, Eq. 4: minus the bound of
    twice the divergence of Jensen and Shannon between pairs that belong together and pairs that
    do not. It is 0 where all scores, which are products, are.

    Example:
        >>> from ilk.core import Kin, Progress
        >>> rows, now = 50 * torch.eye(2), Progress(0, 1, 1.0)
        >>> keys = torch.tensor([[1.0, -1], [-1, 1]])
        >>> round(float(JensenShannon()(rows, (keys,), Kin(torch.eye(2)), now)), 6)
        -1.386294
    """

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
        scores = similarities(queries, candidates, cosine=False)
        apart = _mean(softplus(scores), kin.negatives)
        rows = (kin.weights * softplus(-scores)).sum(dim=1) + apart - 2 * math.log(2)
        return mean_with_kin(rows, kin)


@dataclass(frozen=True, slots=True)
class DonskerVaradhan:
    """``log mean over all negative pairs e^s - mean over rows of sum T s``.

    Belghazi et al., ICML 2018, https://arxiv.org/abs/1801.04062, Eq. 2, as DIM has it, Hjelm et
    al., ICLR 2019, https://arxiv.org/abs/1808.06670, Eq. 2: minus the bound of the information.
    The mean stands inside the logarithm, so that the loss is a statistic of the batch.

    Example:
        >>> from ilk.core import Kin, Progress
        >>> rows, now = torch.eye(2), Progress(0, 1, 1.0)
        >>> float(DonskerVaradhan()(rows, (rows,), Kin(torch.eye(2)), now))
        -1.0
    """

    unmixable: ClassVar[str] = ""
    joint: ClassVar[bool] = True
    contrasts: ClassVar[bool] = True

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """Of the rows with kin of all ranks; zero where there are no negatives."""
        scores = similarities(queries, candidates, cosine=False)
        together = mean_with_kin((kin.weights * scores).sum(dim=1), kin)
        taken = kin.negatives & kin.related[:, None]
        least = torch.finfo(scores.dtype).min / 2
        apart = scores.masked_fill(~taken, least).flatten().logsumexp(dim=0)
        count = taken.sum()
        apart = apart - count.clamp(min=1).to(scores).log()
        return torch.where(count > 0, apart - together, 0 * together)


def _counted(kin: Kin) -> Bool[Tensor, "Q K"]:
    """Pairs that are not ignored."""
    if kin.ignored is None:
        return torch.ones_like(kin.weights, dtype=torch.bool)
    return ~kin.ignored


def _mean(values: Float[Tensor, "Q K"], chosen: Bool[Tensor, "Q K"]) -> Float[Tensor, " Q"]:
    """The mean over the chosen entries of each row; zero where there are none."""
    return values.masked_fill(~chosen, 0.0).sum(dim=1) / chosen.sum(dim=1).clamp(min=1)

"""Divergence of distributions over candidates. Axes: Q queries, K candidates, D features."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, Scalar, full, similarities, value
from ilk.objectives.average import mean_with_kin
from ilk.objectives.blocks import rows_in_blocks
from ilk.objectives.cross_entropy import soft_cross_entropy_rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Divergence:
    """``KL(p || T)``, with ``p = softmax(scores / temperature)`` over pairs not ignored.

    The invariance of ReLIC (Mitrovic et al., ICLR 2021, https://arxiv.org/abs/2010.07922): the
    query's own relation is the first argument, so its entropy counts, and ``T`` is the second.
    `ForwardDivergence` is the other direction.

    Args:
        temperature: positive; smaller is sharper.
    """

    temperature: Scalar

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
        scores = similarities(queries, candidates) / value(self.temperature, progress)
        return divergence_rows(scores, kin)


@dataclass(frozen=True, kw_only=True, slots=True)
class ForwardDivergence:
    """``KL(T || p)``, with ``p = softmax(scores / temperature)`` over pairs not ignored.

    The soft cross-entropy less the entropy of ``T``, which has no gradient: zero where the
    query says what its target says. Distillation and virtual adversarial training (Miyato et
    al., TPAMI 2018, https://arxiv.org/abs/1704.03976, Eq. 5).

    Args:
        temperature: positive; smaller is sharper.
    """

    temperature: Scalar = 1.0

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
        scores = similarities(queries, candidates) if candidates else full(queries)
        rows = soft_cross_entropy_rows(scores / value(self.temperature, progress), kin)
        known = torch.special.entr(kin.weights.to(rows)).sum(dim=1)
        return mean_with_kin(rows - known, kin)


def divergence_rows(scores: Float[Tensor, "Q K"], kin: Kin) -> Float[Tensor, " Q"]:
    """The divergence of each row from its kin weights, in float32 at least.

    Args:
        scores: already divided by the temperature.
        kin: ignored pairs do not count.
    """
    scores = full(scores)
    ignored = torch.zeros_like(scores, dtype=torch.bool)
    if kin.ignored is not None:
        ignored = kin.ignored & ~kin.ignored.all(dim=1, keepdim=True)
    logs = scores.masked_fill(ignored, -torch.inf).log_softmax(dim=1)
    targets = kin.weights.to(scores).clamp(min=torch.finfo(scores.dtype).tiny).log()
    return (logs.exp() * (logs - targets).masked_fill(ignored, 0.0)).sum(dim=1)

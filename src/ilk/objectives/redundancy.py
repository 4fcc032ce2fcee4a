"""Statistics over the batch; kin only choose partners. Axes: Q queries, D features."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, full
from ilk.objectives.blocks import rows_at

_REASON = "its loss is a statistic across dimensions, for which a row needs exactly one partner"


@dataclass(frozen=True, kw_only=True, slots=True)
class RedundancyReduction:
    """``sum_a (1 - C_aa)^2 + weight * sum_{a != b} C_ab^2`` of the cross-correlation C.

    Barlow Twins, Zbontar et al., ICML 2021, https://arxiv.org/abs/2103.03230, Eq. 1 and 2.

    Args:
        redundancy_weight: lambda.
        scale: factor of the whole; the authors' first release used 0.024.
        eps: added to variances, as batch normalisation does.
    """

    redundancy_weight: float = 0.0051
    scale: float = 1.0
    eps: float = 1e-5

    unmixable: ClassVar[str] = _REASON
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
        return self.aligned(queries, candidates, closest(kin), progress)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same; a query has one partner in any case. Zero where none has one."""
        with torch.autocast(queries.device.type, enabled=False):
            a, b = partners(queries, candidates, kin)
            if len(a) == 0:
                return (a.sum() + b.sum()) * 0
            correlation = self._standard(a).T @ self._standard(b) / len(a)
        diagonal = correlation.diagonal()
        off = correlation.square().sum() - diagonal.square().sum()
        return self.scale * ((1 - diagonal).square().sum() + self.redundancy_weight * off)

    def _standard(self, rows: Float[Tensor, "Q D"]) -> Float[Tensor, "Q D"]:
        variance, mean = torch.var_mean(rows, dim=0, correction=0)
        return (rows - mean) * (variance + self.eps).rsqrt()


@dataclass(frozen=True, kw_only=True, slots=True)
class VarianceCovariance:
    """Invariance between partners; variance and decorrelation of each branch on its own.

    VICReg, Bardes et al., ICLR 2022, https://arxiv.org/abs/2105.04906, Eq. 1 to 6 with the
    averages of the authors' code: the squared error is a mean over dimensions too, and the
    variance term is the mean of the branches, the covariance term their sum. Where kin have
    groups, variances and covariances are those of each group, averaged (VICRegL, Bardes et al.,
    NeurIPS 2022, https://arxiv.org/abs/2210.01571).

    Args:
        invariance: lambda.
        variance: mu.
        covariance: nu.
        gamma: standard deviation up to which a dimension is stretched.
        eps: added to variances.
    """

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    gamma: float = 1.0
    eps: float = 1e-4

    unmixable: ClassVar[str] = _REASON
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
        return self.aligned(queries, candidates, closest(kin), progress)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same; a query has one partner in any case. Zero where fewer than two have one."""
        with torch.autocast(queries.device.type, enabled=False):
            a, b = partners(queries, candidates, kin)
            if len(a) < 2:
                return (a.sum() + b.sum()) * 0
            apart = (a - b).square().mean()
            groups = [(a, b)] if kin.group is None else _in_groups(a, b, kin.group[kin.related])
            narrow = _mean((self._narrow(a) + self._narrow(b)) / 2 for a, b in groups)
            shared = _mean(_covariance(a) + _covariance(b) for a, b in groups)
        return self.invariance * apart + self.variance * narrow + self.covariance * shared

    def _narrow(self, rows: Float[Tensor, "Q D"]) -> Float[Tensor, ""]:
        return (self.gamma - (rows.var(dim=0) + self.eps).sqrt()).relu().mean()


def partners(
    queries: Float[Tensor, "Q D"], candidates: tuple[Tensor, ...], kin: AlignedKin
) -> tuple[Float[Tensor, "R D"], Float[Tensor, "R D"]]:
    """Queries that have kin, each beside its kin among shared candidates."""
    return full(queries)[kin.related], rows_at(candidates, kin)[kin.related]


def _in_groups(
    a: Float[Tensor, "R D"], b: Float[Tensor, "R D"], group: Int[Tensor, " R"]
) -> list[tuple[Tensor, Tensor]]:
    """Both sides of each group that has a variance: of two rows at least."""
    order = group.argsort(stable=True)
    counts: list[int] = torch.bincount(group).tolist()
    parts = zip(a[order].split(counts), b[order].split(counts), strict=True)
    return [pair for pair in parts if len(pair[0]) > 1]


def _mean(losses: Iterable[Float[Tensor, ""]]) -> Float[Tensor, ""]:
    found = list(losses)
    return torch.stack(found).mean() if found else torch.zeros(())


def closest(kin: Kin) -> AlignedKin:
    """The closest kin of each query."""
    return AlignedKin(kin.weights.argmax(dim=1), kin.related.to(kin.weights), kin.importance)


def _covariance(rows: Float[Tensor, "R D"]) -> Float[Tensor, ""]:
    """Squared covariances of different dimensions, summed and divided by D."""
    centred = rows - rows.mean(dim=0)
    matrix = centred.T @ centred / (len(rows) - 1)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / rows.shape[1]

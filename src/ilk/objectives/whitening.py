"""Attraction between whitened rows. Axes: Q queries, K candidates, N rows, D features."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, UserError, full
from ilk.objectives.mean_shift import MeanShift


@dataclass(frozen=True, kw_only=True, slots=True)
class WhitenedMeanShift:
    """``sum T (2 - 2 cos)`` between rows that were whitened, part of the batch by part.

    W-MSE, Ermolov et al., ICML 2021, https://arxiv.org/abs/2007.06346, Eq. 3 to 6: rows that
    all fall on one point cannot be whitened, so that nothing else must keep them apart. The
    distance is linear in the kin weights, so they may be soft. Queries must show one view, and
    so must each block of candidates; rows of one number in several views are whitened with the
    same others.

    Args:
        sub_batch: rows that are whitened together; more than D, and of a rest somewhat more.
        shrinkage: share of the identity in each covariance, in [0, 1); some makes the whitening
            of nearly dependent dimensions milder.
    """

    sub_batch: int
    shrinkage: float = 0.0

    unmixable: ClassVar[str] = ""
    joint: ClassVar[bool] = True
    contrasts: ClassVar[bool] = False

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean over rows with kin; give the rows of all ranks."""
        return MeanShift()(*self._whitened(queries, candidates), kin, progress)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same without a table of all pairs."""
        return MeanShift().aligned(*self._whitened(queries, candidates), kin, progress)

    def _whitened(
        self, queries: Float[Tensor, "Q D"], candidates: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        first, *others = (
            torch.cat(
                [whiten(part, self.shrinkage) for part in sub_batches(rows, self.sub_batch)]
            )
            for rows in (queries, *candidates)
        )
        return first, tuple(others)


def sub_batches(rows: Float[Tensor, "N D"], size: int) -> tuple[Tensor, ...]:
    """Parts of about equal length, none shorter than ``size`` unless all rows are fewer.

    Example:
        >>> [len(part) for part in sub_batches(torch.zeros(11, 2), 4)]
        [6, 5]
    """
    return rows.tensor_split(max(len(rows) // size, 1))


def whiten(rows: Float[Tensor, "N D"], shrinkage: float = 0.0) -> Float[Tensor, "N D"]:
    """Rows around their mean, with the identity as covariance, in float32 at least.

    ``z = L^-1 (x - mean)``, where ``L`` is the Cholesky factor of the covariance: Eq. 5 of
    W-MSE. What has no positive covariance comes out as not a number.

    Args:
        rows: of one sub-batch.
        shrinkage: share of the identity in the covariance before it is inverted.

    Raises:
        UserError: rows are too few for their dimensions.

    Example:
        >>> whitened = whiten(torch.randn(64, 3).double() @ torch.randn(3, 3).double())
        >>> torch.allclose(whitened.T.cov(), torch.eye(3).double())
        True
    """
    count, dim = rows.shape
    if count <= dim:
        raise UserError(
            f"whitening: a sub-batch must hold more rows than they have dimensions, {dim}, "
            f"got {count}; take a larger batch or sub_batch, or a smaller dim"
        )
    with torch.autocast(rows.device.type, enabled=False):
        centred = full(rows) - full(rows).mean(dim=0)
        covariance = centred.T @ centred / (count - 1)
        identity = torch.eye(dim, dtype=covariance.dtype, device=covariance.device)
        shrunk = (1 - shrinkage) * covariance + shrinkage * identity
        factor, failed = torch.linalg.cholesky_ex(shrunk)
        factor = factor.masked_fill(failed > 0, torch.nan)
        return torch.linalg.solve_triangular(factor, centred.T, upper=False).T

"""Likeness of similarities: what a Gram matrix holds. Axes: Q queries, K candidates."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import AlignedKin, Kin, Progress, full, similarities
from ilk.objectives.blocks import rows_at


@dataclass(frozen=True, slots=True)
class GramDifference:
    r"""The mean square of $\cos(q_i, q_j) - \cos(k_i, k_j)$ over all pairs of queries.

    Row k_i is the kin of query q_i: DINOv3's Gram anchoring, Simeoni et al., 2025,
    https://arxiv.org/abs/2508.10104, section 4, of the rows of a batch, divided by the number
    of pairs.

    Example:
        >>> import torch
        >>> from ilk.core import AlignedKin, Progress
        >>> kin = AlignedKin(torch.arange(2), torch.ones(2))
        >>> rows, objective = torch.eye(2), GramDifference()
        >>> float(objective.aligned(rows, (torch.ones(2, 2),), kin, Progress(0, 1, 1.0)))
        0.5
    """

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
        """Give the rows of all ranks; where a query has several kin, k_i is their mean by T."""
        rows = torch.cat(list(map(full, candidates)))
        return _gram_difference(full(queries), kin.weights.to(rows) @ rows)

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The same without a table of kin."""
        return _gram_difference(full(queries), rows_at(candidates, kin))


def _gram_difference(ours: Float[Tensor, "Q D"], theirs: Float[Tensor, "Q D"]) -> Tensor:
    return (similarities(ours, (ours,)) - similarities(theirs, (theirs,))).square().mean()

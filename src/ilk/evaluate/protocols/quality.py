"""The quality protocol: what vectors look like, no label needed. Axes: N items, D features."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float32
from torch import Tensor

from ilk.core.seeding import permutation
from ilk.embedding import feature_std, rankme
from ilk.evaluate.protocols.protocol import Measured, Task

BLOCK = 1024  # rows compared at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """RankMe of the test items, with alpha-ReQ, uniformity and spread in the details.

    Args:
        most_items: drawn where there are more; RankMe depends on how many there are.
        first: largest eigenvalue that the power law is fitted to, from 1.
        last: smallest eigenvalue that it is fitted to.
    """

    most_items: int
    first: int
    last: int

    def measure(self, task: Task) -> Measured:
        """Measure on the test items, or on as many of them as are drawn."""
        vectors = task.test.vectors
        if len(vectors) > self.most_items:
            vectors = vectors[permutation(task.seed, 0, len(vectors))[: self.most_items]]
        alpha = alpha_req(vectors, self.first, self.last)
        return Measured(
            metric="RankMe",
            value=rankme(vectors),
            unit="",
            interval=None,
            interval_kind="none: a resample has another rank than the set",
            selected={},
            selected_on="nothing: there is nothing to choose",
            scores=None,
            details={
                "items": len(vectors),
                "alpha-ReQ": alpha,
                "uniformity": uniformity(vectors),
                "feature deviation": feature_std(vectors),
            },
        )


def alpha_req(vectors: Float32[Tensor, "N D"], first: int, last: int) -> float | None:
    r"""The alpha of $\lambda_i \propto i^{-\alpha}$, eigenvalues of the covariance.

    Agrawal et al., NeurIPS 2022, section 3: near 1 is best, larger is collapsed, smaller is
    noisy. The line is fitted by least squares to logarithms.

    Args:
        vectors: finite.
        first: largest eigenvalue used, from 1.
        last: smallest one used; those that float32 cannot tell from 0 are not.

    Returns:
        None where fewer than two eigenvalues are left.
    """
    centred = vectors.double() - vectors.double().mean(0)
    values = torch.linalg.svdvals(centred).square()
    values = values[values > 1e-10 * values[0]][first - 1 : last]
    if len(values) < 2:
        return None
    places = torch.arange(first, first + len(values), dtype=torch.float64).log()
    line = places - places.mean()
    return -((line * values.cpu().log()).sum() / line.square().sum()).item()


def uniformity(vectors: Float32[Tensor, "N D"]) -> float:
    r"""$\log \mathrm{mean}_{i \ne j} \exp(-2 \|x_i - x_j\|^2)$ over rows of unit length.

    Wang and Isola, ICML 2020, https://arxiv.org/abs/2005.10242, Eq. 6 with t = 2: 0 when all
    are equal, lower is more uniform, about -4 for a uniform sphere of many dimensions.
    """
    rows = F.normalize(vectors, dim=1)
    total = rows.new_zeros((), dtype=torch.float64)
    for start in range(0, len(rows), BLOCK):
        cosines = rows[start : start + BLOCK] @ rows.T
        total += (4 * (cosines.double() - 1)).exp().sum()
    pairs = len(rows) * (len(rows) - 1)
    itself = (4 * (rows.square().sum(1).double() - 1)).exp().sum()
    return ((total - itself) / max(pairs, 1)).log().item()

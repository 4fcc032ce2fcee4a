"""How much of its space an embedding uses, without any label. Axes: N rows, D features."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-7  # of the paper, for float32


def rankme(vectors: Float[Tensor, "N D"]) -> float:
    r"""Effective rank: $\exp(-\sum_k p_k\log p_k)$, $p_k=\sigma_k/\|\sigma\|_1+\epsilon$.

    Garrido et al., ICML 2023, https://arxiv.org/abs/2210.02885, Eq. 1 and 2; sigma are the
    singular values of the rows as they are, not centred.

    Returns:
        From about 1 (collapsed to a line) to min(N, D) (all directions equal); 0 for all zeros.

    Example:
        >>> round(rankme(torch.eye(8)), 3), round(rankme(torch.ones(8, 8)), 3)
        (8.0, 1.0)
    """
    spectrum = torch.linalg.svdvals(vectors.float())
    total = spectrum.sum().item()
    if total == 0:
        return 0.0
    shares = spectrum / total + EPSILON
    return math.exp(-(shares * shares.log()).sum().item())


def feature_std(vectors: Float[Tensor, "N D"]) -> float:
    """Mean standard deviation of a feature over rows of unit length, times the root of D.

    1 when directions are spread evenly, 0 when all rows are equal: Chen and He, CVPR 2021,
    https://arxiv.org/abs/2011.10566, Figure 2, scaled so that D does not matter.

    Example:
        >>> feature_std(torch.ones(8, 4))
        0.0
    """
    spread = F.normalize(vectors.float(), dim=1).std(0, correction=0)
    return spread.mean().item() * math.sqrt(vectors.shape[1])

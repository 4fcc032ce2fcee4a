"""How much of its space an embedding uses, without any label.

Axes: N rows or images, V views of an image, D features, R effective ranks.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64
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
    return _effective_rank(torch.linalg.svdvals(vectors.float()))


def rankme_without(vectors: Float[Tensor, "N D"], parts: int) -> Float64[np.ndarray, " R"]:
    """RankMe of all rows, then without each of so many interleaved parts, for a jackknife.

    Singular values are roots of eigenvalues of the smaller Gram matrix, which is quicker.

    Example:
        >>> rankme_without(torch.eye(8), 4).round(3).tolist()
        [8.0, 6.0, 6.0, 6.0, 6.0]
    """
    rows, part = vectors.double(), torch.arange(len(vectors)) % parts

    def rank(kept: Float[Tensor, "M D"]) -> float:
        gram = kept @ kept.T if len(kept) < kept.shape[1] else kept.T @ kept
        return _effective_rank(torch.linalg.eigvalsh(gram).clamp_min(0).sqrt())

    return np.array([rank(rows), *(rank(rows[part != left]) for left in range(parts))])


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


def lidar(vectors: Float32[Tensor, "N V D"], delta: float) -> float:
    r"""Effective rank of between-image over within-image variance.

    Thilak et al., ICLR 2024, https://arxiv.org/abs/2312.04000, section 4: as RankMe, of the
    eigenvalues of $\Sigma_w^{-1/2} \Sigma_b \Sigma_w^{-1/2}$, where each image is a class and
    its views are the items.

    Args:
        vectors: those of several views of each image.
        delta: positive; added to the diagonal of the variance within.

    Returns:
        From about 1 to min(N - 1, D); 0 where all images are equal.
    """
    rows = vectors.double()
    centres = rows.mean(1)
    apart = centres - centres.mean(0)
    inside = (rows - centres[:, None]).flatten(0, 1)
    between = apart.T @ apart / len(apart)
    within = inside.T @ inside / len(inside)
    within = within + delta * torch.eye(len(within), dtype=within.dtype, device=within.device)
    root = torch.linalg.cholesky(within)
    half = torch.linalg.solve_triangular(root, between, upper=False)
    whitened = torch.linalg.solve_triangular(root, half.T, upper=False)
    return _effective_rank(torch.linalg.eigvalsh(whitened).clamp_min(0))


def alignment(vectors: Float32[Tensor, "N V D"]) -> float:
    """Mean squared distance of two views of an image, on the unit sphere; 0 is best.

    Wang and Isola, ICML 2020, https://arxiv.org/abs/2005.10242, Eq. 5 with alpha = 2.
    """
    rows = F.normalize(vectors.double(), dim=2)
    views = rows.shape[1]
    spread = (rows - rows.mean(1, keepdim=True)).square().sum(2).mean()
    return (2 * views / (views - 1) * spread).item()


def _effective_rank(spectrum: Float[Tensor, " D"]) -> float:
    """Its shares' exponential entropy; 0 where all are zero."""
    total = spectrum.sum().item()
    if total == 0:
        return 0.0
    shares = spectrum / total + EPSILON
    return math.exp(-(shares * shares.log()).sum().item())

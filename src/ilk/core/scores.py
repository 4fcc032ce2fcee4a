"""Similarities of rows, always in full precision.

Axes: Q queries, K candidates that all queries share, m candidates of a query's own, D features.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SHORTEST = 1e-12  # a shorter row counts as one of zeros, as in torch's normalize


def full(tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The same numbers in float32 at least; float64 stays."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def similarities(
    queries: Float[Tensor, "Q D"], candidates: tuple[Tensor, ...], *, cosine: bool = True
) -> Float[Tensor, "Q columns"]:
    """Cosines (or dot products) of every query with its candidates, block after block.

    Args:
        queries: one row a query.
        candidates: blocks, shared [K, D] or one per query [Q, m, D].
        cosine: compare directions only.
    """
    # A half-precision product would round cosines near 1 by 4e-3, a tenth of a temperature.
    with torch.autocast(queries.device.type, enabled=False):
        rows = F.normalize(full(queries), dim=-1) if cosine else full(queries)
        scores = [_against(rows, full(block), cosine) for block in candidates]
    return scores[0] if len(scores) == 1 else torch.cat(scores, dim=1)


def row_similarities(
    queries: Float[Tensor, "Q D"], others: Float[Tensor, "Q D"]
) -> Float[Tensor, " Q"]:
    """The cosine of every query with the row of the same number."""
    with torch.autocast(queries.device.type, enabled=False):
        products = (F.normalize(full(queries), dim=-1) * full(others)).sum(dim=-1)
        return products / torch.linalg.vector_norm(full(others), dim=-1).clamp(min=SHORTEST)


def _against(rows: Tensor, block: Tensor, cosine: bool) -> Tensor:
    own = block.ndim == 3
    products = torch.einsum("qd,qmd->qm", rows, block) if own else rows @ block.T
    if not cosine:
        return products
    # Dividing what comes out spares a normalised copy of candidates, be they a whole memory.
    return products / torch.linalg.vector_norm(block, dim=-1).clamp(min=SHORTEST)

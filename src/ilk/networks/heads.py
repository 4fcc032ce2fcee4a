"""Heads on top of a backbone. Axes: N rows, D features, K prototypes."""

import math
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import UserError, full, similarities

MOST_ITEMS = 1_000_000  # with a row of a classifier each


def mlp(
    in_dim: int,
    hidden: int,
    out_dim: int,
    *,
    layers: int,
    batch_norm: bool = True,
    activation: Literal["relu", "gelu"] = "relu",
    bias: bool = True,
    last_batch_norm: Literal["affine", "scaled", "plain"] | None = None,
) -> nn.Sequential:
    """Build the projector or predictor of most methods: linear layers and what is between.

    A layer that batch norm follows has no bias, which the norm would cancel.

    Args:
        in_dim: width of the input.
        hidden: width between layers.
        out_dim: width of the output.
        layers: number of linear layers, at least 1.
        batch_norm: whether each hidden layer is followed by it, before the activation.
        activation: after each hidden layer.
        bias: of layers that no batch norm follows.
        last_batch_norm: after the last layer: with learnt scale and shift ("affine"), with the
            scale alone, the shift staying zero ("scaled"), or with neither ("plain").

    Example:
        >>> projector = mlp(512, 2048, 128, layers=2)
        >>> projector(torch.zeros(4, 512)).shape
        torch.Size([4, 128])
    """
    if layers < 1:
        raise ValueError(f"mlp: layers must be at least 1, got {layers}")
    widths = [in_dim, *[hidden] * (layers - 1)]
    steps: list[nn.Module] = []
    for before, after in pairwise(widths):
        steps.append(nn.Linear(before, after, bias=bias and not batch_norm))
        if batch_norm:
            steps.append(nn.BatchNorm1d(after))
        steps.append(nn.ReLU(inplace=True) if activation == "relu" else nn.GELU())
    steps.append(nn.Linear(widths[-1], out_dim, bias=bias and last_batch_norm is None))
    if last_batch_norm is not None:
        norm = nn.BatchNorm1d(out_dim, affine=last_batch_norm != "plain")
        if last_batch_norm == "scaled":
            norm.bias.requires_grad_(False)
        steps.append(norm)
    return nn.Sequential(*steps)


def dino_head(
    in_dim: int, hidden: int = 2048, bottleneck: int = 256, *, batch_norm: bool = False
) -> nn.Sequential:
    """Build DINO's projector: three layers with GELU, truncated-normal weights (std 0.02).

    Caron et al., ICCV 2021, appendix C. The L2 normalisation and the weight-normalised layer
    that follow there are `Prototypes`.
    """
    head = mlp(in_dim, hidden, bottleneck, layers=3, batch_norm=batch_norm, activation="gelu")
    for name, parameter in head.named_parameters():
        if parameter.ndim == 2:
            nn.init.trunc_normal_(parameter, std=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
    return head


def classifier(in_dim: int, classes: int, *, dropout: float = 0.0) -> nn.Linear:
    """Build a linear layer to class scores: normal weights (std 0.01), biases of zero.

    Caron et al., ECCV 2018, as in the authors' code.

    Args:
        in_dim: width of the features.
        classes: K.
        dropout: probability with which a feature is left out while a network learns.
    """
    head = _Dropping(in_dim, classes, dropout) if dropout else nn.Linear(in_dim, classes)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
    return head


class _Dropping(nn.Linear):
    """A linear layer that does not see some of its inputs while it learns."""

    def __init__(self, in_dim: int, out_dim: int, dropout: float) -> None:
        super().__init__(in_dim, out_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """Scores."""
        return super().forward(self.dropout(input))


def item_classifier(in_dim: int, items: int) -> nn.Linear:
    """Build a linear layer without bias to a score for each item of a data set.

    DIET, Balestriero, 2023, https://arxiv.org/abs/2302.10260.

    Raises:
        UserError: there are so many items that a row for each is absurd.
    """
    if items > MOST_ITEMS:
        size = 4 * 4 * in_dim * items / 2**30  # weights, gradients and two moments, four bytes
        raise UserError(
            f"items: a classifier with a row for each item must have {MOST_ITEMS:,} at most, "
            f"got {items:,}, for which it would take {size:,.1f} GiB with gradients and "
            f"moments; learn from a part of the images, or by another method"
        )
    return nn.Linear(in_dim, items, bias=False)


class EachPlace(nn.Module):
    """The same head at every place of a map [B, C, H, W] or of tokens [B, N, C].

    Batch norms in it take all places of all images together.

    Args:
        head: rows [N, C] to rows [N, D], such as an `mlp`.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, shown: Float[Tensor, "B ..."]) -> Float[Tensor, "B N D"]:
        """One row for each place, in raster order."""
        tokens = shown.flatten(2).transpose(1, 2) if shown.ndim == 4 else shown
        return self.head(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])


class MeanOfPlaces(nn.Module):
    """The mean over all places of a map [B, C, H, W] or of tokens [B, N, C]; has no weights."""

    def forward(self, shown: Float[Tensor, "B ..."]) -> Float[Tensor, "B C"]:
        """One row for each image."""
        return shown.flatten(2).mean(2) if shown.ndim == 4 else shown.mean(1)


class CentrePairs(nn.Module):
    """The centre of a grid of nine joined to each of its neighbours; has no weights."""

    def forward(self, tokens: Float[Tensor, "B 9 D"]) -> Float[Tensor, "B 8 2*D"]:
        """Rows of centre and neighbour, neighbours in raster order."""
        centre, others = tokens[:, 4:5], torch.cat([tokens[:, :4], tokens[:, 5:]], dim=1)
        return torch.cat([centre.expand_as(others), others], dim=2)


class PlaceSimilarities(nn.Module):
    """Cosines of every place of an image with all places of it; has no weights."""

    def forward(self, shown: Float[Tensor, "B ..."]) -> Float[Tensor, "B N N"]:
        """A row for each place, in raster order, of a map [B, C, H, W] or tokens [B, N, C]."""
        tokens = shown.flatten(2).transpose(1, 2) if shown.ndim == 4 else shown
        # As in `similarities`: half precision would round cosines near 1.
        with torch.autocast(shown.device.type, enabled=False):
            rows = F.normalize(full(tokens), dim=-1)
            return rows @ rows.transpose(1, 2)


class Prototypes(nn.Module):
    """Scores of projections against K directions: the cosine, times a scale if one is learnt.

    Rows of the weight are normalised in each forward, in float32 at least, so that only their
    direction counts: the weight-normalised last layer of DINO, and SwAV's prototypes up to the
    length that its stored rows gather between steps.

    Args:
        dim: D, width of a projection.
        count: K.
        learn_scale: one factor for each prototype, first 1, learnt: DINO without
            ``norm_last_layer``. It is a column, as in the authors' weight normalisation, so it
            decays as matrices do.
    """

    weight: Float[Tensor, "K D"]
    scale: Float[Tensor, "K 1"] | None

    def __init__(self, dim: int, count: int, *, learn_scale: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, dim))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as nn.Linear does
        self.scale = nn.Parameter(torch.ones(count, 1)) if learn_scale else None

    def forward(self, projections: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """One score for each row and prototype, in [-1, 1] unless a scale is learnt."""
        cosines = similarities(projections, (self.weight,))
        return cosines if self.scale is None else cosines * self.scale[:, 0]

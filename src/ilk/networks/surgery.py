"""Changes to a freshly built network. On backbones they are not meant for, they do nothing.

MoCo v3: Chen, Xie and He, ICCV 2021, https://arxiv.org/abs/2104.02057, sections 4 and 5.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import UserError

TEMPERATURE = 10_000.0  # of the sin-cos frequencies, as in Vaswani et al., NIPS 2017


def moco_v3_stem(backbone: nn.Module) -> None:
    """Make a vision transformer MoCo v3's: its first weights, and what never learns in it.

    Meant for random weights: pretrained ones are lost.
    """
    moco_v3_weights(backbone)
    fixed_sincos_positions(backbone)
    frozen_patch_projection(backbone)


@torch.no_grad()
def fixed_sincos_positions(backbone: nn.Module) -> None:
    """Give a vision transformer fixed 2-D sin-cos positions; zeros for class tokens.

    Raises:
        ValueError: its width is not a multiple of 4.
    """
    vit = _vision_transformer(backbone)
    if vit is None or vit.pos_embed is None:
        return
    rows, columns = vit.patch_embed.grid_size
    table = sincos_positions(rows, columns, vit.embed_dim)
    vit.pos_embed.zero_()
    vit.pos_embed[0, -len(table) :] = table.to(vit.pos_embed)
    vit.pos_embed.requires_grad_(False)


def sincos_positions(rows: int, columns: int, dim: int) -> Float[Tensor, "N D"]:
    """Sine and cosine of the row, then of the column, at dim / 4 frequencies; row by row.

    Raises:
        ValueError: dim is not a multiple of 4.
    """
    if dim % 4:
        raise ValueError(f"sincos_positions: dim must be a multiple of 4, got {dim}")
    grid = torch.arange(float(rows)), torch.arange(float(columns))
    row, column = torch.meshgrid(*grid, indexing="ij")
    frequencies = TEMPERATURE ** -(torch.arange(dim // 4) / (dim // 4))
    angles = (place.reshape(-1, 1) * frequencies for place in (row, column))
    return torch.cat([wave(a) for a in angles for wave in (torch.sin, torch.cos)], dim=1)


def check_width(name: str, dim: int, heads: int) -> None:
    """Refuse a width that heads and sin-cos positions cannot share out.

    Args:
        name: what is so wide.
        dim: the width.
        heads: the number of heads of attention.

    Raises:
        UserError: the width is no multiple of 4 and of the heads.
    """
    if dim % 4 or dim % heads:
        raise UserError(
            f"{name}: the width must be a multiple of 4 and of the {heads} heads, got {dim}"
        )


def frozen_patch_projection(backbone: nn.Module) -> None:
    """Keep a vision transformer's patch projection as it is: what made MoCo v3 stable."""
    vit = _vision_transformer(backbone)
    if vit is not None:
        vit.patch_embed.proj.requires_grad_(False)


@torch.no_grad()
def moco_v3_weights(backbone: nn.Module) -> None:
    """Draw a vision transformer's weights as MoCo v3 does.

    Xavier-uniform linear layers (query, key and value each on its own), a patch projection of
    the same rule, class token N(0, 1e-6), zero biases.
    """
    vit = _vision_transformer(backbone)
    if vit is None:
        return
    for name, layer in vit.named_modules():
        if isinstance(layer, nn.Linear):
            parts = 3 if name.endswith("qkv") else 1
            _xavier(layer, layer.in_features + layer.out_features // parts)
    patch = vit.patch_embed.proj
    _xavier(patch, patch.weight[0].numel() + vit.embed_dim)
    if vit.cls_token is not None:
        nn.init.normal_(vit.cls_token, std=1e-6)


@torch.no_grad()
def dino_class_token(backbone: nn.Module) -> None:
    """Draw a vision transformer's class token as DINO does: N(0, 0.02).

    Caron et al., ICCV 2021, https://arxiv.org/abs/2104.14294, authors' code; timm has 1e-6.
    """
    vit = _vision_transformer(backbone)
    if vit is not None and vit.cls_token is not None:
        nn.init.trunc_normal_(vit.cls_token, std=0.02)


def _xavier(layer: nn.Linear | nn.Conv2d, fans: int) -> None:
    bound = math.sqrt(6 / fans)
    nn.init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _vision_transformer(backbone: nn.Module) -> Any:
    from timm.models.vision_transformer import VisionTransformer

    return backbone if isinstance(backbone, VisionTransformer) else None

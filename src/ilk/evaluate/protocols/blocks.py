"""Which features of a backbone a head reads. Axes: B images, D features."""

from collections.abc import Callable

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from ilk.core import UserError
from ilk.networks import Encoder


def features_of(encoder: Encoder, blocks: int) -> Callable[[Tensor], Float32[Tensor, "B D"]]:
    """A function from normalised images to features, without gradients.

    Args:
        encoder: in evaluation mode.
        blocks: 1 is the encoder's own output; more are the class tokens of so many last blocks
            of a ViT after its last norm, side by side, as DINO's linear protocol reads them
            (Caron et al., ICCV 2021, appendix F.1; means of all tokens where there is none).

    Raises:
        UserError: more than one block of what is no ViT, or of one with fewer.
    """
    module = encoder.module
    if blocks == 1:
        return torch.no_grad()(lambda images: module(images).float())
    from timm.models.vision_transformer import VisionTransformer

    if not isinstance(module, VisionTransformer) or len(module.blocks) < blocks:
        raise UserError(
            f"linear-aug: features of {blocks} blocks need a ViT with as many, got"
            f" {encoder.name}; use linear-aug"
        )
    return torch.no_grad()(lambda images: _last(module, blocks, images))


def _last(module: nn.Module, blocks: int, images: Tensor) -> Tensor:
    found: list[Tensor] = []
    handles = [
        block.register_forward_hook(lambda _m, _i, out: found.append(out))
        for block in list(module.blocks)[-blocks:]  # type: ignore[arg-type, call-overload]
    ]
    try:
        module.forward_features(images)  # type: ignore[operator]
    finally:
        for handle in handles:
            handle.remove()
    normed = [module.norm(tokens).float() for tokens in found]  # type: ignore[operator]
    first = bool(module.num_prefix_tokens)
    return torch.cat([t[:, 0] if first else t.mean(1) for t in normed], 1)

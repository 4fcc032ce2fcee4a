"""What a backbone shows besides its feature: the same image place by place.

Axes: B images, C channels, N places in raster order, A asked places of all images, F features.
"""

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Mask, UserError

FEATURE, MAP, TOKENS, SEQUENCE, ASKED, EARLY = SHOWN = (
    "feature",
    "map",
    "tokens",
    "sequence",
    "asked",
    "early",
)
MORE = 256  # pixels by which a larger image is larger, about
Field = Literal["feature", "map", "tokens"]  # what is kept of an image


def feature_and_places(
    backbone: nn.Module, images: Tensor, *, whole: bool = True, early: bool = False
) -> dict[str, Tensor]:
    """Feature [B, F], map [B, C, H, W] before pooling, and the same as tokens [B, N, C].

    Tokens that are of no place, such as the class token, are in neither; they stand before the
    others in the sequence. Convolutional networks have tokens too, and transformers a map.

    Args:
        backbone: a timm model, or one of our own.
        images: normalised.
        whole: whether all patches are there; else there is no map.
        early: whether the map half-way through the backbone is shown too: the output of the
            middle one of its stages, or of a transformer's blocks, of an even number the
            earlier of two.

    Raises:
        ValueError: the backbone has no places, or none half-way.
        UserError: it leaves patches out by chance.
    """
    network: Any = backbone
    if not shows_places(network):
        raise ValueError(
            f"map and tokens: must be shown by the backbone, but {type(network).__name__} has "
            "a feature alone"
        )
    if network.training:
        check_keeps_patches(network)
    if early:
        shown, half_way = _with_half_way(network, images)
        return _places(network, images, shown, whole) | {EARLY: half_way}
    return _places(network, images, network.forward_features(images), whole)


def _with_half_way(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """What the backbone puts out before its head, and its middle map [B, C, h, w]."""
    if not hasattr(network, "forward_intermediates"):
        kind = type(network).__name__
        raise ValueError(f"early: the backbone must show a map half-way, but {kind} shows none")
    shown, stages = network.forward_intermediates(images)
    return shown, stages[(len(stages) - 1) // 2]


def _places(network: Any, images: Tensor, shown: Any, whole: bool) -> dict[str, Tensor]:
    if not isinstance(shown, Tensor) or shown.ndim < 3:
        raise ValueError(
            f"map and tokens: must be in one tensor, but {type(network).__name__} has others"
        )
    feature = network.forward_head(shown)
    if shown.ndim == 3:
        tokens = shown[:, int(getattr(network, "num_prefix_tokens", 0)) :]
        out = {FEATURE: feature, TOKENS: tokens, SEQUENCE: shown}
        if not whole:
            return out
        height, width = _grid(network, images, tokens.shape[1])
        places = tokens.transpose(1, 2).unflatten(2, (height, width))
        return out | {MAP: places}
    last = getattr(network, "output_fmt", "NCHW") == "NHWC"
    places = shown.permute(0, 3, 1, 2) if last else shown
    tokens = places.flatten(2).transpose(1, 2)
    return {FEATURE: feature, MAP: places, TOKENS: tokens, SEQUENCE: tokens}


def shows_places(backbone: nn.Module) -> bool:
    """Whether a backbone shows images place by place, and not a feature alone."""
    return hasattr(backbone, "forward_features")


def check_keeps_patches(backbone: nn.Module) -> None:
    """Refuse a backbone that leaves patches out by chance: it does not show all places.

    Raises:
        UserError: it does so in training.
    """
    drop: Any = getattr(backbone, "patch_drop", None)
    rate = getattr(drop, "prob", None) or getattr(backbone, "patch_drop_rate", None)
    if rate:
        raise UserError(
            f"backbone: patch_drop_rate must be 0 where a method hides patches itself or reads "
            f"images place by place, got {rate}; leave it out"
        )


def is_tiled(backbone: nn.Module, images: Tensor) -> bool:
    """Whether these are tiles of images [B, P, C, S, S], and not clips."""
    return images.ndim == 5 and getattr(backbone, "reads", "image") == "image"


def of_tiles(backbone: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What is shown of images in tiles, which the backbone sees one by one: tiles are places.

    Tokens are the features of the tiles, the feature is their mean, and the map is their grid.

    Args:
        backbone: images [N, C, S, S] to features [N, F].
        images: tiles [B, P, C, S, S] of square grids.
    """
    tokens = backbone(images.flatten(0, 1)).unflatten(0, images.shape[:2])
    side = math.isqrt(tokens.shape[1])
    places = tokens.transpose(1, 2).unflatten(2, (side, side))
    return {FEATURE: tokens.mean(dim=1), MAP: places, TOKENS: tokens, SEQUENCE: tokens}


def asked_tokens(tokens: Float[Tensor, "B N C"], mask: Mask | None) -> Float[Tensor, "A C"]:
    """The tokens of the places that a mask asks for, see `ilk.core.Mask.asked_cells`.

    Raises:
        ValueError: there is no mask.
        UserError: the backbone does not show a place for each cell of the mask.
    """
    if mask is None:
        raise ValueError("asked: images must have a mask that asks for places, they have none")
    rows, columns = mask.grid
    if tokens.shape[1] != rows * columns:
        raise UserError(
            f"backbone: must show one place for each patch that may be hidden, {rows} x "
            f"{columns} of them, got {tokens.shape[1]} places; take a vision transformer such "
            f"as vit_mini"
        )
    return tokens[mask.asked_cells()]


def map_grid(backbone: nn.Module, image_size: int, channels: int) -> tuple[int, int]:
    """Pixels between two places of a backbone's map, and its places along a side.

    The whole side and one where it has no map. Where convolutions pad the image or leave its
    border out, places do not tile it. A larger image then tells how far they are apart.

    Args:
        backbone: in any mode, which it keeps.
        image_size: side of the image that is tried, in pixels.
        channels: the number of channels of that image.
    """
    shape = _tried(backbone, image_size, channels, MAP)
    if shape is None:
        return image_size, 1
    side = shape[-1]
    share = image_size / side
    if hasattr(backbone, "patch_embed") or math.log2(share).is_integer():
        return max(int(share), 1), side
    more = max(MORE // image_size, 1) * image_size
    larger = _tried(backbone, image_size + more, channels, MAP)
    if larger is None or larger[-1] <= side:
        return max(int(share), 1), side
    return 2 ** round(math.log2(more / (larger[-1] - side))), side


class Places(nn.Module):
    """A backbone that shows its map [B, C, H, W] or its tokens [B, N, C].

    Args:
        backbone: as in `feature_and_places`.
        field: which of both.
    """

    def __init__(self, backbone: nn.Module, field: Field) -> None:
        super().__init__()
        self.backbone, self.field = backbone, field

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images to their places; tokens need not form a grid."""
        shown = feature_and_places(self.backbone, images, whole=self.field == MAP)
        return shown[self.field]


def early_shape(backbone: nn.Module, image_size: int, channels: int) -> tuple[int, int]:
    """Channels and side of the map half-way through a backbone; zeros where it has none.

    Args:
        backbone: in any mode, which it keeps.
        image_size: side of the image that is tried, in pixels.
        channels: the number of channels of that image.
    """
    shape = _tried(backbone, image_size, channels, EARLY)
    return (0, 0) if shape is None else (shape[1], shape[2])


@torch.no_grad()
def _tried(backbone: nn.Module, image_size: int, channels: int, name: str) -> torch.Size | None:
    """The shape of a map of one image; None where the backbone shows no grid."""
    mode = backbone.training
    place = next(backbone.parameters()).device
    try:
        images = torch.zeros(1, channels, image_size, image_size, device=place)
        return feature_and_places(backbone.eval(), images, early=name == EARLY)[name].shape
    except (
        ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
        ValueError,
    ):  # fmt: skip
        return None
    finally:
        backbone.train(mode)


def _grid(network: Any, images: Tensor, count: int) -> tuple[int, int]:
    """Rows and columns of a transformer's patches."""
    height, width = images.shape[-2:]
    patches: Any = getattr(network, "patch_embed", None)
    if hasattr(patches, "dynamic_feat_size"):
        rows, columns = patches.dynamic_feat_size((height, width))
        if rows * columns == count:
            return rows, columns
    side = math.isqrt(count)
    if height != width or side * side != count:
        raise ValueError(f"map: the {count} tokens of an image must form a grid, they do not")
    return side, side

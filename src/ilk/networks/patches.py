"""Networks that cut an image into patches, and the image sizes that leave no pixel over."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from ilk.core import UserError
from ilk.networks.backbone import backbone_without_weights, recorded_options
from ilk.networks.own import OWN, own_patch


def patch_side(name: str, *, channels: int, options: Mapping[str, object]) -> int:
    """The number that the side of an image must divide by for a network that is not built.

    Args:
        name: as in ``backbone``.
        channels: of the images.
        options: as in ``backbone``; nothing is fetched.

    Returns:
        1 for networks without patches, and for those that cannot be built at their own size.
    """
    import timm

    if name in OWN:
        return own_patch(name, options)
    if not timm.is_model(name):
        return 1
    config = timm.get_pretrained_cfg(name)
    size = 224 if config is None else config.input_size[-1]
    try:
        network = backbone_without_weights(
            name, image_size=size, channels=channels, options=recorded_options(options, size)
        )
    except UserError:
        return 1
    return patch_of(network, channels)


def patch_of(network: nn.Module, channels: int) -> int:
    """The number that the side of an image must divide by; 1 for networks without patches.

    The network itself is asked, whatever its name: for convolutions of the image whose steps
    are as wide as their windows, and for modules of timm that embed patches.

    Args:
        network: a backbone; weights are not looked at and may be on the meta device.
        channels: of the images.
    """
    sides = (side for module in network.modules() for side in _sides(module, channels))
    return math.lcm(*sides)


def near_eighth(image_size: int) -> int:
    """The divisor of an image's side that is nearest to an eighth of it, the smaller of two.

    Example:
        >>> near_eighth(32), near_eighth(224), near_eighth(100)
        (4, 28, 10)
    """
    sides = [side for side in range(1, image_size + 1) if image_size % side == 0]
    return min(sides, key=lambda side: abs(side - image_size / 8))


def check_cells(image_size: int, cell: int) -> None:
    """Refuse an image size whose divisors leave no cells near an eighth of it, as of 37 px.

    Args:
        image_size: side of the images, in pixels.
        cell: side of a cell of which some are hidden, in pixels.

    Raises:
        UserError: a cell is less than half of an eighth, or more than twice of it.
    """
    if 4 <= image_size // cell <= 16:
        return
    below, above = image_size // 8 * 8, -(-image_size // 8) * 8
    near = " or ".join(str(size) for size in dict.fromkeys((below, above)) if size)
    raise UserError(
        f"image_size: must divide into cells near an eighth of it, of which some are hidden, "
        f"got {image_size}; take {near}"
    )


def check_patches(name: str, patch: int, image_size: int) -> None:
    """Refuse an image size that would have to be padded, cropped or interpolated.

    Args:
        name: of the network, for the message.
        patch: as ``patch_of`` gives it.
        image_size: side of the images, in pixels.

    Raises:
        UserError: patches do not cover the image, with the nearest sizes that they do cover.
    """
    if image_size % patch == 0:
        return
    below = image_size // patch * patch
    near = " or ".join(str(size) for size in (below, below + patch) if size)
    raise UserError(
        f"image_size: must be a multiple of {patch} px, for {name} cuts images into patches, "
        f"got {image_size}; take {near}"
    )


def _sides(module: nn.Module, channels: int) -> Iterable[int]:
    """Sides of the patches that a module cuts an image into."""
    if isinstance(module, nn.Conv2d):
        tiles = module.kernel_size == module.stride and module.padding in {(0, 0), "valid"}
        return module.stride if tiles and module.in_channels == channels else ()
    given: Any = getattr(module, "patch_size", None)
    if given is None or "Embed" not in type(module).__name__:
        return ()
    ratio: Any = getattr(module, "feature_ratio", 1)  # of convolutions before the patches
    return [side * factor for side, factor in zip(_pair(given), _pair(ratio), strict=True)]


def _pair(given: Any) -> tuple[int, int]:
    return (given, given) if isinstance(given, int) else tuple(given)

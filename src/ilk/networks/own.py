"""Small networks of our own, for images, clips and windows.

Axes: B items, C channels, T frames, S side or samples.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from ilk.core import UserError
from ilk.core.fields import shown
from ilk.core.items import ItemKind
from ilk.networks.options import MAX_NUMBERS

OWN: Mapping[str, Mapping[str, Any]] = {
    # Basic residual blocks, for CPUs: 6.4 million multiply-adds at 32 px and 7.3 at 64, where
    # timm's resnet18 takes 555 and 561. Wide and shallow, since small images in many channels
    # keep a CPU busy, and large ones in few channels wait for memory.
    "resnet_mini": {
        "widths": (48, 96, 192),
        "depths": (1, 1, 1),
        "norm_layer": "batchnorm",
    },
    # A transformer of 10 million multiply-adds, whatever the size: 64 patches, an eighth of the
    # image each where none are named.
    "vit_mini": {
        "patch_size": 0,
        "embed_dim": 64,
        "depth": 3,
        "num_heads": 4,
        "global_pool": "token",
    },
    # The encoder of AMDIM: 11 million multiply-adds at 32 px, 59 at 64. The authors' for
    # ImageNet at 128 px has base_width 192, depth 8 and feature_dim 1536.
    "amdim_mini": {"base_width": 20, "depth": 3, "feature_dim": 256},
    # Like the first for windows, and for clips, of which it mostly sees so many frames.
    "resnet_mini_1d": {"widths": (48, 96, 192), "depths": (1, 1, 1)},
    "resnet_mini_3d": {"widths": (24, 48, 96), "depths": (1, 1, 1), "frames": 8},
}
VIT, UNPADDED = "vit_mini", "amdim_mini"
NORMS = ("batchnorm", "groupnorm1")  # the second is of each image alone
_KINDS: Mapping[str, ItemKind] = {"resnet_mini_1d": "window", "resnet_mini_3d": "clip"}


def item_kind(name: str) -> ItemKind:
    """What a backbone reads: images, but for our own networks for clips and for windows."""
    return _KINDS.get(name, "image")


def frame_count(name: str, options: Mapping[str, object]) -> int:
    """How many frames the clips have that a backbone mostly sees; 1 where it reads no clips.

    Raises:
        UserError: the option ``frames`` is no whole number above 0.
    """
    if item_kind(name) != "clip":
        return 1
    frames = options.get("frames", OWN[name]["frames"])
    if type(frames) is not int or frames < 1:
        raise UserError(f"backbone: frames must be a whole number above 0, got {shown(frames)}")
    return frames


def input_shape(
    name: str, image_size: int, channels: int, options: Mapping[str, object]
) -> tuple[int, ...]:
    """The shape of one item that a backbone mostly sees: [C, S, S], [C, T, S, S] or [C, S].

    Args:
        name: name of the backbone.
        image_size: side of a frame in pixels, or number of samples of a window.
        channels: C.
        options: options of the backbone.

    Raises:
        UserError: the option ``frames`` is wrong, or an item would hold too many numbers.
    """
    kind, frames = item_kind(name), frame_count(name, options)
    if kind == "window":
        return (channels, image_size)
    if kind == "image":
        return (channels, image_size, image_size)
    if channels * frames * image_size**2 > MAX_NUMBERS:
        raise UserError(
            f"backbone: a clip must hold at most {MAX_NUMBERS:,} numbers, got {channels} x "
            f"{frames} x {image_size} x {image_size}"
        )
    return (channels, frames, image_size, image_size)


def own_patch(name: str, options: Mapping[str, object]) -> int:
    """The number that an image's side must divide by for one of our own networks."""
    patch = options.get("patch_size") or (8 if name == VIT else 1)
    return patch if isinstance(patch, int) else 1


def own_network(
    name: str, channels: int, settings: Mapping[str, Any], *, image_size: int, small: bool
) -> nn.Module:
    """A vision transformer, or a chain of basic residual blocks that halve the resolution.

    The stem is a 3x3 convolution of stride 2. Of images above 48 px a max-pool follows, so that
    32 and 64 px reach the first stage at the same resolution and cost much the same.

    Args:
        name: one of ``OWN``.
        channels: C.
        settings: entries of ``OWN`` that differ, and ``drop_path_rate``.
        image_size: in pixels, of the images that it mostly sees.
        small: whether there is no max-pool.

    Raises:
        UserError: a setting is not known or wrong.
    """
    from timm.models.byobnet import ByoBlockCfg, ByobNet, ByoModelCfg

    from ilk.networks.residual import ResidualNet  # loads timm as well

    unknown = set(settings) - {*OWN[name], "drop_path_rate"}
    if unknown:
        raise UserError(
            f"backbone: {name} takes {', '.join(OWN[name])}, got {', '.join(sorted(unknown))}"
        )
    if name == VIT:
        return _transformer(channels, {**OWN[name], **settings}, image_size)
    if name == UNPADDED:
        return _unpadded(channels, {**OWN[name], **settings}, image_size)
    widths, depths = (settings.get(key, OWN[name][key]) for key in ("widths", "depths"))
    if not (_positive(widths) and _positive(depths) and len(widths) == len(depths)):
        raise UserError(
            f"backbone: {name} needs as many widths as depths, each a list of numbers above 0, "
            f"got {shown(widths)} and {shown(depths)}"
        )
    rate = settings.get("drop_path_rate", 0.0)
    if item_kind(name) != "image":
        axes = 1 if item_kind(name) == "window" else 3
        return ResidualNet(axes, channels, widths, depths, rate)
    norm = settings.get("norm_layer", OWN[name]["norm_layer"])
    if norm not in NORMS:
        raise UserError(
            f"backbone: norm_layer of {name} must be {' or '.join(NORMS)}, got {shown(norm)}"
        )
    config = ByoModelCfg(
        blocks=tuple(
            ByoBlockCfg("basic", d=depth, c=width, s=2, gs=0, br=1.0)
            for width, depth in zip(widths, depths, strict=True)
        ),
        stem_chs=max(widths[0] // 2, 1),
        stem_pool="" if small else "maxpool",
        norm_layer=norm,
    )
    return ByobNet(config, num_classes=0, in_chans=channels, drop_path_rate=rate)


def _transformer(channels: int, settings: dict[str, Any], image_size: int) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    patch = settings.pop("patch_size") or max(image_size // 8, 1)
    try:
        return VisionTransformer(
            img_size=image_size,
            patch_size=patch,
            in_chans=channels,
            num_classes=0,
            dynamic_img_size=True,
            dynamic_img_pad=True,
            **settings,
        )
    except (AssertionError, TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        raise UserError(f"backbone: {VIT} must be a transformer, got {given}") from error


def _unpadded(channels: int, settings: dict[str, Any], image_size: int) -> nn.Module:
    from ilk.networks.unpadded import UnpaddedNet  # loads timm as well

    rate = settings.pop("drop_path_rate", 0.0)
    if not _positive(list(settings.values())):
        given = ", ".join(f"{key}={shown(value)}" for key, value in settings.items())
        raise UserError(f"backbone: {UNPADDED} takes whole numbers above 0, got {given}")
    return UnpaddedNet(
        channels,
        image_size,
        width=settings["base_width"],
        depth=settings["depth"],
        feature_dim=settings["feature_dim"],
        drop_path_rate=rate,
    )


def _positive(given: Any) -> bool:
    plain = isinstance(given, list | tuple) and all(type(entry) is int for entry in given)
    return plain and len(given) > 0 and min(given) > 0

"""Backbones: any timm model, at any image size and with any number of channels.

Axes: B images, C channels, F features.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import torch
from torch import nn

from ilk.core import UserError
from ilk.core.names import did_you_mean
from ilk.networks.hub import offline_if_unreachable
from ilk.networks.options import PRETRAINED, check_image, check_name, check_options
from ilk.networks.own import OWN, input_shape, item_kind, own_network
from ilk.networks.places import map_grid

Stem = Literal["small", "pooled", "plain"]
STEMS: tuple[Stem, ...] = ("small", "pooled", "plain")
SMALL, MEDIUM = 48, 96  # largest image sizes, in pixels, of the small and of the pooled stem


def backbone(
    name: str,
    *,
    image_size: int,
    channels: int = 3,
    options: Mapping[str, object] | None = None,
    drop_path: float = 0.0,
) -> nn.Module:
    """Build a network from images [B, C, image_size, image_size] to features [B, F].

    Networks of ``OWN`` for other items read clips [B, C, frames, image_size, image_size] or
    windows [B, C, image_size].

    F is its attribute ``num_features``, ``place_width`` the channels of its feature map,
    ``stride`` the pixels between two places of it, see `ilk.networks.places`, and ``reads`` the
    kind of its items. Weights are random unless asked otherwise, and nothing is then fetched.
    Vision transformers take images of other sizes too: positions are interpolated, edges are
    padded to whole patches.

    A timm ResNet halves the image twice before its first block, which was made for 224 px. Up
    to 48 px its stem becomes a 3x3 convolution of stride 1 without max-pool, as is usual for
    CIFAR (He et al., CVPR 2016, section 4.2): 32 px then end as 4x4 and not as 1x1. From 49 to
    96 px the convolution is the same but the max-pool stays: 64 and 96 px end as 4x4 and 6x6,
    close to the 7x7 of 224 px, at a quarter of the cost that no pool would have. Larger images
    and pretrained weights keep the stem as it is.

    Args:
        name: a timm model, or one of ``OWN``.
        image_size: side of the square images it will mostly see, in pixels.
        channels: C.
        options: arguments of the timm model, of those that `ilk.networks.options` lists, e.g.
            ``patch_size=4``, ``num_heads=12`` (MoCo v3's ViT-S), ``global_pool="avg"``; besides
            ``pretrained=True`` to start from published weights, and ``stem="small" | "pooled" |
            "plain"`` to overrule the choice above. For our own networks: their entries in
            ``OWN``.
        drop_path: rate of stochastic depth of the last block, in [0, 1), where the options do
            not say ``drop_path_rate``.

    Raises:
        UserError: the name is not known, timm refuses an option, or the network cannot read
            images of this size.
    """
    settings = dict(options or {})
    if drop_path > 0:
        settings.setdefault("drop_path_rate", drop_path)
    network: Any = _built(name, image_size, channels, settings)
    network.place_width = network.num_features  # timm's: of what is pooled
    shape = input_shape(name, image_size, channels, settings)
    network.num_features = _width(network, name, shape)
    network.reads = item_kind(name)
    images = network.reads == "image"
    network.stride, network.map_side = (
        map_grid(network, image_size, channels) if images else (image_size, 1)
    )
    return network


def parameter_shapes(
    name: str, *, image_size: int, channels: int, options: Mapping[str, object]
) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Shape and type of every weight of a network that is not built: no memory is taken.

    Args:
        name: as in ``backbone``.
        image_size: likewise.
        channels: likewise.
        options: likewise.

    Raises:
        UserError: as in ``backbone``.
    """
    network = backbone_without_weights(
        name, image_size=image_size, channels=channels, options=options
    )
    return {key: (t.shape, t.dtype) for key, t in network.state_dict().items()}


def backbone_without_weights(
    name: str, *, image_size: int, channels: int, options: Mapping[str, object]
) -> nn.Module:
    """A network on the meta device, for what does not depend on its weights.

    Args:
        name: as in ``backbone``.
        image_size: likewise.
        channels: likewise.
        options: likewise.

    Raises:
        UserError: as in ``backbone``.
    """
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        return _built(name, image_size, channels, dict(options))


def _built(name: str, image_size: int, channels: int, settings: dict[str, Any]) -> nn.Module:
    check_options(settings)
    check_image(image_size, channels)
    input_shape(name, image_size, channels, settings)
    stem = stem_for(image_size, settings)
    settings.pop("stem", None)
    if name in OWN:
        return own_network(
            name, channels, settings, image_size=image_size, small=stem == "small"
        )
    needed = {"in_chans": channels, **settings}
    network, _ = timm_network(name, needed, sizes_for(image_size))
    _fit_stem(network, stem)
    return network


def stem_for(image_size: int, options: Mapping[str, object]) -> Stem:
    """The stem that a ResNet gets: the option if given, else by image size.

    Raises:
        UserError: the option is none of ``STEMS``.
    """
    given = options.get("stem")
    for stem in STEMS:
        if given == stem:
            return stem
    if given is not None:
        raise UserError(f"backbone: stem must be one of {', '.join(STEMS)}, got {given!r}")
    if image_size > MEDIUM or options.get(PRETRAINED):
        return "plain"
    return "small" if image_size <= SMALL else "pooled"


def recorded_options(options: Mapping[str, object], image_size: int) -> dict[str, object]:
    """Options that build the same network again, later and without network access."""
    kept = {key: value for key, value in options.items() if key != PRETRAINED}
    kept["stem"] = stem_for(image_size, options)
    check_options(kept)
    return kept


def sizes_for(image_size: int) -> dict[str, object]:
    """Arguments that make a timm model for images of a size, where it has a use for them."""
    return {"img_size": image_size, "dynamic_img_size": True, "dynamic_img_pad": True}


def fits_stem(network: nn.Module) -> bool:
    """Whether the stem of a network is fitted to small images."""
    from timm.models.resnet import ResNet

    return isinstance(network, ResNet)


def timm_network(
    name: str, needed: Mapping[str, object], optional: Mapping[str, object]
) -> tuple[nn.Module, dict[str, object]]:
    """Build a timm model without classifier, and tell which arguments it was built with.

    Args:
        name: of the model.
        needed: arguments it must take: its channels, and options as ``check_options`` has them.
        optional: arguments left out where the model has no use for them.

    Raises:
        UserError: the name is not known, an option is not safe, or timm cannot build it like
            this.
    """
    import timm

    check_name(name)
    check_options({key: value for key, value in needed.items() if key != "in_chans"})
    if not timm.is_model(name):
        known = [*timm.list_models(), *OWN]
        hint = did_you_mean(name, known, "resnet50 is one", count=4, cutoff=0.5)
        raise UserError(f"backbone: must be a timm model, got {name!r}; {hint}")
    used: dict[str, Any] = {**optional, **needed}
    fetching = offline_if_unreachable() if used.get("pretrained") else nullcontext()
    with fetching:
        while True:
            try:
                return timm.create_model(name, num_classes=0, **used), used
            except Exception as error:
                refused = re.search(r"unexpected keyword argument '(\w+)'", str(error))
                if refused is None or refused[1] not in optional or refused[1] not in used:
                    raise _unbuildable(name, needed, error) from error
                del used[refused[1]]


def _unbuildable(name: str, needed: Mapping[str, object], error: Exception) -> UserError:
    reason = _line(error)
    if needed.get("pretrained") and isinstance(error, OSError | RuntimeError):
        first = reason.partition(". ")[0]  # sentence
        return UserError(
            f"backbone: published weights of {name} must be in the local cache or within "
            f"reach, got '{first[:200]}'; go online once, name a local file "
            f'({name}@weights.safetensors, or weights="FILE"), or use random:{name}'
        )
    given = ", ".join(f"{key}={value!r}" for key, value in needed.items())
    return UserError(
        f"backbone: timm must be able to build {name} with {given}, got '{reason}'"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _fit_stem(network: nn.Module, stem: Stem) -> None:
    """Replace the first convolution of a timm ResNet, and its max-pool, as the stem says."""
    if stem == "plain" or not fits_stem(network):
        return
    first: Any = network.conv1
    if isinstance(first, nn.Conv2d):
        network.conv1 = nn.Conv2d(
            first.in_channels, first.out_channels, kernel_size=3, padding=1, bias=False
        )
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    else:  # three 3x3 convolutions, of which the first has stride 2
        first[0].stride = (1, 1)
    if stem == "small":
        network.maxpool = nn.Identity()


@torch.no_grad()
def _width(network: nn.Module, name: str, shape: Sequence[int]) -> int:
    """F, by trying: timm's ``num_features`` is another layer's width in some families."""
    try:
        features = network.eval()(torch.zeros(1, *shape))
    except Exception as error:
        reason = "" if isinstance(error, AssertionError) else f", got '{_line(error)}'"
        raise UserError(
            f"backbone: {name} must be able to read {' x '.join(map(str, shape))} "
            f"pixels, and is not{reason}; take another image_size or backbone"
        ) from error
    if features.ndim != 2:
        raise UserError(
            f"backbone: {name} must give one vector an image, got {tuple(features.shape)}; set "
            f"its global_pool"
        )
    network.train()
    return features.shape[1]

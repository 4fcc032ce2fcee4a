"""From names and settings to a method and its student."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from ilk.core import UserError, seeding
from ilk.kin_rules import kin_rule
from ilk.method import (
    Given,
    Method,
    Pretrained,
    check_ranges,
    typed_changes,
    typed_options,
    with_anchor,
    with_augmentation,
    with_background,
    with_item_kind,
)
from ilk.methods import recipe
from ilk.mixes import mixture
from ilk.networks import (
    Encoder,
    Network,
    Tuning,
    backbone,
    early_shape,
    frame_count,
    item_kind,
    near_eighth,
    patch_of,
    patch_width,
    recorded_options,
    tune,
    without_weights,
)
from ilk.networks.options import PRETRAINED
from ilk.train.needs import check_needs
from ilk.train.settings import Settings


def assemble(
    settings: Settings,
    image_size: int,
    items: int,
    classes: int,
    *,
    start: Encoder | None = None,
    restored: bool = False,
) -> tuple[Method, Network]:
    """The method for a backbone's width, and the student that it trains.

    Weights depend on the seed, the settings and those to start from alone. What a method does
    to random weights, such as MoCo v3's first weights and frozen patch projection, it does not
    do to given ones: they are kept as they are, and learn as ``tune`` says.

    Args:
        settings: of the run.
        image_size: of large views, in pixels.
        items: number of items of the data set.
        classes: number of classes of the data set, by its labels.
        start: the backbone with the weights to start from; None is random ones.
        restored: all weights come from a checkpoint, so that published ones, of the backbone or
            a teacher, are not fetched: what a record says never makes us fetch.

    Raises:
        UserError: a name or a setting is not known, or does not fit the method.
    """
    torch.manual_seed(seeding.integer(settings.seed, 0, "weights"))
    published = settings.backbone_options.get(PRETRAINED) or start is not None
    if restored:
        kept = recorded_options(settings.backbone_options, image_size)
        settings = replace(settings, backbone_options=kept)
    trunk = _trunk(settings, image_size, drop_path=0.0)
    given = _given(settings, trunk, image_size, items, classes)
    method = _method(settings, given)
    check_needs(method, given, trunk)
    method = _anchored(method, settings, trunk)
    if method.drop_path > 0:
        trunk = _trunk(settings, image_size, drop_path=method.drop_path)
    if restored and isinstance(method.teacher, Pretrained):
        method = replace(method, teacher=Pretrained(without_weights(method.teacher.encoder)))
    if start is not None:
        trunk.load_state_dict(start.module.state_dict())
    if not published:
        for change in method.prepare:
            change(trunk)
    tuning = tuning_of(settings)
    if tuning is not None:
        tune(trunk, tuning)
    return method, Network(trunk, method.heads, tuning)


def tuning_of(settings: Settings) -> Tuning | None:
    """How the backbone is continued; None where it begins with random weights or learns as it.

    Raises:
        UserError: a field of it is not known, or wrong.
    """
    if settings.tune is None or settings.weights is None:
        return None
    parts = settings.tune
    assert parts != "auto", "what is tuned must be decided"
    if "parts" in settings.tune_options:
        raise UserError(
            f"tune_options: parts must be given as tune, got "
            f"{settings.tune_options['parts']!r}; leave it out"
        )
    return typed_options(Tuning, "tune", {"parts": parts, **settings.tune_options})


def _anchored(method: Method, settings: Settings, trunk: nn.Module) -> Method:
    """The method that stays near its start, where that is asked for."""
    if settings.anchor is None:
        return method
    images = item_kind(named_backbone(settings)) == "image"
    places = images and hasattr(trunk, "forward_features")
    return with_anchor(method, settings.anchor, places=places)


def _given(
    settings: Settings, trunk: nn.Module, image_size: int, items: int, classes: int
) -> Given:
    patch = patch_of(trunk, settings.channels)
    return Given(
        width=int(cast(int, trunk.num_features)),
        size=image_size,
        place_width=int(cast(int, trunk.place_width)),
        stride=int(cast(int, trunk.stride)),
        early=early_shape(trunk, image_size, settings.channels),
        patch=patch if patch > 1 else near_eighth(image_size),
        patch_width=patch_width(trunk, settings.channels),
        channels=settings.channels,
        items=items,
        classes=classes,
    )


def _method(settings: Settings, given: Given) -> Method:
    method = recipe(settings.method, settings.method_options).build(given)
    _check_loss(method, settings.method)
    if settings.kin is not None:
        method = kin_rule(settings.kin, settings.kin_options).apply(method)
    if settings.mix is not None:
        method = mixture(settings.mix, settings.mix_options).apply(method)
    method = with_augmentation(method, settings.augment)
    if settings.background is not None:
        method = with_background(method, settings.background)
    name = named_backbone(settings)
    kind, frames = item_kind(name), frame_count(name, settings.backbone_options)
    if kind != "image" and isinstance(method.teacher, Pretrained):
        raise UserError(f"backbone: {settings.method} must have one for images, got {name}")
    method = with_item_kind(method, kind, frames)
    optimisation = typed_changes(method.optimisation, "optimiser", settings.optimiser_options)
    check_ranges("optimiser", optimisation, settings.optimiser_options)
    return replace(method, optimisation=optimisation)


def _check_loss(method: Method, name: str) -> None:
    below = [term for term in method.terms if term.weight < 0]
    if below:
        raise UserError(
            f"{name}: the weight of each loss must be at least 0, got {below[0].weight:g} for "
            f"{below[0].name}; mend the settings that share the weights out"
        )
    if not any(term.weight for term in method.terms):
        raise UserError(
            f"{name}: the weight of some loss must be above 0, got none; leave one as it is"
        )


def named_backbone(settings: Settings) -> str:
    """The backbone's name, which is decided before anything is built."""
    assert settings.backbone is not None, "the backbone must be decided"
    return settings.backbone


class Sizes(NamedTuple):
    """Parameters of a backbone, how many of them learn, and whether it cuts out patches."""

    parameters: int
    learning: int
    patches: bool


def sizes(settings: Settings) -> Sizes:
    """What is counted of the backbone, without making or fetching its weights."""
    size = settings.image_size
    assert size is not None, "the image size must be decided"
    trunk, tuning = _trunk_without_weights(settings, size), tuning_of(settings)
    total, patches = _count(trunk), patch_of(trunk, settings.channels) > 1
    if tuning is not None:
        tune(trunk, tuning)
    learning = sum(p.numel() for p in trunk.parameters() if p.requires_grad)
    return Sizes(total, learning, patches)


def head_parameters(settings: Settings, items: int, classes: int) -> int:
    """Parameters of the method's heads, which may grow with the data, counted likewise.

    Args:
        settings: settings of a run; backbone and image size are decided.
        items: number of items of the data set.
        classes: number of classes of the data set, by its labels.

    Raises:
        UserError: as in ``assemble``.
    """
    size = settings.image_size
    assert size is not None, "the image size must be decided"
    given = _given(settings, _trunk_without_weights(settings, size), size, items, classes)
    with torch.device("meta"):
        method = _method(settings, given)
    return sum(_count(head.module) for head in method.heads.values())


def _trunk_without_weights(settings: Settings, image_size: int) -> nn.Module:
    kept = recorded_options(settings.backbone_options, image_size)
    with torch.device("meta"):
        return _trunk(replace(settings, backbone_options=kept), image_size, drop_path=0.0)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def method_without_weights(settings: Settings) -> Method:
    """The method without its weights, for what does not depend on them."""
    made = recipe(settings.method, settings.method_options)
    with torch.device("meta"):
        return made.build(Given(width=8, size=settings.image_size or 224))


def facts_learned(settings: Settings) -> Mapping[str, float]:
    """Facts of items that method and kin rule learn from, with the share of them they see."""
    method = method_without_weights(settings)
    if settings.kin is None:
        return method.facts
    with torch.device("meta"):
        return kin_rule(settings.kin, settings.kin_options).apply(method).facts


def check_fits(settings: Settings) -> None:
    """Refuse before anything is trained what `assemble` would refuse of a method's parts.

    Args:
        settings: settings of a run; the backbone may be undecided.

    Raises:
        UserError: a name or a field is wrong, or the method does not take the mix or kin rule.
    """
    named = replace(settings, backbone=settings.backbone or "resnet_mini")
    with torch.device("meta"):
        _method(named, Given(width=8, size=settings.image_size or 224))


def _trunk(settings: Settings, image_size: int, *, drop_path: float) -> nn.Module:
    options: Mapping[str, Any] = settings.backbone_options
    return backbone(
        named_backbone(settings),
        image_size=image_size,
        channels=settings.channels,
        options=options,
        drop_path=drop_path,
    )

"""Augmentation as an axis: a method in, the same method with gentler views out."""

from dataclasses import replace
from typing import Literal

from ilk.core import UserError
from ilk.method.items import image_views
from ilk.method.record import Method
from ilk.views import HUE_CHANGING, CTAugment, ImageView

Augment = Literal["full", "no-hue", "crops"]
AUGMENT: tuple[Augment, ...] = ("full", "no-hue", "crops")


def with_augmentation(method: Method, augment: str) -> Method:
    """The method whose views change less of an image than its paper's do.

    Strong colour augmentation throws away what tells stains, crops or rocks apart, and has no
    meaning for bands that are no colours.

    Args:
        method: mixed or not.
        augment: ``full`` leaves the paper's views; ``no-hue`` keeps crops, flips, brightness,
            contrast, blur and solarization, and drops saturation, hue, grayscale, AutoAugment
            and those operations of RandAugment that change colours; ``crops`` keeps crops,
            shifts and flips alone.

    Raises:
        UserError: there is no such augmentation, or the method learns how strong it may be.

    Example:
        >>> from ilk.method import Given
        >>> from ilk.methods import recipe
        >>> given = Given(width=512, size=224)
        >>> gentle = with_augmentation(recipe("simclr", {}).build(given), "crops")
        >>> {view.jitter_p for view in gentle.views}
        {0.0}
    """
    if augment not in AUGMENT:
        raise UserError(f"augment: must be one of {', '.join(AUGMENT)}, got {augment!r}")
    if augment == "full":
        return method
    views = image_views(method, "augment")
    if any(isinstance(view.policy, CTAugment) for view in views):
        raise UserError(
            f"augment: must be full where strengths of operations are learned (ctaugment), got "
            f"{augment}; take policy=randaugment, or leave augment out"
        )
    change = _crops if augment == "crops" else _without_hue
    return replace(method, views=tuple(map(change, views)))


def _crops(view: ImageView) -> ImageView:
    return replace(
        view, jitter_p=0.0, gray_p=0.0, blur_p=0.0, solarize_p=0.0, autoaugment_p=0.0,
        policy=None, cutout=0.0,
    )  # fmt: skip


def _without_hue(view: ImageView) -> ImageView:
    brightness, contrast, _, _ = view.jitter
    jitter = (brightness, contrast, 0.0, 0.0)
    policy = view.policy
    if policy is not None:
        kept = tuple(name for name in policy.operations if name not in HUE_CHANGING)
        policy = replace(policy, operations=kept)
    return replace(view, jitter=jitter, gray_p=0.0, autoaugment_p=0.0, policy=policy)

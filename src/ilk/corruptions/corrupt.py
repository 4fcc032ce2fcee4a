"""The corruptions by name, applied to bytes. Axes: H W C pixels."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import UInt8
from numpy.random import Generator, Philox

from ilk.core.errors import UserError
from ilk.core.seeding import uniforms
from ilk.corruptions.blur import defocus_blur, gaussian_blur, glass_blur, motion_blur, zoom_blur
from ilk.corruptions.digital import (
    contrast,
    elastic_transform,
    jpeg_compression,
    pixelate,
    saturate,
)
from ilk.corruptions.noise import (
    Pixels,
    gaussian_noise,
    impulse_noise,
    shot_noise,
    speckle_noise,
)
from ilk.corruptions.weather import brightness, fog, frost, snow, spatter

SEVERITIES = (1, 2, 3, 4, 5)
SMALLEST = 16  # px: below, nothing is left of a pixelated image

CORRUPTIONS: Mapping[str, Callable[[Pixels, int, Generator], Pixels]] = {
    corruption.__name__: corruption
    for corruption in (
        gaussian_noise, shot_noise, impulse_noise,
        defocus_blur, glass_blur, motion_blur, zoom_blur,
        snow, frost, fog, brightness,
        contrast, elastic_transform, pixelate, jpeg_compression,
        speckle_noise, gaussian_blur, spatter, saturate,
    )
}  # fmt: skip
COMMON = tuple(CORRUPTIONS)[:15]
EXTRA = tuple(CORRUPTIONS)[15:]


def corrupt(
    image: UInt8[np.ndarray, "H W C"], name: str, severity: int, *, item: int, seed: int
) -> UInt8[np.ndarray, "H W C"]:
    """One of the 15 common or 4 extra corruptions of ImageNet-C, on an image of any size.

    Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261. Parameters are the
    published ones for 224 px at every size; lengths in pixels are multiplied by the shorter
    side / 224, but by no less than 1/4. CIFAR-10-C has parameters of its own, mostly milder:
    figures for 32 px are not comparable with it. Frost is drawn and not photographed. Results
    are rounded, where the published code drops the fraction.

    A pure function of its arguments; the image is not modified. The severities of one item
    start from the same draws, so that they differ by severity and not by luck.

    Args:
        image: of one, three or any number of channels; 16 px or more on a side.
        name: one of ``CORRUPTIONS``.
        severity: 1 to 5.
        item: index of the image in its data set.
        seed: another seed, another noise.

    Raises:
        UserError: there is no such corruption or severity, or the image is too small.

    Example:
        >>> image = np.full((32, 32, 3), 128, np.uint8)
        >>> corrupt(image, "gaussian_noise", 3, item=0, seed=0).shape
        (32, 32, 3)
    """
    if name not in CORRUPTIONS:
        raise UserError(f"corruption: must be one of {', '.join(CORRUPTIONS)}, got {name!r}")
    if severity not in SEVERITIES:
        raise UserError(f"corruption: severity must be from 1 to 5, got {severity}")
    if min(image.shape[:2]) < SMALLEST:
        raise UserError(
            f"corruption: images must be {SMALLEST} px or more on a side, got"
            f" {image.shape[0]} x {image.shape[1]}; scale them up first"
        )
    draws = uniforms(seed, 0, np.array([item]), f"corruption/{name}", 2)
    chance = Generator(Philox(key=(draws[0] * 2.0**53).astype(np.uint64)))
    pixels = image.astype(np.float32) / 255
    found = CORRUPTIONS[name](pixels, severity, chance)
    return np.rint(255 * np.clip(found, 0, 1)).astype(np.uint8)

"""Weather and light. Pixels are in [0, 1], H W C; lengths are pixels at 224, scaled.

The published tables are those of ImageNet-C, Hendrycks and Dietterich, ICLR 2019,
https://arxiv.org/abs/1903.12261, section 3; CIFAR-10-C is milder throughout.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float32
from numpy.random import Generator

from ilk.corruptions.noise import Pixels
from ilk.corruptions.scale import (
    blurred,
    drawing,
    filtered,
    motion_kernel,
    plasma,
    resized,
    scale,
)

Layer = Float32[np.ndarray, "H W"]
LUMA = (0.299, 0.587, 0.114)  # ITU-R 601
ICE = (0.86, 0.93, 1.0)  # red, green and blue of frost: a cool white
WATER, MUD = np.array((175, 238, 238)) / 255, np.array((63, 42, 20)) / 255


def snow(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Flakes that fall, twice, over an image that brightens.

    Normal noise, magnified 2 to 4.5 times and cut off below 0.5 to 0.9, is blurred by a motion
    of radius 10 to 12 and sigma 4 to 12 px at -135 to -45 degrees, and added as it is and
    turned by half a turn. The flakes are drawn at 224 px and resized.
    """
    mean, spread, flake, cut, radius, sigma, keep = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[severity - 1]
    share = scale(pixels.shape)
    height, width = drawing(pixels.shape)
    coarse = (math.ceil(height / flake), math.ceil(width / flake))
    noise = mean + spread * chance.standard_normal(coarse, np.float32)
    layer = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    layer = np.where(layer < cut, 0, np.clip(layer, 0, 1)).astype(np.float32)
    kernel = motion_kernel(radius * share, sigma * share, chance.uniform(-135, -45))
    layer = filtered(resized(layer, pixels.shape), kernel)
    bright = np.maximum(pixels, 1.5 * _luma(pixels)[..., None] + 0.5)
    fallen = (layer + layer[::-1, ::-1])[..., None]
    return keep * pixels + (1 - keep) * bright + fallen


def frost(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Ice on the pane: 1 to 0.6 of the image plus 0.4 to 0.75 of a texture of frost.

    The published code pastes photographs of frosted glass; here the texture is drawn, see
    ``ice``, so figures for frost are comparable among themselves and not with published ones.
    """
    keep, add = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    height, width, channels = pixels.shape
    layer = ice((height, width), chance)
    return keep * pixels + add * layer[..., None] * _tint(ICE, channels)


def ice(shape: tuple[int, int], chance: Generator) -> Layer:
    """A procedural texture of frost in [0, 1]: veins of a fractal cloud, and needles over it.

    Needles are sparse points drawn out in three directions of a random hexagon, the habit of
    ice; the cloud says where they are dense. Lengths follow the size.
    """
    share = scale(shape)
    cloud = plasma(shape, 1.7, chance)
    veins = (1 - np.abs(2 * plasma(shape, 1.5, chance) - 1)) ** 3
    seeds = (chance.random(shape, np.float32) < 0.06 * cloud).astype(np.float32)
    first = chance.uniform(0, 60)
    needles = np.zeros(shape, np.float32)
    for angle in (first, first + 60, first + 120):
        for along in (angle, angle + 180):
            needles += filtered(seeds, motion_kernel(14 * share, 9 * share, along))
    return np.clip(0.3 * cloud + 0.45 * veins + 1.2 * needles, 0, 1).astype(np.float32)


def fog(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Add 1.5 to 3 times a fractal cloud, then scale so that the brightest stays as bright.

    The cloud follows the size of the image, so nothing is scaled.
    """
    amount, decay = ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))[severity - 1]
    brightest = pixels.max()
    height, width = pixels.shape[:2]
    thick = pixels + amount * plasma((height, width), decay, chance)[..., None]
    return thick * brightest / (brightest + amount)


def brightness(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Add 0.1 to 0.5 to the value of HSV, the largest channel; hue and saturation stay."""
    more = (0.1, 0.2, 0.3, 0.4, 0.5)[severity - 1]
    value = pixels.max(-1, keepdims=True)
    raised = np.minimum(value + more, 1)
    black = value <= 0
    return np.where(black, raised, pixels * raised / np.where(black, 1, value))


def spatter(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Drops of water (severity 1 to 3) or of mud (4 and 5) on the lens.

    Where blurred normal noise exceeds a threshold there is liquid; water is shaded along its
    edge of 20 px, mud is opaque. The liquid is drawn at 224 px and resized.
    """
    mean, spread, sigma, cut, amount, muddy = (
        (0.65, 0.3, 4, 0.69, 0.6, False),
        (0.65, 0.3, 3, 0.68, 0.6, False),
        (0.65, 0.3, 2, 0.68, 0.5, False),
        (0.65, 0.3, 1, 0.65, 1.5, True),
        (0.67, 0.4, 1, 0.65, 1.5, True),
    )[severity - 1]
    channels = pixels.shape[2]
    noise = chance.standard_normal(drawing(pixels.shape), np.float32)
    liquid = mean + spread * blurred(noise, sigma)
    liquid = np.where(liquid < cut, 0, liquid).astype(np.float32)
    if not muddy:
        shine = amount * resized(_shaded(liquid), pixels.shape)[..., None]
        return pixels + shine * _tint(WATER, channels)
    soft = blurred((liquid > cut).astype(np.float32), amount)
    opaque = resized(np.where(soft < 0.8, 0, soft), pixels.shape)[..., None]
    return (1 - opaque) * pixels + opaque * _tint(MUD, channels)


def _shaded(liquid: Layer) -> Layer:
    """How water shines, in [0, 1]: by the distance from its edge, embossed towards a light."""
    grey = np.clip(255 * liquid, 0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(grey, 50, 150), cv2.DIST_L2, 5)
    distance = np.minimum(distance, 20)
    even = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    light = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
    relief = cv2.blur(cv2.filter2D(even, cv2.CV_8U, light), (3, 3)).astype(np.float32)
    shine = grey * relief
    return shine / max(shine.max(), 1.0)


def _luma(pixels: Pixels) -> Layer:
    if pixels.shape[2] == len(LUMA):
        return pixels @ np.array(LUMA, np.float32)
    return pixels.mean(-1)


def _tint(colour: "tuple[float, ...] | np.ndarray", channels: int) -> Float32[np.ndarray, " C"]:
    """A colour for three channels; its luma for any other number."""
    if channels == len(LUMA):
        return np.array(colour, np.float32)
    return np.full(channels, np.dot(colour, LUMA), np.float32)

"""Blurs. Pixels are in [0, 1], H W C; lengths are pixels at 224, scaled by ``scale``.

The published tables are those of ImageNet-C, Hendrycks and Dietterich, ICLR 2019,
https://arxiv.org/abs/1903.12261, section 3.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float32, Int64
from numpy.random import Generator

from ilk.corruptions.noise import Pixels
from ilk.corruptions.scale import blurred, filtered, motion_kernel, scale


def gaussian_blur(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Sigma 1 to 6 px, scaled. CIFAR-10-C has 0.4 to 1, where this has 0.25 to 1.5."""
    return blurred(pixels, (1, 2, 3, 4, 6)[severity - 1] * scale(pixels.shape))


def defocus_blur(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """A disk of radius 3 to 10 px, scaled; its edge softened by a Gaussian of 0.1 or 0.5 px.

    CIFAR-10-C has radii of 0.3 to 1.5 and softer edges; this has 0.75 to 2.5 there.
    """
    radius, softening = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[severity - 1]
    return filtered(pixels, disk(radius * scale(pixels.shape), softening))


def disk(radius: float, softening: float) -> Float32[np.ndarray, "K K"]:
    """All pixels no farther than ``radius``; between two whole radii a blend of their disks."""
    reach = math.ceil(radius)
    kernel = np.zeros((2 * reach + 5, 2 * reach + 5), np.float32)
    across = np.arange(len(kernel)) - len(kernel) // 2
    squares = (across**2)[:, None] + across**2
    for whole, weight in ((reach, radius - reach + 1), (reach - 1, reach - radius)):
        flat = (squares <= whole**2).astype(np.float32)
        kernel += weight * flat / flat.sum()
    window = (3, 3) if radius <= 8 else (5, 5)
    return cv2.GaussianBlur(kernel, window, sigmaX=softening)


def motion_blur(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """A streak of radius 10 to 20 and sigma 3 to 15 px, scaled, at -45 to 45 degrees.

    CIFAR-10-C has sigmas of 1 to 2.5, where this has 0.75 to 3.75.
    """
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity - 1]
    share = scale(pixels.shape)
    kernel = motion_kernel(radius * share, sigma * share, chance.uniform(-45, 45))
    return filtered(pixels, kernel)


def zoom_blur(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """The mean of the image and of 11 to 16 of its magnifications, up to 1.11 to 1.31.

    Factors are shares, so nothing is scaled. CIFAR-10-C ends at 1.05 to 1.25.
    """
    step, count = ((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11))[severity - 1]
    total = pixels.copy()
    for factor in 1 + step * np.arange(count):
        axes = [_magnified(side, factor) for side in pixels.shape[1::-1]]
        across, down = axes
        total += warped(pixels, np.array([[across[0], 0, across[1]], [0, down[0], down[1]]]))
    return total / (count + 1)


def _magnified(side: int, factor: float) -> tuple[float, float]:
    """Slope and offset from output to input: the middle is cut out and its ends stay ends."""
    kept = math.ceil(side / factor)
    grown = round(kept * factor)
    slope = (kept - 1) / (grown - 1)
    return slope, (side - kept) // 2 + (grown - side) // 2 * slope


def warped(pixels: Pixels, inverse: np.ndarray, border: int = cv2.BORDER_REPLICATE) -> Pixels:
    """Sample where a 2 x 3 matrix, from output to input pixels, points; linear in between."""
    height, width = pixels.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    bands = [
        cv2.warpAffine(band, inverse, (width, height), flags=flags, borderMode=border)
        for band in cv2.split(pixels)
    ]
    return np.stack(bands, -1)


def glass_blur(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Blur by sigma 0.7 to 1.5 px, displace each pixel up to 1 to 4 px, blur again; scaled.

    Pixels take the colour of a neighbour, in order from bottom right to top left, one to three
    times. (The published code meant to exchange the two but overwrites one by the other, and
    its test sets are made like that.) Displacements are scaled and rounded at random, up or
    down, so that a quarter of a pixel is a pixel every fourth time. CIFAR-10-C has sigmas of
    0.05 to 0.4 and displacements of one pixel, once or twice.
    """
    sigma, reach, times = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))[
        severity - 1
    ]
    share = scale(pixels.shape)
    soft = blurred(pixels, sigma * share)
    height, width = pixels.shape[:2]
    margin = math.ceil(reach * share)
    for _ in range(times):
        offsets = chance.integers(-reach, reach, (height, width, 2)) * share
        offsets = np.floor(offsets + chance.random(offsets.shape)).astype(np.int64)
        soft = soft.reshape(height * width, -1)[taken(offsets, margin)].reshape(pixels.shape)
    return blurred(soft, sigma * share)


def taken(offsets: Int64[np.ndarray, "H W 2"], margin: int) -> Int64[np.ndarray, " HW"]:
    """Which pixel each takes its colour from, when they take one after the other.

    Pixels farther than ``margin`` from the border take, from last to first, the present colour
    of the pixel that lies ``offsets`` (down, right) away. One that has had its turn hands on
    what it took, so each follows a chain; all are followed at once, twice as far each time.
    """
    height, width = offsets.shape[:2]
    places = np.arange(height * width).reshape(height, width)
    inside = np.zeros((height, width), bool)
    inside[margin + 1 : height - margin + 1, margin + 1 : width - margin + 1] = True
    rows = np.clip(np.arange(height)[:, None] + offsets[..., 0], 0, height - 1)
    columns = np.clip(np.arange(width)[None] + offsets[..., 1], 0, width - 1)
    source = np.where(inside, places[rows, columns], places).ravel()
    own = places.ravel()
    after = inside.ravel()[source] & (source > own)  # has had its turn already
    untouched = len(own) + own
    follow = np.concatenate([np.where(after, source, len(own) + source), untouched])
    while True:
        farther = follow[follow]
        if (farther == follow).all():
            return follow[: len(own)] - len(own)
        follow = farther

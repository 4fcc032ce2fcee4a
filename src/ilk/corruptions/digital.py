"""Digital damage and distortion. Pixels are in [0, 1], H W C.

The published tables are those of ImageNet-C, Hendrycks and Dietterich, ICLR 2019,
https://arxiv.org/abs/1903.12261, section 3.
"""

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

from ilk.corruptions.blur import warped
from ilk.corruptions.noise import Pixels
from ilk.corruptions.scale import scale, smooth_noise

RGB = 3
UNIT = 244  # px, in which the published code states the lengths of the elastic transform


def contrast(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Keep 0.4 to 0.05 of the difference to each channel's mean. CIFAR-10-C: 0.75 to 0.15."""
    keep = (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]
    means = pixels.mean((0, 1), keepdims=True)
    return means + keep * (pixels - means)


def saturate(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Saturation of HSV times 0.3, 0.1, 2, 5 or 20, plus 0, 0, 0, 0.1 or 0.2.

    The first two severities fade colour and the others strengthen it. Grey pixels have hue 0
    and turn red where something is added. Images of other than three channels stay as they
    are. CIFAR-10-C ends at 2.5.
    """
    if pixels.shape[2] != RGB:
        return pixels
    factor, more = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))[severity - 1]
    value, darkest = pixels.max(-1, keepdims=True), pixels.min(-1, keepdims=True)
    spread = value - darkest
    grey = spread <= 0
    below = np.where(grey, (0, 1, 1), (value - pixels) / np.where(grey, 1, spread))
    saturation = np.where(value > 0, spread / np.where(value > 0, value, 1), 0)
    strong = np.clip(factor * saturation + more, 0, 1)
    return (value * (1 - strong * below)).astype(np.float32)


def pixelate(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Average into 0.6 to 0.25 of the pixels a side, and show those.

    Shares of the side, so nothing is scaled. CIFAR-10-C has 0.95 to 0.65.
    """
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    height, width = pixels.shape[:2]
    few, box = (int(width * share), int(height * share)), Image.Resampling.BOX
    bands = [
        Image.fromarray(band).resize(few, box).resize((width, height), box)
        for band in cv2.split(np.rint(255 * pixels).astype(np.uint8))
    ]
    return np.dstack([np.asarray(band) for band in bands]).astype(np.float32) / 255


def jpeg_compression(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """JPEG of quality 25 to 7, colour at half resolution. CIFAR-10-C: 80 to 40.

    Its blocks of 8 px are as many pixels at any size. Other than three channels are compressed
    one by one.
    """
    quality = (25, 18, 15, 10, 7)[severity - 1]
    levels = np.rint(255 * pixels).astype(np.uint8)
    parts = [levels] if levels.shape[2] == RGB else list(cv2.split(levels))
    read = [_compressed(np.ascontiguousarray(part), quality) for part in parts]
    return np.dstack(read).astype(np.float32) / 255


def _compressed(levels: np.ndarray, quality: int) -> np.ndarray:
    import simplejpeg

    if levels.ndim == RGB:
        coded = simplejpeg.encode_jpeg(levels, quality, "RGB", "420")
        return simplejpeg.decode_jpeg(coded, "RGB")
    return simplejpeg.decode_jpeg(
        simplejpeg.encode_jpeg(levels[..., None], quality, "GRAY", "Gray"), "GRAY"
    )


def elastic_transform(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Move three corners of a square at random, then every pixel by a smooth random field.

    Corners move up to 24.4, 48.8 or 4.88 px; the field is uniform noise blurred by 171 to 2.4
    px and multiplied by 488 to 12 px; all scaled. CIFAR-10-C has its own numbers, some weaker
    and some stronger.
    """
    strength, sigma, corners = (
        (2, 0.7, 0.1), (2, 0.08, 0.2),
        (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02),
    )[severity - 1]  # fmt: skip
    share = scale(pixels.shape)
    height, width = pixels.shape[:2]
    centre, arm = np.array([height, width]) // 2, min(height, width) // 3
    square = centre + np.array([[arm, arm], [arm, -arm], [-arm, -arm]])
    reach = UNIT * share * corners
    moved = square + chance.uniform(-reach, reach, square.shape)
    forward = cv2.getAffineTransform(square.astype(np.float32), moved.astype(np.float32))
    tilted = warped(pixels, cv2.invertAffineTransform(forward), cv2.BORDER_REFLECT_101)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    points: list[np.ndarray] = []
    for line in (columns, rows):
        noise = chance.uniform(-1, 1, line.shape).astype(np.float32)
        shift = UNIT * share * strength * smooth_noise(noise, UNIT * sigma, truncate=3)
        points.append((line + shift).astype(np.float32))
    bands = [
        cv2.remap(band, points[0], points[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        for band in cv2.split(tilted)
    ]
    return np.stack(bands, -1)

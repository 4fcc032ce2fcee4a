"""Lengths of a 224 px image on images of other sizes, and fields of smoothed noise.

Axes: H W C pixels.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float32
from numpy.random import Generator

PUBLISHED = 224  # px; all lengths of the definitions are pixels of images of this side
SMALLEST = 56  # px; below, lengths shrink no further: a blur of a tenth of a pixel is none


def scale(shape: tuple[int, ...]) -> float:
    """What a published length is multiplied by: shorter side / 224, and at least 1/4.

    Exactly 1 at 224 px; a 512 px image is blurred over the same share of its width.
    """
    return max(min(shape[:2]), SMALLEST) / PUBLISHED


def blurred(
    pixels: Float32[np.ndarray, "H W *C"], sigma: float, truncate: float = 4.0
) -> Float32[np.ndarray, "H W *C"]:
    """Gaussian blur; the border repeats, and the kernel ends at ``truncate`` sigmas."""
    side = 2 * int(truncate * sigma + 0.5) + 1
    edge = cv2.BORDER_REPLICATE
    found = cv2.GaussianBlur(pixels, (side, side), sigmaX=sigma, sigmaY=sigma, borderType=edge)
    return found.reshape(pixels.shape)


def drawing(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width on which a layer is drawn whose look depends on the number of pixels.

    It is as large as the published lengths ask for, and ``resized`` to the image afterwards.
    """
    share = scale(shape)
    return round(shape[0] / share), round(shape[1] / share)


def resized(layer: Float32[np.ndarray, "_ _"], shape: tuple[int, ...]) -> np.ndarray:
    """A layer on the pixels of the image: averaged where it shrinks, else linear."""
    kind = cv2.INTER_AREA if layer.shape[0] > shape[0] else cv2.INTER_LINEAR
    return cv2.resize(layer, (shape[1], shape[0]), interpolation=kind)


def smooth_noise(
    noise: Float32[np.ndarray, "H W"], sigma: float, truncate: float = 4.0
) -> Float32[np.ndarray, "H W"]:
    """White noise blurred by ``sigma`` pixels of a 224 px image, with the spread it has there.

    A blur divides the deviation of white noise by a multiple of sigma, so a blur that shrinks
    with the image alone would leave more of it, and thresholds would cut elsewhere. The
    border mirrors.
    """
    share = scale(noise.shape)
    side = 2 * int(truncate * sigma * share + 0.5) + 1
    width, edge = sigma * share, cv2.BORDER_REFLECT
    found = cv2.GaussianBlur(noise, (side, side), sigmaX=width, sigmaY=width, borderType=edge)
    return found * share


def motion_kernel(radius: float, sigma: float, angle: float) -> Float32[np.ndarray, "K K"]:
    """The kernel of a one-sided motion blur, as ImageMagick defines it.

    2 ceil(radius) + 1 weights exp(-i^2 / (2 sigma^2)), i from 0, on the pixels nearest to the
    line that leaves the centre at ``angle``.

    Args:
        radius: in pixels.
        sigma: in pixels.
        angle: in degrees, clockwise from the right.
    """
    length = 2 * math.ceil(radius) + 1
    steps = np.arange(length)
    turned = math.radians(angle)
    columns = np.ceil(steps * math.cos(turned) - 0.5).astype(np.int64)
    rows = np.ceil(steps * math.sin(turned) - 0.5).astype(np.int64)
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    np.add.at(kernel, (length + rows, length + columns), np.exp(-(steps**2) / (2 * sigma**2)))
    return kernel / kernel.sum()


def filtered(
    pixels: Float32[np.ndarray, "H W *C"], kernel: Float32[np.ndarray, "_ _"]
) -> Float32[np.ndarray, "H W *C"]:
    """Correlate with a kernel; the border repeats."""
    found = cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return found.reshape(pixels.shape)


def plasma(
    shape: tuple[int, int], decay: float, chance: Generator
) -> Float32[np.ndarray, "H W"]:
    """A fractal cloud in [0, 1] by the diamond-square algorithm, Fournier et al., CACM 1982.

    It lives on a torus of the next power of two, of which the corner is returned. A new point
    is the mean of its four neighbours and a uniform offset whose reach falls by ``decay``
    squared with each halving, which is how the published code draws it.

    Args:
        shape: height and width.
        decay: above 1; larger is smoother.
        chance: what to draw from.
    """
    side = 1 << max(math.ceil(math.log2(max(shape))), 1)
    cloud = np.zeros((side, side))
    step, reach = side, 1.0
    while step >= 2:
        half = step // 2
        for rows, columns, diagonal in ((half, half, True), (0, half, False), (half, 0, False)):
            around = _around(cloud, (rows, columns), step, diagonal)
            offsets = reach * chance.uniform(-1, 1, around.shape)
            cloud[rows::step, columns::step] = around / 4 + offsets
        step, reach = half, reach / decay**2
    cloud -= cloud.min()
    return (cloud / cloud.max())[: shape[0], : shape[1]].astype(np.float32)


def _around(cloud: np.ndarray, first: tuple[int, int], step: int, diagonal: bool) -> np.ndarray:
    """The sum of the four neighbours, half a step away, of every point of a sublattice."""
    half, side = step // 2, len(cloud)
    rows = np.arange(first[0], side, step)[:, None]
    columns = np.arange(first[1], side, step)[None]
    corners = [(half, half), (half, -half), (-half, half), (-half, -half)]
    edges = [(half, 0), (-half, 0), (0, half), (0, -half)]
    ways = corners if diagonal else edges
    return np.sum([cloud[(rows + y) % side, (columns + x) % side] for y, x in ways], 0)

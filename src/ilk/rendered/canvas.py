"""The ground everything is painted on: coordinates, soft steps, noise. Planes are [H, W]."""

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32

from ilk.core.seeding import uniforms

_WIDE = 5  # pixels; wider blurs are done on a smaller image
_GRAINS = 96  # across any image

Plane = Float32[np.ndarray, "H W"]
LightImage = Float32[np.ndarray, "3 H W"]  # light, plane by plane: fast to scale and to blend
Colour = Float32[np.ndarray, "3 1 1"]  # an image all of one colour


@lru_cache(maxsize=16)
def grid(side: int) -> tuple[Plane, Plane]:
    """Coordinates x and y of the centres of ``side`` pixels, in 0..1; do not write to them."""
    line = ((np.arange(side) + 0.5) / side).astype(np.float32)
    x, y = np.meshgrid(line, line)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def flat(colour: Float32[np.ndarray, " 3"]) -> Colour:
    """A colour as an image."""
    return colour[:, None, None]


def ramp(plane: Plane, start: float, end: float) -> Plane:
    """0 below ``start``, 1 above ``end``, smooth between; ``start > end`` falls instead."""
    t = np.minimum(np.maximum((plane - start) * (1 / (end - start)), 0), 1)
    return t * t * (3 - 2 * t)


def blend(
    low: Float32[np.ndarray, "3 #H #W"], high: Float32[np.ndarray, "3 #H #W"], share: Plane
) -> LightImage:
    """From one image, or one colour [3, 1, 1], to another."""
    return low + (high - low) * share


def blur(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur; ``sigma`` in pixels."""
    side = plane.shape[::-1]
    if sigma > _WIDE:
        shrink = int(sigma // 2.5)
        small = (max(side[0] // shrink, 8), max(side[1] // shrink, 8))
        plane = cv2.resize(plane, small, interpolation=cv2.INTER_AREA)
        sigma *= small[0] / side[0]
    plane = cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(plane, side, interpolation=cv2.INTER_CUBIC)


@lru_cache(maxsize=1)
def _static() -> Float32[np.ndarray, "256 256"]:
    """White noise that everything rough is cut from."""
    rows = uniforms(0, 0, np.arange(256), "rendered/static", 256).astype(np.float32)
    rows.setflags(write=False)
    return rows


def noise(side: int, cells: int, place: tuple[float, float], octaves: int = 3) -> Plane:
    """Smooth noise in about 0..1 with mean 0.5, ``cells`` bumps across at its coarsest."""
    total = np.zeros((side, side), np.float32)
    weight, strength = 0.0, 1.0
    for octave in range(octaves):
        count = min(cells * 2**octave, 64) + 1
        row = int((place[0] + 0.37 * octave) % 1 * (255 - count))
        column = int((place[1] + 0.61 * octave) % 1 * (255 - count))
        patch = np.ascontiguousarray(_static()[row : row + count, column : column + count])
        total += strength * cv2.resize(patch, (side, side), interpolation=cv2.INTER_CUBIC)
        weight += strength
        strength *= 0.5
    return total * (1 / weight)


def grain(side: int, place: tuple[float, float]) -> Plane:
    """White noise around 0, -0.5..0.5, equally coarse whatever the size."""
    row, column = (int(p * (255 - _GRAINS)) for p in place)
    patch = _static()[row : row + _GRAINS, column : column + _GRAINS] - 0.5
    return cv2.resize(patch, (side, side), interpolation=cv2.INTER_LINEAR)

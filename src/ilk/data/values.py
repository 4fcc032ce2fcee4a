"""Pixel values of any type as bytes, and opacity laid over white. Axes: H W C pixels."""

import numpy as np
from jaxtyping import UInt8

from ilk.data.source import BadItem


def as_bytes(pixels: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Values as 0 to 255, whatever their type.

    uint8 stays; uint16 is divided by 257 and rounded; floats must lie in [0, 1] and are
    multiplied by 255 and rounded; bool becomes 0 and 255.

    Raises:
        BadItem: another type, whose range nobody has stated, or a float outside of it.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if np.issubdtype(pixels.dtype, np.uint16):
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating):
        low, high = float(pixels.min(initial=0)), float(pixels.max(initial=0))
        if not (low >= 0 and high <= 1):  # also when there is a NaN
            raise BadItem(f"floats must lie in [0, 1], found {low:g} to {high:g}")
        return np.rint(pixels * 255).astype(np.uint8)
    raise BadItem(f"pixels of type {pixels.dtype} have no stated range; use uint8 or uint16")


def over_white(pixels: UInt8[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "H W D"]:
    """Lay the colours over white by the last channel, their opacity."""
    alpha = pixels[..., -1:].astype(np.uint16)
    colours = pixels[..., :-1] * alpha + 255 * (255 - alpha)
    return ((colours + 127) // 255).astype(np.uint8)

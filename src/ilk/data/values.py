"""Pixel values of any type as bytes, and opacity laid over white. Axes: H W C pixels."""

from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from ilk.data.source import BadItem

_BYTE = 255  # the largest value of uint8
_ROWS = 64  # at a time, so that no wide copy of the whole is made


def as_bytes(pixels: np.ndarray, most: int | None = None) -> UInt8[np.ndarray, "..."]:
    """Values as 0 to 255, whatever their type.

    uint8 stays; uint16 is divided by 257 and rounded; floats must lie in [0, 1] and are
    multiplied by 255 and rounded; bool becomes 0 and 255.

    Args:
        pixels: of any shape.
        most: the largest value of uint16 where fewer than 16 bits are used.

    Raises:
        BadItem: another type, whose range is not known, or a float outside of it.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if np.issubdtype(pixels.dtype, np.uint16):
        return _table(most or 65535)[pixels]
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating):
        low, high = float(pixels.min(initial=0)), float(pixels.max(initial=0))
        if not (low >= 0 and high <= 1):  # also when there is a NaN
            hint = "; divide by 255" if low >= 0 and 1 < high <= _BYTE else ""
            raise BadItem(f"floats must lie in [0, 1], found {low:g} to {high:g}{hint}")
        found = np.empty(pixels.shape, np.uint8)
        for top in range(0, len(pixels), _ROWS):
            found[top : top + _ROWS] = np.rint(pixels[top : top + _ROWS] * 255)
        return found
    raise BadItem(f"pixels of type {pixels.dtype} have no stated range; use uint8 or uint16")


@lru_cache(maxsize=16)
def _table(most: int) -> UInt8[np.ndarray, "65536"]:
    """The byte of every value of 16 bits."""
    values = np.arange(65536, dtype=np.uint32)
    return np.minimum((values * 255 + most // 2) // most, 255).astype(np.uint8)


def over_white(pixels: UInt8[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "H W D"]:
    """Lay the colours over white by the last channel, their opacity."""
    laid = np.empty((*pixels.shape[:2], pixels.shape[2] - 1), np.uint8)
    for top in range(0, len(pixels), _ROWS):
        part = pixels[top : top + _ROWS]
        alpha = part[..., -1:].astype(np.uint16)
        colours = part[..., :-1] * alpha + 255 * (255 - alpha)
        laid[top : top + _ROWS] = (colours + 127) // 255
    return laid

"""Which way up an image is, and turning it upright. Axes: H W C pixels."""

import re
import struct

import numpy as np
from jaxtyping import UInt8

ORIENTATION = 0x0112  # EXIF tag; 1 is upright, 2 to 8 are flips and quarter turns
_SHORT, _LONG = 3, 4  # types of a number in EXIF
_XMP = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])\b")


def orientation(tiff: bytes) -> int | None:
    """The orientation, 1 to 8, that a block of EXIF states; None where it says nothing legible.

    Args:
        tiff: the block, without the mark before it.
    """
    try:
        order = {b"II": "<", b"MM": ">"}[tiff[:2]]
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(count):
            place = start + 2 + 12 * entry
            tag, kind, _ = struct.unpack_from(f"{order}HHI", tiff, place)
            if tag == ORIENTATION:
                code = {_SHORT: "H", _LONG: "I"}[kind]
                (value,) = struct.unpack_from(f"{order}{code}", tiff, place + 8)
                return value if 1 <= value <= 8 else None
    except (KeyError, struct.error):
        pass
    return None


def xmp_orientation(packet: bytes) -> int | None:
    """The orientation that a packet of XMP states; EXIF goes before it."""
    found = _XMP.search(packet)
    return int(found[1]) if found else None


def upright(pixels: UInt8[np.ndarray, "H W C"], turn: int) -> UInt8[np.ndarray, "h w C"]:
    """Undo an EXIF orientation (CIPA DC-008, tag 274)."""
    if turn >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)

"""What is worth saying of an image that is packed, by what its header says."""

import io
from contextlib import suppress
from typing import Any

from PIL import Image

from ilk.data.colour import is_changed
from ilk.data.jpeg import turn_and_profile
from ilk.data.orientation import ORIENTATION

KEPT = "kept"
PROFILE = "profile"
INK = "ink"
DEEP = "deep"
PAGES = "pages"
TURNED = "turned"
OPACITY = "opacity"
OPAQUE = "opaque"
UNFIT = "unfit"

# What each one says after a number of images.
WORDS = {
    KEPT: "small enough already and kept byte for byte",
    PROFILE: "turned from the colours of a profile into sRGB",
    INK: "turned from CMYK into RGB",
    DEEP: "kept with 8 bits a channel of more, which is what ilk reads",
    PAGES: "of several pages or frames, of which the first is kept",
    TURNED: "turned upright",
    OPACITY: "kept as WebP, for JPEG has no opacity",
    OPAQUE: "kept without opacity, which is full everywhere",
    UNFIT: "kept unchanged, for neither JPEG nor WebP holds such bands or sides",
}
_BITS = 258  # TIFF tag: bits of a sample
_BYTE = 8


def remarks(data: bytes, kind: str) -> frozenset[str]:
    """What becomes of a file when it is read, as keys of ``WORDS``.

    Args:
        data: a file that can be decoded.
        kind: its format.
    """
    found: set[str] = set()
    with suppress(Exception), Image.open(io.BytesIO(data), formats=[kind]) as image:
        turn, profile = _says(image, data, kind)
        found |= {TURNED} if turn != 1 else set()
        found |= {INK} if image.mode == "CMYK" else set()
        found |= {PROFILE} if is_changed(profile, _mode(image)) else set()
        found |= {PAGES} if getattr(image, "is_animated", False) else set()
        found |= {DEEP} if _is_deep(image, data, kind) else set()
    return frozenset(found)


def _says(image: Image.Image, data: bytes, kind: str) -> tuple[int, bytes | None]:
    """Orientation and colour profile."""
    if kind == "JPEG":
        return turn_and_profile(data)
    return image.getexif().get(ORIENTATION, 1), image.info.get("icc_profile")


def _mode(image: Image.Image) -> str:
    """The mode in which a profile is looked at."""
    return "RGB" if image.mode in ("P", "YCbCr") else image.mode


def _is_deep(image: Any, data: bytes, kind: str) -> bool:
    if kind == "PNG":
        return data[24] > _BYTE
    if kind == "TIFF":
        bits = image.tag_v2.get(_BITS, (1,))
        return max(bits if isinstance(bits, tuple) else (bits,)) > _BYTE
    return image.mode == "I" or image.mode.startswith("I;16")

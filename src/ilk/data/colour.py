"""Colours of other colour spaces as sRGB, by the profile that a file carries."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

_LARGEST = 2**22  # bytes; no real profile is larger
_NEAR = 2  # grey levels; a profile that changes no colour by more is taken for sRGB
_SPACES = {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}
_STEPS = np.linspace(0, 255, 9).astype(np.uint8)


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image in sRGB; the same where it already is, or where the profile says nothing.

    Conversion is by LittleCMS, perceptual where the profile has a table for it. A profile that
    cannot be read, or is for another kind of colour than the image has, is passed over, as
    browsers do.

    Args:
        image: of mode L, RGB, RGBA or CMYK; others are left alone.
        profile: the ICC profile of the file.
    """
    if not profile or image.mode not in _SPACES:
        return image
    change = _change(bytes(profile), image.mode)
    if change is None:
        return image
    changed = change.apply(image)
    return changed.getchannel(0) if image.mode == "L" else changed


def is_changed(profile: bytes | None, mode: str) -> bool:
    """Whether ``in_srgb`` changes colours of a profile; as there, some modes are left alone."""
    return bool(profile) and mode in _SPACES and _change(bytes(profile), mode) is not None


@lru_cache(maxsize=64)
def _change(profile: bytes, mode: str) -> Any:
    """What turns colours of a profile into sRGB, None where nothing is to be done."""
    if len(profile) > _LARGEST:
        return None
    target = "RGB" if mode in ("L", "CMYK") else mode
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        read: Any = source.profile
        if read.xcolor_space.strip() != _SPACES[mode]:
            return None
        srgb = ImageCms.createProfile("sRGB")
        change = ImageCms.buildTransform(source, srgb, mode, target)
        return None if mode != "CMYK" and _is_near(change, mode) else change
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
        return None


def _is_near(change: Any, mode: str) -> bool:
    """Whether a grid of colours stays as it is, but for rounding."""
    if mode == "L":
        grid = _STEPS[:, None]
    else:
        axes = [_STEPS] * 3 + [np.array([255], np.uint8)] * (mode == "RGBA")
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 1, len(axes))
    before = Image.fromarray(np.ascontiguousarray(grid))
    after = np.asarray(change.apply(before)).astype(int)
    return bool(np.abs(after - np.asarray(before.convert(change.output_mode))).max() <= _NEAR)

"""Images that look like photographs to a hash: smooth noise, each unlike the others."""

import io

import cv2
import numpy as np
from PIL import Image


def photo(seed: int, side: int = 96) -> np.ndarray:
    """Noise over all scales, coarse ones strongest, [side, side, 3]."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), np.float32)
    for cells in (3, 6, 12, 24):
        noise = rng.normal(size=(cells, cells, 3)).astype(np.float32)
        total += (
            cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC) * 12 / cells**0.5
        )
    return (128 + 4 * total).clip(0, 255).astype(np.uint8)


def coded(pixels: np.ndarray, form: str = "PNG", **options) -> bytes:
    """As an encoded file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()

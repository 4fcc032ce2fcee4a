"""Domains: the same scenes under another look. A look turns a frame into shown values 0..1."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from ilk.rendered.canvas import (
    Colour,
    LightImage,
    Plane,
    blend,
    blur,
    grain,
    grid,
    noise,
    ramp,
)
from ilk.rendered.scene import Frame

_LUMA = np.array([0.3, 0.59, 0.11], np.float32)
_IRON = np.array(  # temperatures from cold to hot, as on a thermal camera
    [(3, 3, 20), (40, 8, 90), (120, 18, 125), (190, 40, 95), (232, 92, 40), (250, 165, 25),
     (255, 245, 190)]
) / 255  # fmt: skip
_POSTERS = (
    np.array(  # four inks each, from dark to light
        [
            [(38, 40, 76), (202, 64, 84), (244, 162, 97), (250, 237, 205)],
            [(16, 58, 64), (38, 127, 118), (233, 196, 106), (253, 244, 220)],
            [(45, 30, 62), (125, 79, 155), (240, 138, 158), (255, 226, 209)],
            [(24, 36, 52), (55, 98, 150), (149, 184, 209), (248, 240, 227)],
        ],
        np.float32,
    )
    / 255
)


def studio(frame: Frame) -> LightImage:
    """A clean photograph with a little grain."""
    return _grainy(_shown(frame.image), frame, 0.022)


def dusk(frame: Frame) -> LightImage:
    """Blue hour: dim and violet, with a last warm rim of light from the left."""
    side = frame.cover.shape[0]
    x, y = grid(side)
    violet = blend(_plain(0.36, 0.3, 0.62), _plain(0.62, 0.38, 0.42), y)
    edge = cv2.Sobel(blur(frame.height, 0.01 * side), cv2.CV_32F, 1, 0, ksize=3, scale=side / 8)
    rim = np.clip(edge - 0.15, 0, 1) * frame.cover
    lit = frame.image * violet + _plain(1.0, 0.5, 0.16) * (0.55 * rim)
    vignette = 1 - 0.55 * ramp(np.hypot(x - 0.5, y - 0.5), 0.3, 0.75)
    return _grainy(_shown(lit * vignette), frame, 0.07)


def fog(frame: Frame) -> LightImage:
    """Mist that drifts before the scene and swallows what is far."""
    side = frame.cover.shape[0]
    _, y = grid(side)
    bank = noise(side, 3, frame.place, 3)
    thick = np.clip(0.35 + 0.35 * y + 0.7 * (bank - 0.5), 0, 1)
    veiled = thick * (0.92 - 0.5 * blur(frame.cover, 0.006 * side))
    soft = np.stack([blur(plane, 0.012 * side) for plane in _shown(frame.image)])
    soft += 0.35 * (np.tensordot(_LUMA, soft, 1) - soft)
    return _grainy(blend(soft, _plain(0.84, 0.86, 0.87), veiled), frame, 0.02)


def sketch(frame: Frame) -> LightImage:
    """Pencil on paper: contours, hatching where it is dark, the ghost of a wash."""
    side = frame.cover.shape[0]
    x, y = grid(side)
    shown = _shown(frame.image)
    tone = np.tensordot(_LUMA, shown, 1)
    inner = np.abs(tone - blur(tone, 0.014 * side))
    outer = np.abs(frame.cover - blur(frame.cover, 0.01 * side))
    line = ramp(5 * inner + 2.2 * outer, 0.12, 0.75)
    hatch = np.abs((x + y) * 17 - np.rint((x + y) * 17)) * 2
    shading = ramp(hatch - 1.6 * tone, -0.35, 0.3) * 0.45 * (0.35 + 0.65 * frame.cover)
    paper = _plain(0.965, 0.945, 0.9) - 0.05 * noise(side, 24, frame.place, 2)
    wash = blend(paper, shown, 0.05 + 0.13 * frame.cover)
    marks = 1 - (1 - 0.85 * line) * (1 - shading)
    return _grainy(blend(wash, _plain(0.17, 0.17, 0.2), marks), frame, 0.06)


def thermal(frame: Frame) -> LightImage:
    """A heat camera: what has body glows, what is behind is cold; colours tell nothing."""
    side = frame.cover.shape[0]
    tone = np.tensordot(_LUMA, _shown(frame.image), 1)
    round_ = np.minimum(frame.height * 7, 1)
    cold, warm = 0.1 + 0.28 * tone, 0.42 + 0.4 * round_ + 0.16 * tone
    heat = cold + (warm - cold) * frame.cover
    heat = blur(heat + 0.12 * frame.shade, 0.007 * side) + 0.05 * grain(side, frame.place)
    steps = np.linspace(0, 1, len(_IRON))
    return np.stack([np.interp(heat, steps, channel) for channel in _IRON.T]).astype(np.float32)


def poster(frame: Frame) -> LightImage:
    """A screen print in four inks, chosen by the scene."""
    side = frame.cover.shape[0]
    tone = blur(np.tensordot(_LUMA, _shown(frame.image), 1), 0.006 * side)
    tone = (tone - tone.mean()) * (0.26 / (tone.std() + 0.03)) + 0.52
    tone = tone - 1.3 * np.maximum(blur(frame.cover, 0.012 * side) - frame.cover, 0)
    inks = _POSTERS[int(frame.place[0] * len(_POSTERS))]
    image = inks[0][:, None, None]
    for ink, level in zip(inks[1:], (0.25, 0.5, 0.75), strict=True):
        image = blend(image, ink[:, None, None], ramp(tone, level - 0.03, level + 0.03))
    return _grainy(image, frame, 0.04)


LOOKS: Mapping[str, Callable[[Frame], LightImage]] = {
    look.__name__: look for look in (studio, dusk, fog, sketch, thermal, poster)
}


def _shown(image: LightImage) -> LightImage:
    """Values on a screen of light: the root undoes the square."""
    return cv2.sqrt(np.minimum(np.maximum(image, 0), 1))


def _plain(red: float, green: float, blue: float) -> Colour:
    return np.array([red, green, blue], np.float32)[:, None, None]


def _grainy(image: LightImage, frame: Frame, strength: float) -> LightImage:
    rough: Plane = grain(image.shape[-1], frame.place)
    return image + strength * rough

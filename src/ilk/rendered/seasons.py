"""The same place through a year, in any number of spectral bands.

Background vegetation grows, dries and is snowed under; the light warms and pales. Shapes stay.
Spectra are caricatures of the familiar ones: green leaves dark in red and bright beyond 700 nm,
dry leaves rising slowly, snow bright until 1400 nm; other colours are spread smoothly.
"""

import math
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from ilk.rendered.canvas import grid, noise, ramp
from ilk.rendered.scene import Frame, Scene, paint

_RGB = (620.0, 545.0, 440.0)  # nm
_NODES = (440, 490, 545, 620, 680, 720, 800, 950, 1250, 1450, 1650, 1950, 2200)  # nm
_GREEN = (0.03, 0.05, 0.17, 0.07, 0.05, 0.3, 0.62, 0.66, 0.58, 0.26, 0.4, 0.1, 0.2)
_DRY = (0.06, 0.09, 0.2, 0.42, 0.46, 0.48, 0.5, 0.53, 0.56, 0.46, 0.54, 0.36, 0.42)
_SNOW = (0.93, 0.94, 0.94, 0.93, 0.92, 0.9, 0.86, 0.8, 0.5, 0.1, 0.16, 0.06, 0.1)
_RED = (0, 0, 0.05, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.4, 0.3)
_GRASS = (0, 0.3, 0.95, 0, 0, 0.05, 0.1, 0.2, 0.2, 0.3, 0.2, 0.2, 0.3)
_BLUE = (1, 0.7, 0, 0, 0, 0.05, 0.1, 0.1, 0.2, 0.2, 0.3, 0.4, 0.4)


def wavelengths(bands: int) -> Float[np.ndarray, " K"]:
    """Centres of the bands in nm: red, green, blue for three, else evenly from 440 to 2200."""
    return np.array(_RGB) if bands == len(_RGB) else np.linspace(440, 2200, bands)


def season(
    scene: Scene, phase: float, bands: int, size: int, side: int
) -> UInt8[np.ndarray, "H W K"]:
    """One image of the year; values are roots of reflected light, as in every image here.

    Args:
        scene: the place.
        phase: of the year, 0..1, from the end of winter.
        bands: how many.
        size: of the image in pixels.
        side: in pixels, at which it is painted.
    """
    warm = math.sin(2 * math.pi * (phase - 0.125))
    light = scene.light
    light = replace(
        light,
        warmth=0.5 * light.warmth + 0.9 * warm,
        intensity=light.intensity * (0.9 + 0.14 * warm),
        elevation=light.elevation + 0.12 * warm,
    )
    frame = paint(replace(scene, light=light), side)
    planes = _spectral(frame, phase, wavelengths(bands), light.intensity)
    shown = cv2.sqrt(np.clip(planes, 0, 1).astype(np.float32))
    small = [cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA) for plane in shown]
    return np.rint(np.stack(small, axis=-1) * 255).astype(np.uint8)


def _spectral(
    frame: Frame, phase: float, centres: Float[np.ndarray, " K"], intensity: float
) -> Float32[np.ndarray, "K H W"]:
    """Light of every band: the scene's colours, with vegetation and snow behind the object."""
    green, brown, white, *primaries = (
        np.interp(centres, _NODES, row).astype(np.float32)
        for row in (_GREEN, _DRY, _SNOW, _RED, _GRASS, _BLUE)
    )
    base = np.tensordot(np.stack(primaries, axis=1), frame.image, 1)
    side = frame.cover.shape[0]
    behind = 1 - frame.cover
    lit = intensity * (1 - 0.85 * frame.shade)
    dry = _between(phase, 0.45, 0.65) - _between(phase, 0.95, 1.0)
    _, y = grid(side)
    rough = noise(side, 8, frame.place, 3) + 0.35 * (y - 0.62)
    lush = 0.5 + 0.5 * math.sin(2 * math.pi * (phase - 0.15))
    grown = ramp(rough, 0.6 - 0.17 * lush, 0.68 - 0.17 * lush) * (0.85 * behind)
    young = 1.4 - 0.4 * _between(phase, 0.1, 0.35)
    shades = lit * young * (0.55 + 0.9 * noise(side, 26, frame.place, 2))
    base = _over(base, green + dry * (brown - green), shades, grown)
    drift = noise(side, 5, (frame.place[1], frame.place[0]), 3)
    cold = 0.92 * _between(phase, 0.72, 0.85)
    fallen = ramp(drift + 0.5 * (y - 0.55), 0.36, 0.5) * (cold * behind)
    return _over(base, white, lit * (0.75 + 0.5 * drift), fallen)


def _over(
    base: Float32[np.ndarray, "K H W"],
    spectrum: Float32[np.ndarray, " K"],
    lit: Float32[np.ndarray, "H W"],
    share: Float32[np.ndarray, "H W"],
) -> Float32[np.ndarray, "K H W"]:
    return base + share * (spectrum[:, None, None] * lit - base)


def _between(value: float, start: float, end: float) -> float:
    t = min(max((value - start) / (end - start), 0.0), 1.0)
    return t * t * (3 - 2 * t)

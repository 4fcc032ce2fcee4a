"""Harmonious colours, chosen in OKLCH, where equal steps look equal.

Colours leave here as *light*: squared sRGB values in [0, 1]. The square stands in for the sRGB
curve, so that light adds up nearly as it should and an image needs no more than a root.

OKLCH: Ottosson, "A perceptual color space for image processing", 2020,
https://bottosson.github.io/posts/oklab/
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ilk.rendered.dice import Dice

Colours = Float[np.ndarray, "N 3"]

_LMS = np.array(
    [
        [1, 0.3963377774, 0.2158037573],
        [1, -0.1055613458, -0.0638541728],
        [1, -0.0894841775, -1.2914855480],
    ]
)
_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
_TOE = 0.0031308  # of the sRGB curve: straight below
_SLACK = 1e-3  # beyond black and white that passes for them
_PALE = 0.62  # lightness above which a colour is set off by darker ones
_FADES = np.linspace(1, 0, 12)[:, None, None]  # chroma is faded until a screen can show it


def light(tones: Colours) -> Colours:
    """Light of colours given as (lightness 0..1, chroma 0..0.3, hue in turns)."""
    lightness, chroma, hue = np.asarray(tones, dtype=float).T
    angle = 2 * np.pi * hue
    plane = np.stack(
        [np.zeros_like(hue), chroma * np.cos(angle), chroma * np.sin(angle)], axis=1
    )
    lab = plane * _FADES
    lab[..., 0] = lightness
    linear = (lab @ _LMS.T) ** 3 @ _RGB.T
    fits = (np.abs(linear - 0.5) < 0.5 + _SLACK).all(-1)
    first = fits.argmax(0)
    best = np.clip(linear[first, np.arange(len(lightness))], 0, 1)
    shown = np.where(best <= _TOE, 12.92 * best, 1.055 * best ** (1 / 2.4) - 0.055)
    return (shown**2).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Palette:
    """The colours of an instance.

    Args:
        inks: one a row, in the order of ``Ink``.
        lightness: of the main colour, 0..1.
        hue: of the main colour, in turns.
    """

    inks: Colours
    lightness: float
    hue: float


def object_palette(dice: Dice) -> Palette:
    """Main, second, accent, dark, light and pattern colours around a hue."""
    hue, lightness = dice.between(0, 1), dice.between(0.42, 0.86)
    chroma = dice.between(0.08, 0.2)
    second = hue + (0.0, 0.08, -0.08, 0.5, 0.42, -0.33)[dice.pick(6)]
    step = dice.between(0.14, 0.26) * (1 if lightness < _PALE else -1)
    accent = hue + (0.5, 0.42, 0.58, 0.33, 0.25)[dice.pick(5)]
    shade = dice.between(0.16, 0.3) * (-1 if lightness > _PALE else 1)
    tint = hue + dice.around(0.12)
    inks = light(
        np.array(
            [
                (lightness, chroma, hue),
                (lightness + step, chroma * dice.between(0.6, 1.0), second),
                (dice.between(0.66, 0.82), dice.between(0.13, 0.2), accent),
                (dice.between(0.2, 0.32), 0.035, hue + 0.05),
                (dice.between(0.92, 0.97), 0.025, accent),
                (lightness + shade, chroma * dice.between(0.5, 1.1), tint),
            ]
        )
    )
    return Palette(inks=inks, lightness=lightness, hue=hue)


def backdrop_colours(dice: Dice, behind: Palette) -> Float[np.ndarray, "4 3"]:
    """Four neighbouring colours that an object of palette ``behind`` stands out from.

    From calm to lively: ground, a neighbour, a deeper and a brighter tone.
    """
    dark, pale = dice.between(0.26, 0.42), dice.between(0.8, 0.93)
    middle = behind.lightness + 0.26 * (1 if behind.lightness < _PALE else -1)
    far = dark if behind.lightness > _PALE else pale
    lightness = middle if dice.chance(0.2) else far
    hue = behind.hue + (0.5, 0.5, 0.08, -0.3, 0.3, 0.42)[dice.pick(6)] + dice.around(0.06)
    chroma = dice.between(0.015, 0.1)
    bend, step = dice.around(0.12), dice.between(0.04, 0.09)
    return light(
        np.array(
            [
                (lightness, chroma, hue),
                (
                    lightness + step * (1 if lightness < _PALE else -1),
                    chroma * 1.15,
                    hue + bend,
                ),
                (lightness - step, chroma * 1.1, hue - bend),
                (min(lightness + step * 1.3, 0.97), chroma * 0.8, hue + 2 * bend),
            ]
        )
    )

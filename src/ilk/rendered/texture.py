"""What an instance's surface wears: a pattern in the object's own coordinates.

A pattern is a share in 0..1 of the pattern's ink over the part's own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from ilk.rendered.canvas import Plane, noise, ramp
from ilk.rendered.dice import Dice

_MARBLE = 128  # pixels of the square that marble is looked up in


@dataclass(frozen=True, kw_only=True, slots=True)
class Texture:
    """A pattern and its numbers.

    Args:
        kind: index into ``KINDS``.
        turn: of the pattern against the object, in radians.
        period: between repeats, in object units.
        share: how much of the surface it takes, 0..1.
        strength: how strongly it covers, 0..1.
        place: where in the noise it was cut, two numbers in 0..1.
    """

    kind: int
    turn: float
    period: float
    share: float
    strength: float
    place: tuple[float, float]


def texture(dice: Dice) -> Texture:
    """A pattern of any kind."""
    return Texture(
        kind=dice.pick(len(KINDS)), turn=dice.between(0, math.pi),
        period=dice.between(0.24, 0.46), share=dice.between(0.35, 0.6),
        strength=dice.between(0.7, 1.0),
        place=(dice.between(0, 1), dice.between(0, 1)),
    )  # fmt: skip


def pattern(skin: Texture, u: Plane, v: Plane, pixel: float) -> Plane:
    """The share of the pattern's ink at object coordinates ``u``, ``v``.

    Args:
        skin: the pattern.
        u: across the object.
        v: down the object.
        pixel: width of a pixel in object units, over which edges are softened.
    """
    cos, sin = math.cos(skin.turn), math.sin(skin.turn)
    scale = 1 / skin.period
    a, b = (u * cos + v * sin) * scale, (v * cos - u * sin) * scale
    share = KINDS[skin.kind](a, b, skin, pixel / skin.period)
    return share * skin.strength


def _wave(a: Plane) -> Plane:
    """A triangle wave of period 1 between 0 at whole numbers and 1 half-way."""
    return np.abs(a - np.rint(a)) * 2


def _plain(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    return np.zeros_like(a)


def _stripes(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    return ramp(_wave(a), skin.share - 1.5 * pixel, skin.share + 1.5 * pixel)


def _dots(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    b = b * 1.155
    a = a + 0.5 * (np.rint(b) % 2)
    far = np.hypot(a - np.rint(a), (b - np.rint(b)) * 0.866)
    radius = 0.2 + 0.2 * skin.share
    return ramp(far, radius + pixel, radius - pixel)


def _checks(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    soft = 1.5 * pixel
    first, second = (ramp(_wave(t), 0.5 - soft, 0.5 + soft) for t in (a, b))
    return first + second - 2 * first * second


def _tartan(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    soft = 1.5 * pixel
    bands = [ramp(_wave(t), 0.55 - soft, 0.55 + soft) for t in (a, b)]
    return (bands[0] + bands[1]) * 0.5


def _zigzag(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    return _stripes(a + 0.35 * _wave(b), b, skin, pixel)


def _marble(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    rough = _cloud(skin, a, b)
    vein = np.abs(rough - 0.5)
    return ramp(vein, 0.13, 0.02)


def _speckle(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    rough = _cloud(skin, a * 1.6, b * 1.6)
    return ramp(rough, 0.66 - 0.12 * skin.share, 0.72 - 0.12 * skin.share)


def _ombre(a: Plane, b: Plane, skin: Texture, pixel: float) -> Plane:
    return ramp(a * skin.period, -0.8, 0.8)


def _cloud(skin: Texture, a: Plane, b: Plane) -> Float32[np.ndarray, "H W"]:
    """Noise in the object's coordinates, some three bumps a unit."""
    square = noise(_MARBLE, 14, skin.place, 2)
    x, y = (t * (_MARBLE / 9) + _MARBLE / 2 for t in (a, b))
    return cv2.remap(square, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


Kind = Callable[[Plane, Plane, Texture, float], Plane]
KINDS: tuple[Kind, ...] = (
    _plain, _stripes, _dots, _checks, _tartan, _zigzag, _marble, _speckle, _ombre,
)  # fmt: skip

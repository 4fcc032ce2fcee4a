"""The light of a scene, and what it does to a relief: shade, gleam and shadow."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ilk.rendered.canvas import Colour, LightImage, Plane, blur, grid
from ilk.rendered.dice import Dice
from ilk.rendered.relief import Relief

# What a full shadow takes of red, green and blue: the sky still lights it.
_UMBRA = np.array([0.95, 0.9, 0.8], np.float32)[:, None, None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """A lamp and the sky around it.

    Args:
        azimuth: where in the image the lamp stands, in radians: 0 right, pi/2 below.
        elevation: above the image's plane, in radians.
        intensity: 1 shows colours as they are.
        warmth: -1 blue to 1 orange.
        shadow: darkness of the cast shadow, 0..1.
        height: of the object above what is behind it, as a share of the image.
    """

    azimuth: float
    elevation: float
    intensity: float
    warmth: float
    shadow: float
    height: float

    def towards(self) -> tuple[float, float, float]:
        """The unit vector to the lamp: right, down and towards the viewer."""
        level, up = math.cos(self.elevation), math.sin(self.elevation)
        return level * math.cos(self.azimuth), level * math.sin(self.azimuth), up

    def colour(self) -> Colour:
        """Of the lamp's light, [3, 1, 1], white being 1."""
        return self._tinted(0.16 * self.warmth)

    def sky(self) -> Colour:
        """Of the light from all around: the lamp's complement, [3, 1, 1]."""
        return self._tinted(-0.12 * self.warmth)

    def _tinted(self, shift: float) -> Colour:
        return np.array([1 + shift, 1, 1 - shift], np.float32)[:, None, None] * self.intensity


def lamp(dice: Dice) -> Light:
    """A lamp above, left or right."""
    return Light(
        azimuth=-math.pi / 2 + dice.between(-1.2, 1.2), elevation=dice.between(0.6, 1.05),
        intensity=dice.between(0.82, 1.12), warmth=dice.around(1.0),
        shadow=dice.between(0.35, 0.65), height=dice.between(0.03, 0.09),
    )  # fmt: skip


def lit(relief: Relief, light: Light, gloss: float, side: int) -> LightImage:
    """The object in its window under the lamp: diffuse light, sky light, creases, a gleam."""
    soft = blur(relief.height, 0.008 * side)
    slope = side / 8  # Sobel's weights sum to 8
    dx = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3, scale=slope)
    dy = cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3, scale=slope)
    up = 1 / cv2.sqrt(dx * dx + dy * dy + 1)
    tx, ty, tz = light.towards()
    facing = (tz - dx * tx - dy * ty) * up
    direct = np.maximum(facing, 0) * (0.78 / tz)
    around = 0.2 + (0.2 - 0.12 * dy) * up
    crease = cv2.blur(relief.height, (5, 5)) - relief.height
    free = 1 - 9 * np.clip(crease, 0, 0.05)
    shaded = relief.colour * (light.colour() * (direct * free) + light.sky() * (around * free))
    half = 1 / math.sqrt(2 + 2 * tz)  # between the lamp and the viewer
    gleam = cv2.pow(np.maximum((tz + 1 - dx * tx - dy * ty) * (up * half), 0), 40)
    return shaded + light.colour() * (gleam * relief.cover * gloss)


def ground(image: LightImage, cover: Plane, light: Light) -> tuple[LightImage, Plane]:
    """What is behind the object, lit and shadowed, and the shadow's share [H, W]."""
    side = cover.shape[0]
    x, y = grid(side)
    tx, ty, tz = light.towards()
    reach = light.height / max(tz, 0.2) * side
    move = np.array([[1, 0, -tx * reach], [0, 1, -ty * reach]], np.float32)
    cast = cv2.warpAffine(blur(cover, 0.5 * light.height * side), move, (side, side))
    near = blur(cover, 0.022 * side)
    shade = np.maximum(cast * light.shadow, near * (0.4 * light.shadow))
    fall = 1.0 + 0.2 * ((x - 0.5) * tx + (y - 0.5) * ty)
    gloom = 1 - shade * _UMBRA
    return image * (light.colour() * fall * gloom), shade

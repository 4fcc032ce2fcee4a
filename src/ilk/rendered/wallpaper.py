"""Backdrops that repeat: tiles, waves, terrazzo, rays, dots and planks.

Each takes the side in pixels, four colours [4, 3] from calm to lively, and dice.
"""

import math

import cv2
import numpy as np

from ilk.rendered.canvas import LightImage, Plane, blend, flat, grid, noise, ramp
from ilk.rendered.dice import Dice
from ilk.rendered.palette import Colours


def _turned(side: int, angle: float, count: float, dice: Dice) -> tuple[Plane, Plane]:
    """Coordinates turned by an angle and moved at random, ``count`` units across."""
    x, y = grid(side)
    cos, sin = count * math.cos(angle), count * math.sin(angle)
    return x * cos + y * sin + dice.between(0, 1), y * cos - x * sin + dice.between(0, 1)


def _cut(plane: Plane) -> Plane:
    """Distance to the nearest whole number."""
    return np.abs(plane - np.rint(plane))


def tiles(side: int, colours: Colours, dice: Dice) -> LightImage:
    """Square tiles, each of another colour, with pale joints."""
    count = dice.between(4.5, 8)
    a, b = _turned(side, dice.pick(3) * math.pi / 8, count, dice)
    jitter = np.sin(np.floor(a) * 12.9898 + np.floor(b) * 78.233) * 43.7
    image = blend(flat(colours[0]), flat(colours[1]), jitter - np.floor(jitter))
    joint = ramp(np.minimum(_cut(a), _cut(b)), 0.07, 0.025)
    return blend(image, flat(colours[3]), joint * 0.8)


def waves(side: int, colours: Colours, dice: Dice) -> LightImage:
    """Broad bands that swing, one colour after the other."""
    count = dice.between(4, 7)
    a, b = _turned(side, dice.between(0, math.pi), count, dice)
    swing = a + dice.between(0.2, 0.5) * np.sin(b * (math.pi * dice.between(0.35, 0.7)))
    band = np.floor(swing)
    edge = swing - band
    soft = count / side * 1.5
    here, before = (colours.T[:, t.astype(np.int32) % len(colours)] for t in (band, band - 1))
    return blend(before, here, ramp(edge, 0, soft))


def terrazzo(side: int, colours: Colours, dice: Dice) -> LightImage:
    """Chips of stone strewn in plaster."""
    across, down, size, spin, wild = dice.rows(30, 5).T[:, :, None]
    corners = np.arange(5) * (2 * math.pi / 5)
    around = corners + 6.28 * spin + 0.5 * np.sin(2 * corners + 6.28 * wild)
    radius = (0.02 + 0.035 * size) * (1 + 0.35 * np.sin(corners * 2 + 9 * wild))
    x, y = across + radius * np.cos(around), down + radius * np.sin(around)
    fixed = np.rint(np.stack([x, y], axis=2) * (side * 2 * 16) - 8).astype(np.int32)
    image = flat(colours[0])
    for k in range(3):
        chips = np.zeros((side * 2, side * 2), np.uint8)
        cv2.fillPoly(chips, list(fixed[k::3]), 255, shift=4)
        cover = cv2.resize(chips, (side, side), interpolation=cv2.INTER_AREA)
        image = blend(image, flat(colours[k + 1]), cover * np.float32(1 / 255))
    return image


def rays(side: int, colours: Colours, dice: Dice) -> LightImage:
    """Beams from a point."""
    x, y = grid(side)
    dx, dy = x - dice.between(0.1, 0.9), y - dice.between(0.1, 0.9)
    count = 8 + 2 * dice.pick(6)
    angle = np.arctan2(dy, dx) * (count / (2 * math.pi)) + dice.between(0, 1)
    far = np.hypot(dx, dy)
    soft = (count / 6.28 / side) / np.maximum(far, 0.02)
    beam = np.clip((_cut(angle) - 0.25) / (2 * soft) + 0.5, 0, 1)
    image = blend(flat(colours[0]), flat(colours[1]), beam)
    return blend(image, flat(colours[3]), ramp(far, 0.7, 0.0) * 0.6)


def dots(side: int, colours: Colours, dice: Dice) -> LightImage:
    """A grid of discs that grow from one side to the other."""
    count = dice.between(6, 10)
    a, b = _turned(side, dice.between(0, math.pi / 2), count, dice)
    x, y = grid(side)
    grow = x if dice.chance(0.5) else y
    radius = 0.12 + 0.22 * grow
    soft = count / side
    far = np.hypot(a - np.rint(a), b - np.rint(b))
    image = blend(flat(colours[0]), flat(colours[3]), ramp(y, 0, 1.2))
    return blend(image, flat(colours[2]), np.clip((radius - far) / (2 * soft) + 0.5, 0, 1))


def planks(side: int, colours: Colours, dice: Dice) -> LightImage:
    """Boards with a grain."""
    count = dice.between(3, 5.5)
    a, b = _turned(side, dice.pick(2) * math.pi / 2 + dice.around(0.1), count, dice)
    board = np.floor(a)
    rough = noise(side, 4, (dice.between(0, 1), dice.between(0, 1)), 2)
    streaks = np.sin((a * 9 + board * 2.3) + rough * 9 + b * 0.4)
    tone = 0.5 + 0.22 * streaks + 0.25 * np.sin(board * 2.6)
    image = blend(flat(colours[0]), flat(colours[1]), np.clip(tone, 0, 1))
    return blend(image, flat(colours[2] * 0.75), ramp(_cut(a), 0.05, 0.015))

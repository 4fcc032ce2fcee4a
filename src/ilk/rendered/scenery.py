"""Backdrops that look like places: sweeps, tables, hills, skies, bokeh, contours.

Each takes the side in pixels, four colours [4, 3] from calm to lively, and dice.
"""

import math

import numpy as np

from ilk.rendered.canvas import LightImage, blend, flat, grid, noise, ramp
from ilk.rendered.dice import Dice
from ilk.rendered.palette import Colours


def _place(dice: Dice) -> tuple[float, float]:
    return dice.between(0, 1), dice.between(0, 1)


def sweep(side: int, colours: Colours, dice: Dice) -> LightImage:
    """A photographer's paper roll: one slow gradient and a pool of light."""
    x, y = grid(side)
    angle = dice.between(0, 2 * math.pi)
    along = (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle)
    pool = np.hypot(x - dice.between(0.2, 0.8), y - dice.between(0.2, 0.8))
    paper = blend(flat(colours[2]), flat(colours[0]), ramp(along, -0.7, 0.6))
    return blend(paper, flat(colours[3]), ramp(pool, 0.75, 0.0) * 0.8)


def table(side: int, colours: Colours, dice: Dice) -> LightImage:
    """A wall and a table top that meet at a soft horizon."""
    x, y = grid(side)
    edge = dice.between(0.52, 0.74)
    lean = dice.around(0.12)
    line = y + lean * (x - 0.5)
    far = np.hypot(x - dice.between(0, 1), y)
    wall = blend(flat(colours[0]), flat(colours[1]), ramp(far, 0.1, 1.0))
    top = blend(flat(colours[3]), flat(colours[2]), ramp(line, edge - 0.05, 1.25))
    return blend(wall, top, ramp(line, edge - 0.012, edge + 0.012))


def hills(side: int, colours: Colours, dice: Dice) -> LightImage:
    """Ridges fading into haze below a sky with a low disc."""
    x, y = grid(side)
    image = blend(flat(colours[1]), flat(colours[3]), ramp(y, 0.0, 0.75))
    far = np.hypot(x - dice.between(0.15, 0.85), y - dice.between(0.12, 0.4))
    size = dice.between(0.07, 0.14)
    glow = ramp(far, size + 0.01, size - 0.01) + ramp(far, size * 3, 0) * 0.3
    image = blend(image, flat(np.minimum(colours[3] * 1.25, 1)), glow)
    rough = noise(side, 5, _place(dice), 3)
    base = dice.between(0.4, 0.55)
    for k in range(4):
        row = rough[(k * side) // 4 + side // 8]
        ridge = base + 0.13 * k + (row[None, :] - 0.5) * 0.3
        tone = colours[3] + (colours[2] * 0.85 - colours[3]) * ((k + 1) / 4)
        mist = np.minimum(colours[0] * 1.05, 1)
        ground = blend(flat(tone), flat(mist), ramp(y - ridge, 0.02, 0.4) * 0.5)
        image = blend(image, ground, ramp(y - ridge, -0.008, 0.008))
    return image


def sky(side: int, colours: Colours, dice: Dice) -> LightImage:
    """Drifting clouds over a gradient."""
    _, y = grid(side)
    image = blend(flat(colours[2]), flat(colours[0]), ramp(y, 0.0, 1.0))
    puffs = noise(side, 4, _place(dice), 4)
    bright = np.minimum(colours[3] * 1.15 + 0.02, 1)
    image = blend(image, flat(bright), ramp(puffs, 0.46, 0.66) * 0.9)
    lower = np.roll(puffs, -max(side // 24, 1), axis=0)
    belly = ramp(puffs - lower, 0.0, 0.12) * ramp(puffs, 0.5, 0.6)
    return blend(image, flat(colours[1]), belly * 0.7)


def bokeh(side: int, colours: Colours, dice: Dice) -> LightImage:
    """Out-of-focus lights."""
    x, y = grid(side)
    image = blend(flat(colours[2]), flat(colours[0]), ramp(x + y, 0.2, 1.8))
    for across, down, size, colour, strength in dice.rows(9, 5).tolist():
        radius = 0.05 + 0.13 * size
        rows, columns = (
            slice(max(int((at - radius) * side) - 1, 0), int((at + radius) * side) + 3)
            for at in (down, across)
        )
        far = np.hypot(x[rows, columns] - across, y[rows, columns] - down)
        soft = ramp(far, radius * 1.08, radius * 0.86) * (0.7 + 0.3 * ramp(far, 0, radius))
        glow = flat(np.minimum(colours[1 + 2 * round(colour)] * 1.2, 1))
        here = image[:, rows, columns]
        here += soft * (0.25 + 0.45 * strength) * (glow - here)
    return image


def contours(side: int, colours: Colours, dice: Dice) -> LightImage:
    """A relief map: tinted levels with fine lines between them."""
    level = noise(side, 3, _place(dice), 2) * dice.between(9, 13)
    step = np.floor(level)
    image = blend(flat(colours[0]), flat(colours[1]), np.clip(step / 8, 0, 1))
    soft = np.abs(level - np.rint(level))
    return blend(image, flat(colours[2]), ramp(soft, 0.13, 0.05) * 0.75)

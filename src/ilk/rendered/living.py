"""Living things: bird, butterfly, fish, leaf and mushroom.

x points right, y down; who has a face looks left. Numbers are lengths in a frame of some -1..1.
"""

from collections.abc import Sequence

import numpy as np

from ilk.rendered.curves import Outline, blob, both, disc, stroke, turned
from ilk.rendered.dice import Dice
from ilk.rendered.parts import Ink, Part, cloth, mark, print_, solid

_RIB = np.array([(0.01, 0.0), (0.35, -0.16), (0.72, -0.4)])  # half a leaf's vein
_SMOOTH, _TOOTHED, _LOBED = range(3)  # rims of leaves


def bird(dice: Dice) -> Sequence[Part]:
    """A songbird on its legs, its wing folded or raised."""
    plump = dice.between(0.40, 0.58)
    tail, lifted = dice.between(0.5, 0.85), dice.between(-0.28, 0.12)
    beak, droop = dice.between(0.2, 0.42), dice.between(-0.05, 0.1)
    wing, raised = dice.between(0.55, 0.8), dice.between(-0.25, 0.5)
    head, foot = dice.between(0.27, 0.34), plump + 0.36
    root, tip = (0.5, -0.02), (0.62 + tail, lifted)
    feathers = blob([root, (0.75, lifted / 2 - 0.16), tip, tip, (tip[0] - 0.06, tip[1] + 0.22),
                     (tip[0] - 0.06, tip[1] + 0.22), (0.6, 0.22)])  # fmt: skip
    body = blob([
        (-0.62, -0.62), (-0.86, -0.45), (-0.78, -0.1), (-0.5, plump - 0.06),
        (0.0, plump + 0.06), (0.5, plump - 0.22), (0.85, lifted / 3 + 0.08), (0.62, -0.18),
        (0.1, -0.3), (-0.3, -0.42)
    ])  # fmt: skip
    bill = blob([
        (-0.76, -0.56), (-0.76, -0.56), (-0.86 - beak, -0.42 + droop),
        (-0.86 - beak, -0.42 + droop), (-0.74, -0.3), (-0.74, -0.3)
    ])  # fmt: skip
    belly = blob([
        (-0.9, 0.0), (-0.45, 0.02), (-0.1, 0.32), (0.45, plump - 0.1), (0.2, plump + 0.3),
        (-0.7, plump + 0.2)
    ])  # fmt: skip
    plume, shaft = (turned(line, -raised, -0.2, 0) for line in _wing(wing))
    legs = [
        stroke([(x, plump - 0.05), (x + 0.02, foot), (x - 0.13, foot + 0.05)], 0.038)
        for x in (-0.12, 0.14)
    ]
    return [
        solid(feathers, Ink.SECOND, 0.06),
        solid(legs, Ink.ACCENT, 0.03),
        solid(bill, Ink.ACCENT, 0.08, 0.04),
        cloth(body, Ink.MAIN, 0.38, 0.03),
        solid(disc(-0.56, -0.45, head, head * 0.96), Ink.MAIN, 0.3, 0.05),
        mark(belly, Ink.LIGHT, within=3),
        solid(plume, Ink.SECOND, 0.14, 0.3),
        mark(shaft, Ink.LIGHT),
        solid(disc(-0.63, -0.5, 0.085), Ink.LIGHT, 0.03, 0.3),
        solid(disc(-0.645, -0.5, 0.052), Ink.DARK, 0.03, 0.32),
    ]


def butterfly(dice: Dice) -> Sequence[Part]:
    """A butterfly from above, its wings spread."""
    span, rise = dice.between(0.8, 1.05), dice.between(0.65, 0.95)
    hind, drop = dice.between(0.55, 0.8), dice.between(0.6, 0.9)
    waist, sweep = dice.between(0.02, 0.2), dice.between(-0.12, 0.15)
    spot, tails = dice.between(0.09, 0.17), dice.chance(0.35)
    length = dice.between(0.42, 0.6)
    fore = blob([
        (0.03, -0.2), (0.2, -0.55), (span * 0.75, -rise), (span, -rise + 0.12 + sweep),
        (span * 0.92, -0.25), (0.55, waist - 0.06), (0.06, 0.02)
    ])  # fmt: skip
    end = (hind * 0.72, drop + 0.28) if tails else (hind * 0.66, drop)
    back = blob([
        (0.04, -0.06), (0.45, -0.04), (hind, waist + 0.14), (hind * 0.96, drop * 0.7), end,
        (hind * 0.42, drop * 0.82), (0.08, 0.3)
    ])  # fmt: skip
    inner = 0.06 + 0.74 * (fore - [0.02, 0]) + [0.02, -0.09]
    feeler = stroke([(0.03, -0.36), (0.12, -0.62), (0.3, -0.8)], 0.02)
    trunk = blob([
        (0, -0.4), (0.1, -0.28), (0.085, 0.0), (0.06, length), (0, length + 0.06),
        (-0.06, length), (-0.085, 0.0), (-0.1, -0.28)
    ])  # fmt: skip
    eye, pupil = (disc(hind * 0.62, drop * 0.5, spot * size) for size in (1.1, 0.55))
    pearls = [
        disc(span * 0.86, -rise * 0.78, spot * 0.6),
        disc(span * 0.9, -rise * 0.42, spot * 0.45),
    ]
    return [
        solid(both(back), Ink.SECOND, 0.08),
        mark(both(eye), Ink.LIGHT, within=0),
        mark(both(pupil), Ink.DARK, within=0),
        solid(both(fore), Ink.SECOND, 0.08, 0.06),
        print_(both(inner), Ink.MAIN, within=3),
        mark(both(*pearls), Ink.LIGHT, within=3),
        solid(both(feeler), Ink.DARK, 0.02, 0.05),
        solid(both(disc(0.3, -0.8, 0.045)), Ink.DARK, 0.03, 0.05),
        solid(trunk, Ink.ACCENT, 0.1, 0.12),
    ]


def fish(dice: Dice) -> Sequence[Part]:
    """A fish from its side."""
    high, deep = dice.between(0.34, 0.6), dice.between(0.32, 0.58)
    fork, spread = dice.between(0.02, 0.2), dice.between(0.32, 0.52)
    reach = dice.between(1.0, 1.2)
    fin, back = dice.between(0.16, 0.34), dice.between(-0.1, 0.3)
    body = blob([
        (-0.98, 0.02), (-0.78, -0.6 * high), (-0.25, -high), (0.3, -0.62 * high),
        (0.66, -0.1), (0.66, 0.1), (0.3, 0.6 * deep), (-0.25, deep), (-0.78, 0.6 * deep)
    ])  # fmt: skip
    tail = blob([
        (0.56, 0.0), (0.72, -0.14), (reach, -spread), (reach, -spread), (reach - fork, 0.0),
        (reach, spread), (reach, spread), (0.72, 0.14)
    ])  # fmt: skip
    breast = blob([
        (-0.26, 0.1), (0.0, 0.0), (0.2, 0.14), (0.2, 0.14), (0.08, 0.32), (-0.16, 0.28)
    ])  # fmt: skip
    belly = blob([
        (-1.1, 0.2), (-0.5, 0.42 * deep), (0.1, 0.5 * deep), (0.8, 0.12), (0.5, 0.9),
        (-0.8, 0.9)
    ])  # fmt: skip
    gill = stroke([(-0.44, -0.5 * high), (-0.36, 0.0), (-0.46, 0.52 * deep)], 0.024)
    mouth = stroke([(-0.98, 0.09), (-0.84, 0.11), (-0.78, 0.07)], 0.02)
    rays = [
        stroke([(0.74, 0.4 * y * spread), (reach - 0.08, y * spread)], 0.016)
        for y in (-0.6, 0.6)
    ]
    return [
        solid(tail, Ink.SECOND, 0.09),
        mark(rays, Ink.LIGHT, within=0),
        solid(_fins(high, deep, fin, back), Ink.SECOND, 0.07),
        cloth(body, Ink.MAIN, 0.36, 0.04),
        mark(belly, Ink.LIGHT, within=3),
        mark([gill, mouth], Ink.DARK, within=3),
        solid(breast, Ink.ACCENT, 0.08, 0.33),
        solid(disc(-0.66, -0.16 * high / 0.4, 0.11), Ink.LIGHT, 0.04, 0.27),
        solid(disc(-0.68, -0.16 * high / 0.4, 0.065), Ink.DARK, 0.04, 0.3),
    ]


def leaf(dice: Dice) -> Sequence[Part]:
    """A leaf with its veins: lance to heart, smooth, toothed or lobed."""
    wide, belly = dice.between(0.42, 0.72), dice.between(-0.25, 0.35)
    bend, stalk = dice.around(0.25), dice.between(0.3, 0.55)
    rim, teeth, depth = dice.pick(_LOBED + 1), 4 + dice.pick(4), dice.between(0.07, 0.13)
    ribs = 3 + dice.pick(3)
    t = np.linspace(0, 1, 65)
    half = wide * np.sin(np.pi * t ** (1 + belly)) ** dice.between(0.75, 1.1)
    if rim == _TOOTHED:
        half *= 1 + depth * 2 * ((-t * teeth * 2) % 1 - 0.5)
    elif rim == _LOBED:
        half *= 1 + 2.2 * depth * np.cos(2 * np.pi * teeth * t * 0.75)

    def bent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.stack([x + bend * (y**2 - 0.3), y], axis=1)

    y = -1 + 1.75 * t
    blade = np.concatenate([bent(half, y), bent(-half[::-1], y[::-1])])
    spine = bent(np.zeros(9), np.linspace(-0.8, 0.75 + stalk, 9))
    veins = [
        stroke(
            bent(side * _RIB[:, 0] * np.interp(low - 0.3, y, half), low + _RIB[:, 1]),
            0.025,
            0.012,
        )
        for low in np.linspace(-0.3, 0.6, ribs)
        for side in (-1, 1)
    ]
    return [
        solid(stroke(spine[5:], 0.03, 0.05), Ink.SECOND, 0.04),
        cloth(blade, Ink.MAIN, 0.16, 0.02),
        mark(veins, Ink.PATTERN, within=1),
        solid(stroke(spine, 0.02, 0.04), Ink.SECOND, 0.03, 0.16),
    ]


def mushroom(dice: Dice) -> Sequence[Part]:
    """A mushroom: flat, domed or pointed cap, with gills or a collar."""
    wide, tall = dice.between(0.7, 1.0), dice.between(0.5, 0.95)
    point, skirt = dice.between(0.55, 0.95), dice.between(0.05, 0.18)
    slim, bulge, lean = dice.between(0.14, 0.24), dice.between(1.1, 1.9), dice.around(0.18)
    foot = dice.between(0.65, 0.95)
    stem = blob([
        (-slim, -0.2), (slim, -0.2), (slim + lean * 0.4, foot * 0.5),
        (slim * bulge + lean, foot), (lean, foot + 0.08), (-slim * bulge + lean, foot),
        (-slim + lean * 0.4, foot * 0.5)
    ])  # fmt: skip
    cap = blob([
        (-wide, 0.0), (-wide * 0.88, -tall * 0.45),
        (-wide * (1 - point) - 0.12, -tall * 0.93), (0, -tall),
        (wide * (1 - point) + 0.12, -tall * 0.93), (wide * 0.88, -tall * 0.45), (wide, 0.0),
        (wide * 0.94, 0.08), (wide * 0.5, 0.06 - skirt * 0.5), (0, 0.04 - skirt * 0.6),
        (-wide * 0.5, 0.06 - skirt * 0.5), (-wide * 0.94, 0.08)
    ])  # fmt: skip
    under = disc(0, 0.05, wide * 0.93, 0.08 + skirt)
    gills = [stroke([(0.3 * x, 0.0), (x, 0.3)], 0.018) for x in np.linspace(-wide, wide, 9)]
    parts = [
        solid(under, Ink.SECOND, 0.08),
        mark(gills, Ink.DARK, within=0),
        cloth(stem, Ink.LIGHT, 0.16, 0.03),
    ]
    if dice.chance(0.5):
        parts.append(solid(disc(0, 0.3, slim * 1.5, 0.1), Ink.LIGHT, 0.06, 0.16))
    base = len(parts)
    parts.append(cloth(cap, Ink.MAIN, 0.34, 0.12))
    spots = dice.rows(7, 3)[: 3 + dice.pick(5)]
    freckles = [
        disc(((k + x) / 3.5 - 1) * wide, -tall * y, size, 0.8 * size)
        for k, (x, y, size) in enumerate([0.2, 0.1, 0.07] + spots * [0.6, 0.7, 0.1])
    ]
    return [*parts, mark(freckles, Ink.ACCENT, within=base)]


def _wing(reach: float) -> tuple[Outline, Outline]:
    """A bird's folded wing and the light line along it."""
    plume = blob([
        (-0.3, -0.1), (-0.1, -0.28), (reach * 0.55, -0.2), (reach + 0.15, 0.05),
        (reach + 0.15, 0.05), (reach * 0.6, 0.24), (0.05, 0.26), (-0.22, 0.14)
    ])  # fmt: skip
    shaft = stroke([(0.0, 0.12), (reach * 0.5, 0.12), (reach * 0.85, 0.06)], 0.022)
    return plume, shaft


def _fins(high: float, deep: float, fin: float, back: float) -> list[Outline]:
    """A fish's upper and lower fin, behind a body that is ``high`` above and ``deep`` below."""
    dorsal = blob([
        (-0.45, -0.6 * high), (-0.3, -high - fin * 0.6), (back, -high - fin),
        (back + 0.2, -high - fin * 0.7), (back + 0.2, -high - fin * 0.7),
        (0.36, -0.4 * high)
    ])  # fmt: skip
    ventral = blob([
        (-0.2, 0.7 * deep), (0.05, deep + fin * 0.7), (0.22, deep + fin * 0.6),
        (0.22, deep + fin * 0.6), (0.3, 0.4 * deep)
    ])  # fmt: skip
    return [dorsal, ventral]

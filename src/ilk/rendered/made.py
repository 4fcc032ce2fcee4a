"""Made things: key, mug, rocket, teapot and umbrella, upright.

x points right, y down. Numbers are lengths in a frame of some -1..1.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ilk.rendered.curves import Outline, blob, both, box, disc, panel, star, stroke
from ilk.rendered.dice import Dice
from ilk.rendered.parts import Ink, Part, cloth, mark, solid


def key(dice: Dice) -> Sequence[Part]:
    """A door key, its bow round, square, scalloped or oval."""
    bow, wall = dice.pick(4), dice.between(0.5, 0.66)
    size, thick = dice.between(0.4, 0.52), dice.between(0.075, 0.11)
    length, teeth = dice.between(0.75, 1.05), 2 + dice.pick(3)
    bits = dice.rows(teeth, 2)
    outer = (
        disc(0, -0.5, size),
        disc(0, -0.5, size * 1.2, size * 0.85),
        box(-size, -0.5 - size, size, -0.5 + size, 0.2),
        star(0, -0.5, size * 1.08, size * 0.9, 3 + dice.pick(4)),
    )[bow]
    hole = (outer - [0, -0.5]) * wall + [0, -0.5]
    top, end = -0.5 + size * 0.8, -0.5 + size + length
    rows = np.linspace(end - 0.12, end - 0.2 * teeth, teeth)
    edges = [
        box(-0.02, y - 0.065, 0.16 + 0.18 * reach, y + 0.03 + 0.07 * wide, 0.025)
        for y, (reach, wide) in zip(rows, bits, strict=True)
    ]
    return [
        solid(edges, Ink.MAIN, 0.05),
        cloth(box(-thick, top, thick, end, thick), Ink.MAIN, 0.09, 0.03),
        cloth([outer, hole], Ink.MAIN, 0.13, 0.03),
        solid(
            box(-thick * 1.7, top + 0.08, thick * 1.7, top + 0.2, 0.04), Ink.ACCENT, 0.05, 0.1
        ),
        solid(
            box(-thick * 1.5, top + 0.26, thick * 1.5, top + 0.33, 0.03), Ink.SECOND, 0.04, 0.1
        ),
    ]


def mug(dice: Dice) -> Sequence[Part]:
    """A mug seen from slightly above, with a band, a badge or neither."""
    wide, tall = dice.between(0.5, 0.68), dice.between(0.62, 0.85)
    taper, lip = dice.between(0.72, 1.08), dice.between(0.1, 0.19)
    grip, thick = dice.between(0.3, 0.46), dice.between(0.065, 0.1)
    square, sign = dice.between(0, 0.16), dice.pick(3)
    low = wide * taper
    angle = np.linspace(0, np.pi, 21)
    bottom = tall - lip + (lip + 0.06) * np.sin(angle) ** 0.7
    bowl = np.stack([low * np.cos(angle), bottom], axis=1)
    body = np.concatenate([[(-wide, -tall), (wide, -tall)], bowl])
    handle = stroke([
        (wide - 0.1, -tall * 0.55), (wide + grip * 0.75 + square, -tall * 0.6),
        (wide + grip, -0.02), (wide + grip * 0.6 + square, tall * 0.42),
        (low - 0.12, tall * 0.5)
    ], thick)  # fmt: skip
    band = blob([
        (-1, tall * 0.25), (0, tall * 0.33), (1, tall * 0.25), (1, tall * 0.55),
        (0, tall * 0.63), (-1, tall * 0.55)
    ])  # fmt: skip
    badge = star(-0.02, 0.08, 0.27, 0.13, 5) if dice.chance(0.5) else disc(-0.02, 0.08, 0.22)
    signs = [[], [mark(band, Ink.ACCENT, within=1)], [mark(badge, Ink.ACCENT, within=1)]][sign]
    return [
        solid(handle, Ink.SECOND if dice.chance(0.5) else Ink.MAIN, thick),
        cloth(body, Ink.MAIN, 0.3, 0.05),
        *signs,
        solid(disc(0, -tall, wide, lip), Ink.LIGHT, 0.05, 0.34),
        mark(disc(0, -tall + 0.01, wide * 0.88, lip * 0.8), Ink.PATTERN),
        mark(
            disc(0, -tall + lip * 0.35, wide * 0.78, lip * 0.5), Ink.DARK, within=2 + len(signs)
        ),
    ]


def rocket(dice: Dice) -> Sequence[Part]:
    """A rocket under way, with fins and flame."""
    wide, nose = dice.between(0.26, 0.4), dice.between(0.75, 0.95)
    base, tip = dice.between(0.45, 0.6), dice.between(-0.62, -0.4)
    span, swept = dice.between(0.22, 0.42), dice.between(0.1, 0.32)
    pane, flame = dice.between(0.12, 0.17), dice.between(0.3, 0.55)
    body = blob([
        (0, -nose), (0, -nose), (wide * 0.62, -0.6), (wide, -0.1),
        (wide * 0.85, base - 0.1), (wide * 0.62, base), (-wide * 0.62, base),
        (-wide * 0.85, base - 0.1), (-wide, -0.1), (-wide * 0.62, -0.6)
    ])  # fmt: skip
    fin = blob([
        (wide * 0.8, -0.02), (wide + span * 0.8, 0.25), (wide + span, base + swept),
        (wide + span, base + swept), (wide + span * 0.3, base), (wide * 0.7, base)
    ])  # fmt: skip
    keel = stroke([(0, 0.18), (0, base + 0.06)], 0.05)
    fire, core = _flame(wide * 0.6, base, flame), _flame(wide * 0.34, base, flame * 0.62)
    hood = panel([(-1, -1.2), (1, -1.2), (1, tip), (0, tip + 0.08), (-1, tip)], 0.3)
    return [
        solid(fire, Ink.ACCENT, 0.1),
        mark(core, Ink.LIGHT),
        solid(
            box(-wide * 0.5, base - 0.05, wide * 0.5, base + 0.1, 0.04), Ink.DARK, 0.06, 0.04
        ),
        solid(both(fin), Ink.SECOND, 0.09, 0.02),
        cloth(body, Ink.MAIN, 0.34, 0.08),
        mark(hood, Ink.SECOND, within=4),
        solid(keel, Ink.SECOND, 0.05, 0.36),
        solid(disc(0, -0.2, pane * 1.35), Ink.LIGHT, 0.05, 0.34),
        solid(disc(0, -0.2, pane), Ink.DARK, 0.08, 0.33),
        mark(
            stroke([(-pane * 0.5, -0.24), (-pane * 0.1, -0.2 - pane * 0.6)], 0.025), Ink.LIGHT
        ),
    ]


def teapot(dice: Dice) -> Sequence[Part]:
    """A teapot with spout, lid and handle."""
    wide, high = dice.between(0.52, 0.66), dice.between(0.4, 0.58)
    angular, lid = dice.between(0.75, 0.98), dice.between(0.24, 0.36)
    reach, rise = dice.between(0.3, 0.46), dice.between(0.3, 0.52)
    grip, thick = dice.between(0.32, 0.46), dice.between(0.06, 0.09)
    knob, dome = dice.between(0.07, 0.12), dice.between(0.1, 0.22)
    body = blob([
        (-wide * 0.5, -high), (wide * 0.5, -high), (wide * angular, -high * 0.6),
        (wide, 0.05), (wide * 0.8, high * 0.72), (wide * 0.5, high), (-wide * 0.5, high),
        (-wide * 0.8, high * 0.72), (-wide, 0.05), (-wide * angular, -high * 0.6)
    ])  # fmt: skip
    spout = stroke([
        (-wide * 0.6, high * 0.45), (-wide - reach * 0.35, high * 0.2),
        (-wide - reach * 0.55, -rise * 0.6), (-wide - reach, -rise - 0.2)
    ], 0.2, 0.065)  # fmt: skip
    handle = stroke([
        (wide * 0.75, -high * 0.62), (wide + grip * 0.8, -high * 0.72), (wide + grip, 0.0),
        (wide + grip * 0.4, high * 0.5), (wide * 0.8, high * 0.55)
    ], thick)  # fmt: skip
    cover = blob([
        (-lid, -high + 0.03), (-lid * 0.75, -high - dome * 0.75), (0, -high - dome),
        (lid * 0.75, -high - dome * 0.75), (lid, -high + 0.03), (0, -high + 0.09)
    ])  # fmt: skip
    band = blob([(-1, -0.12), (0, -0.04), (1, -0.12), (1, 0.12), (0, 0.2), (-1, 0.12)])
    return [
        solid(handle, Ink.SECOND, thick),
        solid(spout, Ink.MAIN, 0.12),
        solid(box(-wide * 0.52, high - 0.08, wide * 0.52, high + 0.09, 0.05), Ink.SECOND, 0.06),
        cloth(body, Ink.MAIN, 0.42, 0.05),
        *([mark(band, Ink.ACCENT, within=3)] if dice.chance(0.4) else []),
        solid(disc(0, -high - dome - knob * 0.6, knob), Ink.ACCENT, 0.08, 0.2),
        solid(cover, Ink.SECOND, 0.14, 0.24),
    ]


def umbrella(dice: Dice) -> Sequence[Part]:
    """An open umbrella, its panels in two colours."""
    wide, tall = dice.between(0.85, 1.05), dice.between(0.6, 0.85)
    scallops, sag = 3 + dice.pick(4), dice.between(0.06, 0.14)
    length, crook = dice.between(0.8, 1.05), dice.between(0.13, 0.2)
    peak = dice.between(0.0, 0.12)
    angle = np.linspace(np.pi, 2 * np.pi, 25)
    height = tall * np.sin(angle) - peak * np.sin(angle) ** 8
    arch = np.stack([wide * np.cos(angle), height], axis=1)
    t = np.linspace(1, 0, 12 * scallops + 1)[1:-1]
    hem = np.stack([wide * (2 * t - 1), -sag * np.abs(np.sin(np.pi * scallops * t))], axis=1)
    canopy = np.concatenate([arch, hem])
    k = np.arange(scallops + 1) / scallops
    edges = wide / 2 * (np.cos(np.pi * k) + 1 - 2 * k)  # panels seem narrower towards the sides
    panes = [
        np.concatenate([_rib(a, tall + peak), _rib(b, tall + peak)[::-1]])
        for a, b in list(pairwise(edges))[1::2]
    ]
    shaft = stroke([(0, -0.3), (0, length * 0.5), (0, length)], 0.042)
    hook = stroke([
        (0, length - 0.06), (0, length + 0.04), (crook, length + 0.04 + crook),
        (2 * crook, length + 0.02), (2 * crook, length - 0.06)
    ], 0.062)  # fmt: skip
    return [
        solid(shaft, Ink.LIGHT if dice.chance(0.5) else Ink.DARK, 0.04),
        solid(hook, Ink.ACCENT, 0.06, 0.01),
        solid(
            box(-0.04, -tall - peak - 0.14, 0.04, -tall - peak + 0.1, 0.04), Ink.ACCENT, 0.04
        ),
        cloth(canopy, Ink.MAIN, 0.3, 0.1),
        mark(panes, Ink.SECOND, within=3),
    ]


def _rib(x: float, tall: float) -> Outline:
    """The line from the tip of a canopy to its hem at ``x``."""
    t = np.linspace(0, np.pi / 2, 12)
    return np.stack([x * np.sin(t), -tall * np.cos(t)], axis=1)


def _flame(half: float, top: float, length: float) -> Outline:
    """A flame that hangs from ``top``."""
    end, waist = (0, top + length), top + length / 2
    return blob(
        [(-half, top), (half, top), (half * 0.8, waist), end, end, (-half * 0.8, waist)]
    )

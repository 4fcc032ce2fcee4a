"""Outlines: smooth closed curves, discs, rounded polygons and strokes, as points (x, y).

All are sampled densely enough to be filled as polygons at some 500 pixels.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float

Outline = Float[np.ndarray, "_ 2"]
Points = Sequence[tuple[float, float]] | Outline

_STEPS = np.arange(8) / 8
_CATMULL_ROM = 0.5 * np.stack(
    [
        -_STEPS + 2 * _STEPS**2 - _STEPS**3,
        2 - 5 * _STEPS**2 + 3 * _STEPS**3,
        _STEPS + 4 * _STEPS**2 - 3 * _STEPS**3,
        -(_STEPS**2) + _STEPS**3,
    ],
    axis=1,
)
_CAP = np.linspace(-np.pi / 2, np.pi / 2, 9)[1:-1]


def blob(points: Points) -> Outline:
    """A closed Catmull-Rom curve through the points; a point given twice is a corner."""
    knots = np.asarray(points, dtype=float)
    near = (np.arange(len(knots))[:, None] + np.arange(-1, 3)) % len(knots)
    return (_CATMULL_ROM @ knots[near]).reshape(-1, 2)


def thread(points: Points) -> Outline:
    """An open Catmull-Rom curve from the first point to the last."""
    knots = np.asarray(points, dtype=float)
    near = np.clip(np.arange(len(knots) - 1)[:, None] + np.arange(-1, 3), 0, len(knots) - 1)
    return np.concatenate([(_CATMULL_ROM @ knots[near]).reshape(-1, 2), knots[-1:]])


def stroke(points: Points, start: float, end: float | None = None) -> Outline:
    """A round-ended ribbon along a smooth curve.

    Args:
        points: of the curve.
        start: half the width at the first point.
        end: half the width at the last point; the same when absent.
    """
    middle = thread(points)
    along = np.gradient(middle, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-12
    across = along[:, ::-1] * [-1, 1]
    half = np.linspace(start, start if end is None else end, len(middle))[:, None]
    ahead, aside = np.cos(_CAP)[:, None], np.sin(_CAP)[:, None]
    front = middle[-1] + half[-1] * (ahead * along[-1] + aside * across[-1])
    rear = middle[0] - half[0] * (ahead * along[0] + aside * across[0])
    left, right = middle + half * across, middle - half * across
    return np.concatenate([right, front, left[::-1], rear])


def disc(x: float, y: float, wide: float, high: float | None = None) -> Outline:
    """An ellipse with half axes ``wide`` and ``high``."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    down = (wide if high is None else high) * np.sin(angle)
    return np.stack([x + wide * np.cos(angle), y + down], axis=1)


def star(x: float, y: float, outer: float, inner: float, rays: int) -> Outline:
    """A smooth-edged star; with ``inner`` near ``outer`` a scalloped disc."""
    angle = np.arange(2 * rays) * np.pi / rays
    radius = np.where(np.arange(2 * rays) % 2, inner, outer)
    return blob(np.stack([x + radius * np.sin(angle), y - radius * np.cos(angle)], axis=1))


def panel(points: Points, radius: float) -> Outline:
    """A polygon whose corners are rounded by ``radius``, or by half the shorter edge."""
    knots = np.asarray(points, dtype=float)
    before, after = np.roll(knots, 1, axis=0) - knots, np.roll(knots, -1, axis=0) - knots
    back, ahead = (np.linalg.norm(edge, axis=1, keepdims=True) for edge in (before, after))
    cut = np.minimum(radius, 0.5 * np.minimum(back, ahead))
    first, last = knots + before / back * cut, knots + after / ahead * cut
    t = np.linspace(0, 1, 7)[None, :, None]
    rounded = (
        (1 - t) ** 2 * first[:, None] + 2 * t * (1 - t) * knots[:, None] + t**2 * last[:, None]
    )
    return rounded.reshape(-1, 2)


def box(left: float, top: float, right: float, bottom: float, radius: float) -> Outline:
    """A rectangle with rounded corners."""
    return panel([(left, top), (right, top), (right, bottom), (left, bottom)], radius)


def both(*outlines: Outline) -> list[Outline]:
    """The outlines and their mirror images in the vertical axis."""
    return [outline * [side, 1.0] for side in (1.0, -1.0) for outline in outlines]


def turned(outline: Outline, angle: float, x: float = 0, y: float = 0) -> Outline:
    """Turned about (x, y), clockwise on screen, by an angle in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return (outline - [x, y]) @ np.array([[cos, sin], [-sin, cos]]) + [x, y]


def hull(points: Outline) -> Outline:
    """The corners of the convex hull."""
    return cv2.convexHull(points.astype(np.float32))[:, 0].astype(float)

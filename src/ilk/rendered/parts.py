"""What an object is made of: parts, painted from back to front, and the surface they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np

from ilk.rendered.curves import Outline

_TRIAL = 64  # pixels at which the area of an object is measured

Shape = Outline | Sequence[Outline]


class Ink(IntEnum):
    """Which of an instance's colours a part wears; ``PATTERN`` is what textures mix in."""

    MAIN = 0
    SECOND = 1
    ACCENT = 2
    DARK = 3
    LIGHT = 4
    PATTERN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One piece of an object; lengths are in the object's own units.

    Args:
        contours: closed outlines, filled where an odd number of them overlap.
        ink: its colour.
        bevel: width of its rounded edge; 0 is a mark painted on what lies below.
        lift: height of its rim above the back of the object.
        textured: whether the instance's texture covers it.
        within: index of the part that bounds it, or -1.
    """

    contours: tuple[Outline, ...]
    ink: Ink
    bevel: float = 0.0
    lift: float = 0.0
    textured: bool = False
    within: int = -1


def solid(shape: Shape, ink: Ink, bevel: float, lift: float = 0.0) -> Part:
    """A plain raised part."""
    return Part(contours=_closed(shape), ink=ink, bevel=bevel, lift=lift)


def cloth(shape: Shape, ink: Ink, bevel: float, lift: float = 0.0) -> Part:
    """A raised part that wears the texture."""
    return Part(contours=_closed(shape), ink=ink, bevel=bevel, lift=lift, textured=True)


def mark(shape: Shape, ink: Ink, within: int = -1) -> Part:
    """A mark painted on what lies below, bounded by the part of index ``within``."""
    return Part(contours=_closed(shape), ink=ink, within=within)


def print_(shape: Shape, ink: Ink, within: int) -> Part:
    """A mark that wears the texture."""
    return Part(contours=_closed(shape), ink=ink, textured=True, within=within)


def _closed(shape: Shape) -> tuple[Outline, ...]:
    return (shape,) if isinstance(shape, np.ndarray) else tuple(shape)


def centred(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts moved and scaled so that all objects appear equally large.

    The middle of the bounding box comes to the origin. A full square would come to width 2;
    what is long or thin is larger, by the geometric mean of its extent and its painted area.
    """
    outlines = [contour for part in parts if part.within < 0 for contour in part.contours]
    points = np.concatenate(outlines)
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max())
    image = np.zeros((_TRIAL, _TRIAL), np.uint8)
    for outline in outlines:
        cv2.fillPoly(image, [((outline - low) * (_TRIAL / extent)).astype(np.int32)], 1)
    size = extent * float(image.mean()) ** 0.25 / 2
    middle = (low + high) / 2
    return tuple(
        Part(
            contours=tuple((contour - middle) / size for contour in part.contours),
            ink=part.ink,
            bevel=part.bevel / size,
            lift=part.lift / size,
            textured=part.textured,
            within=part.within,
        )
        for part in parts
    )

"""What an object is made of: parts, painted from back to front, and the surface they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Float

from ilk.data.rendered.curves import Outline

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

    The middle of the bounding box comes to the origin; its diagonal and the square root of its
    area, averaged, come to 2.
    """
    points = np.concatenate([contour for part in parts if part.within < 0 for contour in part.contours])
    low, high = points.min(0), points.max(0)
    extent: Float[np.ndarray, " 2"] = high - low
    size = 0.5 * (np.hypot(*extent) / np.sqrt(2) + np.sqrt(extent.prod())) / 2
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

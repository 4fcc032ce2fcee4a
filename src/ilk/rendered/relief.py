"""From parts to pixels: colour, coverage and height of an object, each part over the last."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int32

from ilk.rendered.canvas import Colour, LightImage, Plane, flat
from ilk.rendered.curves import Outline
from ilk.rendered.palette import Palette
from ilk.rendered.parts import Ink, Part
from ilk.rendered.pose import Pose, project
from ilk.rendered.texture import Texture, pattern

_FINE = 2  # outlines are filled this much finer than pixels
_SUB = 4  # bits after the point of the filler's coordinates
_HALF = 0.5  # coverage from which a pixel counts as inside
_RIM = 3  # pixels around the object that its window keeps free

Window = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """An instance of a class: what stays the same wherever it appears.

    Args:
        class_index: of its class.
        instance: its number; no other thing of the same family has it.
        parts: its shape, from back to front.
        points: of all contours of all parts, one after the other.
        hull: the corners of the convex hull of its silhouette.
        palette: its colours.
        skin: its texture.
        gloss: how much it gleams, 0..1.
    """

    class_index: int
    instance: int
    parts: tuple[Part, ...]
    points: Outline
    hull: Outline
    palette: Palette
    skin: Texture
    gloss: float


@dataclass(frozen=True, slots=True)
class Relief:
    """An object as it stands in its window of the image; everything else is empty.

    Args:
        window: rows and columns of the image.
        colour: of its surface, already multiplied by ``cover``.
        cover: how much of a pixel it fills, 0..1.
        height: above its back, in widths of the image.
    """

    window: Window
    colour: LightImage
    cover: Plane
    height: Plane


def relief(thing: Thing, pose: Pose, side: int) -> Relief:
    """Paint all parts at ``side`` pixels a side."""
    matrix = pose.matrix()
    outlines, window = _framed(thing, matrix, side)
    tall, wide = (span.stop - span.start for span in window)
    layers = np.zeros((5, tall, wide), np.float32)  # red, green, blue, cover, height
    unit = pose.scale * side  # pixels of an object's unit
    corner = np.array([[1, 0, window[1].start], [0, 1, window[0].start], [0, 0, side]])
    back = (np.linalg.inv(matrix) @ corner).astype(np.float32)
    masks: list[tuple[Window, Plane]] = []
    for part, contours in zip(thing.parts, outlines, strict=True):
        here, share = _filled(contours, (tall, wide))
        if part.within >= 0:
            share *= _cropped(*masks[part.within], here)
        masks.append((here, share))
        paint = _paint(thing, part, back, here, 1 / unit)
        if part.bevel:
            target = np.empty((5, *share.shape), np.float32)
            target[:3], target[3] = paint, 1
            rise = _rounded(share, part.bevel * unit) * (part.bevel * pose.scale)
            np.add(rise, part.lift * pose.scale, out=target[4])
            patch = layers[:, here[0], here[1]]
        else:
            target = paint
            patch = layers[:3, here[0], here[1]]
        patch += share * (target - patch)
    return Relief(window, layers[:3], layers[3], layers[4])


def _framed(
    thing: Thing, matrix: Float[np.ndarray, "3 3"], side: int
) -> tuple[list[list[Int32[np.ndarray, "_ 2"]]], Window]:
    """Outlines in the filler's coordinates, by part and contour, and the window they need."""
    seen = project(matrix, thing.points) * side
    bound = project(matrix, thing.hull) * side
    low = np.maximum(np.floor(bound.min(0)).astype(int) - _RIM, 0)
    high = np.minimum(np.ceil(bound.max(0)).astype(int) + _RIM, side)
    fixed = np.rint(((seen - low) * _FINE - 0.5) * 2**_SUB).astype(np.int32)
    at, outlines = 0, []
    for part in thing.parts:
        outlines.append([])
        for contour in part.contours:
            outlines[-1].append(fixed[at : at + len(contour)])
            at += len(contour)
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    return outlines, (slice(top, bottom), slice(left, right))


def _filled(
    contours: list[Int32[np.ndarray, "_ 2"]], shape: tuple[int, int]
) -> tuple[Window, Plane]:
    """The part's own window and its coverage there."""
    corners = [cv2.boundingRect(contour) for contour in contours]
    cell = _FINE << _SUB
    left = max(min(c[0] for c in corners) // cell - 1, 0)
    top = max(min(c[1] for c in corners) // cell - 1, 0)
    right = min(max(c[0] + c[2] for c in corners) // cell + 2, shape[1])
    bottom = min(max(c[1] + c[3] for c in corners) // cell + 2, shape[0])
    fine = np.zeros(((bottom - top) * _FINE, (right - left) * _FINE), np.uint8)
    cv2.fillPoly(fine, contours, 255, shift=_SUB, offset=(-left * cell, -top * cell))
    mask = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    return (slice(top, bottom), slice(left, right)), mask * np.float32(1 / 255)


def _cropped(there: Window, mask: Float32[np.ndarray, "h w"], here: Window) -> Plane:
    """A part's coverage in another part's window."""
    plane = np.zeros([span.stop - span.start for span in here], np.float32)
    spans = [
        (max(a.start, b.start), min(a.stop, b.stop), a.start, b.start)
        for a, b in zip(there, here, strict=True)
    ]
    if all(start < stop for start, stop, _, _ in spans):
        to, of = (tuple(slice(s[0] - s[k], s[1] - s[k]) for s in spans) for k in (3, 2))
        plane[to] = mask[of]
    return plane


def _rounded(share: Plane, radius: float) -> Plane:
    """A quarter round along the edge, 0..1; ``radius`` in pixels."""
    depth = cv2.distanceTransform((share > _HALF).view(np.uint8), cv2.DIST_L2, 3)
    short = 1 - np.minimum(depth * (1 / radius), 1)
    return cv2.sqrt(1 - short * short)


def _paint(
    thing: Thing, part: Part, back: Float32[np.ndarray, "3 3"], here: Window, pixel: float
) -> LightImage | Colour:
    """The colour of a part in its window: plain ink [3, 1, 1], or with the texture.

    Args:
        thing: whose part it is.
        part: to paint.
        back: from pixels of the object's window to the object's plane.
        here: the part's window within the object's.
        pixel: width of a pixel in object units.
    """
    ink = flat(thing.palette.inks[part.ink])
    if not part.textured:
        return ink
    y = np.arange(here[0].start, here[0].stop, dtype=np.float32)[:, None] + 0.5
    x = np.arange(here[1].start, here[1].stop, dtype=np.float32)[None, :] + 0.5
    u, v, w = (back[k, 0] * x + (back[k, 2] + back[k, 1] * y) for k in range(3))
    share = pattern(thing.skin, u / w, v / w, pixel)
    return ink + (flat(thing.palette.inks[Ink.PATTERN]) - ink) * share

"""Where an object is and how it is turned: a plane in space before a camera."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ilk.rendered.curves import Outline
from ilk.rendered.dice import Dice

_CAMERA = 4.5  # distance from the object, in half object widths: how strong perspective is
_EDGE = 0.04  # share of the image that stays free on each side
_TURN = 0.65  # radians either way
_TILT = 0.75


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """Position, size and attitude.

    Args:
        y: of the object's origin, 0 at the top and 1 at the bottom of the image.
        x: of the object's origin, 0 at the left.
        scale: half the object's width as a share of the image's.
        turn: in the plane of the image, in radians, clockwise.
        tilt: out of the plane, in radians; what foreshortens.
        axis: direction of the axis of the tilt, in radians.
        mirrored: left and right exchanged.
    """

    y: float
    x: float
    scale: float
    turn: float
    tilt: float
    axis: float
    mirrored: bool

    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """The homography from the object's plane to the image."""
        cos, sin, short = math.cos(self.axis), math.sin(self.axis), math.cos(self.tilt)
        along, across = cos * cos + short * sin * sin, sin * sin + short * cos * cos
        both = (1 - short) * cos * sin
        depth = math.sin(self.tilt) / _CAMERA
        c, s = self.scale * math.cos(self.turn), self.scale * math.sin(self.turn)
        mirror = -1 if self.mirrored else 1
        body = [
            [mirror * (c * along - s * both), c * both - s * across, 0],
            [mirror * (s * along + c * both), s * both + c * across, 0],
            [-mirror * depth * sin, depth * cos, 1],
        ]
        return np.array([[1, 0, self.x], [0, 1, self.y], [0, 0, 1]]) @ np.array(body)


def project(matrix: Float[np.ndarray, "3 3"], points: Outline) -> Outline:
    """Points of the object's plane, seen in the image."""
    seen = points @ matrix[:, :2].T + matrix[:, 2]
    return seen[:, :2] / seen[:, 2:]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stance:
    """How an object is held, before it is moved to where all of it can be seen.

    Args:
        scale: half the object's width as a share of the image's, if there is room.
        turn: as in ``Pose``.
        tilt: as in ``Pose``.
        axis: as in ``Pose``.
        mirrored: as in ``Pose``.
        across: 0 at the left edge, 1 at the right.
        down: 0 at the upper edge, 1 at the lower.
        pace: of the motion across, down, turning and tilting, in radians a frame.
    """

    scale: float
    turn: float
    tilt: float
    axis: float
    mirrored: bool
    across: float
    down: float
    pace: tuple[float, float, float, float]

    def later(self, frames: int) -> "Stance":
        """The stance some frames on; the motion is smooth and never ends."""
        across, down, turning, tilting = (pace * frames for pace in self.pace)
        return replace(
            self,
            across=_swung(self.across, across),
            down=_swung(self.down, down),
            turn=_TURN * (2 * _swung(0.5 + self.turn / _TURN / 2, turning) - 1),
            tilt=_TILT * (2 * _swung(0.5 + self.tilt / _TILT / 2, tilting) - 1),
        )

    def settled(self, points: Outline) -> Pose:
        """The pose in which all ``points`` of the object are well inside the image."""
        centred = Pose(
            y=0.0, x=0.0, scale=self.scale, turn=self.turn, tilt=self.tilt, axis=self.axis,
            mirrored=self.mirrored,
        )  # fmt: skip
        seen = project(centred.matrix(), points)
        low, high = seen.min(0), seen.max(0)
        extent, free = high - low, 1 - 2 * _EDGE
        shrink = min(1.0, free / float(extent.max()))
        x, y = _EDGE - low * shrink + (free - extent * shrink) * [self.across, self.down]
        return replace(centred, x=float(x), y=float(y), scale=centred.scale * shrink)


def stance(dice: Dice) -> Stance:
    """An upright stance, more or less, anywhere."""
    return Stance(
        scale=dice.between(0.26, 0.4), turn=dice.between(-_TURN, _TURN),
        tilt=dice.between(-_TILT, _TILT), axis=dice.between(0, math.pi),
        mirrored=dice.chance(0.5), across=dice.between(0, 1), down=dice.between(0, 1),
        pace=(dice.around(0.24), dice.around(0.24), dice.around(0.16), dice.around(0.16)),
    )  # fmt: skip


def _swung(start: float, angle: float) -> float:
    """A pendulum between 0 and 1 that was at ``start`` when the angle was 0."""
    return 0.5 + 0.5 * math.sin(math.asin(2 * start - 1) + angle)

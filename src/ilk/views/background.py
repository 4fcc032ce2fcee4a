"""Other backgrounds behind the foreground of a view.

Ryali, Schwab and Morcos, "Characterizing and improving the robustness of self-supervised
learning through background augmentations", 2021, https://arxiv.org/abs/2103.12719.
Axes: B images, H W C pixels, S side of a view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Bool, Int, UInt8
from scipy.ndimage import distance_transform_edt

from ilk.core.errors import UserError
from ilk.core.seeding import uniforms

MATCHED = "matched"
RIM = 32  # of the side of a view: how wide a rim is cut out with the foreground


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    """How often a view's background is replaced, and by what.

    Args:
        kind: ``remove`` paints it in one grey level; ``random`` takes that of another image;
            ``matched`` shows another image's foreground before this one's background: a hard
            negative.
        p: probability; of ``matched`` always 1.
        least: share of a view that its foreground must fill, else the view stays as it is; a
            crop that misses the foreground would lose everything.
        most: share that it may fill; beyond it there is no background to speak of.

    Raises:
        UserError: if a number is outside its range.
    """

    kind: Literal["remove", "random", "matched"]
    p: float = 0.2
    least: float = 0.05
    most: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise UserError(f"background: its probability must be in [0, 1], got {self.p}")
        if not 0 <= self.least <= self.most <= 1:
            raise UserError(
                "background: 0 <= least <= most <= 1 must hold, got "
                f"{self.least} and {self.most}"
            )


@runtime_checkable
class Scenery(Protocol):
    """Knows what is foreground in every image of a data set."""

    def foreground(
        self, item: int, image: UInt8[np.ndarray, "H W C"]
    ) -> Bool[np.ndarray, "H W"]:
        """Which pixels of an image show its foreground."""
        ...

    def other(
        self, item: int, chance: float
    ) -> tuple[UInt8[np.ndarray, "H W C"], Bool[np.ndarray, "H W"]]:
        """The pixels and the foreground of another image, all equally likely by ``chance``."""
        ...


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What comes behind the foreground of one image, if its crop has a fair share of it.

    Args:
        foreground: of the whole image.
        ground: the view's new background, or one grey level.
        share: smallest and largest share of the view that may be foreground.
    """

    foreground: Bool[np.ndarray, "H W"]
    ground: UInt8[np.ndarray, "S S C"] | int
    share: tuple[float, float]

    def put_behind(self, view: UInt8[np.ndarray, "S S C"], box: Sequence[int]) -> None:
        """Change the background of a view in place, before any colour is changed.

        Args:
            view: what was cut out of the image.
            box: top, left, height and width of the cut.
        """
        shown = cropped(self.foreground, box, len(view))
        least, most = self.share
        if least <= shown.mean() <= most:
            view[~shown] = self.ground if isinstance(self.ground, int) else self.ground[~shown]


def backdrops(
    background: Background,
    name: str,
    size: int,
    images: Sequence[UInt8[np.ndarray, "_ _ _"]],
    items: Int[np.ndarray, " B"],
    scenery: Scenery,
    *,
    epoch: int,
    seed: int,
) -> tuple[Sequence[UInt8[np.ndarray, "_ _ _"]], list[Backdrop | None]]:
    """The images that a view shows, and what comes behind them; a row is its item's alone.

    Args:
        background: what is asked for.
        name: of the view; views of different names are independent.
        size: S, of the view.
        images: of the batch.
        items: index of each in its data set.
        scenery: where foreground and other images come from.
        epoch: or any other counter.
        seed: of the run.
    """
    chance = uniforms(seed, epoch, items, f"background/{name}", 2)
    share = background.least, background.most
    rows = list(zip(images, items.tolist(), chance.tolist(), strict=True))
    if background.kind == MATCHED:
        return _matched(rows, size, scenery, background.most, share)
    behind: list[Backdrop | None] = []
    for image, item, (whether, which) in rows:
        ground: np.ndarray | int | None = None
        if whether < background.p:
            ground = int(256 * which)
            if background.kind == "random":
                ground = backcloth(*scenery.other(item, which), size, background.most)
        mask = None if ground is None else scenery.foreground(item, image)
        behind.append(None if mask is None or ground is None else Backdrop(mask, ground, share))
    return images, behind


def _matched(
    rows: Sequence[tuple[np.ndarray, int, list[float]]],
    size: int,
    scenery: Scenery,
    most: float,
    share: tuple[float, float],
) -> tuple[list[np.ndarray], list[Backdrop | None]]:
    """Other images, each before the background of the image whose row it stands in."""
    shown: list[np.ndarray] = []
    behind: list[Backdrop | None] = []
    for image, item, (_, which) in rows:
        other, mask = scenery.other(item, which)
        ground = backcloth(image, scenery.foreground(item, image), size, most)
        shown.append(other)
        behind.append(None if ground is None else Backdrop(mask, ground, share))
    return shown, behind


def backcloth(
    image: UInt8[np.ndarray, "H W C"],
    foreground: Bool[np.ndarray, "H W"],
    size: int,
    most: float = 1.0,
) -> UInt8[np.ndarray, "S S C"] | None:
    """The background of an image's central square alone, scaled to a view.

    The foreground is cut out with a rim, for the pixels beside it show a part of it.
    None where the foreground fills more than the share ``most`` of it, or all of it.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    box = (height - side) // 2, (width - side) // 2, side, side
    hole = cropped(foreground, box, size)
    fair = hole.mean() <= most
    if hole.any():
        across = 2 * max(size // RIM, 1) + 1
        ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, across))
        hole = cv2.dilate(hole.astype(np.uint8), ball) > 0
    if not fair or hole.all():
        return None
    top, left = box[:2]
    square = image[top : top + side, left : left + side]
    shrinks = side > size
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    scaled = cv2.resize(square, (size, size), interpolation=kind)
    return filled(scaled.reshape(size, size, -1), hole)


def filled(
    image: UInt8[np.ndarray, "H W C"], hole: Bool[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W C"]:
    """An image whose hole shows its surroundings, mirrored at the nearest border of the hole.

    No silhouette stays behind, as it would in one colour. Where the mirrored pixel is outside
    the image or itself in the hole, the pixel on the border is taken.

    Args:
        image: of any number of channels; it is not changed.
        hole: not everywhere.
    """
    if not hole.any():
        return image
    nearest = cast(
        np.ndarray, distance_transform_edt(hole, return_distances=False, return_indices=True)
    )
    here = np.indices(hole.shape)
    limits = np.array(hole.shape)[:, None, None] - 1
    mirrored = 2 * nearest - here
    inside = ((mirrored >= 0) & (mirrored <= limits)).all(0)
    mirrored = np.where(inside, mirrored, nearest)
    mirrored = np.where(hole[tuple(mirrored)], nearest, mirrored)
    return image[tuple(mirrored)]


def cropped(
    mask: Bool[np.ndarray, "H W"], box: Sequence[int], size: int
) -> Bool[np.ndarray, "S S"]:
    """Top, left, height, width of a mask, scaled to a view: the nearest pixel, no blend."""
    top, left, height, width = box
    middles = 2 * np.arange(size) + 1  # in halves of a pixel; whole numbers round exactly
    rows, columns = (
        first + middles * side // (2 * size) for first, side in ((top, height), (left, width))
    )
    return mask[rows[:, None], columns]

"""Which cells of an image are hidden: a pure function of seed, epoch, item and view.

Axes: B images, h w cells of a grid, k sets of cells.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int

from ilk.core.errors import UserError
from ilk.core.masks import Mask
from ilk.core.seeding import uniforms

TRIES = 40  # blocks that are drawn for an image at most
WIDTH = 7  # units of SimMIM in an image: 32 px of 224
FINER = "; change it, or take larger images or smaller patches"
Grid = tuple[int, int]


@dataclass(frozen=True, slots=True)
class MaskChance:
    """What the masks of a batch depend on.

    Args:
        items: the numbers of the images of the batch.
        epoch: or any other counter.
        step: for what all images of a step have in common.
        seed: the seed of the run.
        stream: name of the view.
    """

    items: Int[np.ndarray, " B"]
    epoch: int
    step: int
    seed: int
    stream: str

    def draws(self, count: int, what: str = "") -> Float64[np.ndarray, "B count"]:
        """So many uniforms for each image."""
        return uniforms(self.seed, self.epoch, self.items, f"mask/{self.stream}{what}", count)

    def common(self, count: int) -> Float64[np.ndarray, " count"]:
        """So many uniforms for the whole step, on all ranks."""
        first = np.zeros(1, np.int64)
        return uniforms(self.seed, self.step, first, f"mask/{self.stream}/step", count)[0]


@runtime_checkable
class MaskSampler(Protocol):
    """Draws what is hidden of each image."""

    def draw(self, grid: Grid, chance: MaskChance) -> Mask:
        """A mask for each image, on the processor."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomCells:
    """So many cells of every image, all of them equally likely.

    MAE, He et al., CVPR 2022, https://arxiv.org/abs/2111.06377, hides single patches; SimMIM,
    Xie et al., CVPR 2022, https://arxiv.org/abs/2111.09886, squares of 32 px.

    Args:
        share: the share of the cells that is hidden, in (0, 1); rounded up to whole units.
        unit: side of the squares that are hidden as one, in cells; it must divide the grid.

    Raises:
        UserError: the share is out of its range.
    """

    share: float = 0.75
    unit: int = 1

    def __post_init__(self) -> None:
        check_mask("share", 0 < self.share < 1, "between 0 and 1", self.share)

    def draw(self, grid: Grid, chance: MaskChance) -> Mask:
        """The first units of an order drawn for each image.

        Raises:
            UserError: the unit does not divide the grid, or all or nothing would be hidden.
        """
        rows, columns = (side // self.unit for side in grid)
        fits = (rows * self.unit, columns * self.unit) == tuple(grid)
        check_mask("unit", fits, f"a divisor of the grid of {grid[0]} x {grid[1]}", self.unit)
        units = rows * columns
        count = math.ceil(self.share * units - 1e-9)  # 0.6 of 5 is 3, whatever its rounding
        what = f"such that some of the {units} squares of an image are hidden and some left"
        check_mask("share", 0 < count < units, what, self.share, FINER)
        order = chance.draws(units).argsort(axis=1, kind="stable")
        hidden = np.zeros((len(order), units), bool)
        np.put_along_axis(hidden, order[:, :count], values=True, axis=1)
        hidden = hidden.reshape(-1, rows, columns)
        hidden = hidden.repeat(self.unit, axis=1).repeat(self.unit, axis=2)
        return Mask(torch.from_numpy(hidden), (units - count) * self.unit**2)


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockCells:
    """Rectangles of any aspect until a share is hidden, which is met exactly.

    BEiT, Bao et al., ICLR 2022, https://arxiv.org/abs/2106.08254, algorithm 1, and iBOT, Zhou
    et al., ICLR 2022, https://arxiv.org/abs/2111.07832. What remains when no further rectangle
    fits is hidden cell by cell, so that the share is what was drawn.

    Args:
        share: the share of the cells that is hidden, least and largest; uniform between them.
        masked: share of the images that have a mask at all.
        least: cells of a rectangle.
        aspect: smallest height over width; the largest is its inverse.
        stratified: whether a batch is laid out together, as in DINOv2 (Oquab et al., 2023,
            https://arxiv.org/abs/2304.07193): the share of its images with a mask is exact, and
            theirs lie one in each of as many equal parts of the range. A mask then depends on
            the other images that a process sees in the step.
        groups: that a batch is laid out in, one after the other.

    Raises:
        UserError: a value is out of its range.
    """

    share: tuple[float, float] = (0.4, 0.4)
    masked: float = 1.0
    least: int = 16
    aspect: float = 0.3
    stratified: bool = False
    groups: int = 1

    def __post_init__(self) -> None:
        low, high = self.share
        check_mask("share", 0 <= low <= high < 1, "0 <= least <= largest < 1", self.share)
        check_mask("masked", 0 <= self.masked <= 1, "in [0, 1]", self.masked)
        check_mask("least", self.least >= 1, "at least 1", self.least)
        check_mask("aspect", 0 < self.aspect <= 1, "in (0, 1]", self.aspect)

    def draw(self, grid: Grid, chance: MaskChance) -> Mask:
        """Image by image, for what fits depends on what is there.

        Raises:
            UserError: no cell would ever be hidden.
        """
        cells, (low, high) = grid[0] * grid[1], self.share
        some = high == 0 or round(high * cells) >= 1
        what = f"such that some of the {cells} cells of an image are hidden"
        check_mask("share", some, what, self.share, FINER)
        within, masked = self._drawn(chance.draws(2))
        counts = np.rint((low + (high - low) * within) * cells).astype(np.int64)
        counts[~masked] = 0
        blocks = chance.draws(4 * TRIES, "/blocks").reshape(-1, TRIES, 4)
        orders = chance.draws(cells, "/rest").argsort(axis=1, kind="stable")
        hidden = np.stack(
            [self._one(grid, *of) for of in zip(counts.tolist(), blocks, orders, strict=True)]
        )
        same = low == high and self.masked == 1
        return Mask(torch.from_numpy(hidden), cells - int(counts[0]) if same else None)

    def _drawn(
        self, u: Float64[np.ndarray, "B 2"]
    ) -> tuple[Float64[np.ndarray, " B"], Bool[np.ndarray, " B"]]:
        """Where in its range the share of each image lies, and which have a mask."""
        if not self.stratified:
            return u[:, 0], u[:, 1] < self.masked
        parts = []
        for group in np.array_split(u, self.groups):
            place = group[:, 1].argsort(kind="stable").argsort(kind="stable")
            many = int(self.masked * len(group))
            parts.append(((place + group[:, 0]) / max(many, 1), place < many))
        within, masked = (np.concatenate(part) for part in zip(*parts, strict=True))
        return within.clip(max=1.0), masked

    def _one(
        self, grid: Grid, count: int, blocks: np.ndarray, order: np.ndarray
    ) -> Bool[np.ndarray, "h w"]:
        hidden, left = np.zeros(grid, bool), count
        for u in blocks:
            if left < self.least:
                break
            area = self.least + (left - self.least) * u[0]
            bound = math.log(self.aspect)
            height, width = sides_of(area, math.exp(bound - 2 * bound * u[1]))
            if height > grid[0] or width > grid[1]:
                continue
            block = block_at(grid, (height, width), u[2:])
            new = np.count_nonzero(block & ~hidden)
            if new <= left:
                hidden |= block
                left -= new
        if left:
            flat = hidden.reshape(-1)
            flat[order[~flat[order]][:left]] = True
        return hidden


def least_block(size: int, patch: int) -> int:
    """Cells of iBOT's smallest rectangle: a third of the grid of patches, squared.

    Args:
        size: the side of the image, in pixels.
        patch: side of a patch, in pixels.

    Example:
        >>> least_block(224, 16), least_block(32, 4)
        (16, 4)
    """
    return max(size // patch // 3, 1) ** 2


def mask_unit(size: int, patch: int) -> int:
    """Side of a unit of SimMIM in patches: near a seventh of the image, as 32 px of 224.

    It divides the grid of patches and leaves at least two units along each side.

    Args:
        size: the side of the image, in pixels.
        patch: side of a patch, in pixels.

    Example:
        >>> mask_unit(224, 16), mask_unit(192, 4), mask_unit(32, 4)
        (2, 6, 1)
    """
    side = size // patch
    units = [unit for unit in range(1, side // 2 + 1) if side % unit == 0]
    return min(units or [1], key=lambda unit: abs(unit - side / WIDTH))


def sides_of(area: float, aspect: float) -> Grid:
    """Height and width of a rectangle in whole cells."""
    return max(round(math.sqrt(area * aspect)), 1), max(round(math.sqrt(area / aspect)), 1)


def block_at(
    grid: Grid, size: Grid, u: np.ndarray, *, last: bool = True
) -> Bool[np.ndarray, "h w"]:
    """A rectangle at a place; each one at which it lies inside is equally likely.

    Without ``last`` the last row and column at which it could begin are left out.
    """
    top, left = (int(u[axis] * (grid[axis] - size[axis] + last)) for axis in range(2))
    block = np.zeros(grid, bool)
    block[top : top + size[0], left : left + size[1]] = True
    return block


def check_mask(name: str, holds: bool, what: str, got: object, then: str = "") -> None:
    """Refuse a setting of a mask, perhaps with what to do.

    Raises:
        UserError: it does not hold.
    """
    if not holds:
        raise UserError(f"mask: {name} must be {what}, got {got}{then}")

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
        _check("share", 0 < self.share < 1, "between 0 and 1", self.share)

    def draw(self, grid: Grid, chance: MaskChance) -> Mask:
        """The first units of an order drawn for each image.

        Raises:
            UserError: the unit does not divide the grid, or all or nothing would be hidden.
        """
        rows, columns = (side // self.unit for side in grid)
        fits = (rows * self.unit, columns * self.unit) == tuple(grid)
        _check("unit", fits, f"a divisor of the grid of {grid[0]} x {grid[1]}", self.unit)
        units = rows * columns
        count = math.ceil(self.share * units - 1e-9)  # 0.6 of 5 is 3, whatever its rounding
        _check("share", 0 < count < units, f"such that of {units} some are left", self.share)
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

    Raises:
        UserError: a value is out of its range.
    """

    share: tuple[float, float] = (0.4, 0.4)
    masked: float = 1.0
    least: int = 16
    aspect: float = 0.3

    def __post_init__(self) -> None:
        low, high = self.share
        _check("share", 0 <= low <= high < 1, "0 <= least <= largest < 1", self.share)
        _check("masked", 0 <= self.masked <= 1, "in [0, 1]", self.masked)
        _check("least", self.least >= 1, "at least 1", self.least)
        _check("aspect", 0 < self.aspect <= 1, "in (0, 1]", self.aspect)

    def draw(self, grid: Grid, chance: MaskChance) -> Mask:
        """Image by image, for what fits depends on what is there."""
        cells, (low, high) = grid[0] * grid[1], self.share
        first = chance.draws(2)
        counts = np.rint((low + (high - low) * first[:, 0]) * cells).astype(np.int64)
        counts[first[:, 1] >= self.masked] = 0
        blocks = chance.draws(4 * TRIES, "/blocks").reshape(-1, TRIES, 4)
        orders = chance.draws(cells, "/rest").argsort(axis=1, kind="stable")
        hidden = np.stack(
            [self._one(grid, *of) for of in zip(counts.tolist(), blocks, orders, strict=True)]
        )
        same = low == high and self.masked == 1
        return Mask(torch.from_numpy(hidden), cells - int(counts[0]) if same else None)

    def _one(
        self, grid: Grid, count: int, blocks: np.ndarray, order: np.ndarray
    ) -> Bool[np.ndarray, "h w"]:
        hidden = np.zeros(grid, bool)
        for u in blocks:
            left = count - int(hidden.sum())
            if left < self.least:
                break
            area = self.least + (left - self.least) * u[0]
            bound = math.log(self.aspect)
            height, width = _sides(area, math.exp(bound - 2 * bound * u[1]))
            if height > grid[0] or width > grid[1]:
                continue
            block = _block(grid, (height, width), u[2:])
            if int((block & ~hidden).sum()) <= left:
                hidden |= block
        flat = hidden.reshape(-1)
        flat[order[~flat[order]][: count - int(flat.sum())]] = True
        return hidden


@dataclass(frozen=True, kw_only=True, slots=True)
class MultiBlock:
    """Some rectangles to predict, and a part of a large square without them to predict from.

    I-JEPA, Assran et al., CVPR 2023, https://arxiv.org/abs/2301.08243. Scale and aspect are
    drawn independently, and every position at which a rectangle lies inside is equally likely.
    Sizes are drawn once a step, positions for each image. All images show equally many cells:
    a random part of what is left of their square. Where less is left, positions are drawn
    again, at most `TRIES` times, after which all rectangles lie on one another.

    Args:
        context: share of the cells in the square, least and largest.
        target: share of the cells in each rectangle, least and largest.
        aspect: height over width of the rectangles, least and largest.
        targets: k, how many.
        keep: share of the square's cells that is seen.

    Raises:
        UserError: a value is out of its range.
    """

    context: tuple[float, float] = (0.85, 1.0)
    target: tuple[float, float] = (0.15, 0.2)
    aspect: tuple[float, float] = (0.75, 1.5)
    targets: int = 4
    keep: float = 0.25

    def __post_init__(self) -> None:
        for name in ("context", "target"):
            low, high = getattr(self, name)
            _check(name, 0 < low <= high <= 1, "0 < least <= largest <= 1", (low, high))
        _check(
            "aspect", 0 < self.aspect[0] <= self.aspect[1], "0 < least <= largest", self.aspect
        )
        _check("targets", self.targets >= 1, "at least 1", self.targets)
        most = 1 - self.target[1] / self.context[0]
        _check("keep", 0 < self.keep < most, f"above 0 and below {most:g}", self.keep)

    def draw(self, grid: Grid, chance: MaskChance) -> Mask:
        """What the network sees is not hidden; the rectangles are asked for."""
        u, cells = chance.common(3), grid[0] * grid[1]
        square = _inside(_sides(_between(self.context, u[0]) * cells, 1.0), grid)
        size = _sides(_between(self.target, u[1]) * cells, _between(self.aspect, u[2]))
        size = _inside(size, grid)
        left = square[0] * square[1] - size[0] * size[1]
        seen = max(min(int(self.keep * square[0] * square[1]), left), 1)
        draws = chance.draws(2 + 2 * TRIES * self.targets, "/places")
        orders = chance.draws(cells, "/seen").argsort(axis=1, kind="stable")
        hidden, asked = [], []
        for mine, order in zip(draws, orders, strict=True):
            around = _block(grid, square, mine[:2])
            places = mine[2:].reshape(TRIES, self.targets, 2)
            blocks = self._targets(grid, size, places, around, seen)
            free = (around & ~blocks.any(axis=0)).reshape(-1)
            kept = np.ones(cells, bool)
            kept[order[free[order]][:seen]] = False
            hidden.append(kept.reshape(grid))
            asked.append(blocks)
        return Mask(torch.from_numpy(np.stack(hidden)), seen, torch.from_numpy(np.stack(asked)))

    def _targets(
        self, grid: Grid, size: Grid, places: np.ndarray, around: np.ndarray, seen: int
    ) -> Bool[np.ndarray, "k h w"]:
        for tried in places:
            blocks = np.stack([_block(grid, size, place) for place in tried])
            if int((around & ~blocks.any(axis=0)).sum()) >= seen:
                return blocks
        return np.repeat(_block(grid, size, places[0, 0])[None], self.targets, axis=0)


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


def _between(bounds: tuple[float, float], u: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * u


def _sides(area: float, aspect: float) -> Grid:
    """Height and width of a rectangle in whole cells."""
    return max(round(math.sqrt(area * aspect)), 1), max(round(math.sqrt(area / aspect)), 1)


def _inside(size: Grid, grid: Grid) -> Grid:
    return min(size[0], grid[0]), min(size[1], grid[1])


def _block(grid: Grid, size: Grid, u: np.ndarray) -> Bool[np.ndarray, "h w"]:
    """A rectangle at a place; each one at which it lies inside is equally likely."""
    top, left = (int(u[axis] * (grid[axis] - size[axis] + 1)) for axis in range(2))
    block = np.zeros(grid, bool)
    block[top : top + size[0], left : left + size[1]] = True
    return block


def _check(name: str, holds: bool, what: str, got: object) -> None:
    if not holds:
        raise UserError(f"mask: {name} must be {what}, got {got}")

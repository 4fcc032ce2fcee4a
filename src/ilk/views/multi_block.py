"""What I-JEPA hides of an image, and what it asks for.

Axes: B images, h w cells of a grid, k sets of cells.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool

from ilk.core.masks import Mask
from ilk.views.masks import FINER, TRIES, Grid, MaskChance, block_at, check_mask, sides_of


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
        compat: whether to draw as the authors' code does, to follow published numbers: scale
            and aspect from one number, no rectangle at the last row or column, and of what is
            left the first cells by raster. The code shows as many as are left of the shortest
            context of a batch; here their number is as above.

    Raises:
        UserError: a value is out of its range.
    """

    context: tuple[float, float] = (0.85, 1.0)
    target: tuple[float, float] = (0.15, 0.2)
    aspect: tuple[float, float] = (0.75, 1.5)
    targets: int = 4
    keep: float = 0.25
    compat: bool = False

    def __post_init__(self) -> None:
        for name in ("context", "target"):
            low, high = getattr(self, name)
            check_mask(name, 0 < low <= high <= 1, "0 < least <= largest <= 1", (low, high))
        check_mask(
            "aspect", 0 < self.aspect[0] <= self.aspect[1], "0 < least <= largest", self.aspect
        )
        check_mask("targets", self.targets >= 1, "at least 1", self.targets)
        most = 1 - self.target[1] / self.context[0]
        check_mask("keep", 0 < self.keep < most, f"above 0 and below {most:g}", self.keep)

    def draw(self, grid: Grid, chance: MaskChance) -> Mask:
        """What the network sees is not hidden; the rectangles are asked for.

        Raises:
            UserError: a rectangle would leave nothing to see.
        """
        u, cells = chance.common(3), grid[0] * grid[1]
        if self.compat:
            u[2] = u[1]
        square = _inside(sides_of(_between(self.context, u[0]) * cells, 1.0), grid)
        size = sides_of(_between(self.target, u[1]) * cells, _between(self.aspect, u[2]))
        size = _inside(size, grid)
        left = square[0] * square[1] - size[0] * size[1]
        what = f"such that some of the {cells} cells of an image are left"
        check_mask("target", left > 0, what, self.target, FINER)
        seen = max(min(int(self.keep * square[0] * square[1]), left), 1)
        draws = chance.draws(2 + 2 * TRIES * self.targets, "/places")
        orders = chance.draws(cells, "/seen").argsort(axis=1, kind="stable")
        if self.compat:
            orders = np.tile(np.arange(cells), (len(draws), 1))
        hidden, asked = [], []
        for mine, order in zip(draws, orders, strict=True):
            around = block_at(grid, square, mine[:2], last=not self.compat)
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
            last = not self.compat
            blocks = np.stack([block_at(grid, size, place, last=last) for place in tried])
            if int((around & ~blocks.any(axis=0)).sum()) >= seen:
                return blocks
        return np.repeat(block_at(grid, size, places[0, 0])[None], self.targets, axis=0)


def _between(bounds: tuple[float, float], u: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * u


def _inside(size: Grid, grid: Grid) -> Grid:
    return min(size[0], grid[0]), min(size[1], grid[1])

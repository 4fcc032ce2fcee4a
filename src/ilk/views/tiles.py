"""Images cut into tiles that are looked at one by one: jigsaws and neighbouring patches.

Axes: R rows, P tiles of a row in raster order, C channels, S side of a tile.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor

from ilk.core import RowFacts, UserError
from ilk.core.seeding import uniforms
from ilk.views.derived import Chance, ViewRows
from ilk.views.orders import orders
from ilk.views.view import require

Colours = Literal["kept", "dropped", "projected"]
SMALLEST = 8  # pixels of a tile's side; below, there is little to recognise
FLAT = 1e-4  # variance of normalised pixels, which a tile of one colour does not have
SHARE = 2 / 7  # of an image's side: tiles of 64 px at 224
GREEN_MAGENTA = (-1.0, 2.0, -1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """A grid of tiles of each image, which a network sees one by one.

    What a network must not solve the task by is taken away. Tiles lie apart, and each anywhere
    within a margin, so that no edge continues from one into the next. Each tile has mean 0 in
    every channel and variance 1, so that brightness and contrast say nothing. And lenses that
    shift colours towards the border of a photograph tell nothing where colours are dropped or
    projected.

    Args:
        name: the name of the view of tiles, on which it depends where they lie.
        view: that is cut; its side must be ``span``.
        size: side of a tile, in pixels.
        step: pixels from one tile to the next, before they are moved.
        jitter: how far a tile is moved to the right and downwards at most, in whole pixels.
        grid: tiles of a side.
        colours: "dropped" leaves each tile one channel, drawn for it, and "projected" takes the
            axis from green to magenta away (Doersch et al., ICCV 2015, section 3.1).
        standard: whether each tile is brought to mean 0 and variance 1.

    Raises:
        UserError: tiles are smaller than 8 px, or a parameter is outside its range.
    """

    name: str
    view: str
    size: int
    step: int
    jitter: int = 0
    grid: int = 3
    colours: Colours = "kept"
    standard: bool = True

    unmixable: ClassVar[str] = "it cuts images into tiles, and the tiles of a mix are no mixes"

    def __post_init__(self) -> None:
        fit = f"at least {SMALLEST} px; set a larger image_size"
        require(self, "size", self.size >= SMALLEST, fit)
        require(self, "step", self.step >= 1, "at least 1")
        require(self, "jitter", self.jitter >= 0, "not negative")
        require(self, "grid", self.grid >= 1, "at least 1")

    @property
    def span(self) -> int:
        """The side of the image that is cut, in pixels."""
        return (self.grid - 1) * self.step + self.size + self.jitter

    @property
    def names(self) -> tuple[str, ...]:
        """The one view."""
        return (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view that is cut."""
        return (self.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """Images [R, P, C, S, S], a row for each image as before.

        Raises:
            ValueError: the view has no images of the right side.
            UserError: colours of other than three channels are to be projected.
        """
        shown = views[self.view]
        images, facts = shown.images, shown.facts
        if images.shape[2:] != (self.span, self.span):
            raise ValueError(
                f"Tiles {self.name!r}: {self.view!r} must have images of {self.span} px, got "
                f"{' x '.join(map(str, images.shape[2:]))}"
            )
        drawn = _uniforms(chance, self.name, facts.blocks, 3 * self.grid**2)
        moved, channel = drawn[:, : 2 * self.grid**2], drawn[:, 2 * self.grid**2 :]
        if self.colours == "projected":
            images = _projected(shown)
        tiles = self._cut(images, moved)
        if self.colours == "dropped":
            tiles = _one_channel(tiles, channel)
        tiles = _standard(tiles) if self.standard else tiles
        known = RowFacts(facts.composition, facts.blocks, facts.task, facts.place)
        return {self.name: ViewRows(tiles, known)}

    def _cut(
        self, images: Float[Tensor, "R C H W"], drawn: Float64[np.ndarray, "R draws"]
    ) -> Float[Tensor, "R P C S S"]:
        moves = (drawn * (self.jitter + 1)).astype(np.int64).reshape(len(drawn), 2, -1)
        first = np.stack(np.divmod(np.arange(self.grid**2), self.grid)) * self.step
        top, left = torch.from_numpy(first + moves).to(images.device).unbind(dim=1)
        windows = images.unfold(2, self.size, 1).unfold(3, self.size, 1)
        row = torch.arange(len(images), device=images.device)[:, None]
        return windows[row, :, top, left]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shuffled:
    """The tiles of each image in one of some orders, drawn for it; the task of a row is which.

    Noroozi and Favaro, ECCV 2016, https://arxiv.org/abs/1603.09246; see `orders`.

    Args:
        name: the name of the shuffled view, on which it depends which order is drawn.
        view: view of tiles.
        count: number of orders.
    """

    name: str
    view: str
    count: int

    unmixable: ClassVar[str] = "the tiles of each image have an order of their own"

    @property
    def names(self) -> tuple[str, ...]:
        """The one view."""
        return (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view whose tiles are shuffled."""
        return (self.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """The same tiles; tile j of a row was tile ``orders[task, j]``.

        Raises:
            UserError: there are not as many orders.
        """
        shown = views[self.view]
        tiles, facts = shown.images, shown.facts
        drawn = _uniforms(chance, self.name, facts.blocks, 1)[:, 0]
        task = (drawn * self.count).astype(np.int64)
        order = torch.from_numpy(orders(self.count, tiles.shape[1])[task]).to(tiles.device)
        row = torch.arange(len(tiles), device=tiles.device)[:, None]
        known = replace(facts, task=torch.from_numpy(task).to(tiles.device))
        return {self.name: ViewRows(tiles[row, order], known)}


def nine_tiles(
    size: int, stride: int, *, view: str, apart: float, jitter: float, colours: Colours
) -> Tiles:
    """A view "tiles" of three by three tiles, whose side is near 2/7 of an image's.

    It is a whole number of the backbone's strides, and one at least: 64 px at 224, and 8 px at
    32 for strides of 4 or 8. The image that is cut is larger than others where it must be.

    Args:
        size: side of the images that the backbone sees otherwise, in pixels.
        stride: pixels between two places of the backbone's map.
        view: that is cut.
        apart: pixels from one tile to the next, in sides of a tile.
        jitter: the largest move, likewise.
        colours: as in `Tiles`.

    Raises:
        UserError: tiles would be smaller than 8 px.
    """
    side = max(round(SHARE * size / stride), 1) * stride
    return Tiles(
        name="tiles",
        view=view,
        size=side,
        step=round(apart * side),
        jitter=round(jitter * side),
        colours=colours,
    )


def mosaic(tiles: Float[Tensor, "R P C S S"]) -> Float[Tensor, "R C H W"]:
    """Tiles of each row side by side, with a gap of an eighth of a tile, to be looked at."""
    side, size = math.isqrt(tiles.shape[1]), tiles.shape[-1]
    gap = max(size // 8, 1)
    cells = F.pad(tiles, (0, gap, 0, gap)).unflatten(1, (side, side))
    grid = cells.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
    return grid[..., :-gap, :-gap]


def _uniforms(
    chance: Chance, name: str, blocks: int, draws: int
) -> Float64[np.ndarray, "R draws"]:
    """A row for each image of each block."""
    streams = [f"tiles/{name}/{block}" for block in range(blocks)]
    rows = [uniforms(chance.seed, chance.epoch, chance.items, s, draws) for s in streams]
    return np.concatenate(rows)


def _one_channel(
    tiles: Float[Tensor, "R P C S S"], drawn: Float64[np.ndarray, "R P"]
) -> Float[Tensor, "R P C S S"]:
    """Tiles of which one channel is left; the others are at the mean of the data."""
    kept = torch.from_numpy(drawn * tiles.shape[2]).long().to(tiles.device)
    numbers = torch.arange(tiles.shape[2], device=tiles.device)
    return tiles * (kept[..., None] == numbers)[..., None, None]


def _projected(shown: ViewRows) -> Float[Tensor, "R C H W"]:
    """Images whose pixels have no part along the axis from green to magenta."""
    images, channels = shown.images, shown.images.shape[1]
    if channels == 1:
        return images
    if channels != 3:
        raise UserError(
            f"tiles: images must have three channels for colours=projected, got {channels}; "
            "set colours=dropped"
        )
    mean, std = shown.statistics or ((0.0,) * 3, (1.0,) * 3)
    mean, std = (images.new_tensor(part).view(-1, 1, 1) for part in (mean, std))
    axis = images.new_tensor(GREEN_MAGENTA)
    axis = axis / axis.norm()
    pixels = images * std + mean
    along = torch.einsum("c,rchw->rhw", axis, pixels)[:, None]
    return (pixels - axis.view(-1, 1, 1) * along - mean) / std


def _standard(tiles: Float[Tensor, "R P C S S"]) -> Float[Tensor, "R P C S S"]:
    """Each channel of a tile around 0, and the variance of the whole tile 1."""
    apart = tiles - tiles.mean(dim=(3, 4), keepdim=True)
    return apart / (apart.square().mean(dim=(2, 3, 4), keepdim=True) + FLAT).sqrt()

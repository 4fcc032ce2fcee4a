"""The view to measure with. Axes: B images, C channels, S side of the view."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int, UInt8
from torch import Tensor

from ilk.core.items import ItemKind, ItemSubset
from ilk.views.background import Scenery
from ilk.views.draws import Interpolation
from ilk.views.pixels import crop_resize
from ilk.views.view import require


@dataclass(frozen=True, slots=True)
class Plain:
    """The view to measure with: the middle of the image, no chance involved.

    An image whose shorter side is at least ``size / crop`` is large: the shorter side is scaled
    to that (256 for 224), then the centre is cut out, to the pixel as torchvision does it. A
    smaller image has no margin to spare: its central square is scaled to ``size``. A square
    image of ``size`` pixels therefore comes out as it went in.

    Args:
        size: side of the square that comes out, in pixels.
        crop: share of the shorter side of a large image that is kept; 1 keeps all of it.
        interpolation: of the scaling, anti-aliased.
        name: of the view.

    Raises:
        UserError: if a parameter is outside its range.
    """

    kind: ClassVar[ItemKind] = "image"

    size: int
    crop: float = 224 / 256
    interpolation: Interpolation = "bilinear"
    name: str = "plain"

    def __post_init__(self) -> None:
        require(self, "size", self.size >= 1, "at least 1")
        require(self, "crop", 0 < self.crop <= 1, "a share in (0, 1]")

    @property
    def subset(self) -> ItemSubset:
        """It is made of all items."""
        return "all"

    def min_pixels(self) -> None:
        """What is measured should not depend on how an image was read: all of it."""

    def render(
        self,
        images: Sequence[UInt8[np.ndarray, "_ _ _"]],
        items: Int[np.ndarray, " B"],
        epoch: int = 0,
        seed: int = 0,
        scenery: Scenery | None = None,
    ) -> UInt8[Tensor, "B C S S"]:
        """The middle of each image; items, epoch and seed are those of ``View.render``."""
        views = np.empty((len(images), self.size, self.size, images[0].shape[2]), np.uint8)
        for view, image in zip(views, images, strict=True):
            self._middle(image, view)
        return torch.from_numpy(views).permute(0, 3, 1, 2)

    def under(
        self, height: int, width: int
    ) -> tuple[Float64[np.ndarray, " S"], Float64[np.ndarray, " S"]]:
        """Which part of an image the centre of each pixel of its view shows.

        Args:
            height: of the image.
            width: likewise.

        Returns:
            Rows and columns of the view as shares of height and width, in [0, 1].
        """
        shorter, target = min(height, width), math.floor(self.size / self.crop)
        centres = np.arange(self.size) + 0.5
        if shorter < target:
            starts = (height - shorter) // 2, (width - shorter) // 2
            rows, columns = (start + centres * shorter / self.size for start in starts)
            return rows / height, columns / width
        shape = target * height // shorter, target * width // shorter
        rows, columns = ((round((side - self.size) / 2) + centres) / side for side in shape)
        return rows, columns

    def _middle(self, image: np.ndarray, out: np.ndarray) -> None:
        height, width, channels = image.shape
        shorter, target, size = min(height, width), math.floor(self.size / self.crop), self.size
        if shorter < target:
            box = (height - shorter) // 2, (width - shorter) // 2, shorter, shorter
            crop_resize(image, box, out, self.interpolation)
            return
        shape = target * height // shorter, target * width // shorter
        resized = np.empty((*shape, channels), np.uint8)
        crop_resize(image, (0, 0, height, width), resized, self.interpolation)
        top, left = (round((side - size) / 2) for side in shape)
        out[:] = resized[top : top + size, left : left + size]

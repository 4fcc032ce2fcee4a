"""Which parts of images a network does not see. Axes: N rows, h w cells of a grid, k sets."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class Mask(NamedTuple):
    """Cells of a grid over every image of a view that are hidden from the network.

    What is hidden is a fact of a row, not of its pixels: whether its patches are left out,
    replaced by a mask token or painted over is decided by the network that is shown them. It is
    a tuple, since what wraps networks on devices takes frozen records apart.

    Args:
        hidden: the cells that the network does not see.
        visible: how many cells each image shows; None where images differ in it, so that their
            patches cannot be left out.
        asked: sets of cells that are to be predicted; None asks for those that are hidden.
    """

    hidden: Bool[Tensor, "N h w"]
    visible: int | None = None
    asked: Bool[Tensor, "N k h w"] | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        rows, columns = self.hidden.shape[1:]
        return rows, columns

    def take(self, rows: Int[Tensor, " R"]) -> "Mask":
        """The masks of some rows, in their order."""
        asked = None if self.asked is None else self.asked[rows]
        return Mask(self.hidden[rows], self.visible, asked)

    def to(self, device: torch.device) -> "Mask":
        """The same on a device; the host does not wait for the copy."""
        hidden, asked = (
            None if cells is None else cells.to(device, non_blocking=True)
            for cells in (self.hidden, self.asked)
        )
        assert hidden is not None
        return Mask(hidden, self.visible, asked)

    def shown_cells(self) -> Int[Tensor, "N V"]:
        """Numbers of the visible cells of each image by raster, in ascending order.

        Raises:
            ValueError: images do not show equally many.
        """
        if self.visible is None:
            raise ValueError("Mask: all images must show equally many cells, they do not")
        flat = self.hidden.flatten(1).to(torch.uint8)
        return flat.argsort(dim=1, stable=True)[:, : self.visible]

    @staticmethod
    def cat(masks: Sequence["Mask"]) -> "Mask":
        """The masks of several views of one grid, one after the other."""
        if len(masks) == 1:
            return masks[0]
        counts = {mask.visible for mask in masks}
        asked = [mask.asked for mask in masks if mask.asked is not None]
        return Mask(
            torch.cat([mask.hidden for mask in masks]),
            counts.pop() if len(counts) == 1 else None,
            torch.cat(asked) if len(asked) == len(masks) else None,
        )

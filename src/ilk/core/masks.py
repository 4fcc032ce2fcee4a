"""Which parts of images a network does not see.

Axes: N rows, h w cells of a grid, k sets, A asked cells of all rows.
"""

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
        wanted: A, how many cells of all images are asked for, so that the host need not wait
            for the device to find them; None is not counted yet.
    """

    hidden: Bool[Tensor, "N h w"]
    visible: int | None = None
    asked: Bool[Tensor, "N k h w"] | None = None
    wanted: int | None = None

    @property
    def hides(self) -> bool:
        """Whether anything may be hidden."""
        return self.visible is None or self.visible < self.grid[0] * self.grid[1]

    @property
    def sets(self) -> Bool[Tensor, "N k h w"]:
        """The cells that are asked for, set by set."""
        return self.hidden[:, None] if self.asked is None else self.asked

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
        return Mask(hidden, self.visible, asked, self.wanted)

    def counted(self) -> "Mask":
        """The same with its asked cells counted; free where they lie on the processor."""
        if self.wanted is not None:
            return self
        return self._replace(wanted=int(self.sets.sum()))

    def uncovered(self) -> "Mask":
        """The mask of the same images when nothing is hidden; it asks for the same cells."""
        cells = self.grid[0] * self.grid[1]
        return Mask(torch.zeros_like(self.hidden), cells, self.sets, self.wanted)

    def asked_cells(self) -> tuple[Int[Tensor, " A"], Int[Tensor, " A"]]:
        """Number of the image, and of the cell by raster, of every cell that is asked for.

        Images stand one after the other, in each of them its sets, in each set its cells.
        """
        sets = self.sets
        cells, many = sets[0, 0].numel(), sets[0].numel()
        # A stable sort finds them without a word to the host, which knows how many they are.
        first = sets.flatten().to(torch.uint8).argsort(descending=True, stable=True)
        found = first[: self.counted().wanted]
        return found // many, found % cells

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
        known = [mask.wanted for mask in masks if mask.wanted is not None]
        return Mask(
            torch.cat([mask.hidden for mask in masks]),
            counts.pop() if len(counts) == 1 else None,
            torch.cat(asked) if len(asked) == len(masks) else None,
            sum(known) if len(known) == len(masks) else None,
        )

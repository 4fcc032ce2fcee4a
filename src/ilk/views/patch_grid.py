"""Images as grids of overlapping patches. Axes: R rows, C channels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ilk.core import UserError
from ilk.views.derived import Chance, ViewRows


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchGrid:
    """Every patch of each image as a row of its own, whose task is its number by raster.

    CPC, van den Oord et al., 2018, https://arxiv.org/abs/1807.03748, section 3.3: 7 x 7 patches
    of 64 pixels from an image of 256, each half over its neighbours.

    Args:
        name: the name of the view of patches.
        view: that is cut.
        side: patches of a side of the grid; each is ``2 / (side + 1)`` of the image wide.
    """

    name: str
    view: str
    side: int = 7

    unmixable: ClassVar[str] = ""  # a mix of two images is cut as one is

    @property
    def names(self) -> tuple[str, ...]:
        """The one view."""
        return (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view that is cut."""
        return (self.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """A block for each patch, by raster.

        Raises:
            UserError: the items are no square images whose sides are multiples of half a patch.
        """
        images, facts = views[self.view].images, views[self.view].facts
        sides = images.shape[2:]
        if len(sides) != 2 or sides[0] != sides[1] or sides[0] % (self.side + 1):
            raise UserError(
                f"view {self.name}: cut items must be square images whose side is a multiple "
                f"of {self.side + 1} px, got {' x '.join(map(str, sides))}"
            )
        step = sides[0] // (self.side + 1)
        cut = images.unfold(2, 2 * step, step).unfold(3, 2 * step, step)
        patches = cut.permute(2, 3, 0, 1, 4, 5).flatten(0, 2)
        known = replace(facts, mask=None).in_blocks(self.side**2)  # masks are of whole images
        return {self.name: ViewRows(patches, known, views[self.view].statistics)}

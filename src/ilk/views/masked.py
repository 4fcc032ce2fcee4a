"""Views of which a part is hidden. Axes: R rows, C channels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ilk.core import UserError
from ilk.core.masks import Mask
from ilk.views.derived import Chance, ViewRows
from ilk.views.masks import MaskChance, MaskSampler


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedView:
    """The rows of a view with the fact which of their cells are hidden.

    The pixels stay as they are: the network that is shown the view leaves hidden patches out,
    or puts a mask token in their place. Each block of rows has masks of its own. A mask depends
    on the image's number and not on its pixels, so a mix has that of its first image.

    Args:
        name: the name of the masked view, on which it depends where masks lie.
        view: that is masked.
        cell: side of a cell of the grid, in pixels.
        masks: how they are drawn.
        whole: name of a second view of the same rows, of which nothing is hidden and the same
            cells are asked for: what a teacher is shown. Empty makes none.
    """

    name: str
    view: str
    cell: int
    masks: MaskSampler
    whole: str = ""

    unmixable: ClassVar[str] = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The masked view, and the whole one where it is asked for."""
        return (self.name, self.whole) if self.whole else (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view that is masked."""
        return (self.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """The same images, with a mask.

        Raises:
            UserError: the items are no images, or cells do not cover them.
        """
        shown = views[self.view]
        sides = shown.images.shape[2:]
        if len(sides) != 2 or any(side % self.cell for side in sides):
            raise UserError(
                f"view {self.name}: masked items must be images whose sides are multiples of "
                f"{self.cell} px, got {' x '.join(map(str, sides))}"
            )
        grid = (sides[0] // self.cell, sides[1] // self.cell)
        drawn = [
            self.masks.draw(grid, self._chance(chance, block))
            for block in range(shown.facts.blocks)
        ]
        mask = Mask.cat(drawn).counted().to(shown.images.device)
        made = {self.name: mask, self.whole: mask.uncovered()}
        return {
            name: replace(shown, facts=replace(shown.facts, mask=made[name]))
            for name in self.names
        }

    def _chance(self, chance: Chance, block: int) -> MaskChance:
        return MaskChance(
            chance.items,
            epoch=chance.epoch,
            step=chance.step,
            seed=chance.seed,
            stream=f"{self.name}/{block}" if block else self.name,
        )


def masked_crops(masks: MaskSampler, cell: int) -> tuple[MaskedView, MaskedView]:
    """Large crops g1 and g2 as m1 and m2 with a part hidden, and as t1 and t2 whole.

    Args:
        masks: how they are drawn.
        cell: side of a cell of the grid, in pixels.
    """
    one = MaskedView(name="m1", view="g1", whole="t1", cell=cell, masks=masks)
    return one, replace(one, name="m2", view="g2", whole="t2")

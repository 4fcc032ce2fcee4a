"""Images cut into grids of overlapping patches."""

import numpy as np
import pytest
import torch

from ilk.core import Composition, RowFacts, UserError
from ilk.views import Chance, PatchGrid, ViewRows

CHANCE = Chance(np.array([4, 9]), epoch=0, step=0, seed=0)


def cut(images, blocks=1, side=7):
    facts = RowFacts(Composition.plain(torch.tensor([4, 9]).repeat(blocks)), blocks)
    return PatchGrid(name="patches", view="a", side=side)(
        {"a": ViewRows(images, facts)}, CHANCE
    )


@pytest.mark.parametrize(("size", "side", "patch"), [(32, 7, 8), (256, 7, 64), (32, 3, 16)])
@pytest.mark.parametrize("blocks", [1, 2])
def test_patches_lie_half_over_one_another_by_raster(size, side, patch, blocks):
    torch.manual_seed(0)
    images = torch.randn(2 * blocks, 3, size, size)
    made = cut(images, blocks, side)["patches"]
    assert made.images.shape == (side**2 * 2 * blocks, 3, patch, patch)
    assert made.facts.blocks == side**2 * blocks
    row = 0
    for y in range(side):
        for x in range(side):
            for image in range(2 * blocks):
                top, left = y * patch // 2, x * patch // 2
                expected = images[image, :, top : top + patch, left : left + patch]
                assert torch.equal(made.images[row], expected)
                assert made.facts.task[row] == side * y + x
                assert made.facts.composition.sources[row, 0] == (4, 9)[image % 2]
                row += 1


@pytest.mark.parametrize("shape", [(30, 30), (32, 40)])
def test_what_cannot_be_cut_is_refused(shape):
    with pytest.raises(UserError, match="multiple of 8 px, got"):
        cut(torch.zeros(2, 3, *shape))

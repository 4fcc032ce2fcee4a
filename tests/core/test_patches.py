"""Patches are what loops over an image find."""

import pytest
import torch

from ilk.core import UserError
from ilk.core.patches import cut_patches, join_patches


@pytest.mark.parametrize(("channels", "side", "grid"), [(3, 4, (2, 3)), (1, 5, (1, 1))])
def test_patches_by_raster_and_back(channels, side, grid):
    images = torch.randn(2, channels, side * grid[0], side * grid[1])
    patches = cut_patches(images, side)
    for b in range(2):
        for m in range(grid[0] * grid[1]):
            top, left = side * (m // grid[1]), side * (m % grid[1])
            values = [
                images[b, c, top + y, left + x]
                for y in range(side)
                for x in range(side)
                for c in range(channels)
            ]
            assert torch.equal(patches[b, m], torch.stack(values))
    assert torch.equal(join_patches(patches, side, grid), images)


def test_what_leaves_a_rest_is_refused():
    with pytest.raises(UserError, match="multiples of 4 px, got 6 x 8"):
        cut_patches(torch.zeros(1, 1, 6, 8), 4)

"""Small crops that must lie partly inside a large one."""

from dataclasses import replace

import numpy as np
import pytest

from ilk.core import UserError
from ilk.views import ImageView, draw
from ilk.views.draws import share_inside

KEY = ImageView(name="key", size=32, scale=(0.2, 1.0))
FREE = ImageView(name="s1", size=16, scale=(0.05, 0.14))
NEAR = replace(FREE, near=KEY, near_share=0.1)
ITEMS = np.arange(2000)
HEIGHTS, WIDTHS = ITEMS % 50 + 60, ITEMS % 70 + 60


def boxes(view: ImageView, rows=slice(None)) -> np.ndarray:
    return draw(view, HEIGHTS[rows], WIDTHS[rows], ITEMS[rows], 3, 5).boxes


def test_shares_match_a_count_of_pixels():
    for one, other in zip(boxes(FREE)[:50], boxes(KEY)[:50], strict=True):
        maps = np.zeros((2, 120, 140), bool)
        for grid, (top, left, height, width) in zip(maps, (one, other), strict=True):
            grid[top : top + height, left : left + width] = True
        expected = (maps[0] & maps[1]).sum() / maps[0].sum()
        assert share_inside(one[None], other[None])[0] == pytest.approx(expected)


def test_small_crops_lie_partly_inside_the_key():
    key, free, near = boxes(KEY), boxes(FREE), boxes(NEAR)
    inside = share_inside(free, key) >= 0.1
    assert 0.02 < (~inside).mean() < 0.5  # there is something to do
    assert np.array_equal(near[inside], free[inside])
    held = share_inside(near, key) >= 0.1
    assert held.mean() > 0.999
    assert np.array_equal(near[~held], free[~held])


def test_a_share_that_cannot_be_had_leaves_the_crop_free():
    far = replace(KEY, scale=(0.01, 0.02))
    wanted = replace(NEAR, near=far, near_share=1.0)
    assert np.array_equal(boxes(wanted), boxes(FREE))


def test_a_crop_depends_on_its_own_item_alone():
    rows = np.array([7, 1999, 3, 450])
    assert np.array_equal(boxes(NEAR, rows), boxes(NEAR)[rows])


def test_a_share_is_one():
    with pytest.raises(UserError, match="near_share must be a probability"):
        replace(NEAR, near_share=1.5)

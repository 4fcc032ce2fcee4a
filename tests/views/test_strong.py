"""The weak and the strong view of FixMatch, pixel by pixel, from their own words."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import functional as F

from ilk import views
from ilk.core import UserError
from ilk.views import ImageView, RandAugment, RandomMagnitudes, shifted, strong
from ilk.views.operations import OPERATIONS

ITEMS = np.arange(6)
MANY = 20_000


def slow(view: ImageView, image: np.ndarray, item: int) -> torch.Tensor:
    """Shift by padding and cropping, flip, operations, a square; by what was drawn."""
    sizes = np.array([image.shape[0]]), np.array([image.shape[1]])
    drawn = views.draw(view, *sizes, np.array([item]), epoch=1, seed=2)
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)
    if drawn.shifts is not None:
        most = round(view.shift * view.size)
        padded = F.pad(pixels, [most], padding_mode="reflect")
        down, right = (drawn.shifts[0] + most).tolist()
        pixels = F.crop(padded, down, right, view.size, view.size)
    if drawn.flip[0]:
        pixels = F.hflip(pixels)
    for name, amount in drawn.learnt()[0]:
        pixels = OPERATIONS[name](pixels, amount)
    if drawn.holes is not None:
        top, left, height, width = drawn.holes[0].tolist()
        pixels = F.erase(pixels, top, left, height, width, torch.tensor(127, dtype=torch.uint8))
    return pixels


@pytest.mark.parametrize("view", [shifted(32), shifted(32, 0.5), strong(32), strong(32, 0.0)])
def test_views_are_what_their_words_say(view, picture):
    images = [picture(32, 32, seed=n) for n in ITEMS]
    made = view.render(images, ITEMS, 1, 2)
    for item, image in enumerate(images):
        assert torch.equal(made[item], slow(view, image, item))


def test_shifts_are_all_as_likely():
    drawn = views.draw(shifted(32), *np.full((2, MANY), 32), np.arange(MANY), 0, 0).shifts
    codes, counts = np.unique(drawn @ [100, 1], return_counts=True)
    assert len(codes) == 9**2
    assert abs(drawn).max() == 4
    assert stats.chisquare(counts).pvalue > 1e-3


def test_centres_of_squares_are_all_pixels():
    """A square of 16 covers a middle pixel in a quarter of all draws, a corner in a 16th."""
    view = ImageView(name="a", size=32, cutout=0.5)
    holes = views.draw(view, *np.full((2, MANY), 32), np.arange(MANY), 0, 0).holes
    top, left, height, width = holes.T
    assert top.min() == left.min() == 0
    assert (top + height).max() == (left + width).max() == 32
    assert (height.min(), height.max()) == (8, 16)

    def covered(row: int, column: int) -> int:
        inside = (
            (top <= row) & (row < top + height) & (left <= column) & (column < left + width)
        )
        return int(inside.sum())

    assert stats.binomtest(covered(16, 15), MANY, 1 / 4).pvalue > 1e-3
    assert stats.binomtest(covered(0, 0), MANY, 9 * 9 / 32**2).pvalue > 1e-3
    assert stats.binomtest(covered(31, 31), MANY, 8 * 8 / 32**2).pvalue > 1e-3


def test_squares_of_odd_sides_lie_about_their_centre():
    view = ImageView(name="a", size=9, cutout=1 / 3)
    drawn = views.draw(view, *np.full((2, 50), 9), np.arange(50), 0, 0)
    assert set(drawn.holes[:, 2:].ravel().tolist()) == {2, 3}  # never one pixel of three


def test_the_strong_view_of_fixmatch():
    view = strong(32)
    assert view == ImageView(
        name="strong", size=32, scale=(1, 1), ratio=(1, 1), flip=0.5, shift=0.125,
        policy=RandomMagnitudes(count=2), cutout=0.5,
    )  # fmt: skip
    assert shifted(32) == replace(view, name="weak", policy=None, cutout=0.0)


def test_the_largest_central_square_of_other_images_is_shown(picture):
    image = picture(32, 48)
    still = replace(shifted(32, 0.0), flip=0.0)
    shown = still.render([image], ITEMS[:1], 0, 0)[0].permute(1, 2, 0).numpy()
    assert np.array_equal(shown, image[:, 8:40])


def test_what_a_view_draws_further_changes_nothing_else():
    plain = ImageView(name="a", size=24, jitter=(0.4, 0.4, 0.4, 0.1), jitter_p=1.0)
    more = replace(plain, shift=0.1, policy=RandAugment(), cutout=0.3)
    sizes = np.full(50, 40)
    one, two = (views.draw(v, sizes, sizes, np.arange(50), 1, 2) for v in (plain, more))
    for field in ("boxes", "flip", "order", "jitter", "gray", "sigma", "solarize"):
        assert np.array_equal(getattr(one, field), getattr(two, field))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shift": 0.6}, r"shift must be in \[0, 1/2\], got 0.6"),
        ({"cutout": 1.1}, r"cutout must be in \[0, 1\], got 1.1"),
        (
            {"autoaugment_p": 0.5, "policy": RandAugment()},
            "autoaugment_p must be 0 with another",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        ImageView(name="a", size=32, **changes)

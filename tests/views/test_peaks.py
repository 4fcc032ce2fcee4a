"""SaliencyMix and Cutout by loops over pixels, from their papers' words."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from ilk.core import overlap
from ilk.views.mixed import mix
from ilk.views.mixing import Mixing
from ilk.views.peaks import RADII, conspicuity, peaks

ITEMS = np.arange(100, 106)


def slow(grey: np.ndarray) -> np.ndarray:
    """Each pixel minus the mean of all others in a box about it, whatever the sign."""
    out = np.zeros(grey.shape)
    for at in product(*map(range, grey.shape)):
        for radius in RADII:
            box = tuple(slice(max(place - radius, 0), place + radius + 1) for place in at)
            others = grey[box].size - 1
            out[at] += abs(grey[at] - (grey[box].sum() - grey[at]) / max(others, 1))
    return out


@pytest.mark.parametrize("shape", [(40,), (30, 17), (3, 5, 27), (1, 1)])
def test_it_stands_out_by_as_much_as_loops_say(shape):
    torch.manual_seed(0)
    items = torch.randn(3, 2, *shape).double()
    found = conspicuity(items)
    expected = np.stack([slow(item.numpy().mean(0)) for item in items])
    torch.testing.assert_close(found, torch.from_numpy(expected))
    highest = np.stack([np.unravel_index(each.argmax(), shape) for each in expected])
    assert peaks(items).tolist() == highest.tolist()
    assert torch.equal(peaks(items.float()), peaks(items))


def test_many_images_are_looked_at_in_parts(monkeypatch):
    images = torch.randn(7, 3, 20, 20)
    whole = peaks(images)
    monkeypatch.setattr("ilk.views.peaks.AT_ONCE", 900)
    assert torch.equal(peaks(images), whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # by box and by mask
def test_the_box_shows_the_partners_peak(dtype):
    torch.manual_seed(0)
    images = (torch.randn(6, 3, 18, 24) / 100).to(dtype)
    spots = [(2, 3), (9, 12), (17, 23), (0, 23), (5, 5), (16, 1)]
    for image, (row, column) in zip(images, spots, strict=True):
        image[:, row, column] += 5
    draw = Mixing(strategies=("saliencymix",)).draw(ITEMS, epoch=0, step=0, seed=3)
    mixed = mix(images, draw, view="a")
    expected = images.clone()
    for i, (own, share) in enumerate(zip(expected, draw.share, strict=True)):
        row, column = spots[5 - i]
        ratio = np.sqrt(1 - share)
        high, wide = (min(max(round(ratio * side), 1), side - 1) for side in (18, 24))
        top = min(max(row - high // 2, 0), 18 - high)
        left = min(max(column - wide // 2, 0), 24 - wide)
        box = slice(top, top + high), slice(left, left + wide)
        assert box[0].start <= row < box[0].stop
        assert box[1].start <= column < box[1].stop
        own[:, *box] = images[5 - i][:, *box]
        assert mixed.share[i] == pytest.approx(1 - high * wide / (18 * 24))
    assert torch.equal(mixed.images, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(18, 24), (7,), (4, 6, 8)])
def test_cutout_hides_a_box_and_mixes_nothing(shape, dtype):
    images = 1 + torch.rand(6, 3, *shape, dtype=dtype)
    plan = Mixing(strategies=("cutout",), partner="shuffled")
    draw = plan.draw(ITEMS, epoch=0, step=0, seed=0)
    mixed, other = (mix(images, draw, view=view) for view in ("a", "b"))
    assert torch.equal(
        overlap(mixed.composition, mixed.composition.plain(torch.tensor(ITEMS))),
        torch.eye(6, dtype=dtype),
    )
    assert (mixed.share == 1).all()
    assert not torch.equal(mixed.images, other.images)
    hidden = (mixed.images == 0).all(1)
    assert torch.equal(mixed.images, images.masked_fill(hidden[:, None], 0))
    for each in hidden:
        ends = [axis.unique() for axis in each.nonzero().T]
        assert each.sum() == np.prod([len(axis) for axis in ends])
        for axis, size in zip(ends, shape, strict=True):
            assert axis.tolist() == list(range(int(axis[0]), int(axis[-1]) + 1))
            inside = axis[0] > 0 and axis[-1] < size - 1
            assert len(axis) == round(size / 2) if inside else len(axis) <= round(size / 2)


def test_the_centre_of_what_is_hidden_is_any_pixel():
    """A box of 4 of 8 pixels covers a middle pixel in a quarter of all draws, a corner less."""
    many = np.arange(4000)
    draw = Mixing(strategies=("cutout",)).draw(many, epoch=0, step=0, seed=0)
    hidden = mix(torch.ones(4000, 1, 8, 8), draw, view="a").images[:, 0] == 0
    for place, chance in (((4, 3), 4 * 4 / 64), ((0, 0), 3 * 3 / 64), ((7, 7), 2 * 2 / 64)):
        count = int(hidden[:, *place].sum())
        assert stats.binomtest(count, 4000, chance).pvalue > 1e-3

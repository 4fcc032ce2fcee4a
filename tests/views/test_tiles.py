"""Tiles of images: where they lie, what they tell nothing of, and in which order they come."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from ilk.core import Composition, RowFacts, UserError
from ilk.views import Chance, Shuffled, Tiles, ViewRows, mosaic, nine_tiles, orders

ITEMS = np.arange(5, 305)
VIEW = Tiles(name="t", view="a", size=8, step=12, jitter=3, standard=False)
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)


def chance(items: np.ndarray = ITEMS, epoch: int = 2) -> Chance:
    return Chance(items, epoch=epoch, step=9, seed=4)


def rows(images: torch.Tensor, items: np.ndarray = ITEMS) -> dict[str, ViewRows]:
    facts = RowFacts(Composition.plain(torch.from_numpy(items)))
    return {"a": ViewRows(images, facts, (MEAN, STD))}


def places(count: int, side: int) -> torch.Tensor:
    """Images whose pixels say where they are: row, column and number of the image."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    number = torch.arange(count).view(-1, 1, 1).expand(-1, side, side)
    return torch.stack([y.expand_as(number), x.expand_as(number), number], 1).double()


def noise(count: int, side: int, channels: int = 3) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(side)
    return torch.rand(count, channels, side, side, generator=drawn, dtype=torch.float64)


def corners(view: Tiles, items: np.ndarray = ITEMS, **when: int) -> np.ndarray:
    """First row and column of each tile, [B, 9, 2]."""
    made = view(rows(places(len(items), view.span), items), chance(items, **when))["t"].images
    assert made.shape == (len(items), view.grid**2, 3, view.size, view.size)
    ramp = torch.arange(view.size)
    assert torch.equal(made[:, :, 0], made[:, :, 0, :1, :1] + ramp[:, None] + 0 * ramp)
    assert torch.equal(made[:, :, 1], made[:, :, 1, :1, :1] + ramp + 0 * ramp[:, None])
    assert (made[:, :, 2] == torch.arange(len(items)).view(-1, 1, 1, 1)).all()
    return made[:, :, :2, 0, 0].long().numpy()


def test_tiles_lie_apart_and_every_place_within_the_margin_is_as_likely():
    """No edge goes on from a tile into the next, and the gap says nothing either."""
    found = corners(VIEW)
    cells = np.stack(np.divmod(np.arange(9), 3), 1) * VIEW.step
    moves = found - cells
    assert moves.min() == 0
    assert moves.max() == VIEW.jitter
    counts = np.stack([np.bincount(moves[:, n, axis], minlength=4)
                       for n in range(9) for axis in range(2)])  # fmt: skip
    expected = len(ITEMS) / 4
    assert ((counts - expected) ** 2 / expected).sum() < 90  # chi-squared of 54, 99.9 %
    grid = found.reshape(-1, 3, 3, 2)
    below = grid[:, 1:, :, 0] - grid[:, :-1, :, 0] - VIEW.size
    beside = grid[:, :, 1:, 1] - grid[:, :, :-1, 1] - VIEW.size
    least, most = VIEW.step - VIEW.size - VIEW.jitter, VIEW.step - VIEW.size + VIEW.jitter
    for gap in (below, beside):
        assert (gap.min(), gap.max()) == (least, most)
        assert least > 0
    assert abs(np.corrcoef(moves.reshape(-1, 18).T) - np.eye(18)).max() < 0.25  # independent


def test_where_tiles_lie_depends_on_the_item_the_epoch_and_the_name_alone():
    found = corners(VIEW)
    assert np.array_equal(corners(VIEW, ITEMS[::-1].copy())[::-1], found)
    assert not np.array_equal(corners(VIEW, epoch=3), found)


def test_overlapping_tiles_are_a_grid_of_windows():
    view = Tiles(name="t", view="a", size=16, step=8, grid=7, standard=False)
    assert view.span == 64
    images = noise(2, 64)
    made = view(rows(images, ITEMS[:2]), chance(ITEMS[:2]))["t"].images
    assert torch.equal(made[1, 7 * 2 + 5], images[1, :, 16:32, 40:56])


def test_brightness_contrast_and_colour_of_a_tile_say_nothing():
    """Each tile has mean 0 in each channel and variance 1, whatever light falls on it."""
    view = Tiles(name="t", view="a", size=8, step=12, jitter=3)
    images, items = noise(6, view.span), ITEMS[:6]
    made = view(rows(images, items), chance(items))["t"].images
    ramp = torch.linspace(1.0, 5.0, 27, dtype=torch.float64)
    lit = images.clone()
    for top in range(3):  # a light of its own in the part of each tile
        for left in range(3):
            y, x = (slice(12 * k, 12 * k + 11) for k in (top, left))
            tint = torch.tensor([top, left, -3.0]).view(-1, 1, 1)
            lit[:, :, y, x] = images[:, :, y, x] * ramp[9 * top + left] + tint
    again = view(rows(lit, items), chance(items))["t"].images
    torch.testing.assert_close(again, made, atol=5e-3, rtol=0)
    assert made.mean(dim=(3, 4)).abs().max() < 1e-12
    torch.testing.assert_close(
        made.square().mean(dim=(2, 3, 4)), torch.ones(6, 9).double(), atol=2e-3, rtol=0
    )
    at = corners(VIEW, items)[2, 0]
    slow = images[2, :, at[0] : at[0] + 8, at[1] : at[1] + 8]
    slow = slow - slow.mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(made[2, 0], slow / (slow.square().mean() + 1e-4).sqrt())
    flat = view(rows(torch.full_like(images, 0.7), items), chance(items))["t"].images
    assert (flat.abs() < 1e-9).all()


@pytest.mark.parametrize("standard", [True, False])
def test_of_dropped_colours_one_is_left_so_that_fringes_are_not_seen(standard):
    view = Tiles(name="t", view="a", size=8, step=12, colours="dropped", standard=standard)
    made = view(rows(noise(len(ITEMS), view.span)), chance())["t"].images
    left = made.abs().amax(dim=(3, 4)) > 0
    assert (left.sum(dim=2) == 1).all()
    shares = left.double().mean(dim=(0, 1))
    assert (shares - 1 / 3).abs().max() < 0.04
    grey = noise(2, view.span, channels=1)
    kept = Tiles(name="t", view="a", size=8, step=12, standard=standard)
    asked = (rows(grey, ITEMS[:2]), chance(ITEMS[:2]))
    assert torch.equal(view(*asked)["t"].images, kept(*asked)["t"].images)


def test_projected_colours_have_no_green_and_magenta_fringes():
    """A lens that shifts green against the others leaves no trace; greys stay as they are."""
    view = Tiles(name="t", view="a", size=8, step=12, colours="projected", standard=False)
    pixels = noise(3, view.span)
    mean, std = (torch.tensor(s, dtype=torch.float64).view(-1, 1, 1) for s in (MEAN, STD))

    def seen(pixels: torch.Tensor) -> torch.Tensor:
        items = ITEMS[:3]
        made = view(rows((pixels - mean) / std, items), chance(items))["t"].images
        return made * std + mean

    axis = torch.tensor([-1.0, 2.0, -1.0]).double()
    assert torch.einsum("c,rpchw->rphw", axis, seen(pixels)).abs().max() < 1e-9
    fringes = torch.roll(pixels, 1, dims=3)[:, 1:2] - pixels[:, 1:2]
    shifted = pixels + axis.view(-1, 1, 1) * fringes
    torch.testing.assert_close(seen(shifted), seen(pixels))
    grey = pixels[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(seen(grey)[0, 0], grey[0, :, :8, :8])
    one = noise(2, view.span, channels=1)
    made = view(rows(one, ITEMS[:2]), chance(ITEMS[:2]))["t"].images
    assert torch.equal(made[:, 0], one[:, :, :8, :8])
    with pytest.raises(UserError, match=r"must have three channels .* got 2; set colours=drop"):
        view(rows(noise(2, view.span, channels=2), ITEMS[:2]), chance(ITEMS[:2]))


@pytest.mark.parametrize(
    ("size", "stride", "side", "spans"),
    [(224, 16, 64, (245, 265)), (224, 32, 64, (245, 265)), (32, 8, 8, (31, 33)),
     (32, 4, 8, (31, 33)), (64, 4, 20, (77, 83)), (96, 14, 28, (107, 116))],
)  # fmt: skip
def test_sides_of_tiles(size, stride, side, spans):
    for (apart, jitter), span in zip([(4 / 3, 1 / 6), (3 / 2, 1 / 7)], spans, strict=True):
        view = nine_tiles(size, stride, view="a", apart=apart, jitter=jitter, colours="kept")
        assert (view.size, view.span) == (side, span)
        assert view.step - view.size - view.jitter > 0  # no two tiles touch


def test_tiles_that_are_too_small_are_refused():
    with pytest.raises(UserError, match="at least 8 px; set a larger image_size, got 4"):
        nine_tiles(16, 2, view="a", apart=1.5, jitter=0.1, colours="kept")
    with pytest.raises(ValueError, match=r"'a' must have images of 35 px, got 35 x 36"):
        VIEW(rows(torch.zeros(300, 3, 35, 36)), chance())


def test_each_image_has_an_order_of_its_own_and_its_number_as_task():
    tiles = VIEW(rows(places(len(ITEMS), VIEW.span)), chance())
    shown = Shuffled(name="s", view="t", count=6)(tiles, chance())["s"]
    chosen, task = orders(6, 9), shown.facts.task.tolist()
    for row, number in enumerate(task):
        for place in range(9):
            was = tiles["t"].images[row, chosen[number, place]]
            assert torch.equal(shown.images[row, place], was)
    counts = np.bincount(task, minlength=6)
    assert ((counts - 50) ** 2 / 50).sum() < 20.5  # chi-squared of 5, 99.9 %
    assert shown.facts.composition is tiles["t"].facts.composition
    mirrored = ITEMS[::-1].copy()
    others = VIEW(rows(places(len(ITEMS), VIEW.span), mirrored), chance(mirrored))
    again = Shuffled(name="s", view="t", count=6)(others, chance(mirrored))["s"]
    assert again.facts.task.tolist() == task[::-1]


@pytest.mark.parametrize(("tiles", "count", "seed"), [(4, 24, 0), (4, 8, 1), (5, 12, 0)])
def test_each_order_is_the_farthest_from_those_before(tiles, count, seed):
    found = [tuple(row) for row in orders(count, tiles, seed).tolist()]
    for number in range(1, count):

        def apart(order: tuple[int, ...], before: list = found[:number]) -> tuple[int, int]:
            each = [sum(a != b for a, b in zip(order, other, strict=True)) for other in before]
            return min(each), sum(each)

        assert apart(found[number]) == max(map(apart, permutations(range(tiles))))


def test_a_hundred_orders_of_nine_tiles_lie_far_apart():
    found = orders(100, 9)
    assert (np.sort(found, axis=1) == np.arange(9)).all()
    distance = (found[:, None] != found).sum(axis=2)
    apart = distance[np.triu_indices(100, 1)]
    drawn = np.stack([np.random.default_rng(n).permutation(9) for n in range(100)])
    chance_apart = (drawn[:, None] != drawn).sum(axis=2)[np.triu_indices(100, 1)]
    assert apart.min() >= 6  # no repeats; random ones come as near as 4
    assert apart.mean() > chance_apart.mean()
    orders.cache_clear()
    assert np.array_equal(orders(100, 9), found)
    assert not np.array_equal(orders(100, 9, 1), found)
    assert not found.flags.writeable


def test_all_orders_can_be_had_and_no_more():
    assert len({tuple(row) for row in orders(24, 4).tolist()}) == 24
    with pytest.raises(UserError, match="must be 2 to 24 for 4 tiles, got 25"):
        orders(25, 4)
    with pytest.raises(UserError, match="must be 2 to 10,000 for 9 tiles, got 1"):
        orders(1, 9)


def test_a_mosaic_shows_every_tile_where_it_was():
    view = replace(VIEW, step=9, jitter=0, size=8)
    images = noise(2, view.span) + 1
    made = view(rows(images, ITEMS[:2]), chance(ITEMS[:2]))["t"].images
    shown = mosaic(made)  # a gap of one pixel, as between the tiles
    seen = shown != 0
    assert torch.equal(shown[seen], images[seen])
    assert not seen[:, :, [8, 17]].any()
    assert not seen[:, :, :, [8, 17]].any()

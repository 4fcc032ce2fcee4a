"""Puzzle Mix against all masks, all orders and plain loops."""

from itertools import permutations, product

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.views import puzzle
from ilk.views.mixed import mix
from ilk.views.mixing import Mixing
from ilk.views.peaks import conspicuity
from ilk.views.puzzle import cuts, least, puzzles

ITEMS = np.arange(10, 16)


def neighbours(n: int):
    """Pairs of places, and which arrays of the two axes their border stands in."""
    for row, column in product(range(n), range(n)):
        if row + 1 < n:
            yield (row, column), (row + 1, column), 0
        if column + 1 < n:
            yield (row, column), (row, column + 1), 1


def energy(levels, single, lower, beside) -> float:
    n = len(single)
    total = sum(single[place][levels[place]] for place in product(range(n), range(n)))
    for one, other, axis in neighbours(n):
        weight = (lower, beside)[axis][one]
        total += weight * (levels[one] - levels[other]) ** 2 / 4
    return total


def masks(n: int):
    return (np.array(levels).reshape(n, n) for levels in product(range(3), repeat=n * n))


@pytest.mark.parametrize("seed", range(25))
def test_no_mask_has_less_energy(seed):
    chance = np.random.default_rng(seed)
    single = chance.normal(size=(2, 2, 3))
    lower, beside = (4 * chance.random(shape) for shape in ((1, 2), (2, 1)))
    found = least(single, lower, beside)
    best = min(energy(levels, single, lower, beside) for levels in masks(2))
    assert energy(found, single, lower, beside) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_no_mask_of_nine_blocks_has_less_energy(seed):
    chance = np.random.default_rng(seed)
    single, lower, beside = (
        chance.normal(size=(3, 3, 3)),
        chance.random((2, 3)),
        chance.random((3, 2)),
    )
    levels = np.array(list(product(range(3), repeat=9))).reshape(-1, 3, 3)
    every = np.take_along_axis(single[None], levels[..., None], 3)[..., 0].sum((1, 2))
    every += (lower * (levels[:, 1:] - levels[:, :-1]) ** 2 / 4).sum((1, 2))
    every += (beside * (levels[:, :, 1:] - levels[:, :, :-1]) ** 2 / 4).sum((1, 2))
    assert energy(least(single, lower, beside), single, lower, beside) == pytest.approx(
        every.min(), abs=1e-5
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_mask_is_the_best_by_the_papers_objective(share):
    """Each term in words, over all masks of four blocks."""
    chance = np.random.default_rng(int(100 * share))
    for _ in range(5):
        pull = chance.random((2, 1, 2, 2))
        pull /= pull.sum((2, 3), keepdims=True)
        borders = chance.random((1, 2, 2, 1, 2)), chance.random((1, 2, 2, 2, 1))
        found = cuts(pull[0], pull[1], borders, np.array([share]))[0]

        def cost(levels, pull=pull, borders=borders):
            z, unit = levels / 2, 1.2 / 2 / 16
            hidden = ((1 - z) * pull[0, 0] + z * pull[1, 0]).sum()
            coins = np.array([(1 - share) ** 2, 2 * share * (1 - share), share**2])
            prior = -0.2 * np.log(coins[levels] + 1e-8).sum() / 4
            rest = 0.0
            for one, other, axis in neighbours(2):
                b = unit * 0.5 * borders[axis][0][:, :, *one]
                mixed = (b[0, 1] + b[1, 0] - b[0, 0] - b[1, 1]) / 2
                rest += (unit + mixed) * (z[one] - z[other]) ** 2
                rest += (
                    z[one] * (b[1, 0] + b[1, 1]) / 2 + (1 - z[one]) * (b[0, 0] + b[0, 1]) / 2
                )
                rest += (
                    z[other] * (b[0, 1] + b[1, 1]) / 2
                    + (1 - z[other]) * (b[0, 0] + b[1, 0]) / 2
                )
            return hidden + prior + rest

        best = min(cost(levels) for levels in masks(2))
        assert cost((2 * found).astype(int)) == pytest.approx(best, abs=1e-5)


def test_what_hard_masks_pay_at_borders_is_what_is_shown():
    """Of masks of 0 and 1 the energy is the misfit of what meets at a border."""
    chance = np.random.default_rng(0)
    b = chance.random((2, 2))
    constant = (b[0, 1] + b[1, 0]) / 2
    for one, other in product((0, 1), repeat=2):
        halves = (b[one, 0] + b[one, 1]) / 2 + (b[0, other] + b[1, other]) / 2
        mixed = (one - other) ** 2 * (b[0, 1] + b[1, 0] - b[0, 0] - b[1, 1]) / 2
        assert halves + mixed - constant == pytest.approx(b[one, other])


def test_borders_are_mean_differences_of_what_meets_there():
    torch.manual_seed(0)
    first, second = torch.randn(2, 1, 3, 16, 24).double()
    down, right = puzzle._borders(first, second, 2)
    images = {0: second[0], 1: first[0]}
    for one, other in product((0, 1), repeat=2):
        for column in range(2):  # blocks of 8 x 12, compared in squares of 4
            parts = []
            for x in range(12 * column, 12 * (column + 1), 4):
                above = images[one][:, 4:8, x : x + 4].mean((1, 2))
                below = images[other][:, 8:12, x : x + 4].mean((1, 2))
                parts.append((above - below).abs().mean() / 4)
            assert down[0, one, other, 0, column] == pytest.approx(float(sum(parts) / 3))
        for row in range(2):
            parts = []
            for y in range(8 * row, 8 * (row + 1), 4):
                left = images[one][:, y : y + 4, 8:12].mean((1, 2))
                beside = images[other][:, y : y + 4, 12:16].mean((1, 2))
                parts.append((left - beside).abs().mean() / 4)
            assert right[0, one, other, row, 0] == pytest.approx(float(sum(parts) / 2))


def test_blocks_move_by_the_cheapest_plan():
    chance = np.random.default_rng(0)
    pull = chance.random((3, 2, 2))
    shown = chance.random((3, 2, 2)) < 0.5
    places = list(product(range(2), range(2)))
    for own, here, plan in zip(pull, shown, puzzle._plans(pull, shown), strict=True):

        def cost(order, own=own, here=here):
            return sum(
                0.8
                * ((places[to][0] - places[f][0]) ** 2 + (places[to][1] - places[f][1]) ** 2)
                - here[places[to]] * own[places[f]]
                for to, f in enumerate(order)
            )

        assert cost(plan) == pytest.approx(min(map(cost, permutations(range(4)))))


@pytest.mark.parametrize("blocks", [2, 4, 8])
def test_a_mix_is_its_moved_blocks_by_its_mask(blocks):
    torch.manual_seed(blocks)
    first, second = torch.randn(2, 3, 3, 16, 24).double()
    share = np.array([0.3, 0.5, 0.9])
    mixed, found = puzzles(first, second, share, blocks=blocks)
    pull = [puzzle._pull(images, blocks) for images in (first, second)]
    for images, own in zip((first, second), pull, strict=True):
        stands = conspicuity(images)[:, : 16 // blocks, : 24 // blocks].mean((1, 2))
        whole = conspicuity(images).flatten(1).mean(1) * blocks**2
        np.testing.assert_allclose(own[:, 0, 0], (stands / whole).numpy())
    mask = cuts(*pull, puzzle._borders(first, second, blocks), share)
    np.testing.assert_allclose(found, mask.mean((1, 2)))
    high, wide = 16 // blocks, 24 // blocks
    plans = puzzle._plans(pull[0], mask > 0), puzzle._plans(pull[1], mask < 1)
    for i in range(3):
        for place, (row, column) in enumerate(product(range(blocks), range(blocks))):
            shown = 0.0
            for images, plan, part in ((first, plans[0], mask), (second, plans[1], 1 - mask)):
                r, c = divmod(int(plan[i][place]), blocks)
                block = images[i, :, high * r : high * (r + 1), wide * c : wide * (c + 1)]
                shown = shown + part[i, row, column] * block
            box = slice(high * row, high * (row + 1)), slice(wide * column, wide * (column + 1))
            torch.testing.assert_close(mixed[i][:, *box], shown)


def test_the_share_follows_the_wanted_one_and_is_that_of_the_pixels():
    images = torch.zeros(6, 2, 16, 16).double()
    images[:, 0] = torch.arange(6.0)[:, None, None]  # nothing stands out anywhere
    plan = Mixing(strategies=("puzzlemix",))
    for step in range(4):
        draw = plan.draw(ITEMS, epoch=0, step=step, seed=0)
        assert draw.blocks in (2, 4, 8, 16)
        mixed = mix(images, draw, view="a")
        own, other = torch.arange(6.0).double(), torch.arange(6.0).double().flip(0)
        shown = mixed.images[:, 0].flatten(1).mean(1)
        torch.testing.assert_close(shown, mixed.share * own + (1 - mixed.share) * other)
        # Of two coins no head is likeliest below a third, one up to two thirds.
        wanted = np.where(draw.share < 1 / 3, 0, np.where(draw.share < 2 / 3, 0.5, 1))
        np.testing.assert_allclose(mixed.share.numpy(), wanted)


def test_a_spot_is_kept_whichever_image_it_is_in():
    images = torch.randn(2, 3, 16, 16) / 100
    images[0, :, 2, 2] += 9
    images[1, :, 13, 13] += 9
    mixed, share = puzzles(images, images.flip(0), np.array([0.5, 0.5]), blocks=4)
    for image in mixed:
        assert image[:, 2, 2].min() > 4
        assert image[:, 13, 13].min() > 4
    assert (abs(share - 0.5) < 0.5).all()


def test_sides_that_cannot_be_cut_are_refused():
    with pytest.raises(UserError, match="sides are even, got 15 x 15; leave it out"):
        puzzles(torch.zeros(1, 3, 15, 15), torch.zeros(1, 3, 15, 15), np.ones(1), blocks=4)
    with pytest.raises(UserError, match="puzzlemix must have images"):
        puzzles(torch.zeros(1, 3, 16), torch.zeros(1, 3, 16), np.ones(1), blocks=4)

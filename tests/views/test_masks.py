"""What masks must be for every sampler: exact, inside, everywhere, the same for an item."""

import math

import numpy as np
import pytest
import torch

from ilk.core import Composition, Mask, RowFacts, UserError
from ilk.views import (
    BlockCells,
    Chance,
    MaskChance,
    MaskedView,
    MixedView,
    Mixing,
    MultiBlock,
    RandomCells,
    Rotations,
    ViewRows,
    mask_unit,
)

SAMPLERS = {
    "cells": RandomCells(share=0.75),
    "units": RandomCells(share=0.6, unit=2),
    "blocks": BlockCells(share=(0.4, 0.4), least=4),
    "some-blocks": BlockCells(share=(0.1, 0.5), masked=0.5, least=4),
    "multi-block": MultiBlock(),
}
GRID = (8, 10)


def chance(items=range(512), *, epoch=3, step=7, seed=1, stream="a") -> MaskChance:
    return MaskChance(np.array(items), epoch=epoch, step=step, seed=seed, stream=stream)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_mask_is_a_function_of_its_item_alone(name):
    masks = SAMPLERS[name]
    whole, some = masks.draw(GRID, chance()), masks.draw(GRID, chance([9, 2, 400]))
    assert torch.equal(whole.hidden[[9, 2, 400]], some.hidden)
    if whole.asked is not None:
        assert torch.equal(whole.asked[[9, 2, 400]], some.asked)
    for other in ({"epoch": 4}, {"seed": 2}, {"stream": "b"}):
        assert not torch.equal(whole.hidden, masks.draw(GRID, chance(**other)).hidden)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_cell_is_hidden_at_times_and_seen_at_times(name):
    hidden = SAMPLERS[name].draw(GRID, chance()).hidden
    share = hidden.float().mean(dim=0)
    assert share.min() > 0
    assert share.max() < 1


@pytest.mark.parametrize(
    ("share", "unit", "units"), [(0.75, 1, 60), (0.6, 2, 12), (0.7, 1, 56), (0.01, 1, 1)]
)
def test_the_share_of_random_cells_is_exact(share, unit, units):
    mask = RandomCells(share=share, unit=unit).draw(GRID, chance())
    assert (mask.hidden.flatten(1).sum(1) == units * unit**2).all()
    assert mask.visible == 80 - units * unit**2
    corners = mask.hidden[:, ::unit, ::unit]
    assert torch.equal(
        corners.repeat_interleave(unit, 1).repeat_interleave(unit, 2), mask.hidden
    )


def test_random_cells_are_uniform_and_independent():
    hidden = RandomCells(share=0.75).draw((4, 4), chance(range(20_000))).hidden.flatten(1)
    share = hidden.double().mean(dim=0)
    assert (share - 0.75).abs().max() < 5 * math.sqrt(0.75 * 0.25 / 20_000)
    both = (hidden[:, :1] & hidden[:, 1:]).double().mean(dim=0)  # 12 of 16, then 11 of 15
    assert (both - 0.75 * 11 / 15).abs().max() < 5 * math.sqrt(0.25 / 20_000)


def test_the_share_of_blocks_is_exact():
    mask = BlockCells(share=(0.4, 0.4), least=4).draw(GRID, chance())
    assert (mask.hidden.flatten(1).sum(1) == 32).all()
    assert mask.visible == 48
    some = BlockCells(share=(0.1, 0.5), masked=0.5, least=4).draw(GRID, chance())
    counts = some.hidden.flatten(1).sum(1)
    assert some.visible is None
    assert abs((counts > 0).double().mean() - 0.5) < 0.1
    assert counts[counts > 0].min() >= 8
    assert counts.max() <= 40
    assert len(counts.unique()) > 25


def test_stratified_shares_are_exact_in_number_and_even_in_each_group():
    masks = BlockCells(share=(0.1, 0.5), masked=0.5, least=4, stratified=True, groups=2)
    for step in range(5):
        items = np.random.default_rng(step).permutation(1000)[:20]
        hidden = masks.draw((14, 14), chance(items, step=step)).hidden
        for group in hidden.flatten(1).sum(1).view(2, 10):
            shares = (group[group > 0] / 196).sort().values.tolist()
            assert len(shares) == 5
            for number, share in enumerate(shares):  # one in each fifth of 0.1 to 0.5
                assert abs(share - (0.14 + 0.08 * number)) < 0.04 + 0.5 / 196
    # A group is drawn as it would be alone, and every image has a mask at times.
    alone = masks.draw((14, 14), chance(items, step=4)).hidden[:10]
    one = BlockCells(share=(0.1, 0.5), masked=0.5, least=4, stratified=True)
    assert torch.equal(one.draw((14, 14), chance(items[:10], step=4)).hidden, alone)
    times = [
        one.draw((14, 14), chance(range(8), epoch=e)).hidden.any(2).any(1) for e in range(40)
    ]
    share = torch.stack(times).double().mean(0)
    assert (share - 0.5).abs().max() < 0.3


def test_published_blocks_are_as_the_authors_draw_them():
    masks, sizes = MultiBlock(compat=True, keep=0.2), set()
    for step in range(40):
        mask = masks.draw((14, 14), chance(range(64), step=step))
        asked = mask.asked.flatten(0, 1)
        assert not asked[:, -1].any()  # the last position is never used
        assert not asked[:, :, -1].any()
        size = int(asked[0].any(1).sum()), int(asked[0].any(0).sum())
        sizes.add(size)
        assert ((~mask.hidden).flatten(1).sum(1) == mask.visible).all()
    # Of what is left the first cells by raster are seen, so the bottom seldom is.
    hidden = masks.draw((14, 14), chance(range(500))).hidden.float().mean(dim=(0, 2))
    assert hidden[-4:].mean() > hidden[:4].mean() + 0.2
    # One number sets both: a larger block is never flatter.
    aspects = [h / w for h, w in sorted(sizes, key=lambda s: s[0] * s[1])]
    assert aspects[0] < 1 < aspects[-1]


def test_blocks_hang_together_more_than_cells_do():
    def alike(hidden):
        return (hidden[:, 1:] == hidden[:, :-1]).double().mean()

    blocks = BlockCells(share=(0.4, 0.4), least=16).draw((14, 14), chance()).hidden
    cells = RandomCells(share=0.4).draw((14, 14), chance()).hidden
    assert alike(blocks) > alike(cells) + 0.15


def test_targets_are_rectangles_of_one_size_a_step_and_stand_anywhere():
    sizes = set()
    for step in range(30):
        mask = MultiBlock().draw((14, 14), chance(range(64), step=step))
        asked = mask.asked.flatten(0, 1)
        rows, columns = asked.any(dim=2), asked.any(dim=1)
        height, width = rows.sum(1), columns.sum(1)
        assert len(height.unique()) == len(width.unique()) == 1
        assert (asked.flatten(1).sum(1) == height * width).all()  # full and inside
        assert (rows.int().diff(dim=1).abs().sum(1) <= 2).all()  # in one piece
        sizes.add((int(height[0]), int(width[0])))
        area, aspect = int(height[0] * width[0]) / 196, float(height[0] / width[0])
        assert 0.12 < area < 0.24
        assert 0.6 < aspect < 1.8
    assert len(sizes) > 5
    # Scale and aspect are independent: small and large blocks of both aspects.
    kinds = {(h * w > 34, h > w) for h, w in sizes if h != w}
    assert len(kinds) == 4


def test_every_position_of_a_target_is_as_likely():
    asked = MultiBlock(keep=0.01).draw((6, 6), chance(range(4000), step=2)).asked
    corner = asked.flatten(0, 1).flatten(1).float().argmax(dim=1)
    height, width = (int(asked[0, 0].any(dim=d).sum()) for d in (1, 0))
    top, left = corner // 6, corner % 6
    none = torch.zeros(7 - height, 7 - width)
    counts = none.index_put((top, left), torch.ones(()), accumulate=True)
    share = counts / counts.sum() * counts.numel()
    assert (share - 1).abs().max() < 0.1


def test_the_context_is_seen_equally_and_never_within_a_target():
    for grid in ((8, 8), (14, 14), (4, 4)):
        for step in range(20):
            mask = MultiBlock().draw(grid, chance(range(64), step=step))
            assert ((~mask.hidden).flatten(1).sum(1) == mask.visible).all()
            assert not (mask.asked.any(dim=1) & ~mask.hidden).any()
            assert mask.visible >= 1
    # The bottom is seen as often as the top: nothing is cut off in raster order.
    hidden = MultiBlock().draw((14, 14), chance(range(2000))).hidden.float().mean(dim=(0, 2))
    assert abs(hidden[:4].mean() - hidden[-4:].mean()) < 0.03


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomCells(share=1.0),
        lambda: RandomCells(unit=3).draw(GRID, chance()),
        lambda: RandomCells(share=0.9).draw((1, 2), chance()),
        lambda: BlockCells(share=(0.5, 0.2)),
        lambda: BlockCells(aspect=0),
        lambda: MultiBlock(keep=0.9),
        lambda: MultiBlock(target=(0, 0.1)),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(UserError, match="mask: "):
        make()


@pytest.mark.parametrize(
    ("size", "patch", "unit"), [(224, 16, 2), (192, 4, 6), (32, 4, 1), (64, 8, 1), (96, 4, 3)]
)
def test_units_are_near_a_seventh_and_divide_the_grid(size, patch, unit):
    assert mask_unit(size, patch) == unit


def view_rows(items) -> ViewRows:
    items = np.array(items)
    images = torch.rand(len(items), 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return ViewRows(images, RowFacts(Composition.plain(torch.from_numpy(items))))


def test_a_masked_view_is_the_view_with_a_fact():
    view = MaskedView(name="m", view="a", cell=4, masks=RandomCells())
    shown, when = view_rows([5, 2, 9]), Chance(np.array([5, 2, 9]), epoch=1, step=4, seed=3)
    made = view({"a": shown}, when)["m"]
    assert torch.equal(made.images, shown.images)
    expected = RandomCells().draw(
        (4, 4), chance([5, 2, 9], epoch=1, step=4, seed=3, stream="m")
    )
    assert torch.equal(made.facts.mask.hidden, expected.hidden)
    seen = made.facts.mask.shown_cells()
    assert [row.tolist() for row in seen] == [
        (~cells).flatten().nonzero().flatten().tolist() for cells in expected.hidden
    ]
    with pytest.raises(UserError, match="multiples of 5 px, got 16 x 16"):
        MaskedView(name="m", view="a", cell=5, masks=RandomCells())({"a": shown}, when)


def test_masks_go_along_with_blocks_and_mixes():
    items = np.array([5, 2, 9, 1])
    when, shown = Chance(items, epoch=1, step=4, seed=3), view_rows(items)
    masked = MaskedView(name="m", view="r", cell=4, masks=RandomCells())
    turned = Rotations(name="r", view="a")({"a": shown}, when)
    mask = masked(turned, when)["m"].facts.mask
    blocks = mask.hidden.chunk(4)
    assert not any(torch.equal(blocks[0], other) for other in blocks[1:])
    rows = MaskedView(name="m", view="a", cell=4, masks=RandomCells())({"a": shown}, when)
    mixed = MixedView(name="x", view="m", mixing=Mixing(strategies=("mixup",)))(rows, when)
    assert torch.equal(mixed["x"].facts.mask.hidden, rows["m"].facts.mask.hidden)
    again = Rotations(name="r", view="m")(rows, when)["r"].facts.mask
    assert torch.equal(again.hidden, rows["m"].facts.mask.hidden.repeat(4, 1, 1))


def test_unlike_masks_show_no_common_number():
    masks = [RandomCells(share=s).draw((4, 4), chance([1, 2])) for s in (0.5, 0.75)]
    both = Mask.cat(masks)
    assert both.visible is None
    assert len(both.hidden) == 4
    with pytest.raises(ValueError, match="equally many"):
        both.shown_cells()


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (
            RandomCells(share=0.75),
            "share must be .* 1 squares .* some left, got 0.75; change it",
        ),
        (BlockCells(share=(0.1, 0.5)), "share must be .* 1 cells of an image are hidden"),
        (MultiBlock(), "target must be .* 1 cells of an image are left"),
        (MultiBlock(compat=True), "target must be .* or take larger images or smaller patches"),
    ],
)
def test_an_image_of_one_cell_has_nothing_to_hide(masks, said):
    with pytest.raises(UserError, match=said):
        masks.draw((1, 1), chance(range(4)))


@pytest.mark.parametrize("masks", [BlockCells(share=(0.1, 0.5)), MultiBlock(), RandomCells()])
def test_of_four_cells_some_are_seen(masks):
    hidden = masks.draw((2, 2), chance(range(64))).hidden.flatten(1)
    assert not hidden.all(dim=1).any()
    assert hidden.any()


def test_blocks_without_a_share_hide_nothing():
    assert not BlockCells(share=(0, 0)).draw((1, 1), chance(range(4))).hidden.any()

"""Mixing against loops, PyTorch's interpolate and counted pixels."""

from dataclasses import replace
from typing import get_args

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy import stats
from torch.nn import functional as F

from ilk.core import overlap
from ilk.views.mixed import mix
from ilk.views.mixing import Mixing, Strategy
from ilk.views.pasting import box_share, box_sides, box_starts, cutmix, mixup, resizemix
from ilk.views.per_image import blends, collages

STRATEGIES = ("mixup", "cutmix", "resizemix", "saliencymix")  # with shares as they are drawn
ITEMS = np.arange(100, 108)


def only(strategy, **settings):
    return Mixing(strategies=(strategy,), **settings)


def draw_of(plan, items=ITEMS, epoch=0, step=0, seed=0, view="a"):
    return plan.draw(items, epoch=epoch, step=step, seed=seed, view=view)


def colours(items, *shape):
    """Images of one colour each; every channel and every item has another."""
    base = torch.as_tensor(items, dtype=torch.float64).reshape(-1, 1, *[1] * len(shape)) * 7
    channels = torch.arange(2).double().reshape(1, 2, *[1] * len(shape)) * 1000
    return (base + channels).expand(-1, -1, *shape).contiguous()


shapes = st.sampled_from([(9,), (16, 16), (7, 12), (3, 8, 10), (32, 32)])


@settings(max_examples=40)
@given(
    st.sampled_from(STRATEGIES), shapes, st.integers(1, 7), st.integers(0, 99),
    st.sampled_from([0, 8, 32]),
)  # fmt: skip
def test_the_mean_of_constant_pictures_tells_the_share(strategy, shape, count, seed, snap):
    items = ITEMS[:count]
    draw = draw_of(only(strategy, snap=snap), items, seed=seed)
    images = colours(items, *shape)
    before = images.clone()
    found = [mix(images, draw, view=view) for view in ("a", "b")]
    assert torch.equal(images, before)
    for mixed in found:
        share = mixed.share[:, None]
        expected = share * before.flatten(2)[..., 0] + (1 - share) * before.flatten(2)[
            ..., 0
        ].flip(0)
        torch.testing.assert_close(
            mixed.images.flatten(2).mean(2), expected, rtol=1e-12, atol=1e-9
        )
        own = overlap(mixed.composition, mixed.composition.plain(torch.as_tensor(items)))
        weights = torch.diag(share[:, 0]) + torch.diag(1 - share[:, 0]).flip(1)
        if count % 2:
            weights[count // 2, count // 2] = 1
        torch.testing.assert_close(own, weights)
    assert torch.equal(found[0].share, found[1].share)
    if strategy == "mixup":
        torch.testing.assert_close(found[0].share, torch.tensor(draw.share))


@pytest.mark.parametrize("strategy", ["cutmix", "resizemix", "saliencymix"])
def test_as_many_pixels_differ_as_the_share_says(strategy):
    images = colours(ITEMS, 20, 30)
    mixed = mix(images, draw_of(only(strategy)), view="a")
    changed = (mixed.images != images).any(1).flatten(1).double().mean(1)
    torch.testing.assert_close(1 - changed, mixed.share)
    other = mix(images, draw_of(only(strategy)), view="b")
    alike = torch.equal(mixed.images, other.images)  # the same shares in other places
    assert alike == (strategy == "saliencymix")  # which follows the image


@settings(max_examples=40)
@given(st.sampled_from([(11,), (8, 13), (4, 6, 9)]), st.integers(0, 999))
def test_boxes_are_filled_as_interpolate_and_slicing_fill_them(shape, seed):
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    images, partners = torch.randn(3, 2, *shape).double(), torch.randn(3, 2, *shape).double()
    sides = np.stack([generator.integers(1, size + 1, 3) for size in shape], 1)
    starts = box_starts(generator.random((3, len(shape))), sides, shape)
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(shape)]
    cut, resized = images.clone(), images.clone()
    for i in range(3):
        box = tuple(slice(a, a + s) for a, s in zip(starts[i], sides[i], strict=True))
        cut[i][(slice(None), *box)] = partners[i][(slice(None), *box)]
        small = F.interpolate(partners[i, None], tuple(sides[i].tolist()), mode=mode)
        resized[i][(slice(None), *box)] = small[0]
    box = torch.tensor(starts), torch.tensor(sides)
    assert torch.equal(cutmix(images, partners, *box), cut)
    torch.testing.assert_close(resizemix(images, partners, *box), resized, rtol=0, atol=1e-10)
    single = resizemix(images.float(), partners.float(), *box)
    torch.testing.assert_close(single, resized.float(), rtol=0, atol=1e-4)


@settings(max_examples=60)
@given(
    st.sampled_from([1, 2, 3, 5]), st.integers(1, 13), st.integers(1, 13), st.booleans(),
    st.integers(0, 999),
)  # fmt: skip
def test_pictures_mixed_one_by_one_are_what_the_batch_makes(
    channels, height, width, last, seed
):
    torch.manual_seed(seed)
    generator, shape = np.random.default_rng(seed), (height, width)
    images = torch.randn(6, channels, *shape)
    if last:
        images = images.contiguous(memory_format=torch.channels_last)
    before = images.clone()
    rows, partners = generator.integers(0, 6, (2, 4))
    sides = np.stack([generator.integers(1, size + 1, 4) for size in shape], 1)
    starts = box_starts(generator.random((4, 2)), sides, shape)
    box = torch.tensor(starts), torch.tensor(sides)
    for resized, slow in ((False, cutmix), (True, resizemix)):
        found = collages(images, rows, partners, starts, sides, resized=resized)
        expected = slow(images[rows], images[partners], *box)
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 if resized else 0)
    share = np.append(generator.random(2), [0.0, 1.0])
    found = blends(images, rows, partners, share)
    expected = mixup(images[rows], images[partners], torch.tensor(share).float())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert torch.equal(found[2:], torch.stack([images[partners[2]], images[rows[3]]]))
    assert torch.equal(images, before)


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_the_order_of_pixels_in_memory_does_not_matter(strategy):
    images = torch.randn(8, 3, 10, 12)
    draw = draw_of(only(strategy))
    last = mix(images.contiguous(memory_format=torch.channels_last), draw, view="a")
    torch.testing.assert_close(mix(images, draw, view="a").images, last.images)
    double = mix(images.double(), draw, view="a")  # by masks and grids
    torch.testing.assert_close(double.images.float(), last.images, rtol=0, atol=2e-5)


def test_mixup_is_the_weighted_mean():
    torch.manual_seed(0)
    images, partners, share = torch.randn(3, 2, 4), torch.randn(3, 2, 4), torch.rand(3)
    found = mixup(images, partners, share)
    for i in range(3):
        torch.testing.assert_close(
            found[i], share[i] * images[i] + (1 - share[i]) * partners[i]
        )


@given(st.floats(0, 1), st.sampled_from([(32, 32), (96, 96), (5, 224), (7,), (8, 16, 16)]))
def test_boxes_are_the_nearest_of_whole_pixels_and_never_everything(share, sizes):
    sides = box_sides(np.array([share]), sizes)
    for side, size in zip(sides[0], sizes, strict=True):
        wanted = (1 - share) ** (1 / len(sizes)) * size
        assert 1 <= side <= max(size - 1, 1)
        assert abs(side - min(max(wanted, 1), size - 1)) <= 0.5 + 1e-9
    assert 0 < box_share(sides, sizes)[0] < 1


@given(st.floats(0, 1), st.sampled_from([1, 2, 3]))
def test_snapped_boxes_have_one_share_at_every_size(share, axes):
    shares = {
        float(
            box_share(box_sides(np.array([share]), (size,) * axes, snap=32), (size,) * axes)[0]
        )
        for size in (32, 96, 224)
    }
    assert max(shares) - min(shares) < 1e-15
    ratio = (1 - shares.pop()) ** (1 / axes) * 32
    assert ratio == pytest.approx(round(ratio))
    assert 1 <= round(ratio) <= 31


def test_boxes_lie_anywhere_inside_with_the_same_chance():
    chance = np.random.default_rng(0).random((6000, 2))
    sides = np.broadcast_to([3, 7], (6000, 2))
    starts = box_starts(chance, sides, (8, 8))
    for axis, places in ((0, 6), (1, 2)):
        counts = np.bincount(starts[:, axis])
        assert len(counts) == places
        assert stats.chisquare(counts).pvalue > 1e-3
    assert (box_starts(np.full((1, 2), 1 - 1e-16), sides[:1], (8, 8)) == [[5, 1]]).all()


def test_shares_and_boxes_follow_the_item_and_the_epoch_alone():
    plan = only("cutmix")
    images = torch.randn(8, 1, 12, 12)
    first = draw_of(plan, step=3)
    shuffled = np.array([4, 2, 7, 0, 5, 1, 3, 6])
    second = draw_of(plan, ITEMS[shuffled], step=9)
    assert (second.share == first.share[shuffled]).all()
    ones = torch.ones_like(images)
    masks = [cutmix_mask(ones, draw) for draw in (first, second)]
    assert torch.equal(masks[0][shuffled], masks[1])
    assert (draw_of(plan, epoch=1).share != first.share).all()
    assert (draw_of(plan, seed=1).share != first.share).all()
    again = mix(images, draw_of(plan, step=3), view="a")
    assert torch.equal(mix(images, first, view="a").images, again.images)


def cutmix_mask(ones, draw):
    """Where the box of each row lies: partners made different from every first image."""
    marked = torch.cat([ones, 0 * ones])
    apart = replace(
        draw, partners=draw.rows + len(ones), items=np.concatenate([draw.items] * 2)
    )
    return mix(marked, apart, view="a").images


def test_strategies_follow_the_step_alone_with_equal_chance():
    known = get_args(Strategy)
    plan = Mixing(strategies=known)
    names = [draw_of(plan, step=step).strategy for step in range(450)]
    assert names == [draw_of(plan, ITEMS[:2], epoch=4, step=s).strategy for s in range(450)]
    assert stats.chisquare([names.count(name) for name in known]).pvalue > 1e-3
    assert Mixing().strategies == ("mixup", "cutmix", "resizemix")


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (only("mixup"), stats.uniform()),
        (only("mixup", alpha=0.3), stats.beta(0.3, 0.3)),
        (only("cutmix", alpha=2.0), stats.beta(2, 2)),
        (only("resizemix"), stats.uniform(0.1, 0.8)),
        (only("mixup", fold=True), stats.uniform(0.5, 0.5)),
    ],
)
def test_shares_are_distributed_as_they_should_be(plan, expected):
    share = draw_of(plan, np.arange(4000)).share
    assert stats.kstest(share, expected.cdf).pvalue > 1e-3
    assert len(np.unique(share)) == 4000


def test_a_side_ratio_may_be_drawn_instead():
    share = draw_of(only("resizemix", resizemix_scale=(0.1, 0.8)), np.arange(4000)).share
    assert stats.kstest(np.sqrt(1 - share), stats.uniform(0.1, 0.7).cdf).pvalue > 1e-3
    assert np.mean(share) == pytest.approx(0.757, abs=0.01)


def test_one_share_per_step():
    draws = [draw_of(only("mixup", per_sample=False), step=step) for step in range(600)]
    assert all(len(set(draw.share)) == 1 for draw in draws)
    assert stats.kstest([draw.share[0] for draw in draws], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_partners_are_reversed_inside_each_group(groups):
    draw = draw_of(Mixing(groups=groups))
    size = 8 // groups
    expected = [g * size + size - 1 - i for g in range(groups) for i in range(size)]
    assert draw.partners.tolist() == expected
    assert draw.rows.tolist() == list(range(8))


def test_groups_mix_as_so_many_ranks_would():
    images = torch.randn(8, 3, 6, 6)
    for partner in ("reversed", "shuffled", "halves"):
        plan = Mixing(partner=partner)
        joint = mix(images, draw_of(replace(plan, groups=2), step=5), view="a")
        ranks = [
            mix(images[part], draw_of(plan, ITEMS[part], step=5), view="a")
            for part in (slice(0, 4), slice(4, 8))
        ]
        assert torch.equal(joint.images, torch.cat([rank.images for rank in ranks]))
        sources = torch.cat([rank.composition.sources for rank in ranks])
        assert torch.equal(joint.composition.sources, sources)
    with pytest.raises(ValueError, match="must divide the batch, got 3 for 8"):
        draw_of(Mixing(groups=3))


def test_shuffled_partners_are_a_permutation_that_moves_with_the_step():
    orders = [draw_of(Mixing(partner="shuffled"), step=s).partners.tolist() for s in range(50)]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) == 50
    assert (
        orders[0] == draw_of(Mixing(partner="shuffled"), ITEMS + 9, epoch=3).partners.tolist()
    )


@pytest.mark.parametrize("count", [8, 7])
def test_halves_give_half_as_many(count):
    images = torch.randn(count, 1, 4, 4).double()
    draw = draw_of(only("mixup", partner="halves"), ITEMS[:count])
    mixed = mix(images, draw, view="a")
    n = count // 2
    share = mixed.share.reshape(-1, 1, 1, 1)
    torch.testing.assert_close(
        mixed.images, share * images[:n] + (1 - share) * images[n : 2 * n]
    )
    assert mixed.composition.sources.tolist() == [[100 + i, 100 + n + i] for i in range(n)]


def test_the_middle_of_an_odd_batch_is_mixed_with_itself():
    images = torch.randn(3, 1, 8, 8)
    for strategy in ("mixup", "cutmix"):
        mixed = mix(images, draw_of(only(strategy), ITEMS[:3]), view="a")
        torch.testing.assert_close(mixed.images[1], images[1])
    mixed = mix(images, draw_of(only("resizemix"), ITEMS[:3]), view="a")
    assert not torch.equal(mixed.images[1], images[1])  # its own thumbnail
    plain = mixed.composition.plain(torch.tensor(ITEMS[:3]))
    assert overlap(mixed.composition, plain)[1].tolist() == [0, 1, 0]


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_precision_of_the_pictures_is_kept(strategy):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        images = torch.randn(4, 1, 8, 8).to(dtype)
        mixed = mix(images, draw_of(only(strategy), ITEMS[:4]), view="a")
        assert mixed.images.dtype == dtype
        assert mixed.share.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_a_read_only_list_of_items_is_no_obstacle():
    items = ITEMS.copy()
    items.flags.writeable = False
    assert len(mix(torch.randn(8, 1, 4, 4), draw_of(Mixing(), items), view="a").images) == 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_no_rows_are_mixed_into_none(strategy, dtype):
    """What a rank has of labelled images when its share of a batch has none."""
    mixed = mix(
        torch.zeros(0, 3, 8, 8, dtype=dtype), draw_of(only(strategy), ITEMS[:0]), view="a"
    )
    assert mixed.images.shape == (0, 3, 8, 8)
    assert len(mixed.composition) == len(mixed.share) == 0

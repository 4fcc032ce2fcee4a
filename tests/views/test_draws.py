"""What is drawn, against torchvision's own draws; and that it is a pure function."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torchvision.transforms import ColorJitter, RandomResizedCrop

from ilk.views import Draws, ImageView, byol_pair, dino_multicrop, draw, simclr_pair

MANY = 8000
LOUD = ImageView(
    name="loud", size=32, jitter=(0.4, 0.8, 1.5, 0.2), jitter_p=1.0, gray_p=0.2, blur_p=0.3,
    solarize_p=0.15,
)  # fmt: skip


def drawn(view: ImageView, height: int = 375, width: int = 500, count: int = MANY) -> Draws:
    sizes = np.full(count, height), np.full(count, width)
    return draw(view, *sizes, np.arange(count), epoch=0, seed=0)


def alike(ours, theirs) -> bool:
    return stats.ks_2samp(ours, theirs).pvalue > 1e-3


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.05, 0.4), (0.9, 1.0)])
@pytest.mark.parametrize("size", [(375, 500), (32, 32), (60, 400), (300, 70), (11, 9)])
def test_boxes_are_distributed_like_torchvisions(size, scale):
    torch.manual_seed(0)
    image = torch.empty(3, *size)
    theirs = np.array(
        [RandomResizedCrop.get_params(image, scale, (3 / 4, 4 / 3)) for _ in range(1500)]
    )
    ours = drawn(replace(LOUD, scale=scale), *size).boxes
    for column in range(4):  # top, left, height, width
        assert alike(ours[:, column], theirs[:, column])
    assert alike(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3])
    assert alike(ours[:, 3] / ours[:, 2], theirs[:, 3] / theirs[:, 2])
    assert alike(ours[:, 0] + ours[:, 2], theirs[:, 0] + theirs[:, 2])


@pytest.mark.parametrize("size", [(10, 1000), (1000, 10), (1, 1), (1, 50), (7, 7)])
def test_impossible_boxes_fall_back_to_the_same_centre(size):
    """Nothing that is larger than the image fits: the fallback is all there is."""
    torch.manual_seed(0)
    scale = (0.999, 1.0) if size != (7, 7) else (0.5, 0.5)
    theirs = {
        tuple(RandomResizedCrop.get_params(torch.empty(3, *size), scale, (2.0, 2.01)))
        for _ in range(20)
    }
    view = replace(LOUD, scale=scale, ratio=(2.0, 2.01))
    ours = {tuple(box) for box in drawn(view, *size, count=20).boxes.tolist()}
    assert ours == theirs


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 2**62))
def test_boxes_lie_inside(height, width, item):
    boxes = draw(
        LOUD, np.array([height]), np.array([width]), np.array([item]), epoch=1, seed=2
    ).boxes
    top, left, high, wide = boxes[0].tolist()
    assert top >= 0
    assert left >= 0
    assert high >= 1
    assert wide >= 1
    assert top + high <= height
    assert left + wide <= width


def test_jitter_is_distributed_like_torchvisions():
    torch.manual_seed(0)
    jitter = ColorJitter(*LOUD.jitter)
    ranges = jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue
    theirs = [ColorJitter.get_params(*ranges) for _ in range(4000)]
    ours = drawn(LOUD)
    for operation in range(4):
        factors = np.array([row[operation + 1] for row in theirs])
        assert alike(ours.jitter[:, operation], factors)
    counts = np.zeros((2, 256))
    for which, orders in enumerate((ours.order, np.stack([row[0].numpy() for row in theirs]))):
        codes, number = np.unique(orders @ [64, 16, 4, 1], return_counts=True)
        counts[which, codes] = number
    seen = counts[:, counts.sum(0) > 0]
    assert seen.shape[1] == 24
    assert stats.chi2_contingency(seen).pvalue > 1e-3
    assert stats.chisquare(seen[0]).pvalue > 1e-3


def test_everything_happens_as_often_as_asked():
    view = replace(LOUD, jitter_p=0.8, flip=0.5)
    draws = drawn(view)
    jittered = (draws.jitter != [1, 1, 1, 0]).any(1)
    rates = {
        0.5: draws.flip, 0.8: jittered, 0.2: draws.gray, 0.3: draws.sigma > 0,
        0.15: draws.solarize,
    }  # fmt: skip
    for rate, happened in rates.items():
        assert stats.binomtest(int(happened.sum()), MANY, rate).pvalue > 1e-3
    sigma = draws.sigma[draws.sigma > 0]
    assert stats.kstest(sigma, stats.uniform(0.1, 1.9).cdf).pvalue > 1e-3
    assert ((draws.jitter == [1, 1, 1, 0]).all(1) == ~jittered).all()


def test_decisions_do_not_hang_together():
    """No pair of numbers of one view, nor the same number of two views, is correlated."""
    columns = []
    for name in ("a", "b"):
        draws = drawn(replace(LOUD, name=name, jitter_p=0.5, blur_p=0.5, solarize_p=0.5))
        columns += [
            *draws.boxes[:, :2].T, draws.boxes[:, 2] * draws.boxes[:, 3],
            draws.boxes[:, 3] / draws.boxes[:, 2], draws.flip, draws.gray, draws.sigma > 0,
            draws.solarize, (draws.jitter[:, 0] != 1), draws.order[:, 0] == 0,
            draws.jitter[:, 0],
        ]  # fmt: skip
    correlation = np.corrcoef(np.array(columns, dtype=float)) - np.eye(len(columns))
    sides = [0, 1, 2, 11, 12, 13]  # a large box has little room to move
    correlation[sides] = correlation[:, sides] = 0
    assert abs(correlation).max() < 4.5 / np.sqrt(MANY)


def test_probabilities_of_zero_and_one_are_certain():
    never = drawn(ImageView(name="a", size=8, flip=0.0))
    assert not (never.flip | never.gray | never.solarize | (never.sigma > 0)).any()
    assert (never.jitter == [1, 1, 1, 0]).all()
    always = drawn(
        ImageView(name="a", size=8, flip=1.0, gray_p=1.0, blur_p=1.0, solarize_p=1.0)
    )  # fmt: skip
    assert (always.flip & always.gray & always.solarize & (always.sigma > 0)).all()


def rows(draws: Draws, index) -> dict:
    values = {field.name: getattr(draws, field.name) for field in fields(draws)}
    return {k: v[index] if isinstance(v, np.ndarray) else v for k, v in values.items()}


@pytest.mark.parametrize("view", [byol_pair()[1], dino_multicrop()[3], simclr_pair()[0]])
def test_a_row_depends_on_its_own_item_alone(view):
    rng = np.random.default_rng(0)
    items, heights, widths = rng.integers(1, 400, (3, 64))
    whole = draw(view, heights, widths, items, epoch=4, seed=9)
    order = rng.permutation(64)[:20]
    part = draw(view, heights[order], widths[order], items[order], epoch=4, seed=9)
    for name, value in rows(part, slice(None)).items():
        assert np.array_equal(value, rows(whole, order)[name]), name


@pytest.mark.parametrize(
    ("name", "epoch", "seed"), [("other", 0, 0), ("loud", 1, 0), ("loud", 0, 1)]
)
def test_name_epoch_and_seed_change_everything(name, epoch, seed):
    first = drawn(LOUD, count=200)
    sizes = np.full(200, 375), np.full(200, 500)
    second = draw(replace(LOUD, name=name), *sizes, np.arange(200), epoch, seed)
    assert (first.jitter != second.jitter).all()
    assert (first.boxes != second.boxes).any(1).all()


def test_other_parameters_leave_the_boxes_alone():
    plain = replace(LOUD, blur_p=0.0, gray_p=1.0, jitter_p=0.0)
    assert np.array_equal(drawn(LOUD).boxes, drawn(plain).boxes)


def test_the_stream_of_numbers_is_the_one_of_every_run_so_far():
    """When this fails, no run started before can be resumed: say so in the changelog."""
    draws = drawn(byol_pair()[1], count=3)
    assert draws.boxes.tolist() == [[0, 53, 375, 408], [101, 117, 151, 193], [50, 9, 314, 324]]
    assert draws.order.tolist() == [[2, 1, 0, 3], [3, 1, 0, 2], [1, 3, 2, 0]]
    assert draws.flip.tolist() == [True, False, True]
    assert draws.gray.tolist() == [False, False, True]

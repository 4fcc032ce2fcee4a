"""SDMP's golden pixels, boxes, draws and schedules through the real code.

No number is repeated here: other numbers of the same layout must pass as well.
"""

import re

import numpy as np
import pytest
import torch

from ilk.core import Cosine, Progress, WarmCosine
from ilk.views.mixing import Mixing
from ilk.views.pasting import box_share, box_sides, box_starts, cutmix, mixup, resizemix
from tests.golden.sdmp import GOLDEN, agree, entry, kin, mixed, numbers, partners, plain, tensor


def pictures(case: dict) -> torch.Tensor:
    """Given as arrays, or as the formula that the first golden file uses."""
    (key,) = (k for k in case if k.startswith("x["))
    if not isinstance(case[key], str):
        return tensor(case[key])[:, None]
    factors = [float(re.search(rf"([\d.]*)\*?\b{axis}\b", case[key])[1] or 1) for axis in "irc"]
    shape = re.search(r"(\d+) images of (\d+)x(\d+)", case[key]).groups()
    axes = torch.meshgrid(*(torch.arange(int(n)).double() for n in shape), indexing="ij")
    return sum(f * axis for f, axis in zip(factors, axes, strict=True))[:, None]


def test_pixels():
    case = GOLDEN["pixels"]
    images = pictures(case)
    other = images[partners(len(images))]
    boxes = torch.tensor(case["boxes_y0y1x0x1"])
    starts, sides = boxes[:, ::2], boxes[:, 1::2] - boxes[:, ::2]
    agree(mixup(images, other, tensor(case["mixup"]["lam"]))[:, 0], case["mixup"]["out"])
    agree(cutmix(images, other, starts, sides)[:, 0], case["cutmix"]["out"])
    resized = case["resizemix_bilinear"]
    agree(resizemix(images, other, starts, sides)[:, 0], resized["out"])
    for expected in (case["cutmix"], resized):
        agree(box_share(sides.numpy(), images.shape[2:]), expected["lam_area_true"])


def test_exact_boxes():
    for case in entry(GOLDEN["boxes"], "exact"):
        sizes = (case["H"], case["W"])
        sides = box_sides(np.array([case["lam"]]), sizes)
        assert sides.tolist() == [[case["h"], case["w"]]]
        agree(box_share(sides, sizes), [case["lam_true"]])


def test_clipped_boxes_are_counted_right_but_never_drawn():
    for case in entry(GOLDEN["boxes"], "clipped"):
        sizes, box = (case["H"], case["W"]), np.array(case["box"]).reshape(2, 2)
        agree(box_share((box[:, 1] - box[:, 0])[None], sizes), [case["lam_true"]])
        sides = box_sides(np.full(200, float(case["lam"])), sizes)
        starts = box_starts(np.random.default_rng(0).random((200, 2)), sides, sizes)
        assert ((starts >= 0) & (starts + sides <= sizes)).all()


def test_the_share_told_is_that_of_the_pasted_pixels():
    """The authors' later code pastes an even box and tells the share of an odd one."""
    ((key, case),) = ((k, v) for k, v in GOLDEN["boxes"].items() if k.startswith("public"))
    size, lam = int(numbers(key)[0]), numbers(key)[1]
    sides = box_sides(np.array([lam]), (size, size))
    assert sides.tolist() == [[case["cut"]] * 2]
    agree(box_share(sides, (size, size)), [case["lam_reported"]])
    blank = torch.zeros(1, 1, size, size)
    mask = cutmix(blank, blank + 1, torch.zeros(1, 2).long(), torch.tensor(sides))
    agree(1 - mask.double().mean(), case["lam_reported"])
    even = sides // 2 * 2
    agree(box_share(even, (size, size)), [case["lam_of_pasted_pixels"]])


def drawn(count: int, size: int, **settings) -> tuple[torch.Tensor, torch.Tensor]:
    """Source and mix labels of ``count`` batches, row by row."""
    sources, mixes = [], []
    for step in range(count):
        items = np.arange(size) + size * step
        made = mixed(Mixing(**settings).draw(items, epoch=0, step=step, seed=0).share)
        sources.append(kin(made, plain(size)).weights)
        mixes.append(kin(made, made).weights)
    return torch.cat(sources), torch.cat(mixes)


def entropy(weights: torch.Tensor) -> torch.Tensor:
    return torch.special.entr(weights).sum(1)


def test_statistics_of_our_draws():
    """Five standard errors of a mean: 0.025 for 2,560 pairs and 0.11 for 200 batches."""
    expected = GOLDEN["lam_c_statistics"]
    source, mix = drawn(20, 256, strategies=("mixup",))
    own = mix.amax(1)
    for start, values in (
        ("independent Beta(1,1)", 1 / own - 1),
        ("mean weight on own", own),
        ("floor of source", entropy(source)),
        ("floor of mix", entropy(mix)),
    ):
        assert values.mean().item() == pytest.approx(entry(expected, start), abs=0.025)
    wide = 1 / drawn(20, 256, strategies=("resizemix",))[1].amax(1) - 1
    assert wide.mean().item() == pytest.approx(entry(expected, "independent 0.1"), abs=0.025)
    shared = 1 / drawn(200, 2, strategies=("mixup",), per_sample=False)[1].amax(1) - 1
    assert shared.mean().item() == pytest.approx(entry(expected, "shared"), abs=0.11)


def test_schedules():
    for key, table in GOLDEN["schedules"].items():
        if key.startswith("moco_momentum"):
            start, epochs = (float(re.search(rf"{n}=([\d.e-]+)", key)[1]) for n in ("m0", "E"))
            schedule = Cosine(start, 1.0)
        else:
            base, batch, warmup, epochs = numbers(key)
            schedule = WarmCosine(base * batch / 256, warmup)
        for epoch, expected in table.items():
            progress = Progress(int(epoch) * 7, int(epochs) * 7, 7.0)
            agree(schedule(progress), expected)


# "cost" counts multiply-adds of whole networks; calls of encoders are counted in the laws.

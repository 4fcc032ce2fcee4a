"""Noise of an item's own, and grey images."""

import numpy as np
import pytest
import torch

from ilk.core import Composition, RowFacts, UserError
from ilk.views import Chance, GreyView, NoisyView, Rotations, ViewRows, normalise

STATISTICS = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


def rows(items, size: int = 8, channels: int = 3) -> ViewRows:
    pixels = torch.randint(0, 256, (len(items), channels, size, size), dtype=torch.uint8)
    images = normalise(pixels, STATISTICS[0][:channels], STATISTICS[1][:channels])
    made = Composition.plain(torch.tensor(items))
    return ViewRows(images, RowFacts(made), STATISTICS)


def chance(items, epoch: int = 2) -> Chance:
    return Chance(np.array(items), epoch=epoch, step=5, seed=3)


def noise(items, epoch: int = 2, **options) -> torch.Tensor:
    shown = rows(items, 32)
    view = NoisyView(name="n", view="a", **options)
    return view({"a": shown}, chance(items, epoch))["n"].images - shown.images


def test_noise_is_normal_and_an_item_s_own():
    items = list(range(40))
    drawn = noise(items, noise=0.5)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 0.5) < 0.01
    share = (drawn.abs() < 0.5).double().mean()
    assert abs(share - 0.6827) < 0.01
    torch.testing.assert_close(noise([7, 3], noise=0.5), drawn[[7, 3]], atol=1e-5, rtol=0)
    assert not torch.allclose(noise(items, 3, noise=0.5), drawn)
    flat = drawn.flatten(1)
    assert torch.corrcoef(torch.stack([flat[0], flat[1]]))[0, 1].abs() < 0.1


def test_erased_pixels_have_the_mean_colour():
    items = list(range(40))
    shown = rows(items, 32)
    made = NoisyView(name="n", view="a", noise=0.0, erased=0.25)({"a": shown}, chance(items))
    images = made["n"].images
    gone = (images == 0).all(dim=1)
    assert abs(gone.double().mean() - 0.25) < 0.01
    assert torch.equal(
        images.permute(0, 2, 3, 1)[~gone], shown.images.permute(0, 2, 3, 1)[~gone]
    )


def test_every_block_has_noise_of_its_own():
    items = [4, 9]
    turned = Rotations(name="r", view="a")({"a": rows(items)}, chance(items))
    made = NoisyView(name="n", view="r")(turned, chance(items))["n"]
    parts = (made.images - turned["r"].images).chunk(4)
    assert not any(torch.allclose(parts[0], other) for other in parts[1:])


def test_grey_images_have_the_brightness_in_every_channel():
    shown = rows([1, 2])
    grey = GreyView(name="g", view="a")({"a": shown}, chance([1, 2]))["g"]
    mean, std = (torch.tensor(s).view(-1, 1, 1) for s in STATISTICS)
    before, after = shown.images * std + mean, grey.images * std + mean
    expected = 0.299 * before[:, 0] + 0.587 * before[:, 1] + 0.114 * before[:, 2]
    for channel in range(3):
        torch.testing.assert_close(after[:, channel], expected)
    with pytest.raises(UserError, match="three channels, red, green and blue, got 1"):
        GreyView(name="g", view="a")({"a": rows([1], channels=1)}, chance([1]))

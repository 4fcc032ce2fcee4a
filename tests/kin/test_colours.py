"""Colours as classes, by loops."""

import math

import cv2
import numpy as np
import pytest
import torch

from ilk.core import Composition, Rows
from ilk.kin import OwnColour, colour_bins
from ilk.kin.colours import class_weights, lab
from tests.kin.context import FakeLook


def test_colours_are_those_of_opencv():
    pixels = torch.rand(1, 3, 200, 200)
    linear = torch.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    ours = lab(pixels)[0].permute(1, 2, 0)
    # Of linear colours OpenCV computes the cube root; of others it interpolates in a table.
    for code, given, off in [
        (cv2.COLOR_LRGB2Lab, linear, 0.05),
        (cv2.COLOR_RGB2Lab, pixels, 0.8),
    ]:
        image = np.ascontiguousarray(given[0].permute(1, 2, 0).numpy())
        expected = torch.from_numpy(cv2.cvtColor(image, code))
        torch.testing.assert_close(ours, expected, atol=off, rtol=0)
    white = lab(torch.ones(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(white, torch.tensor([100.0, 0, 0]), atol=0.02, rtol=0)


def test_bins_are_squares_of_the_grid_in_which_there_are_colours():
    bins = colour_bins()
    assert ((bins / 10) == (bins / 10).round()).all()
    assert len(bins.unique(dim=0)) == len(bins) > 200
    ab = lab(torch.rand(1, 3, 40, 40))[0, 1:].flatten(1).T
    near = torch.cdist(ab.double(), bins).min(dim=1).values
    assert near.max() <= 10 / math.sqrt(2) + 1e-6


def test_weights_of_classes_have_mean_one_and_spare_those_never_seen():
    found = class_weights(torch.tensor([0.7, 0.2, 0.1, 0.0]), 0.5)
    expected = torch.tensor([0.7541697, 1.4612038, 1.7984046, 0.0])
    torch.testing.assert_close(found, expected)
    flat = torch.full((4,), 0.25)
    torch.testing.assert_close(class_weights(flat, 0.3), torch.ones(4))


def rows(images: int, side: int) -> Rows:
    made = Composition.plain(torch.arange(images).repeat_interleave(side**2))
    count = images * side**2
    return Rows(torch.zeros(count, 3), made, torch.arange(count))


@pytest.mark.parametrize("nearest", [1, 5])
def test_each_place_has_the_soft_class_of_its_mean_colour(nearest):
    pixels = torch.rand(3, 3, 8, 8, dtype=torch.float64)
    pixels[1] = 0.4  # grey
    rule = OwnColour(view="a", nearest=nearest)
    asked = rows(3, 2)
    kin = rule(asked, asked, FakeLook(images={"a": pixels}))
    bins = colour_bins()
    prior = (-bins.norm(dim=1) / 7.5).exp()
    rare = class_weights(prior / prior.sum(), 0.5)
    for image in range(3):
        for place in range(4):
            y, x = divmod(place, 2)
            part = lab(pixels[image : image + 1])[0, 1:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
            apart = (bins - part.mean(dim=(1, 2))).norm(dim=1)
            near = apart.argsort()[:nearest]
            close = (-apart[near].square() / 50).exp()
            expected = torch.zeros(len(bins), dtype=torch.float64)
            expected[near] = close / close.sum() if image != 1 else 0.0
            torch.testing.assert_close(kin.weights[4 * image + place], expected)
            torch.testing.assert_close(kin.importance[4 * image + place], rare[near[0]])


def test_two_bins_share_a_colour_by_a_gaussian_of_their_distance():
    close = torch.tensor([2.0, 8.0]).square().div(-50).softmax(0)
    torch.testing.assert_close(close, torch.tensor([0.7685248, 0.2314752]))

"""Gentler views of any method."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.method import Given, with_augmentation
from ilk.methods import METHODS, recipe
from ilk.views import HUE_CHANGING, render, strong
from ilk.views.operations import augment
from ilk.views.randaugment import ALL
from tests.laws.world import small_method

QUIET = ("jitter_p", "gray_p", "blur_p", "solarize_p", "autoaugment_p")

GIVEN = Given(width=8, size=32)


@pytest.mark.parametrize("name", METHODS)
def test_crops_and_flips_alone(name):
    gentle = with_augmentation(small_method(name), "crops")
    for view, before in zip(gentle.views, small_method(name).views, strict=True):
        assert all(getattr(view, field) == 0 for field in QUIET)
        assert (view.scale, view.flip, view.size) == (before.scale, before.flip, before.size)


def test_policies_and_squares_are_colours_and_shifts_are_crops():
    method = small_method("simclr")
    first = replace(strong(32), name=method.views[0].name)
    method = replace(method, views=(first, *method.views[1:]))
    crops = with_augmentation(method, "crops").views[0]
    assert (crops.policy, crops.cutout, crops.shift) == (None, 0.0, first.shift)
    kept = with_augmentation(method, "no-hue").views[0]
    assert (kept.cutout, kept.shift) == (first.cutout, first.shift)
    assert set(ALL) - set(kept.policy.operations) == {
        "Color", "Posterize", "Solarize", "AutoContrast", "Equalize",
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name in ALL if name not in HUE_CHANGING])
def test_operations_that_stay_keep_gray_gray_and_the_order_of_channels(name):
    image = np.full((24, 24, 3), (200, 140, 90), np.uint8)
    augment(image, [(name, -0.5)])
    red, green, blue = image.astype(int).reshape(-1, 3).T
    assert ((red > green) & (green > blue) | (red + green + blue == 0)).all()


def test_crops_invent_no_colour():
    """Every pixel of a view of a two-coloured image lies between the two colours."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20] = (200, 40, 90)
    image[:, 20:] = (100, 20, 45)
    method = with_augmentation(recipe("simclr", {}).build(GIVEN), "crops")
    views = render(method.views, [image] * 16, np.arange(16), 0, 0)
    for rows in views.values():
        red, green, blue = rows.double().unbind(1)
        torch.testing.assert_close(red / green, torch.full_like(red, 5.0), rtol=0.1, atol=0)
        torch.testing.assert_close(red / blue, torch.full_like(red, 2.2), rtol=0.1, atol=0)


def test_without_hue_gray_images_stay_gray_and_colours_keep_their_hue():
    method = with_augmentation(recipe("moco-v3", {}).build(GIVEN), "no-hue")
    for view, before in zip(
        method.views, recipe("moco-v3", {}).build(GIVEN).views, strict=True
    ):
        assert view.jitter == (*before.jitter[:2], 0.0, 0.0)
        assert view.gray_p == view.autoaugment_p == 0
        assert (view.jitter_p, view.blur_p) == (before.jitter_p, before.blur_p)


def test_the_full_views_are_the_methods_own():
    method = recipe("dino", {}).build(GIVEN)
    assert with_augmentation(method, "full") is method


def test_another_word_is_refused():
    with pytest.raises(UserError, match="augment: must be one of full, no-hue, crops"):
        with_augmentation(recipe("dino", {}).build(GIVEN), "strong")


@pytest.mark.parametrize("gentle", ["no-hue", "crops"])
def test_learned_strengths_need_all_operations(gentle):
    method = small_method("fixmatch", policy="ctaugment")
    assert with_augmentation(method, "full") == method
    with pytest.raises(UserError, match="augment: must be full where strengths .*randaugment"):
        with_augmentation(method, gentle)

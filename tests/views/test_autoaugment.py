"""AutoAugment beside torchvision's, which draws for itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.transforms import AutoAugment

from ilk import views
from ilk.views import ImageView
from ilk.views.autoaugment import DRAWS, policies
from ilk.views.operations import NONE, augment

POLICIES = 25


@pytest.mark.parametrize("number", range(POLICIES))
def test_every_policy_is_torchvisions(number, picture, monkeypatch):
    for chance, sign in ((0.0, 0), (0.0, 1), (0.55, 0), (0.75, 1), (0.99, 0)):
        drawn = number, torch.full((2,), chance), torch.full((2,), sign)
        monkeypatch.setattr(AutoAugment, "get_params", staticmethod(lambda _, d=drawn: d))
        image = picture(32, 32, seed=number)
        expected = AutoAugment()(torch.from_numpy(image).permute(2, 0, 1))
        u = [(number + 0.5) / POLICIES, chance, chance, 0.9 * sign, 0.9 * sign]
        augment(image, policies(np.array([u])).of(0))
        assert torch.equal(torch.from_numpy(image).permute(2, 0, 1), expected)


def test_operations_happen_as_often_as_their_policies_say():
    u = np.random.default_rng(0).random((20_000, DRAWS))
    happened = (policies(u).operations != NONE).mean()
    listed = np.mean([p for policy in AutoAugment().policies for _, p, _ in policy])
    assert happened == pytest.approx(listed, abs=0.01)


def test_it_takes_the_place_of_colours_and_leaves_crops_and_flips_alone(picture):
    plain = ImageView(name="a", size=24, jitter=(0.4, 0.4, 0.4, 0.1), jitter_p=1.0, gray_p=0.5,
                 blur_p=1.0)  # fmt: skip
    view = replace(plain, autoaugment_p=0.5)
    sizes, items = np.full(400, 40), np.arange(400)
    drawn, without = (views.draw(v, sizes, sizes, items, 1, 2) for v in (view, plain))
    assert np.array_equal(drawn.boxes, without.boxes)
    assert np.array_equal(drawn.flip, without.flip)
    learnt = drawn.sigma == 0
    assert learnt.mean() == pytest.approx(0.5, abs=0.1)
    assert (drawn.jitter[learnt] == [1, 1, 1, 0]).all()
    assert not drawn.gray[learnt].any()
    assert np.array_equal(drawn.jitter[~learnt], without.jitter[~learnt])
    assert (drawn.policies.operations[~learnt] == NONE).all()
    assert (drawn.policies.operations[learnt] != NONE).any(1).mean() > 0.8
    images = [picture(40, 40, seed=n) for n in range(6)]
    gap = view.render(images, items[:6], 1, 2) != plain.render(images, items[:6], 1, 2)
    assert np.array_equal(gap.flatten(1).any(1).numpy(), learnt[:6])

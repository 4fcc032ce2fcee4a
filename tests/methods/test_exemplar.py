"""What Exemplar's crops must not give away."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilk.method import Given
from ilk.methods import recipe
from ilk.views import ImageView

IMAGES = 64


def named_by_colour(views: list[ImageView]) -> float:
    """How often the other crop of an image is the nearest to it by the mean colour alone."""
    rng = np.random.default_rng(0)
    images = [
        np.clip(colour + rng.integers(-30, 31, (32, 32, 3)), 0, 255).astype(np.uint8)
        for colour in rng.integers(64, 192, (IMAGES, 1, 1, 3))
    ]
    shown = (view.render(images, np.arange(IMAGES), epoch=0, seed=0) for view in views)
    means = [view.float().mean((2, 3)) for view in shown]
    near = torch.cdist(*means).argmin(1)
    return (near == torch.arange(IMAGES)).float().mean().item()


@pytest.mark.parametrize("name", ["exemplar", "s4l-exemplar"])
def test_the_mean_colour_of_a_crop_does_not_name_its_image(name):
    method = recipe(name, {"view_count": 2}).build(Given(width=8, size=32, classes=2))
    crops = [view for view in method.views if isinstance(view, ImageView)][-2:]
    assert named_by_colour([replace(crop, jitter_p=0.0) for crop in crops]) > 0.9
    assert named_by_colour(crops) < 0.25

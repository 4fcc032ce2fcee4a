"""Strengths of CTAugment at the ends of what can be drawn."""

import numpy as np
import pytest

from ilk.views.ctaugment import CTAugment
from ilk.views.operations import augment
from ilk.views.randaugment import ALL


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("chance", [0.0, 1 - 1e-9])
def test_every_operation_is_applied_at_its_weakest_and_strongest(name, chance):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    drawn = CTAugment(count=1, operations=(name,)).draw(np.full((1, 3), chance), 32)
    augment(pixels, drawn.of(0))
    assert pixels.shape == (32, 32, 3)

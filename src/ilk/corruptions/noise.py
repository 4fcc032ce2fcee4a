"""Noise: a draw for each number of an image. Nothing here has a length to scale.

Pixels are in [0, 1], H W C. The published tables are those of ImageNet-C, Hendrycks and
Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261, section 3; CIFAR-10-C is milder, which
each function states.
"""

import numpy as np
from jaxtyping import Float32
from numpy.random import Generator

Pixels = Float32[np.ndarray, "H W C"]


def gaussian_noise(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Add a normal of deviation 0.08 to 0.38. CIFAR-10-C has 0.04 to 0.10."""
    deviation = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    return pixels + deviation * chance.standard_normal(pixels.shape, np.float32)


def shot_noise(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Count photons: a Poisson of 60 down to 3 for white. CIFAR-10-C has 500 to 50."""
    photons = (60, 25, 12, 5, 3)[severity - 1]
    counts = chance.poisson(np.maximum(pixels, 0) * photons)
    return (counts / photons).astype(np.float32)


def impulse_noise(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Set 3 to 27 % of all numbers, channels apart, to 0 or 1. CIFAR-10-C has 1 to 7 %."""
    share = (0.03, 0.06, 0.09, 0.17, 0.27)[severity - 1]
    dice = chance.random(pixels.shape, np.float32)
    return np.where(dice < share, (dice < share / 2).astype(np.float32), pixels)


def speckle_noise(pixels: Pixels, severity: int, chance: Generator) -> Pixels:
    """Multiply by 1 plus a normal of deviation 0.15 to 0.6. CIFAR-10-C has 0.06 to 0.2."""
    deviation = (0.15, 0.2, 0.35, 0.45, 0.6)[severity - 1]
    return pixels * (1 + deviation * chance.standard_normal(pixels.shape, np.float32))

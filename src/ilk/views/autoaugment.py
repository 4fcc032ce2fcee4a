"""AutoAugment: two operations of a policy that was learnt, drawn here, applied by torchvision.

Cubuk et al., CVPR 2019, https://arxiv.org/abs/1805.09501, with the 25 policies for ImageNet as
torchvision lists them. Axes: B images.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from ilk.views.operations import NAMES, NONE, Policies

DRAWS = 5  # uniforms for one image


def _up_to(largest: float) -> Float32[Tensor, "10"]:
    return torch.linspace(0, largest, 10)


LEVELS: Mapping[str, Float32[Tensor, "10"]] = {  # in single precision as torchvision has them
    "ShearX": _up_to(0.3),
    "Rotate": _up_to(30),
    "Color": _up_to(0.9),
    "Contrast": _up_to(0.9),
    "Sharpness": _up_to(0.9),
    "Posterize": 8 - _up_to(4).round(),
    "Solarize": torch.linspace(255, 0, 10),
    "AutoContrast": _up_to(0),
    "Equalize": _up_to(0),
    "Invert": _up_to(0),
}
SIGNED = ("ShearX", "Rotate", "Color", "Contrast", "Sharpness")  # as often negative


def policies(uniforms: Float[np.ndarray, "B 5"]) -> Policies:
    """One policy for each image; each of its two operations happens with its own probability.

    Args:
        uniforms: in [0, 1): which policy, whether each operation happens, the sign of each.
    """
    operations, probabilities, amounts, signed = _tables()
    chosen = (uniforms[:, 0] * len(operations)).astype(np.int64)
    happens = uniforms[:, 1:3] < probabilities[chosen]
    negative = signed[chosen] & (uniforms[:, 3:5] < 1 / 2)
    return Policies(
        np.where(happens, operations[chosen], NONE),
        np.where(negative, -1.0, 1.0) * amounts[chosen],
    )


@lru_cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Number, probability, amount and signedness of both operations of each policy."""
    listed = AutoAugment(AutoAugmentPolicy.IMAGENET).policies
    entries = [
        (NAMES.index(name), p, float(LEVELS[name][level or 0]), name in SIGNED)
        for policy in listed
        for name, p, level in policy
    ]
    numbers, probabilities, amounts, signed = zip(*entries, strict=True)
    shape = len(listed), 2
    return (
        np.array(numbers, np.int64).reshape(shape),
        np.array(probabilities).reshape(shape),
        np.array(amounts).reshape(shape),
        np.array(signed).reshape(shape),
    )

"""AutoAugment: two operations of a policy that was learnt, drawn here, applied by torchvision.

Cubuk et al., CVPR 2019, https://arxiv.org/abs/1805.09501, with the 25 policies for ImageNet as
torchvision lists them. Axes: B images, S side of a view, C channels.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy
from torchvision.transforms import functional as F

RGB = 3
DRAWS = 5  # uniforms for one image


@dataclass(frozen=True, slots=True)
class Operation:
    """What an operation does with a uint8 image [C, S, S] and how strongly.

    Args:
        call: the image and an amount to the image.
        amounts: for each of ten levels, in single precision as torchvision has them.
        signed: whether amounts are as often negative.
    """

    call: Callable[[Tensor, float], Tensor]
    amounts: Float32[Tensor, "10"]
    signed: bool = False


def _sheared(pixels: Tensor, amount: float) -> Tensor:
    degrees = math.degrees(math.atan(amount))
    return F.affine(pixels, 0.0, [0, 0], 1.0, [degrees, 0.0], center=[0, 0])


def _up_to(largest: float) -> Float32[Tensor, "10"]:
    return torch.linspace(0, largest, 10)


OPERATIONS: Mapping[str, Operation] = {
    "ShearX": Operation(_sheared, _up_to(0.3), signed=True),
    "Rotate": Operation(F.rotate, _up_to(30), signed=True),
    "Color": Operation(lambda x, a: F.adjust_saturation(x, 1 + a), _up_to(0.9), signed=True),
    "Contrast": Operation(lambda x, a: F.adjust_contrast(x, 1 + a), _up_to(0.9), signed=True),
    "Sharpness": Operation(lambda x, a: F.adjust_sharpness(x, 1 + a), _up_to(0.9), signed=True),
    "Posterize": Operation(lambda x, a: F.posterize(x, int(a)), 8 - _up_to(4).round()),
    "Solarize": Operation(F.solarize, torch.linspace(255, 0, 10)),
    "AutoContrast": Operation(lambda x, _: F.autocontrast(x), _up_to(0)),
    "Equalize": Operation(lambda x, _: F.equalize(x), _up_to(0)),
    "Invert": Operation(lambda x, _: F.invert(x), _up_to(0)),
}
NAMES = tuple(OPERATIONS)
NONE = -1  # no operation


@dataclass(frozen=True, slots=True)
class Policies:
    """What chance decided for a batch.

    Args:
        operations: numbers in ``NAMES``, in the order in which they are applied; ``NONE``.
        amounts: of each.
    """

    operations: Int[np.ndarray, "B 2"]
    amounts: Float[np.ndarray, "B 2"]

    def of(self, row: int) -> list[tuple[str, float]]:
        """Operations of one image by name, and their amounts."""
        pairs = zip(self.operations[row].tolist(), self.amounts[row].tolist(), strict=True)
        return [(NAMES[number], amount) for number, amount in pairs if number != NONE]


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


def augment(view: UInt8[np.ndarray, "S S C"], operations: Sequence[tuple[str, float]]) -> None:
    """Apply operations in place; an image without three channels stays as it is."""
    if not operations or view.shape[2] != RGB:
        return
    pixels = torch.from_numpy(view).permute(2, 0, 1)
    for name, amount in operations:
        pixels = OPERATIONS[name].call(pixels, amount)
    view[:] = pixels.permute(1, 2, 0).numpy()


@lru_cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Number, probability, amount and signedness of both operations of each policy."""
    listed = AutoAugment(AutoAugmentPolicy.IMAGENET).policies
    entries = [
        (
            NAMES.index(name),
            p,
            float(OPERATIONS[name].amounts[level or 0]),
            OPERATIONS[name].signed,
        )
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

"""RandAugment: a few operations drawn at random, with nothing learnt. Axes: B images.

Cubuk et al., CVPR-W 2020, https://arxiv.org/abs/1909.13719, and its variant of FixMatch, Sohn
et al., NeurIPS 2020, https://arxiv.org/abs/2001.07685, which draws magnitudes too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from ilk.views.operations import NAMES, Policies
from ilk.views.view import require

# The 14 operations of the paper, as torchvision orders them.
ALL = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color",
    "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize",
)  # fmt: skip
WITHOUT_MAGNITUDE = ("Identity", "AutoContrast", "Equalize")
UNSIGNED = (*WITHOUT_MAGNITUDE, "Posterize", "Solarize")
TRANSLATED = ("TranslateX", "TranslateY")  # their amounts are shares of the side of a view
BINS = 31  # magnitudes are whole numbers from 0 to 30, as in the paper
LARGEST: Mapping[str, float] = {
    "ShearX": 0.3, "ShearY": 0.3, "TranslateX": 150 / 331, "TranslateY": 150 / 331,
    "Rotate": 30, "Brightness": 0.9, "Color": 0.9, "Contrast": 0.9, "Sharpness": 0.9,
}  # fmt: skip
# FixMatch, Table 12: factors of colours between 0.05 and 0.95, hence amounts below zero.
RANGES: Mapping[str, tuple[float, float]] = {
    "ShearX": (-0.3, 0.3), "ShearY": (-0.3, 0.3), "TranslateX": (-0.3, 0.3),
    "TranslateY": (-0.3, 0.3), "Rotate": (-30, 30), "Brightness": (-0.95, -0.05),
    "Color": (-0.95, -0.05), "Contrast": (-0.95, -0.05), "Sharpness": (-0.95, -0.05),
    "Posterize": (4, 9), "Solarize": (0, 255),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class RandAugment:
    """Operations drawn with the same chance, all of one magnitude, half of them with a minus.

    Args:
        count: how many follow one another; one may come twice.
        magnitude: from 0 to 30, of all of them.
        operations: names of those that are drawn from.

    Raises:
        UserError: one of them is outside its range.
    """

    count: int = 2
    magnitude: int = 9
    operations: tuple[str, ...] = ALL

    def __post_init__(self) -> None:
        check_operations(self.count, self.operations, self)
        require(self, "magnitude", 0 <= self.magnitude < BINS, f"0 to {BINS - 1}")

    @property
    def draws(self) -> int:
        """Which one, and its sign."""
        return 2 * self.count

    def draw(self, uniforms: Float[np.ndarray, "B draws"], size: int) -> Policies:
        """See ``Policy.draw``."""
        amounts = np.array([_amount(name, self.magnitude, size) for name in self.operations])
        signed = np.array([name not in UNSIGNED for name in self.operations])
        chosen = _chosen(uniforms[:, : self.count], self.operations)
        negative = signed[chosen] & (uniforms[:, self.count :] < 1 / 2)
        return Policies(
            _numbers(self.operations)[chosen], np.where(negative, -1.0, 1.0) * amounts[chosen]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomMagnitudes:
    """RandAugment of FixMatch: magnitudes are uniform over a range of each operation.

    Colours, brightness, contrast and sharpness only lose, by factors from 0.05 to 0.95.

    Args:
        count: how many follow one another; one may come twice.
        operations: names of those that are drawn from.

    Raises:
        UserError: one of them is outside its range.
    """

    count: int = 2
    operations: tuple[str, ...] = ALL

    def __post_init__(self) -> None:
        check_operations(self.count, self.operations, self)

    @property
    def draws(self) -> int:
        """Which one, and its magnitude."""
        return 2 * self.count

    def draw(self, uniforms: Float[np.ndarray, "B draws"], size: int) -> Policies:
        """See ``Policy.draw``."""
        ranges = np.array([_range(name, size) for name in self.operations])
        chosen = _chosen(uniforms[:, : self.count], self.operations)
        low, high = np.moveaxis(ranges[chosen], -1, 0)
        return Policies(
            _numbers(self.operations)[chosen], low + (high - low) * uniforms[:, self.count :]
        )


def check_operations(count: int, operations: tuple[str, ...], policy: object) -> None:
    """Refuse a policy without operations, or with others than there are."""
    require(policy, "count", count >= 1, "at least 1")
    known = bool(operations) and set(operations) <= set(ALL)
    require(policy, "operations", known, f"some of {', '.join(ALL)}")


def _chosen(uniforms: Float[np.ndarray, "B K"], operations: tuple[str, ...]) -> np.ndarray:
    return (uniforms * len(operations)).astype(np.int64)


def _numbers(operations: tuple[str, ...]) -> np.ndarray:
    return np.array([NAMES.index(name) for name in operations])


def _amount(name: str, magnitude: int, size: int) -> float:
    """The amount of a magnitude, in single precision as torchvision has it."""
    if name in WITHOUT_MAGNITUDE:
        return 0.0
    if name == "Posterize":
        return float(8 - round(magnitude / ((BINS - 1) / 4)))
    if name == "Solarize":
        return float(torch.linspace(255.0, 0.0, BINS)[magnitude])
    largest = LARGEST[name] * (size if name in TRANSLATED else 1)
    return float(torch.linspace(0.0, largest, BINS)[magnitude])


def _range(name: str, size: int) -> tuple[float, float]:
    low, high = RANGES.get(name, (0.0, 0.0))
    return (low * size, high * size) if name in TRANSLATED else (low, high)

"""CTAugment: strengths of operations that a network still understands, learned as it learns.

Berthelot et al., ICLR 2020 (ReMixMatch), https://arxiv.org/abs/1911.09785, section 3.2, as
FixMatch uses it, Sohn et al., NeurIPS 2020, https://arxiv.org/abs/2001.07685, section 2.3.
Axes: B images, O operations by name, K of an image, L strengths.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from ilk.views.operations import NAMES, Policies
from ilk.views.randaugment import ALL, TRANSLATED, check_operations

BINS = 17  # strengths of each operation
# Amounts of the weakest and the strongest of them; of translations as shares of the side.
RANGES: Mapping[str, tuple[float, float]] = {
    "ShearX": (-0.3, 0.3), "ShearY": (-0.3, 0.3), "TranslateX": (-0.3, 0.3),
    "TranslateY": (-0.3, 0.3), "Rotate": (-45, 45), "Brightness": (-0.9, 1.0),
    "Color": (-0.9, 1.0), "Contrast": (-0.9, 1.0), "Sharpness": (-0.9, 1.0),
    "Posterize": (1, 9), "Solarize": (0, 255),
}  # fmt: skip

Rates = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CTAugment:
    """Operations whose strengths are drawn by how well a network recognises what they make.

    Each operation has 17 strengths, and each of them a rate: the mean match of prediction and
    label where it was tried. A strength is drawn in proportion to its rate; those whose rate is
    below a threshold of the best one's are not.

    Args:
        count: how many follow one another; one may come twice.
        operations: names of those that are drawn from.
        memory: name of the memory that learns the rates; empty for a view with which it learns,
            in which all strengths are as likely.
        rates: of every operation by its number in ``NAMES``, and of every strength; empty makes
            all as likely. Whoever serves views to a run fills them in.
        decay: share of an old rate that is kept when it is measured again.
        threshold: share of the best rate, in [0, 1].

    Raises:
        UserError: one of them is outside its range.
    """

    count: int = 2
    operations: tuple[str, ...] = ALL
    memory: str = ""
    rates: Rates = ()
    decay: float = 0.99
    threshold: float = 0.8

    def __post_init__(self) -> None:
        check_operations(self.count, self.operations, self)

    @property
    def draws(self) -> int:
        """Which one, which strength, and where within it."""
        return 3 * self.count

    def draw(self, uniforms: Float[np.ndarray, "B draws"], size: int) -> Policies:
        """See ``Policy.draw``."""
        chosen, bins, within = self._parts(uniforms)
        ranges = np.array([_range(name, size) for name in NAMES])
        low, high = np.moveaxis(ranges[chosen], -1, 0)
        return Policies(chosen, low + (high - low) * (bins + within) / BINS)

    def tasks(self, uniforms: Float[np.ndarray, "B draws"]) -> Int[np.ndarray, " B"]:
        """What was done to each image, as one number: operations and strengths, see `parts_of`.

        Args:
            uniforms: as for ``draw``.
        """
        chosen, bins, _ = self._parts(uniforms)
        place = len(NAMES) * BINS
        return ((chosen * BINS + bins) * place ** np.arange(self.count)).sum(axis=1)

    def _parts(self, uniforms: Float[np.ndarray, "B draws"]) -> tuple[np.ndarray, ...]:
        which, strength, within = np.split(uniforms, 3, axis=1)
        numbers = np.array([NAMES.index(name) for name in self.operations])
        chosen = numbers[(which * len(numbers)).astype(np.int64)]
        ends = self._shares().cumsum(axis=1)[chosen]
        bins = (strength[..., None] >= ends / ends[..., -1:]).sum(axis=-1)
        return chosen, bins.clip(max=BINS - 1), within

    def _shares(self) -> Float64[np.ndarray, "O L"]:
        """How likely each strength is, up to a factor."""
        rates = np.array(self.rates or np.ones((len(NAMES), BINS)))
        shares = rates + (1 - self.decay)  # so that no row is all zero
        shares = shares / shares.max(axis=1, keepdims=True)
        return np.where(shares < self.threshold, 0.0, shares)


def _range(name: str, size: int) -> tuple[float, float]:
    low, high = RANGES.get(name, (0.0, 0.0))
    return (low * size, high * size) if name in TRANSLATED else (low, high)

"""How well areas fit, over whole sets of images. Axes: N images, C classes, R resamples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ilk.evaluate.metrics.interval import DRAWS, OUTSIDE, RESAMPLES

RESAMPLED = "percentile bootstrap of the whole measure, 95 %, over test images"


@dataclass(frozen=True, kw_only=True, slots=True)
class Areas:
    """Pixels of each class in each image.

    Args:
        both: that are of the class and were found to be.
        found: that were found to be of the class.
        true: that are of the class.
    """

    both: Int64[np.ndarray, "N C"]
    found: Int64[np.ndarray, "N C"]
    true: Int64[np.ndarray, "N C"]

    @staticmethod
    def cat(parts: "Sequence[Areas]") -> "Areas":
        """The images of all parts, in their order."""
        both, found, true = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("both", "found", "true")
        )
        return Areas(both=both, found=found, true=true)

    def unions(self) -> Float64[np.ndarray, " C"]:
        """Intersection over union of each class over all images; NaN where no pixel is of it.

        Example:
            >>> half = Areas(both=np.array([[2, 1]]), found=np.array([[3, 1]]),
            ...              true=np.array([[2, 2]]))
            >>> half.unions().round(3).tolist()
            [0.667, 0.5]
        """
        return _shares(self.both.sum(0), self.found.sum(0), self.true.sum(0))

    def interval(self, seed: int) -> tuple[float, float] | None:
        """Of the mean over classes that occur, images drawn again; None for a single image.

        A resample has the classes that occur in it: Efron, Annals of Statistics 1979. Images
        without any pixel that counts are none of them.

        Args:
            seed: of the 2,000 resamples.
        """
        counted = self.true.any(axis=1)
        both, found, true = (part[counted] for part in (self.both, self.found, self.true))
        images, classes = true.shape
        if images < 2:
            return None
        rng = np.random.default_rng(seed)
        means = np.empty(RESAMPLES)
        block = max(DRAWS // (images + classes), 1)
        for start in range(0, RESAMPLES, block):
            size = min(block, RESAMPLES - start)
            times = rng.multinomial(images, np.full(images, 1 / images), size).astype(float)
            sums = (times @ part for part in (both, found, true))
            means[start : start + size] = np.nanmean(_shares(*sums), axis=1)
        low, high = np.quantile(means, [OUTSIDE, 1 - OUTSIDE])
        return float(low), float(high)


def areas_of(
    images: Iterable[tuple[Int64[Tensor, "..."], Int64[Tensor, "..."]]], classes: int
) -> Areas:
    """What was found in images, held against the truth.

    Args:
        images: of each pixel the class that was found, and the true one, or -1 where the pixel
            is not to be counted.
        classes: C.
    """
    rows = [_counts(found[true >= 0], true[true >= 0], classes) for found, true in images]
    both, found, true = (np.stack(column) for column in zip(*rows, strict=True))
    return Areas(both=both, found=found, true=true)


def _counts(found: Tensor, true: Tensor, classes: int) -> list[Int64[np.ndarray, " C"]]:
    parts = (true[found == true], found, true)
    return [torch.bincount(part, minlength=classes).numpy() for part in parts]


def _shares(both: np.ndarray, found: np.ndarray, true: np.ndarray) -> np.ndarray:
    union = np.where(true > 0, found + true - both, np.nan)
    return both / union

"""Whether confidence can be believed. Axes: N items."""

import numpy as np
from jaxtyping import Bool, Float32

BINS = 15


def calibration_error(
    confidence: Float32[np.ndarray, " N"], correct: Bool[np.ndarray, " N"], bins: int = BINS
) -> float:
    """The expected calibration error, in [0, 1]: Guo et al., ICML 2017, equation 3.

    https://arxiv.org/abs/1706.04599. Items are put into bins of equal width, (0, 1/15] and so
    on; the distance of mean confidence and accuracy in each is averaged over items.

    Args:
        confidence: of the predicted class, in [0, 1]; no temperature is fitted here.
        correct: whether the prediction was right.
        bins: their number.
    """
    place = np.clip(np.ceil(confidence.astype(np.float64) * bins).astype(np.int64) - 1, 0, None)
    surplus = np.bincount(place, confidence.astype(np.float64) - correct, minlength=bins)
    return float(np.abs(surplus).sum() / len(correct))

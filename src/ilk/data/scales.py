"""How large the numbers of sensor windows are. Axes: C channels."""

import numpy as np

from ilk.core.errors import UserError
from ilk.data.decode import decode, read_item
from ilk.data.source import BadItem, Source, spread

WHITE = 255.0  # of pixels, which all statistics are shares of
MOST = 1000  # windows that are looked at
NARROWEST, WIDEST = 1e-6, 100.0  # of a deviation, as a share of 255


def window_moments(
    source: Source, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over at most 1000 evenly spread windows.

    Both are divided by 255, as they are for pixels, so that ``normalise`` serves all items. A
    channel that never changes has a deviation of one in its own unit.

    Args:
        source: windows [C, L].
        channels: C.

    Raises:
        UserError: no window could be read, or a channel is too large or too small for float32.
    """
    count, total, squares, reason = 0, np.zeros(channels), np.zeros(channels), ""
    for index in spread(len(source), MOST):
        try:
            window = decode(read_item(source, int(index)), channels=channels, kind="window")
        except BadItem as error:
            reason = reason or f", first {source.key(int(index))}: {error}"
            continue
        count += window.shape[1]
        total += window.sum(axis=1, dtype=np.float64)
        squares += np.square(window, dtype=np.float64).sum(axis=1)
    if not count:
        raise UserError(f"{source.name}: must hold windows [C, L], got no good one{reason}")
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    still = deviation <= 1e-6 * np.abs(mean)  # below what float32 tells apart
    deviation = np.where(still, 1.0, deviation) / WHITE
    mean = mean / WHITE
    if deviation.min() < NARROWEST or max(deviation.max(), np.abs(mean).max()) > WIDEST:
        raise UserError(
            f"{source.name}: mean and deviation of each channel of windows must be between "
            f"{NARROWEST * WHITE:.1e} and {WIDEST * WHITE:.0f}, got another; give them in "
            f"another unit"
        )
    return tuple(mean.tolist()), tuple(deviation.tolist())

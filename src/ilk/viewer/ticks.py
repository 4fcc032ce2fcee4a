"""Round numbers along an axis."""

import math


def ticks(low: float, high: float, wanted: int = 4) -> tuple[float, ...]:
    """About ``wanted`` multiples of 1, 2 or 5 times a power of ten around a range.

    The first is at most ``low``, the last at least ``high``; there are two at least.
    """
    size = max(abs(low), abs(high), 1e-12)
    span = high - low if high - low > 1e-6 * size else 0.1 * size  # a flat curve needs room too
    rough = span / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(number * step for number in range(first, max(last, first + 1) + 1))


def label(tick: float) -> str:
    """A tick without the noise of binary fractions."""
    return f"{round(tick, 12):.6g}"

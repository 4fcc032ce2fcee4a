"""Which numbers a setting of a recipe may have: by its name, which means one thing in all."""

import math
from collections.abc import Collection
from typing import get_type_hints

from ilk.core import UserError

SIGNED = frozenset({"margin"})
COUNTS_FROM_ZERO = frozenset(
    {
        "decoder_depth", "depth", "frozen_steps", "local_views", "magnitude", "measured", "own",
        "pairs", "per_class", "predictor_depth", "queue_size",
    }
)  # fmt: skip
FROM_TWO = frozenset({"view_count"})  # views of an image are kin of one another
ABOVE_ZERO = frozenset(
    {
        "apart", "clip", "deviation", "epsilon", "sharpening", "sigma", "teacher_temperature",
        "temperature", "warmup_teacher_temperature",
    }
)  # fmt: skip
SHARES = frozenset(
    {
        "autoaugment", "centre_momentum", "dense", "dropout", "erased", "masked", "memory",
        "momentum", "smoothing", "solarize", "threshold", "uniform",
    }
)  # fmt: skip


def check_ranges(name: str, settings: object, fields: Collection[str]) -> None:
    """Refuse numbers that no recipe can work with.

    No number is negative but those of ``SIGNED``; whole numbers are 1 at least but those of
    ``COUNTS_FROM_ZERO`` and of ``FROM_TWO``; the others are as the sets above say.

    Args:
        name: what a person calls the recipe.
        settings: the recipe.
        fields: those that were given.

    Raises:
        UserError: a number is out of its range.

    Example:
        >>> from ilk.methods import recipe
        >>> recipe("mae", {"decoder_dim": 0})
        Traceback (most recent call last):
        ilk.core.errors.UserError: mae: decoder_dim must be at least 1, got 0
    """
    hints = get_type_hints(type(settings))
    for field in fields:
        value = getattr(settings, field)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        holds, words = _range(field, value, whole=hints[field] is int)
        if not holds:
            raise UserError(f"{name}: {field} must be {words}, got {value}")


def _range(field: str, value: float, *, whole: bool) -> tuple[bool, str]:
    if not math.isfinite(value):
        return False, "finite"
    if field in SHARES:
        return 0 <= value <= 1, "in [0, 1]"
    if field in ABOVE_ZERO:
        return value > 0, "above 0"
    if field in FROM_TWO:
        return value >= 2, "at least 2"
    if whole and field not in COUNTS_FROM_ZERO:
        return value >= 1, "at least 1"
    return value >= 0 or field in SIGNED, "at least 0"

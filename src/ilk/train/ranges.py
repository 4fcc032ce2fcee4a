"""Which numbers the settings of a run may be, whether a person gives them or a record does.

A run whose record could not be read back would be lost when it is stopped, so both are held to
one table.
"""

from collections.abc import Mapping

from ilk.core.fields import Kind, number, whole
from ilk.core.items import MAX_CHANNELS, MAX_SIDE

MOST_STEPS = 10**12


def above_zero(highest: float) -> Kind:
    """A number above zero and no larger than another; NaN is none."""
    return Kind(
        f"a number above zero, at most {highest:g}",
        lambda given: type(given) in {int, float} and 0 < given <= highest,
    )


RANGES: Mapping[str, Kind] = {
    "guard_every": above_zero(1e12),
    "image_size": whole(1, MAX_SIDE),
    "channels": whole(1, MAX_CHANNELS),
    "epochs": above_zero(1e12),
    "steps": whole(1, MOST_STEPS),
    "minutes": above_zero(1e12),
    "batch_size": whole(1, 2**20),
    "accumulate": whole(1, 2**16),
    "lr": number(0, 1e12),
    "seed": whole(-(2**63), 2**63 - 1),
    "workers": whole(1, 1024),
    "checkpoint_every": whole(1, MOST_STEPS),
    "knn_every": number(0, 1e12),  # 0 is never
    "max_bad_share": number(0, 1),
}

"""What is known of items beside what they show. Axes: N items."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float16, Int32

LABEL = "label"  # the name of the fact that says the class
PSEUDO_LABEL = "pseudo-label"  # of the one that says which class a network predicted


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """One thing that is known of each item: its label, domain, video, place or time.

    Args:
        names: of the values; empty when nothing is known. Numbers and times stand in their
            order, texts in that of the alphabet.
        values: for each item a position in ``names``, -1 where it is not known.
        reason: why values are missing, as a clause; empty if none is.
        shares: how probable each value is, of items whose value was predicted; None elsewhere.
    """

    names: tuple[str, ...]
    values: Int32[np.ndarray, " N"]
    reason: str = ""
    shares: Float16[np.ndarray, "N K"] | None = None

"""What the values of masks mean. Axes: C classes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64, Integer, UInt8
from torch import Tensor

from ilk.core import UserError
from ilk.data.label_maps import FOREGROUND

VALUES = 256  # that a pixel of a mask can have
SHOWN = 5  # of them that an error lists at most


@dataclass(frozen=True, slots=True)
class Classes:
    """What values of masks mean.

    Args:
        values: the value of each class, ascending.
        ignored: whether 255 is no class.
    """

    values: Int64[np.ndarray, " C"]
    ignored: bool

    def numbers(self, values: UInt8[np.ndarray, "..."]) -> Int64[Tensor, "..."]:
        """The number of each value's class; -1 where it is none of them."""
        table = np.full(VALUES, -1)
        table[self.values] = np.arange(len(self.values))
        return torch.from_numpy(table[values])

    def check(self, present: Integer[np.ndarray, " _"]) -> None:
        """Refuse masks of test with other classes.

        Args:
            present: values that occur in them.

        Raises:
            UserError: one is no class of train.
        """
        known = {*self.values.tolist(), *([FOREGROUND] if self.ignored else [])}
        others = [str(value) for value in present.tolist() if value not in known]
        if others:
            raise UserError(
                "evaluate: every class of the masks of test must be in those of train, "
                f"{', '.join(others[:SHOWN])} not; add train images of it, or, if these are "
                "soft edges of a foreground, write masks of 0 and 255 alone"
            )

    def names(self) -> list[str]:
        """Values as people read them."""
        if not self.ignored and self.values.tolist() == [0, FOREGROUND]:
            return ["background", "foreground"]
        return [str(value) for value in self.values.tolist()]


def classes_in(present: Integer[np.ndarray, " _"]) -> Classes:
    """The classes of masks by the values that occur in them.

    Masks of 0 and 255 alone, as tools write them, are background and foreground. In all others
    a value is the number of a class, but for 255, which says that a pixel is not counted.

    Raises:
        UserError: there is one class only.
    """
    two = set(present.tolist()) <= {0, FOREGROUND}
    values = present if two else present[present != FOREGROUND]
    if len(values) < 2:
        raise UserError(
            "evaluate: masks of train must show two classes or more, got the value "
            f"{', '.join(map(str, values.tolist())) or FOREGROUND} only"
        )
    return Classes(values, ignored=not two)

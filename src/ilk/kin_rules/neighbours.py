"""Neighbours: the past keys nearest to an image's own key are further positives.

Paper: Koohpayegani et al., ICCV 2021, https://arxiv.org/abs/2105.07269
Idea: the nearest neighbours of a key in a memory mostly show the same thing, and differ by
    more than augmentation can change.
Against FNC: the number of neighbours is fixed, whatever their similarity; only past keys are
    searched.
Departures: this is a rule for any method, where MSF is a method. The own key stays a positive
    beside the k neighbours. A method without a queue gets one of 16,384 past keys, where the
    paper has 128,000. No reproduction is claimed.
Checked: tests/kin_rules/test_kin_rules.py
"""

from dataclasses import dataclass
from typing import ClassVar

from ilk.kin import Neighbours
from ilk.method import AddedKin, Method, with_added_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class NearestPast:
    """Settings of the rule.

    Args:
        k: an image has so many neighbours.
        queue_size: the queue holds so many keys, where the method has none of its own.
    """

    k: int = 5
    queue_size: int = 16_384

    main: ClassVar[str] = "k"

    def apply(self, method: Method) -> Method:
        """The method with past neighbours as further kin."""
        return with_added_kin(
            method,
            AddedKin(
                name="neighbours",
                rule=lambda keys, past: Neighbours(k=self.k, within=past),
                past=self.queue_size,
                same=Neighbours,
            ),
        )

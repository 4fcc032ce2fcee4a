"""Neighbours: the past keys nearest to an image's own key are its kin too.

Paper: Koohpayegani et al., ICCV 2021, https://arxiv.org/abs/2105.07269
Idea: the nearest neighbours of a target in a memory mostly show the same thing, and differ by
    more than augmentation can make.
Against FNC: a fixed number, however alike; past keys alone, which take no part otherwise.
Departures: a rule for any method, where mean shift is a method; the own key stays kin beside
    the k neighbours and is none of them; 16,384 past keys in place of 128,000, where the method
    has no queue of its own. Not claimed to reproduce.
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
        k: neighbours of an image.
        queue_size: rows of the queue, where the method has none.
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

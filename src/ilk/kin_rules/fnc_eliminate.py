"""FNC, elimination: candidates that resemble any view of an image are ignored.

Paper: Huynh et al., WACV 2022, https://arxiv.org/abs/2011.11765
Idea: ignoring a false negative removes its harm, and ignoring a true negative costs little.
Against fnc: the false negatives are ignored and not attracted, so that a wrong find costs
    less.
Departures: the support set is the method's own keys, of which most methods have two. No
    reproduction is claimed.
Checked: tests/kin_rules/test_kin_rules.py
"""

from dataclasses import dataclass
from typing import ClassVar

from ilk.kin import Similar
from ilk.method import AddedKin, Method, with_added_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class Eliminated:
    """Settings of the rule; defaults are the authors' for ImageNet.

    Args:
        above: a false negative's cosine to its most similar view is larger.
        top: an image has at most so many false negatives.
    """

    above: float = 0.7
    top: int = 10

    main: ClassVar[str] = "above"

    def apply(self, method: Method) -> Method:
        """The method without the false negatives that are found."""
        return with_added_kin(
            method,
            AddedKin(
                name="fnc-eliminate",
                rule=lambda keys, _: Similar(top=self.top, above=self.above, over=keys),
                found="ignored",
                same=Similar,
                cancels=True,
            ),
        )

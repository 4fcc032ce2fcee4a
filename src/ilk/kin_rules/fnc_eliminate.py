"""FNC, elimination: candidates that resemble any view of an image are not its negatives.

Paper: Huynh et al., WACV 2022, https://arxiv.org/abs/2011.11765
Idea: a false negative that is left out does no harm, and a true one that is left out little.
Against fnc: what is found is left out of the loss; a wrong find costs less than attraction.
Departures: the support set is the method's own keys, two in most. Not claimed to reproduce.
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
        above: cosine to the most similar view that must be exceeded.
        top: false negatives of an image, at most.
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

"""FNC: candidates that resemble any view of an image are further positives.

Paper: Huynh et al., WACV 2022, https://arxiv.org/abs/2011.11765
Idea: some negatives show the same thing as the query. A support set of views finds these
    false negatives, and the loss attracts them.
Against the method fnc: they are found among the candidates of any method, by the views that
    the method has.
Departures: the support set is the method's own keys, of which most methods have two. No
    reproduction is claimed.
Checked: tests/kin_rules/test_kin_rules.py
"""

from dataclasses import dataclass
from typing import ClassVar

from ilk.kin import Similar
from ilk.method import AddedKin, Method, with_added_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class Attracted:
    """Settings of the rule; defaults are the authors' for ImageNet.

    Args:
        above: a false negative's cosine to its most similar view is larger.
        top: an image has at most so many false negatives.
    """

    above: float = 0.7
    top: int = 10

    main: ClassVar[str] = "above"

    def apply(self, method: Method) -> Method:
        """The method with false negatives as further kin."""
        return with_added_kin(
            method,
            AddedKin(
                name="fnc",
                rule=lambda keys, _: Similar(top=self.top, above=self.above, over=keys),
                same=Similar,
                cancels=True,
            ),
        )

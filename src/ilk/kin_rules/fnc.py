"""FNC: candidates that resemble any view of an image are its kin too.

Paper: Huynh et al., WACV 2022, https://arxiv.org/abs/2011.11765
Idea: some negatives show the same thing; a support set of views finds them, and they are
    attracted.
Against the method fnc: found among the candidates that a method has, by the views it has.
Departures: the support set is the method's own keys, two in most. Not claimed to reproduce.
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
        above: cosine to the most similar view that must be exceeded.
        top: false negatives of an image, at most.
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

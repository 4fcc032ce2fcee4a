"""Labels: candidates of the same known label are kin, for a share of the labels.

Paper: Khosla et al., NeurIPS 2020, https://arxiv.org/abs/2004.11362
Idea: labels say who is kin and nothing else, so that any share of them can be used.
Against the method supcon: for any method whose kin are images, with some labels or all.
Departures: whose labels are shown is drawn for each item, so that their number varies by
    chance. Not claimed to reproduce.
Checked: tests/kin_rules/test_kin_rules.py
"""

from dataclasses import dataclass
from typing import ClassVar

from ilk.core import UserError
from ilk.kin import SameLabel
from ilk.method import AddedKin, Method, with_added_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownLabels:
    """Settings of the rule.

    Args:
        fraction: of the known labels that the method may see, above 0 and up to 1; a function
            of the seed and the item.
    """

    fraction: float = 1.0

    main: ClassVar[str] = "fraction"

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise UserError(
                f"kin labels: the fraction must be above 0 and up to 1, got {self.fraction}; "
                f"try labels:0.1"
            )

    def apply(self, method: Method) -> Method:
        """The method with images of the same label as further kin."""
        return with_added_kin(
            method,
            AddedKin(
                name="labels",
                rule=lambda keys, _: SameLabel(),
                same=SameLabel,
                label_share=self.fraction,
            ),
        )

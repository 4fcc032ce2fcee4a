"""Labels: candidates with the same known label are further positives.

Paper: Khosla et al., NeurIPS 2020, https://arxiv.org/abs/2004.11362
Idea: labels decide which candidates are positives and nothing else, so that any fraction of
    them can be used.
Against the method supcon: this is a rule for any method whose candidates are images, with
    some or all labels.
Departures: whether a label is used is drawn for each image, so that the number of labels
    varies by chance. No reproduction is claimed.
Checked: tests/kin_rules/test_kin_rules.py
"""

from dataclasses import dataclass
from typing import ClassVar

from ilk.core import UserError
from ilk.core.facts import LABEL
from ilk.kin import SameLabel
from ilk.method import AddedKin, Method, with_added_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownLabels:
    """Settings of the rule.

    Args:
        fraction: the share of known labels that the method sees, above 0 and up to 1. Seed
            and item decide which ones.
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
                facts={LABEL: self.fraction},
            ),
        )

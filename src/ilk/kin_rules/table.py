"""Table: pairs that a person marked as the same are positives, those marked as different never.

Paper: Wagstaff et al., ICML 2001, https://dl.acm.org/doi/10.5555/645530.655669
Idea: what people know of single pairs, that they must or cannot be together, guides what is
    learned from the rest without labels.
Against labels: nothing has a class; two images are compared, as the page of an index asks.
Departures: the paper constrains k-means, this the kin of any method. Images that are the same
    as one another through others are positives too.
Checked: tests/kin_rules/test_table.py
"""

from dataclasses import dataclass
from typing import ClassVar

from ilk.data.pairs import MARKED, marked_groups
from ilk.kin import MarkedDifferent, SameLabel
from ilk.method import AddedKin, Method, with_added_kin


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkedPairs:
    """Settings of the rule.

    Args:
        table: path of the pairs, parquet with key_a, key_b and same.
    """

    table: str = ""

    main: ClassVar[str] = "table"

    def apply(self, method: Method) -> Method:
        """The method with marked pairs as further kin, or as none.

        Raises:
            UserError: the table cannot be read, or contradicts itself.
        """
        different = marked_groups(self.table).different if self.table else ()
        return with_added_kin(
            method,
            AddedKin(
                name="table",
                rule=lambda keys, _: SameLabel(fact=MARKED),
                same=MarkedDifferent,
                facts={MARKED: 1.0},
                never=MarkedDifferent(fact=MARKED, pairs=different),
            ),
        )

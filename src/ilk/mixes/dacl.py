"""DACL: a little of another image is noise, that a query must see through.

Paper: Verma et al., ICML 2021, https://arxiv.org/abs/2011.04419
Idea: mixing in another sample makes a positive pair where no augmentation is known, in any
    domain; the label stays hard.
Against i-Mix: the smaller share is foreign and not kin, and never larger than a tenth.
Departures: the query alone is mixed, since all views of a batch have the same partners, which
    would be common to both sides; hidden features and geometric means are not mixed; images
    are augmented as the method does it. Not claimed to reproduce.
Checked: tests/kin/test_foremost.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk.kin import LargestSource
from ilk.method import Method, Rewriting, query_views, with_mixed_queries
from ilk.views import Mixing


@dataclass(frozen=True, kw_only=True, slots=True)
class DACL:
    """Settings of DACL; defaults are the paper's.

    Args:
        lowest: share of an image in its mix is uniform from here to 1; above one half.
    """

    lowest: float = 0.9

    def apply(self, method: Method) -> Method:
        """The method with all queries mixed a little."""
        return with_mixed_queries(
            method,
            Rewriting(
                name="dacl",
                mixing=Mixing(
                    strategies=("mixup",), partner="shuffled", fold=True, lowest=self.lowest
                ),
                queries=query_views(method),
                clean="none",
                totals=(0.0, 1.0, 0.0),
                source=lambda term: replace(term, kin=LargestSource(rule=term.kin)),
            ),
        )

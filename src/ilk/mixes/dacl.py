"""DACL: a small share of another image is noise, and the label stays hard.

Paper: Verma et al., ICML 2021, https://arxiv.org/abs/2011.04419
Idea: mixing in a little of another sample makes a positive pair in domains where no
    augmentation is known.
Against i-Mix: the image of the smaller share is a negative, and its share is never larger
    than a tenth.
Departures: only the query is mixed: all views of a batch have the same partners, so mixing
    both sides would give them content in common. Hidden features and geometric means are not
    mixed. Images are augmented as the method does it. No reproduction is claimed.
Checked: tests/kin/test_foremost.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk.core import UserError
from ilk.kin import LargestSource
from ilk.method import Method, Rewriting, query_views, with_mixed_queries
from ilk.views import Mixing


@dataclass(frozen=True, kw_only=True, slots=True)
class DACL:
    """Settings of DACL; defaults are the paper's.

    Args:
        lowest: an image's share in its mix is uniform from here to 1; must be above one half.
    """

    lowest: float = 0.9

    def __post_init__(self) -> None:
        if not 0.5 < self.lowest <= 1:
            raise UserError(
                f"dacl: lowest must be above one half and at most 1, got {self.lowest}"
            )

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

"""i-Mix: every query is a mix, and shares its label between the keys of both sources.

Paper: Lee et al., ICLR 2021, https://arxiv.org/abs/2010.08887
Idea: mixup carried over to contrastive learning, with virtual labels for pictures.
Against SDMP: the source loss alone, for all queries; partners are shuffled, shares folded to
    the larger half; nothing clean stays.
Departures: none known.
Checked: tests/golden/losses.json; accuracy: make mini.
"""

from dataclasses import dataclass

from ilk.method import Method, Rewriting, query_views, with_mixed_queries
from ilk.views import Mixing, Strategy


@dataclass(frozen=True, kw_only=True, slots=True)
class IMix:
    """Settings of i-Mix; defaults are the authors' for CIFAR."""

    strategies: tuple[Strategy, ...] = ("mixup",)
    alpha: float = 1.0

    def apply(self, method: Method) -> Method:
        """The method with all queries mixed."""
        mixing = Mixing(
            strategies=self.strategies, alpha=self.alpha, partner="shuffled", fold=True
        )
        return with_mixed_queries(
            method,
            Rewriting(
                name="i-mix",
                mixing=mixing,
                queries=query_views(method),
                clean="none",
                totals=(0.0, 1.0, 0.0),
            ),
        )

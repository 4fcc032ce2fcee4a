"""Un-Mix: beside the clean loss, a mixed query resembles both sources by one share per batch.

Paper: Shen et al., AAAI 2022, https://arxiv.org/abs/2003.05438
Idea: soften the distance between positives and negatives by mixing within a batch.
Against SDMP: one share for the whole batch, no mixes among the keys.
Departures: the probability of mixing globally or by region is one half each, as two strategies.
Checked: tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk.method import Method, Rewriting, query_views, with_mixed_queries
from ilk.views import Mixing, Strategy


@dataclass(frozen=True, kw_only=True, slots=True)
class UnMix:
    """Settings of Un-Mix; defaults are the paper's."""

    strategies: tuple[Strategy, ...] = ("mixup", "cutmix")
    alpha: float = 1.0

    def apply(self, method: Method) -> Method:
        """The method with mixed queries on top."""
        return with_mixed_queries(
            method,
            Rewriting(
                name="un-mix",
                mixing=Mixing(strategies=self.strategies, alpha=self.alpha, per_sample=False),
                queries=query_views(method),
                clean="all",
                totals=(1.0, 1.0, 0.0),
            ),
        )

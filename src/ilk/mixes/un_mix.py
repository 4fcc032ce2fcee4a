"""Un-Mix: beside the clean loss, a mixed query resembles both sources by one share per batch.

Paper: Shen et al., AAAI 2022, https://arxiv.org/abs/2003.05438
Idea: soften the distance between positives and negatives by mixing within a batch.
Against SDMP: one share and one box for the whole batch, no mixes among the keys; only the first
    view is mixed.
Departures: the probability of mixing globally or by region is one half each, as two strategies,
    where the authors ask to tune it. A mix of one view is held against the other one alone,
    where their code of MoCo with both directions takes the keys of both. Both sources stand in
    one denominator; for MoCo they add two losses of a denominator each. Boxes never leave the
    image. Of many crops every second one is mixed, and targets stay those of clean crops.
Checked: tests/oracles, tests/golden/losses.json
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
        asked = query_views(method)
        shown = tuple(view for view in method.all_views if view in asked)
        return with_mixed_queries(
            method,
            Rewriting(
                name="un-mix",
                mixing=Mixing(strategies=self.strategies, alpha=self.alpha, per_sample=False),
                queries=shown[::2],
                clean="all",
                totals=(1.0, 1.0, 0.0),
            ),
        )

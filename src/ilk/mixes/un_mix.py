"""Un-Mix: a mixed query has both sources as positives, with one share for the whole batch.

Paper: Shen et al., AAAI 2022, https://arxiv.org/abs/2003.05438
Idea: mixing within a batch softens the distance between positives and negatives. The mixed
    loss is added to the plain one.
Against SDMP: one share and one box serve the whole batch, no keys are mixed, and only the
    first view is mixed.
Departures: Mixup and CutMix have a probability of one half each, which the authors advise to
    tune. A mix of one view is compared with the other view only, where the authors' code of
    MoCo with both directions uses the keys of both. Both sources are in one denominator; for
    MoCo the authors add two losses with a denominator each. Boxes never leave the image. With
    multi-crop every second crop is mixed, and targets stay those of plain crops.
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

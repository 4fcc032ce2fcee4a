"""i-Mix: every query is a mix, and shares its label between the keys of both sources.

Paper: Lee et al., ICLR 2021, https://arxiv.org/abs/2010.08887
Idea: mixup carried over to contrastive learning, with virtual labels for images.
Against SDMP: the source loss alone, for all queries; partners are shuffled, shares folded to
    the larger half, drawn for each view; nothing clean stays. Where a method contrasts with a
    queue alone, the other keys of the batch are foreign too.
Departures: boxes of CutMix, which is not the default, have a share for each image in place of
    one for the batch, and never leave it.
Checked: tests/oracles, tests/golden/losses.json; accuracy: make mini.
"""

from dataclasses import dataclass, replace

from ilk.kin import among_batchmates
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
            strategies=self.strategies,
            alpha=self.alpha,
            partner="shuffled",
            fold=True,
            per_view=True,
        )
        return with_mixed_queries(
            method,
            Rewriting(
                name="i-mix",
                mixing=mixing,
                queries=query_views(method),
                clean="none",
                totals=(0.0, 1.0, 0.0),
                source=lambda term: replace(term, kin=among_batchmates(term.kin)),
            ),
        )

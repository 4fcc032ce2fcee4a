"""i-Mix: every query is mixed, and its label is shared between the keys of both sources.

Paper: Lee et al., ICLR 2021, https://arxiv.org/abs/2010.08887
Idea: Mixup for contrastive learning: each image of the batch is a virtual class.
Against SDMP: it has the source loss only, for all queries; partners are a random permutation,
    shares are folded to the larger half and drawn for each view, and no plain query stays.
    Where a method contrasts with a queue alone, the other keys of the batch are negatives
    too.
Departures: with CutMix, which is not the default, each image has a share of its own, where
    the authors have one for the batch, and boxes never leave the image.
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

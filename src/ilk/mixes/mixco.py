"""MixCo: mixes of the two halves of a batch have both sources as positives.

Paper: Kim et al., NeurIPS 2020 workshop, https://arxiv.org/abs/2010.06300
Idea: mixed images make semi-positive pairs, with a lower temperature of their own. The mixed
    loss is added to the plain one.
Against SDMP: there are half as many mixes, no keys are mixed, and shares are uniform and
    drawn for each view. Where a method contrasts with a queue alone, a mix is also contrasted
    with the keys of the batch.
Departures: plain and mixed queries share a forward pass, and so batch statistics, in every
    method, as in the authors' code of MoCo; their SimCLR has two passes. The temperature
    applies to methods that have one; it is 1 in the authors' script for ImageNet.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk.kin import among_batchmates
from ilk.method import Method, Rewriting, Term, query_views, with_mixed_queries
from ilk.objectives import SoftCrossEntropy
from ilk.views import Mixing


@dataclass(frozen=True, kw_only=True, slots=True)
class MixCo:
    """Settings of MixCo; defaults are the authors'."""

    weight: float = 1.0
    temperature: float = 0.05  # used in the mixed terms

    def apply(self, method: Method) -> Method:
        """The method with mixed queries on top."""
        return with_mixed_queries(
            method,
            Rewriting(
                name="mixco",
                mixing=Mixing(strategies=("mixup",), partner="halves", per_view=True),
                queries=query_views(method),
                clean="all",
                totals=(1.0, self.weight, 0.0),
                source=self._mixed,
                apart=False,
            ),
        )

    def _mixed(self, term: Term) -> Term:
        term = replace(term, kin=among_batchmates(term.kin))
        if isinstance(term.objective, SoftCrossEntropy) and term.classes is None:
            sharp = replace(term.objective, temperature=self.temperature)
            return replace(term, objective=sharp)
        return term

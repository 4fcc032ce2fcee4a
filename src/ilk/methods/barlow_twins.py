"""Barlow Twins: two views agree in every dimension, and no dimension repeats another.

Paper: Zbontar et al., ICML 2021, https://arxiv.org/abs/2103.03230
Idea: the cross-correlation matrix of the two views' projections should be the identity.
Against SimCLR: the loss compares dimensions, not images; kin only pair up the rows of the two
    views.
Departures: weight decay is the paper's, where the authors' code has 1e-6. The authors' lower
    learning rate for biases becomes the loss's factor of 0.024, which LARS cancels for all
    other weights.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import RedundancyReduction


@dataclass(frozen=True, kw_only=True, slots=True)
class BarlowTwins:
    """Settings of Barlow Twins; defaults are the paper's for ImageNet."""

    hidden: int = 8192
    dim: int = 8192
    redundancy_weight: float = 0.0051
    scale: float = 0.024

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        return Method(
            views=views.fitted(views.byol_pair(given.size)),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.dim, layers=3, bias=False)
                )
            },
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "a", "projector"),),
                    candidates=(Output("student", "b", "projector"),),
                    kin=CommonSource(),
                    objective=RedundancyReduction(redundancy_weight=self.redundancy_weight),
                    weight=self.scale,
                ),
            ),
            optimisation=Optimisation(name="lars", lr=0.2, end_share=1e-3, weight_decay=1.5e-6),
            batch_size=2048,
            mixable=Mixable(queries=("a",)),
        )

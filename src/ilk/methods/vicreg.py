"""VICReg: two views agree, every dimension varies, and dimensions are decorrelated.

Paper: Bardes, Ponce and LeCun, ICLR 2022, https://arxiv.org/abs/2105.04906
Idea: variance and covariance terms on each view separately prevent collapse; the two views
    only need to agree.
Against Barlow Twins: the two branches are regularised separately, so they may be different
    networks.
Departures: the last layer has a bias, on which the loss does not depend.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import VarianceCovariance


@dataclass(frozen=True, kw_only=True, slots=True)
class VICReg:
    """Settings of VICReg; defaults are the paper's for ImageNet."""

    hidden: int = 8192
    dim: int = 8192
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        return Method(
            views=views.fitted(views.byol_pair(given.size)),
            heads={
                "projector": Head(networks.mlp(given.width, self.hidden, self.dim, layers=3))
            },
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "a", "projector"),),
                    candidates=(Output("student", "b", "projector"),),
                    kin=CommonSource(),
                    objective=VarianceCovariance(
                        invariance=self.invariance,
                        variance=self.variance,
                        covariance=self.covariance,
                    ),
                ),
            ),
            optimisation=Optimisation(name="lars", lr=0.2, end_share=1e-3, weight_decay=1e-6),
            batch_size=2048,
            mixable=Mixable(queries=("a",)),
        )

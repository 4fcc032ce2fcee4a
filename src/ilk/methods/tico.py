"""TiCo: projections agree with the teacher's, and avoid the directions that are in use.

Paper: Zhu et al., 2022, https://arxiv.org/abs/2206.10698
Idea: a moving average of the second moments of past projections says which directions are in
    use. What lies along them costs (Eq. 5), which is a contrast with all past projections for
    the price of one matrix.
Against BYOL: there is no predictor, and the covariance prevents collapse. Against MoCo: no
    queue, since past keys are summed up. Against Barlow Twins: projections have unit length,
    and the statistics are those of many batches.
Departures: the optimiser is BYOL's. No reproduction is claimed.
Checked: tests/objectives/test_covariance.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Cosine, Output
from ilk.kin import CommonSource
from ilk.memory import Covariance
from ilk.method import (
    EMA,
    FromMemory,
    Given,
    Head,
    Method,
    Mixable,
    Optimisation,
    Remember,
    Term,
)
from ilk.objectives import CovarianceContrast


@dataclass(frozen=True, kw_only=True, slots=True)
class TiCo:
    """Settings of TiCo; defaults are the paper's for ImageNet."""

    hidden: int = 4096
    dim: int = 256
    momentum: float = 0.99  # the teacher's moving average, rising to 1
    beta: float = 0.9  # share of the old covariance
    rho: float = 8.0  # weight of the covariance

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        query = Output("student", "a", "projector")
        projector = networks.mlp(given.width, self.hidden, self.dim, layers=2)
        return Method(
            views=views.fitted(views.byol_pair(given.size)),
            heads={"projector": Head(projector)},
            teacher=EMA(momentum=Cosine(self.momentum, 1.0), update="after"),
            terms=(
                Term(
                    name="clean",
                    queries=(query,),
                    candidates=(Output("teacher", "b", "projector"), FromMemory("covariance")),
                    kin=CommonSource(),
                    objective=CovarianceContrast(beta=self.beta, rho=self.rho),
                ),
            ),
            memory={"covariance": Covariance(self.dim, momentum=self.beta)},
            remember=(Remember("covariance", (query,)),),
            optimisation=Optimisation(name="lars", lr=0.2, weight_decay=1.5e-6),
            batch_size=4096,
            mixable=Mixable(queries=()),
        )

"""MSF: a query is pulled towards the nearest neighbours of its teacher key, without negatives.

Paper: Koohpayegani et al., ICCV 2021, https://arxiv.org/abs/2105.07269
Idea: the target is the mean of several neighbours. The key of the image itself is always its
    own first neighbour.
Against BYOL: the target is k nearest neighbours among past keys, not the own key alone; k = 1
    is BYOL with one of the two views as query.
Departures: the search is over the keys of the current step and a memory of past keys; the
    authors' memory includes the current step's.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Neighbours
from ilk.memory import Queue
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
from ilk.objectives import MeanShift


@dataclass(frozen=True, kw_only=True, slots=True)
class MSF:
    """Settings of MSF; defaults are the authors' for ImageNet."""

    hidden: int = 4096
    dim: int = 512
    k: int = 5
    momentum: float = 0.99  # the teacher's moving average
    queue_size: int = 128_000

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        strong = replace(views.moco_v2_pair(given.size)[0], name="strong")
        key = Output("teacher", "weak", "projector")
        return Method(
            views=views.fitted((strong, views.weak(given.size))),
            heads={
                "projector": Head(networks.mlp(given.width, self.hidden, self.dim, layers=2)),
                "predictor": Head(
                    networks.mlp(self.dim, self.hidden, self.dim, layers=2),
                    on="projector",
                    teacher=False,
                ),
            },
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "strong", "predictor"),),
                    candidates=(key, FromMemory("bank")),
                    kin=Neighbours(k=self.k, by=key),
                    objective=MeanShift(),
                ),
            ),
            memory={"bank": Queue(self.queue_size, self.dim)},
            remember=(Remember("bank", (key,)),),
            optimisation=Optimisation(
                name="sgd", lr=0.05, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=256,
            mixable=Mixable(queries=("strong",), replace=False, clean=0.5),
        )

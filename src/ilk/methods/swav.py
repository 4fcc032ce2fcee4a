"""SwAV: every crop predicts the prototypes that another view was assigned to.

Paper: Caron et al., NeurIPS 2020, https://arxiv.org/abs/2006.09882
Idea: optimal transport balances the assignments over prototypes, so that no prototype takes
    all. Many small crops are cheap further queries.
Against DINO: there is no teacher; the codes are balanced over the batch, where DINO centres
    and sharpens them.
Departures: prototypes are normalised in each forward pass, where the authors renormalise the
    stored weights. The queues (off by default, as for large batches) fill from the first step
    on, where the authors' fill from the epoch in which they may be used; they are used once
    they are full. The warm-up begins at zero, where the authors' for batches of 4096 begins
    at a sixteenth.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Sinkhorn
from ilk.memory import Queue
from ilk.method import (
    Classes,
    Given,
    Head,
    Method,
    Mixable,
    Optimisation,
    Remember,
    Term,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class SwAV:
    """Settings of SwAV; defaults are the paper's for ImageNet and large batches."""

    hidden: int = 2048
    dim: int = 128
    prototypes: int = 3000
    temperature: float = 0.1
    epsilon: float = 0.05
    iterations: int = 3
    local_views: int = 6
    min_local_scale: float = 0.05  # smallest area of a small crop; raised where 5 % is tiny
    queue_size: int = 0  # 3840 for a batch of 256
    queue_steps: int = 75_000  # before the queue is used; 15 epochs at a batch of 256
    frozen_steps: int = 313  # 5005 for a batch of 256

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        small = views.local_size(given.size)
        crops = views.fitted(
            views.swav_multicrop(given.size, small, self.local_views, self.min_local_scale)
        )
        pools = {g: f"queue-{g}" for g in ("g1", "g2") if self.queue_size}
        terms = tuple(
            Term(
                name="clean",
                queries=tuple(
                    Output("student", crop.name, "prototypes")
                    for crop in crops
                    if crop.name != g
                ),
                candidates=(Classes(self.prototypes),),
                kin=Sinkhorn(
                    by=Output("student", g, "prototypes"),
                    epsilon=self.epsilon,
                    iterations=self.iterations,
                    pool=pools.get(g),
                    pool_from=self.queue_steps,
                ),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=0.5,
            )
            for g in ("g1", "g2")
        )
        remember = tuple(
            Remember(pool, (Output("student", g, "projector", stopped=True),))
            for g, pool in pools.items()
        )
        return Method(
            views=crops,
            heads={
                "projector": Head(networks.mlp(given.width, self.hidden, self.dim, layers=2)),
                "prototypes": Head(
                    networks.Prototypes(self.dim, self.prototypes),
                    on="projector",
                    freeze_steps=self.frozen_steps,
                ),
            },
            terms=terms,
            memory={pool: Queue(self.queue_size, self.dim) for pool in pools.values()},
            remember=remember,
            together="all",
            optimisation=Optimisation(name="larc", lr=0.3, end_share=1e-3, weight_decay=1e-6),
            batch_size=4096,
            mixable=Mixable.of_crops([crop.name for crop in crops]),
        )

"""MoCo v2: the other view's key is the positive, and a queue of past keys holds the negatives.

Paper: Chen et al., 2020, https://arxiv.org/abs/2003.04297
Idea: keys of a slowly moving teacher stay comparable for many steps, so a queue of them
    replaces the large batch.
Against MoCo v3: the negatives come from a queue, not from the batch; only one of the two
    views is a query; there is no predictor.
Departures: batches are not shuffled across devices before the teacher's batch norm; with
    several devices its statistics are synchronised instead.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Batchmates, CommonSource, leave_out
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
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class MoCoV2:
    """Settings of MoCo v2; defaults are the paper's for ImageNet."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.2
    momentum: float = 0.999  # the teacher's moving average
    queue_size: int = 65_536

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        key = Output("teacher", "b", "projector")
        return Method(
            views=views.fitted(views.moco_v2_pair(given.size)),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.dim, layers=2, batch_norm=False)
                )
            },
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "a", "projector"),),
                    candidates=(key, FromMemory("queue")),
                    kin=leave_out(CommonSource(), Batchmates()),
                    objective=SoftCrossEntropy(temperature=self.temperature),
                ),
            ),
            memory={"queue": Queue(self.queue_size, self.dim)},
            remember=(Remember("queue", (key,)),),
            optimisation=Optimisation(
                name="sgd", lr=0.03, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",), replace=False, clean=0.5),
        )

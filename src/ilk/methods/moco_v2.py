"""MoCo v2: the other view's key is kin, a queue of past keys is foreign.

Paper: Chen et al., 2020, https://arxiv.org/abs/2003.04297
Idea: a slowly moving teacher makes keys that stay comparable for many steps, so a queue of them
    replaces the large batch.
Against MoCo v3: a queue in place of the batch, one direction, no predictor.
Departures: batches are not shuffled across devices before the teacher's normalisation; with
    several devices statistics are synchronised instead.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Batchmates, CommonSource, leave_out
from ilk.memory import Queue
from ilk.method import EMA, FromMemory, Given, Method, Mixable, Optimisation, Remember, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class MoCoV2:
    """Settings of MoCo v2; defaults are the paper's for ImageNet."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.2
    momentum: float = 0.999  # of the teacher's moving average
    queue_size: int = 65_536

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        key = Output("teacher", "b", "projection")
        return Method(
            views=views.fitted(views.moco_v2_pair(given.size)),
            projector=networks.mlp(
                given.width, self.hidden, self.dim, layers=2, batch_norm=False
            ),
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "a", "projection"),),
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

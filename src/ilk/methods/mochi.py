"""MoCHi: each query gets synthetic negatives, mixed from its hardest ones.

Paper: Kalantidis et al., NeurIPS 2020, https://arxiv.org/abs/2010.01028
Idea: most keys of a queue soon contribute nothing to the loss. Mixes of the hardest keys with
    one another (Eq. 4) and with the query (Eq. 6) do contribute, and need no pass through a
    network.
Against MoCo v2: each query has further synthetic negatives; the rest is the same.
Departures: the numbers of mixes and the epoch from which they are used were not confirmed in
    the paper, so no reproduction is claimed.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Batchmates, CommonSource, HardMixes, leave_out
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
class MoCHi:
    """Settings of MoCHi; defaults are those for ImageNet."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.2
    momentum: float = 0.999  # the teacher's moving average
    queue_size: int = 65_536
    hardest: int = 1024  # keys that are mixed
    pairs: int = 512  # mixes of two of them
    own: int = 256  # mixes of one of them with the query
    from_epoch: float = 10

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
                    negatives=HardMixes(
                        hardest=self.hardest,
                        pairs=self.pairs,
                        own=self.own,
                        from_epoch=self.from_epoch,
                    ),
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

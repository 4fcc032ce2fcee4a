"""InterCLR: an image of the query's cluster is a further positive.

Paper: Xie et al., IJCV 2022, https://arxiv.org/abs/2008.11702
Idea: invariance holds between images and not only between views of one image. Clusters are
    updated while training, negatives are semi-hard, and the margin of the decision boundary
    is negative.
Against MoCo v2: a second term has one other image of the query's cluster as positive, and
    draws its negatives from the images most similar to the query.
Departures: the first clustering uses the keys of the first epoch, until when the second term
    is zero; the authors embed all images beforehand. Small clusters are dissolved when the
    centroids are updated, not in every step.
Checked: tests/kin/test_drawn_mates.py, tests/memory/test_online.py,
    tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Batchmates, CommonSource, DrawnMates, leave_out
from ilk.memory import OnlineClusters, Queue
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
class InterCLR:
    """Settings of InterCLR; defaults are the authors' for ImageNet, on MoCo v2."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.2
    momentum: float = 0.999  # the teacher's moving average
    queue_size: int = 65_536
    clusters: int = 10_000
    smallest: int = 20  # smaller clusters are dissolved
    every: int = 10  # steps between new centroids
    pool: int = 128_000  # negatives are drawn from so many images most similar to the query
    negatives: int = 16_384
    margin: float = -0.5  # subtracted from the cosine of positives
    inter: float = 0.25  # weight of the second term; the first has the rest

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        key, query = Output("teacher", "b", "projector"), Output("student", "a", "projector")
        terms = (
            Term(
                name="clean",
                queries=(query,),
                candidates=(key, FromMemory("queue")),
                kin=leave_out(CommonSource(), Batchmates()),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=1 - self.inter,
            ),
            Term(
                name="inter",
                queries=(query,),
                candidates=(FromMemory("bank"),),
                kin=DrawnMates(clusters="bank", pool=self.pool, negatives=self.negatives),
                objective=SoftCrossEntropy(temperature=self.temperature, margin=self.margin),
                weight=self.inter,
            ),
        )
        bank = OnlineClusters(
            self.clusters,
            self.dim,
            smallest=self.smallest,
            every=self.every,
            items=given.items,
        )
        return Method(
            views=views.fitted(views.moco_v2_pair(given.size)),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.dim, layers=2, batch_norm=False)
                )
            },
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=terms,
            memory={"queue": Queue(self.queue_size, self.dim), "bank": bank},
            remember=(Remember("queue", (key,)), Remember("bank", (key,))),
            optimisation=Optimisation(
                name="sgd", lr=0.03, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",), replace=False, clean=0.5),
        )

"""InterCLR: beside its own key, an image of the query's cluster is kin.

Paper: Xie et al., IJCV 2022, https://arxiv.org/abs/2008.11702
Idea: invariance between images and not within one alone; clusters are kept up to date while
    training, foreigners are semi-hard and the boundary is relaxed by a margin below zero.
Against MoCo v2: a second term, in which one other image of the cluster is kin and foreigners
    are drawn from those most like the query.
Departures: the first clusters are of the keys of the first epoch's views, until when the second
    term is silent, where the authors embed all images beforehand; small clusters are mended
    when centroids are, not at each step.
Checked: tests/kin/test_drawn_mates.py, tests/memory/test_online.py,
    tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Batchmates, CommonSource, DrawnMates, leave_out
from ilk.memory import OnlineClusters, Queue
from ilk.method import EMA, FromMemory, Given, Method, Mixable, Optimisation, Remember, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class InterCLR:
    """Settings of InterCLR; defaults are the authors' for ImageNet, on MoCo v2."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.2
    momentum: float = 0.999  # of the teacher's moving average
    queue_size: int = 65_536
    clusters: int = 10_000
    smallest: int = 20  # members that a cluster needs to last
    every: int = 10  # steps between new centroids
    pool: int = 128_000  # images most like the query, of which foreigners are drawn
    negatives: int = 16_384
    margin: float = -0.5  # taken off the cosine of kin
    inter: float = 0.25  # weight of the second term; the first has the rest

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        key, query = Output("teacher", "b", "projection"), Output("student", "a", "projection")
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
            projector=networks.mlp(
                given.width, self.hidden, self.dim, layers=2, batch_norm=False
            ),
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

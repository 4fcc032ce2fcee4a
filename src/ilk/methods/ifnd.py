"""IFND: past keys of the query's cluster are ignored, more of them as training goes on.

Paper: Chen et al., ICLR 2022, https://arxiv.org/abs/2106.03719
Idea: clusters mean little at first, so only the most confident ones are trusted: none at the
    beginning and all at the end. Keys that are trusted as false negatives are ignored, or
    become positives.
Against FNC: false negatives are found by clustering the whole data set, not by a threshold on
    similarity; the loss may be a mean over several numbers of clusters.
Departures: the measure of confidence, the numbers of clusters and the linear schedule were
    not confirmed in the paper. The keys of an epoch's views are clustered, without a separate
    pass over the data. No reproduction is claimed.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Line, Output
from ilk.kin import Batchmates, Clustermates, CommonSource, leave_out, union
from ilk.memory import Bank, Clusters, Queue
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
class IFND:
    """Settings of IFND; defaults are those for ImageNet."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.2
    momentum: float = 0.999  # the teacher's moving average
    queue_size: int = 65_536
    clusters: tuple[int, ...] = (10_000,)  # one term for each number
    attract: bool = False  # True makes false negatives positives

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        key = Output("teacher", "b", "projector")
        levels = {f"clusters{count}": count for count in self.clusters}
        change = union if self.attract else leave_out
        mates = [Clustermates(clusters=name, accepted=Line(0.0, 1.0)) for name in levels]
        terms = tuple(
            Term(
                name="clean",
                queries=(Output("student", "a", "projector"),),
                candidates=(key, FromMemory("queue")),
                kin=leave_out(change(CommonSource(), mate), Batchmates()),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=1 / len(mates),
            )
            for mate in mates
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
            memory={
                "queue": Queue(self.queue_size, self.dim, keep_sources=True),
                "bank": Bank(given.items, self.dim, momentum=0.0),
                **{
                    name: Clusters(k, self.dim, bank="bank", items=given.items)
                    for name, k in levels.items()
                },
            },
            remember=(Remember("queue", (key,)), Remember("bank", (key,))),
            optimisation=Optimisation(
                name="sgd", lr=0.03, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",), replace=False, clean=0.5),
        )

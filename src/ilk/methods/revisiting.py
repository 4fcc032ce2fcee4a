"""Revisiting contrastive: past keys whose backbone features are nearest are further positives.

Paper: Van Gansbeke et al., NeurIPS 2021, https://arxiv.org/abs/2106.05967
Idea: MoCo lacks invariance to small crops that overlap the key's crop, to learned colour
    policies, and between images. Features of the backbone find better neighbours than the
    projection on which the loss acts, so each crop's neighbours are found by the features and
    attracted in the projection.
Against MSF: neighbours are found by features and not by projections, and the other keys are
    negatives.
Departures: large crops have the run's image size and small ones 3/7 of it, where the authors
    have 160 and 96 pixels. The policies of AutoAugment are torchvision's. Neighbours are
    other images, and none is found before keys have been written. The learning rate is MoCo
    v2's, a tenth of theirs, with which the projections of a small backbone collapsed. No
    reproduction is claimed.
Checked: tests/laws/test_family.py, tests/views/test_near.py,
    tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Batchmates, CommonSource, Neighbours, Past, leave_out
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
class Revisiting:
    """Settings of Revisiting contrastive; the authors' for COCO, but for the learning rate."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.2
    momentum: float = 0.995  # the teacher's moving average
    queue_size: int = 65_536
    k: int = 20  # neighbours
    neighbour_weight: float = 0.4
    local_views: int = 4
    min_local_scale: float = 0.05  # smallest area of a small crop; raised where 5 % is tiny
    shared: float = 0.1  # least share of a small crop's area that lies inside the key's crop
    autoaugment: float = 0.5  # probability; never applied to the key

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        shown = views.revisited_multicrop(
            given.size,
            views.local_size(given.size),
            self.local_views,
            min_local_scale=self.min_local_scale,
            shared=self.shared,
            autoaugment=self.autoaugment,
        )
        queries = tuple(Output("student", v.name, "projector") for v in shown[1:])
        key = Output("teacher", "key", "projector")
        feature = replace(key, head="feature")
        seen = {query: replace(query, head="feature", stopped=True) for query in queries}
        own = Term(
            name="clean",
            queries=queries,
            candidates=(key, FromMemory("queue")),
            kin=leave_out(CommonSource(), Batchmates()),
            objective=SoftCrossEntropy(temperature=self.temperature),
        )
        near = tuple(
            Term(
                name="neighbours",
                queries=(query,),
                candidates=(FromMemory("queue"),),
                kin=Neighbours(k=self.k, by=by, among="features", within=Past(memory="queue")),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=self.neighbour_weight / len(queries),
            )
            for query, by in seen.items()
        )
        return Method(
            views=views.fitted(shown),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.dim, layers=2, batch_norm=False)
                )
            },
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=(own, *near),
            memory={
                "queue": Queue(self.queue_size, self.dim),
                "features": Queue(self.queue_size, given.width),
            },
            remember=(Remember("queue", (key,)), Remember("features", (feature,))),
            together="size",
            optimisation=Optimisation(
                name="sgd", lr=0.03, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=256,
            mixable=Mixable(queries=("large",), replace=False, clean=0.5),
        )

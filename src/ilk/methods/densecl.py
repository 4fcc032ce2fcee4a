"""DenseCL: MoCo v2, and the same for each place of an image and its match in the other view.

Paper: Wang et al., CVPR 2021, https://arxiv.org/abs/2011.09157
Idea: what detects and segments needs features of places, not of images alone. A cell of one
    view has as its positive the cell of the other view whose backbone feature is most similar.
Against MoCo v2: a second head on the feature map, and a second queue, of the mean over the
    places of each key. With ``dense=0`` it is MoCo v2.
Departures: those of MoCo v2. Both losses count from the first step on; the authors' code begins
    with the global one. Places can also be matched by where they lie (``match=place``), or by
    both; then only places count that lie in both views.
Checked: tests/kin/test_places.py, tests/methods/test_places.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass
from typing import Literal

from ilk import networks, views
from ilk.core import Output
from ilk.kin import (
    AgainstMemory,
    Batchmates,
    CommonSource,
    NearestByFeature,
    NearestByPlace,
    leave_out,
)
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
class DenseCL:
    """Settings of DenseCL; defaults are the paper's for ImageNet."""

    hidden: int = 2048
    dim: int = 128
    temperature: float = 0.2
    momentum: float = 0.999  # the teacher's moving average
    queue_size: int = 65_536
    dense: float = 0.5  # share of the loss over places
    match: Literal["feature", "place", "both"] = "feature"

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        key = Output("teacher", "b", "projector")
        cell, other = Output("student", "a", "dense"), Output("teacher", "b", "dense")
        by_feature = NearestByFeature(
            of=Output("student", "a", "map"), among=Output("teacher", "b", "map")
        )
        by_place = NearestByPlace(of=cell, among=other, inside=True)
        rules = {
            "feature": (by_feature,),
            "place": (by_place,),
            "both": (by_feature, by_place),
        }[self.match]
        loss = SoftCrossEntropy(temperature=self.temperature)
        width, hidden, dim = given.place_width, self.hidden, self.dim
        return Method(
            views=views.fitted(views.moco_v2_pair(given.size)),
            heads={
                "projector": Head(
                    networks.mlp(given.width, hidden, dim, layers=2, batch_norm=False)
                ),
                "dense": Head(
                    networks.EachPlace(
                        networks.mlp(width, hidden, dim, layers=2, batch_norm=False)
                    ),
                    on="map",
                ),
                "pooled": Head(networks.MeanOfPlaces(), on="dense"),
            },
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "a", "projector"),),
                    candidates=(key, FromMemory("queue")),
                    kin=leave_out(CommonSource(), Batchmates()),
                    objective=loss,
                    weight=1 - self.dense,
                ),
                *(
                    Term(
                        name="dense",
                        queries=(cell,),
                        candidates=(other, FromMemory("pooled")),
                        kin=AgainstMemory(rule=rule, memory="pooled"),
                        objective=loss,
                        weight=self.dense / len(rules),
                    )
                    for rule in rules
                ),
            ),
            memory={
                "queue": Queue(self.queue_size, dim),
                "pooled": Queue(self.queue_size, dim, seed=1),
            },
            remember=(
                Remember("queue", (key,)),
                Remember("pooled", (Output("teacher", "b", "pooled"),)),
            ),
            places=by_place in rules,
            optimisation=Optimisation(
                name="sgd", lr=0.03, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",), replace=False, clean=0.5),
        )
